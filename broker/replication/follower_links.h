#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/io/event_loop.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/follower_link.h"
#include "broker/replication/link_context.h"
#include "broker/replication/peer_transport.h"

namespace millrace::replication {

// Makes what this broker follows equal to the image: one link to each broker that leads partitions with replicas here.
// Called by the thread that publishes images; destroyed when the loops run nothing of it any more.
class FollowerLinks {
 public:
  FollowerLinks(const LinkContext& context, PeerTransport& transport, std::vector<io::EventLoop*> loops);
  ~FollowerLinks();

  // Behind PartitionManager::apply() of the same image.
  void apply(metadata::ImagePointer image);

 private:
  using Slots = std::vector<std::shared_ptr<FollowerSlot>>;
  struct Key {
    Uuid topic_id;
    PartitionIndex partition;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<Uuid>()(key.topic_id) * 31 + std::hash<PartitionIndex>()(key.partition);
    }
  };
  struct Followed {
    std::shared_ptr<FollowerSlot> slot;
    BrokerId leader;
  };
  struct Changes {
    std::map<BrokerId, Slots> added;  // by leader
    std::map<BrokerId, Slots> removed;
  };

  // `placed` is null when the partition is gone.
  void consider(const Key& key, const metadata::PartitionImage* placed, Changes& changes);
  const std::shared_ptr<FollowerLink>& link_to(BrokerId leader);

  const LinkContext& context_;
  PeerTransport& transport_;
  const std::vector<io::EventLoop*> loops_;
  metadata::ImagePointer image_ = std::make_shared<const metadata::ClusterImage>();
  std::map<BrokerId, std::shared_ptr<FollowerLink>> links_;
  std::unordered_map<Key, Followed, KeyHash> followed_;
  std::set<std::pair<Uuid, PartitionIndex>> missing_;  // whose log could not be opened yet
};

}  // namespace millrace::replication
