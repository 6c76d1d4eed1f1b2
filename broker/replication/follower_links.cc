#include "broker/replication/follower_links.h"

#include <algorithm>

namespace millrace::replication {

FollowerLinks::FollowerLinks(const LinkContext& context, PeerTransport& transport, std::vector<io::EventLoop*> loops)
    : context_(context), transport_(transport), loops_(std::move(loops)) {}

FollowerLinks::~FollowerLinks() = default;

const std::shared_ptr<FollowerLink>& FollowerLinks::link_to(BrokerId leader) {
  std::shared_ptr<FollowerLink>& link = links_[leader];
  if (link == nullptr) {
    io::EventLoop& loop = *loops_[static_cast<size_t>(leader.value()) % loops_.size()];
    link = std::make_shared<FollowerLink>(context_, loop, transport_, leader);
  }
  return link;
}

void FollowerLinks::apply(metadata::ImagePointer image) {
  const metadata::ImagePointer before = std::exchange(image_, image);
  Changes changes;
  for (const auto& [topic_id, partition] : std::exchange(missing_, {})) {
    const metadata::TopicImage* topic = image->find_topic(topic_id);
    const auto index = static_cast<size_t>(partition.value());
    const bool is_there = topic != nullptr && index < topic->partitions.size();
    consider({topic_id, partition}, is_there ? &topic->partitions[index] : nullptr, changes);
  }
  for (const metadata::TopicChange& change : metadata::TopicChanges::between(*before, *image)) {
    const metadata::TopicImage& known = change.now != nullptr ? *change.now : *change.before;
    const size_t now = change.now != nullptr ? change.now->partitions.size() : 0;
    const size_t all = std::max(now, change.before != nullptr ? change.before->partitions.size() : 0);
    for (size_t i = 0; i < all; ++i) {
      consider({known.id, PartitionIndex{static_cast<int32_t>(i)}}, i < now ? &change.now->partitions[i] : nullptr,
               changes);
    }
  }
  for (auto& [leader, slots] : changes.removed) {
    const std::shared_ptr<FollowerLink>& link = link_to(leader);
    link->loop().post([link, slots = std::move(slots)] { link->remove(slots); });
  }
  for (auto& [leader, slots] : changes.added) {
    const std::shared_ptr<FollowerLink>& link = link_to(leader);
    link->loop().post([link, slots = std::move(slots)]() mutable { link->add(std::move(slots)); });
  }
}

void FollowerLinks::consider(const Key& key, const metadata::PartitionImage* placed, Changes& changes) {
  const BrokerId self = context_.self.broker;
  const bool follows = placed != nullptr && placed->leader != self && placed->leader != kNoBroker &&
                       std::find(placed->replicas.begin(), placed->replicas.end(), self) != placed->replicas.end();
  std::shared_ptr<Partition> partition = follows ? context_.partitions.find(key.topic_id, key.partition) : nullptr;
  if (follows && partition == nullptr) missing_.emplace(key.topic_id, key.partition);
  const auto found = followed_.find(key);
  if (found != followed_.end()) {
    const Followed& followed = found->second;
    if (partition != nullptr && followed.slot->partition == partition && followed.leader == placed->leader &&
        followed.slot->epoch == placed->leader_epoch) {
      return;
    }
    changes.removed[followed.leader].push_back(followed.slot);
    followed_.erase(found);
  }
  if (partition == nullptr) return;
  const auto slot =
      std::make_shared<FollowerSlot>(std::move(partition), placed->leader_epoch, link_to(placed->leader)->queue());
  changes.added[placed->leader].push_back(slot);
  followed_.emplace(key, Followed{slot, placed->leader});
}

}  // namespace millrace::replication
