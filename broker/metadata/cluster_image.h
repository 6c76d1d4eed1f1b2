#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/config_table.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/rare_brokers.h"

namespace millrace::metadata {

struct ListenerEndpoint {
  std::string listener;  // name, such as PLAINTEXT
  std::string host;
  uint16_t port = 0;
  friend bool operator==(const ListenerEndpoint&, const ListenerEndpoint&) = default;
};

// Where a node's gRPC services are: replication, heartbeats, the metadata quorum.
struct RpcEndpoint {
  std::string host;  // "": none
  uint16_t port = 0;
  friend bool operator==(const RpcEndpoint&, const RpcEndpoint&) = default;
};

// Levels of a feature that a broker can work at.
struct FeatureRange {
  int16_t min = 0;
  int16_t max = 0;
  friend bool operator==(const FeatureRange&, const FeatureRange&) = default;
};
using FeatureRanges = std::map<std::string, FeatureRange, std::less<>>;

struct BrokerImage {
  BrokerId id;
  int64_t epoch = -1;  // offset of its registration in the metadata log
  Uuid incarnation;
  Uuid directory_id;
  std::vector<ListenerEndpoint> listeners;
  std::string rack;  // "": none
  bool fenced = true;
  bool in_controlled_shutdown = false;      // hands over what it leads and is on its way out; false while fenced
  Timestamp state_since_ms = kNoTimestamp;  // wall time of the last change of the two above
  RpcEndpoint rpc;
  FeatureRanges features;
  std::vector<Uuid> former_incarnations;           // newest last; a late registration of one of them is refused
  Timestamp decommission_since_ms = kNoTimestamp;  // its replicas are moved off, it gets no new ones; none: not
  int32_t decommission_moves_max = 0;              // partitions that move off it at a time

  const ListenerEndpoint* endpoint(std::string_view listener) const;  // null when it has none of that name
  bool decommissioned() const { return decommission_since_ms != kNoTimestamp; }
  bool takes_leadership() const { return !fenced && !in_controlled_shutdown; }
  bool takes_replicas() const { return takes_leadership() && !decommissioned(); }
  friend bool operator==(const BrokerImage&, const BrokerImage&) = default;
};

// A cluster has up to 100,000 of these, so what is almost always empty costs one pointer.
struct PartitionImage {
  BrokerId leader = kNoBroker;
  LeaderEpoch leader_epoch{0};
  int32_t partition_epoch = 0;     // counts every change
  std::vector<BrokerId> replicas;  // the first is the preferred leader; during a reassignment also those that leave
  std::vector<BrokerId> isr;       // never empty once there are replicas; its members may be fenced without a leader
  Timestamp isr_since_ms = kNoTimestamp;  // wall time since which the in-sync set is this
  // Eligible though not in sync: fell out while fewer than min.insync.replicas were in sync, when nothing was committed
  // (KIP-966), so they hold all that is.
  RareBrokers elr;
  RareBrokers last_known_elr;  // were in one of the two sets and may have lost records since: after an unclean restart
  RareBrokers adding;          // of a reassignment: members of `replicas` that are new,
  RareBrokers removing;        // and those that go once all new ones are in sync
  bool reassigning() const { return !adding.empty() || !removing.empty(); }
  friend bool operator==(const PartitionImage&, const PartitionImage&) = default;
};
static_assert(sizeof(void*) != 8 || sizeof(PartitionImage) <= 104, "100,000 partitions must stay cheap");

struct TopicImage {
  Uuid id;
  std::string name;
  std::vector<PartitionImage> partitions;  // by index
  ConfigValues config;  // what was set on the topic, normalized; topic_config.h gives effective values
  friend bool operator==(const TopicImage&, const TopicImage&) = default;
};

// A node may stop now: `holder` asked, and until it is released or expires (by the controller's wall time) other nodes'
// permits take this node as gone.
struct StopPermit {
  std::string holder;
  Timestamp granted_ms = kNoTimestamp;
  Timestamp expires_ms = kNoTimestamp;
  friend bool operator==(const StopPermit&, const StopPermit&) = default;
};

// A member of the metadata quorum.
struct VoterImage {
  BrokerId id;
  Uuid directory_id;
  RpcEndpoint rpc;
  friend bool operator==(const VoterImage&, const VoterImage&) = default;
};

using Topics = std::map<std::string, std::shared_ptr<const TopicImage>, std::less<>>;

// The cluster as of one offset of the metadata log. Immutable once published and shared by pointer: readers take no
// lock. Successive images share everything that did not change: single topics, and the maps when no topic changed.
class ClusterImage {
 public:
  Offset applied{-1};  // last record of the metadata log that is in it
  std::string cluster_id;
  BrokerId controller = kNoBroker;
  std::map<std::string, int16_t> features;  // finalized levels
  std::map<BrokerId, BrokerImage> brokers;
  ConfigValues cluster_config;                     // dynamic defaults of all brokers
  std::map<BrokerId, ConfigValues> broker_config;  // dynamic, per broker
  std::map<BrokerId, StopPermit> permits;          // by the node that may stop
  std::vector<VoterImage> voters;                  // of the metadata quorum, as its leader has told last
  int64_t next_producer_id = 0;

  // By name, so sorted as DescribeTopicPartitions wants.
  const Topics& topics() const { return *topics_; }
  const TopicImage* find_topic(std::string_view name) const;
  const TopicImage* find_topic(const Uuid& id) const;
  const PartitionImage* find_partition(std::string_view topic, PartitionIndex index) const;
  const BrokerImage* find_broker(BrokerId id) const;
  std::vector<BrokerId> alive_brokers() const;  // not fenced, ascending
  size_t placeable_brokers() const;             // that new replicas can be put on

  // Equal content, whatever is shared.
  friend bool operator==(const ClusterImage& a, const ClusterImage& b);

 private:
  friend class ImageBuilder;
  friend class TopicChanges;
  using TopicsById = std::map<Uuid, std::shared_ptr<const TopicImage>>;
  std::shared_ptr<Topics> topics_ = std::make_shared<Topics>();
  std::shared_ptr<TopicsById> topics_by_id_ = std::make_shared<TopicsById>();  // the same objects
};

using ImagePointer = std::shared_ptr<const ClusterImage>;

// Whether clients see the topic as internal; it is made by the brokers themselves and cannot be deleted.
bool is_internal_topic(std::string_view name);
inline constexpr std::string_view kOffsetsTopic = "__consumer_offsets";
inline constexpr std::string_view kTransactionsTopic = "__transaction_state";
inline constexpr std::string_view kMetadataTopic = "__cluster_metadata";  // the log's name; never a topic of the image

// How one topic differs between two images. `before` is null for a new topic, `now` for a deleted one; a topic that was
// deleted and made again under its name comes as two changes, the deletion first.
struct TopicChange {
  std::shared_ptr<const TopicImage> before;
  std::shared_ptr<const TopicImage> now;
};

// In order of name; costs nothing when no topic changed and one pointer comparison per topic otherwise.
class TopicChanges {
 public:
  static std::vector<TopicChange> between(const ClusterImage& before, const ClusterImage& now);
};

// Whether something changed that effective topic and broker configurations of `broker` rest on (dynamic broker
// configuration); if so, every topic's may have changed.
bool broker_config_differs(const ClusterImage& before, const ClusterImage& now, BrokerId broker);

}  // namespace millrace::metadata
