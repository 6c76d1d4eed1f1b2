#include "broker/coordinator/group_coordinator.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "broker/coordinator/group_shard.h"
#include "broker/protocol/hash.h"

namespace millrace::coordinator {
namespace {

constexpr size_t kMemberIdPrefixMax = 255;  // of the client's name in a member id

// ListGroups asks every partition and answers when the last one has.
struct Listing {
  Mutex mutex;  // nothing is called with it held
  ListReply reply GUARDED_BY(mutex);
  std::atomic<size_t> missing{0};
};

}  // namespace

GroupCoordinator::GroupCoordinator(GroupCoordinatorOptions options) : options_(std::move(options)) {}
GroupCoordinator::~GroupCoordinator() { stop(); }

std::pair<GroupCoordinator::ShardPointer, GroupErrc> GroupCoordinator::find(std::string_view group) const {
  MutexLock lock(mutex_);
  if (stopped_ || (partitions_ == 0 && had_partitions_)) return {nullptr, GroupErrc::coordinator_not_available};
  // Another broker has sent the client here, and knows more than this one yet. Not 15 or 16: librdkafka tells the
  // application of those when it fetches offsets, and only waits at 14.
  if (partitions_ == 0) return {nullptr, GroupErrc::coordinator_load_in_progress};
  auto at = shards_.find(PartitionIndex{protocol::coordinator_partition(group, partitions_)});
  if (at == shards_.end()) return {nullptr, GroupErrc::not_coordinator};
  if (at->second == nullptr || at->second->failed()) return {nullptr, GroupErrc::coordinator_load_in_progress};
  return {at->second, GroupErrc::none};
}

void GroupCoordinator::join(JoinCommand command, Done<JoinReply> done) {
  auto [shard, error] = find(command.group);
  // The group's name is checked before anything else: there is no coordinator of "".
  if (command.group.empty()) error = GroupErrc::invalid_group_id;
  if (error != GroupErrc::none) {
    JoinReply reply;
    reply.error = error;
    reply.member_id = command.member_id;
    return done(std::move(reply));
  }
  if (command.member_id.empty()) {
    const std::string& name = command.instance_id ? *command.instance_id : command.client_id;
    command.new_member_id = name.substr(0, kMemberIdPrefixMax) + "-" + options_.new_uuid().to_string();
  }
  shard->join(std::move(command), std::move(done));
}

void GroupCoordinator::sync(SyncCommand command, Done<SyncReply> done) {
  auto [shard, error] = find(command.group);
  if (command.group.empty()) error = GroupErrc::invalid_group_id;
  if (error == GroupErrc::none) return shard->sync(std::move(command), std::move(done));
  SyncReply reply;
  reply.error = error;
  done(std::move(reply));
}

void GroupCoordinator::heartbeat(HeartbeatCommand command, Done<GroupErrc> done) {
  auto [shard, error] = find(command.group);
  if (command.group.empty()) error = GroupErrc::invalid_group_id;
  // A client that rejoined while we load would lose its place: let it keep its generation (as Kafka does).
  if (error == GroupErrc::coordinator_load_in_progress)
    error = GroupErrc::none;
  else if (error == GroupErrc::none)
    return shard->heartbeat(std::move(command), std::move(done));
  done(error);
}

void GroupCoordinator::leave(LeaveCommand command, Done<LeaveReply> done) {
  auto [shard, error] = find(command.group);
  if (command.group.empty()) error = GroupErrc::invalid_group_id;
  if (error == GroupErrc::none) return shard->leave(std::move(command), std::move(done));
  done(LeaveReply{std::vector(command.members.size(), error)});
}

void GroupCoordinator::commit_offsets(CommitCommand command, Done<CommitReply> done) {
  auto [shard, error] = find(command.group);
  if (error == GroupErrc::none) return shard->commit_offsets(std::move(command), std::move(done));
  done(CommitReply{std::vector(command.items.size(), error)});
}

void GroupCoordinator::fetch_offsets(FetchOffsetsCommand command, Done<FetchOffsetsReply> done) {
  auto [shard, error] = find(command.group);
  if (error == GroupErrc::none) return shard->fetch_offsets(std::move(command), std::move(done));
  done(FetchOffsetsReply{error, {}});
}

void GroupCoordinator::list(ListCommand command, Done<ListReply> done) {
  std::vector<ShardPointer> shards;
  bool is_loading = false;
  {
    MutexLock lock(mutex_);
    for (const auto& [partition, shard] : shards_) {
      if (shard == nullptr || shard->failed()) {
        is_loading = true;
      } else {
        shards.push_back(shard);
      }
    }
  }
  // What is being loaded cannot be listed, and an incomplete list would read as a complete one.
  if (is_loading) return done(ListReply{GroupErrc::coordinator_load_in_progress, {}});
  if (shards.empty()) return done(ListReply{});
  auto listing = std::make_shared<Listing>();
  listing->missing = shards.size();
  for (const ShardPointer& shard : shards) {
    shard->list(command, [listing, done](ListReply part) {
      {
        MutexLock lock(listing->mutex);
        if (part.error != GroupErrc::none) listing->reply.error = part.error;
        auto& groups = listing->reply.groups;
        groups.insert(groups.end(), std::make_move_iterator(part.groups.begin()),
                      std::make_move_iterator(part.groups.end()));
      }
      if (listing->missing.fetch_sub(1) != 1) return;
      ListReply reply;
      {
        MutexLock lock(listing->mutex);
        reply = std::move(listing->reply);
      }
      // A partition that moved away meanwhile is listed by its new coordinator.
      if (reply.error == GroupErrc::not_coordinator) reply.error = GroupErrc::none;
      done(std::move(reply));
    });
  }
}

void GroupCoordinator::describe(std::string group, Done<GroupDescription> done) {
  auto [shard, error] = find(group);
  if (error == GroupErrc::none) return shard->describe(std::move(group), std::move(done));
  GroupDescription description;
  description.error = error;
  description.id = std::move(group);
  done(std::move(description));
}

void GroupCoordinator::remove(std::string group, Done<GroupErrc> done) {
  auto [shard, error] = find(group);
  if (error == GroupErrc::none) return shard->remove(std::move(group), std::move(done));
  done(error);
}

void GroupCoordinator::set_partitions(int32_t count) {
  MutexLock lock(mutex_);
  partitions_ = count;
  had_partitions_ = had_partitions_ || count > 0;
}

int32_t GroupCoordinator::partitions() const {
  MutexLock lock(mutex_);
  return partitions_;
}

void GroupCoordinator::begin_load(PartitionIndex partition) {
  unload(partition);
  MutexLock lock(mutex_);
  if (!stopped_) shards_[partition] = nullptr;
}

void GroupCoordinator::finish_load(PartitionIndex partition, Groups groups, Offset next,
                                   std::shared_ptr<machine::LogWriter> log) {
  groups.start(options_.clock->now());
  auto shard = std::make_shared<GroupShard>(options_, partition, std::move(groups), next, std::move(log));
  {
    MutexLock lock(mutex_);
    auto at = shards_.find(partition);
    if (stopped_ || at == shards_.end() || at->second != nullptr) return;  // moved away meanwhile
    at->second = shard;
  }
  options_.metrics->partitions_loaded.add(1);
  shard->start();
}

void GroupCoordinator::unload(PartitionIndex partition) {
  ShardPointer shard;
  {
    MutexLock lock(mutex_);
    auto at = shards_.find(partition);
    if (at == shards_.end()) return;
    shard = std::move(at->second);
    shards_.erase(at);
  }
  if (shard == nullptr) return;
  options_.metrics->partitions_loaded.add(-1);
  shard->stop();
}

void GroupCoordinator::stop() {
  std::map<PartitionIndex, ShardPointer> shards;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    shards.swap(shards_);
  }
  for (auto& [partition, shard] : shards) {
    if (shard == nullptr) continue;
    options_.metrics->partitions_loaded.add(-1);
    shard->stop();
  }
}

}  // namespace millrace::coordinator
