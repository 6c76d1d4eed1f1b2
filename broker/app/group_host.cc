#include "broker/app/group_host.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "broker/protocol/record_batch.h"

namespace millrace::app {
namespace {

const Logger kLog("app");
// After a failure the partition is loaded again, after a pause that doubles while failures come: what is wrong may pass
// (a flush that is under way, a full disk) or stay until a restart (a log that failed), and a load reads the whole log.
constexpr std::chrono::milliseconds kReloadAfterMin{200};
constexpr std::chrono::milliseconds kReloadAfterMax{10'000};
constexpr std::chrono::milliseconds kCalmAfter{60'000};  // without failures: the next pause is the shortest again
constexpr size_t kReadBytesMax = 1 << 20;

struct Replayed {
  coordinator::Groups groups;
  Offset next;
};

Result<Bytes> bytes_of(const storage::ReadInfo& read) {
  if (const Bytes* bytes = std::get_if<Bytes>(&read.data)) return *bytes;
  const SourceRange& range = std::get<SourceRange>(read.data);
  Bytes bytes = Bytes::uninitialized(range.size);
  TRY_ASSIGN(const size_t size, range.source->read_at(range.position, {bytes.mutable_data(), bytes.size()}));
  return bytes.slice(0, size);
}

// Where the batches end. By their headers, not their records: compaction takes records out of a batch, all of them at
// times, and leaves its range of offsets.
std::optional<Offset> end_of(const Bytes& batches) {
  std::optional<Offset> end;
  for (size_t at = 0; batches.size() - at >= protocol::kBatchHeaderBytes;) {
    const protocol::BatchHeader header = protocol::BatchHeader::decode(batches.data() + at);
    if (header.length <= 0 || header.total_bytes() > batches.size() - at) break;
    end = header.next_offset();
    at += header.total_bytes();
  }
  return end;
}

// The whole log. Errors: those of reading, or timed_out while records lie above
// the high watermark.
Result<Replayed> replay(replication::Partition& partition, LeaderEpoch epoch, const coordinator::GroupConfig& config) {
  TRY_ASSIGN(const replication::PartitionOffsets offsets, partition.offsets(epoch));
  if (offsets.high_watermark != offsets.log_end)
    return Error{Errc::timed_out, "uncommitted records of the last leader"};
  Replayed replayed{coordinator::Groups(config), offsets.log_end};
  for (Offset at = offsets.log_start; at < replayed.next;) {
    TRY_ASSIGN(const replication::FetchResult fetched,
               partition.fetch(at, kReadBytesMax, true, replication::Isolation::read_uncommitted, epoch));
    TRY_ASSIGN(const Bytes batches, bytes_of(fetched.read));
    TRY_ASSIGN(const std::vector<protocol::Record> records, protocol::read_batches(batches));
    const std::optional<Offset> end = end_of(batches);
    if (!end || *end <= at) return Error{Errc::corrupt, "no batch at offset " + std::to_string(at.value())};
    for (const protocol::Record& record : records) {
      if (record.offset < at || record.offset >= replayed.next) continue;
      replayed.groups.apply(record.offset, {.key = record.key, .value = record.value});
    }
    at = *end;
  }
  return replayed;
}

}  // namespace

GroupHost::GroupHost(GroupHostOptions options) : state_(std::make_shared<State>()) {
  state_->options = std::move(options);
  std::weak_ptr<State> weak = state_;
  state_->coordinator = std::make_unique<coordinator::GroupCoordinator>(
      coordinator::GroupCoordinatorOptions{.clock = state_->options.clock,
                                           .timers = state_.get(),
                                           .metrics = state_->options.metrics,
                                           .config = state_->options.config,
                                           .new_uuid = state_->options.new_uuid,
                                           .on_failed = [weak](PartitionIndex index, const Error& error) {
                                             kLog.warn("a partition of group records failed and is loaded again",
                                                       {{"partition", index}, {"error", error.to_string()}});
                                             if (const std::shared_ptr<State> state = weak.lock())
                                               state->reload_later(index);
                                           }});
}

GroupHost::~GroupHost() { stop(); }

void GroupHost::stop() {
  std::vector<std::shared_ptr<PartitionLogWriter>> writers;
  {
    MutexLock lock(state_->mutex);
    if (state_->stopped) return;
    state_->stopped = true;
    for (auto& [index, led] : state_->led) {
      if (led.writer) writers.push_back(led.writer);
    }
    state_->led.clear();
  }
  for (const auto& writer : writers) writer->close(Error{Errc::shutting_down, {}});
  state_->coordinator->stop();
}

void GroupHost::apply(const metadata::ClusterImage& image) {
  const metadata::TopicImage* topic = image.find_topic(metadata::kOffsetsTopic);
  std::map<PartitionIndex, LeaderEpoch> leads;
  if (topic != nullptr) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (topic->partitions[i].leader != state_->options.self) continue;
      leads.emplace(PartitionIndex{static_cast<int32_t>(i)}, topic->partitions[i].leader_epoch);
    }
  }
  std::vector<PartitionIndex> gone;
  std::vector<std::pair<PartitionIndex, LeaderEpoch>> come;
  {
    MutexLock lock(state_->mutex);
    if (state_->stopped) return;
    for (const auto& [index, led] : state_->led) {
      auto at = leads.find(index);
      if (at == leads.end() || at->second != led.epoch) gone.push_back(index);
    }
    for (const auto& [index, epoch] : leads) {
      auto at = state_->led.find(index);
      if (at == state_->led.end() || at->second.epoch != epoch) come.emplace_back(index, epoch);
    }
  }
  for (PartitionIndex index : gone) state_->let_go(index, Error{Errc::not_leader, {}});
  for (const auto& [index, epoch] : come) state_->lead(index, epoch);
  state_->coordinator->set_partitions(topic == nullptr ? 0 : static_cast<int32_t>(topic->partitions.size()));
}

void GroupHost::progress(const replication::Partition& partition) {
  if (!partition.is_internal() || partition.id().topic != metadata::kOffsetsTopic) return;
  std::shared_ptr<PartitionLogWriter> writer;
  {
    MutexLock lock(state_->mutex);
    auto at = state_->led.find(partition.id().partition);
    if (at == state_->led.end() || at->second.partition.get() != &partition) return;
    writer = at->second.writer;
  }
  if (writer) writer->progress();
}

void GroupHost::State::run_at(TimePoint at, std::function<void()> task) {
  options.loop->post([weak = weak_from_this(), at, task = std::move(task)]() mutable {
    const std::shared_ptr<State> self = weak.lock();
    if (!self) return;
    const Duration delay = std::max(at - self->options.clock->now(), Duration{});
    self->options.loop->run_after(delay, [weak, task = std::move(task)] {
      const std::shared_ptr<State> state = weak.lock();
      if (!state) return;
      {
        MutexLock lock(state->mutex);
        if (state->stopped) return;
      }
      task();
    });
  });
}

void GroupHost::State::lead(PartitionIndex index, LeaderEpoch epoch) {
  std::shared_ptr<replication::Partition> partition = options.partitions->find(metadata::kOffsetsTopic, index);
  uint64_t ticket = 0;
  {
    MutexLock lock(mutex);
    ticket = ++loads;
    led[index] = Led{epoch, partition, nullptr, ticket};
  }
  coordinator->begin_load(index);
  const Result<replication::PartitionOffsets> offsets =
      partition ? partition->offsets() : Result<replication::PartitionOffsets>(Errc::not_found);
  // A new partition serves at once: the client that made the topic asks next.
  if (offsets && offsets->log_start == offsets->log_end) return load(index, ticket);
  options.loop->post([weak = weak_from_this(), index, ticket] {
    if (const std::shared_ptr<State> self = weak.lock()) self->load(index, ticket);
  });
}

void GroupHost::State::let_go(PartitionIndex index, const Error& why) {
  std::shared_ptr<PartitionLogWriter> writer;
  {
    MutexLock lock(mutex);
    auto at = led.find(index);
    if (at == led.end()) return;
    writer = std::move(at->second.writer);
    led.erase(at);
  }
  if (writer) writer->close(why);
  coordinator->unload(index);
}

bool GroupHost::State::is_current(PartitionIndex index, uint64_t ticket) {
  MutexLock lock(mutex);
  auto at = led.find(index);
  return !stopped && at != led.end() && at->second.load == ticket;
}

void GroupHost::State::load(PartitionIndex index, uint64_t ticket) {
  std::shared_ptr<replication::Partition> partition;
  LeaderEpoch epoch;
  {
    MutexLock lock(mutex);
    auto at = led.find(index);
    if (stopped || at == led.end() || at->second.load != ticket) return;
    // Its log may not have been openable before.
    if (!at->second.partition) at->second.partition = options.partitions->find(metadata::kOffsetsTopic, index);
    partition = at->second.partition;
    epoch = at->second.epoch;
  }
  Result<Replayed> replayed = partition ? replay(*partition, epoch, options.config)
                                        : Result<Replayed>(Error{Errc::not_found, "its log is not open"});
  if (!replayed) {
    kLog.warn("a partition of group records cannot be loaded yet",
              {{"partition", index}, {"error", replayed.error().to_string()}});
    return reload_later(index);
  }
  if (const size_t unreadable = replayed->groups.unreadable_records(); unreadable > 0) {
    kLog.warn("group records that are not understood were skipped", {{"partition", index}, {"records", unreadable}});
  }
  auto writer = std::make_shared<PartitionLogWriter>(partition, *options.clock);
  {
    MutexLock lock(mutex);
    auto at = led.find(index);
    if (stopped || at == led.end() || at->second.load != ticket) return;
    at->second.writer = writer;
  }
  coordinator->finish_load(index, std::move(replayed->groups), replayed->next, writer);
}

void GroupHost::State::reload_later(PartitionIndex index) {
  uint64_t ticket = 0;
  Duration pause{};
  {
    MutexLock lock(mutex);
    auto at = led.find(index);
    if (stopped || at == led.end()) return;
    ticket = at->second.load = ++loads;
    const TimePoint now = options.clock->now();
    if (now - at->second.failed_at > kCalmAfter) at->second.reload_after = {};
    at->second.failed_at = now;
    pause = at->second.reload_after =
        std::clamp<Duration>(at->second.reload_after * 2, kReloadAfterMin, kReloadAfterMax);
  }
  run_at(options.clock->now() + pause, [weak = weak_from_this(), index, ticket] {
    const std::shared_ptr<State> self = weak.lock();
    if (!self || !self->is_current(index, ticket)) return;
    std::shared_ptr<PartitionLogWriter> writer;
    {
      MutexLock lock(self->mutex);
      auto at = self->led.find(index);
      if (at != self->led.end()) writer = std::move(at->second.writer);
    }
    if (writer) writer->close(Error{Errc::not_leader, {}});
    self->coordinator->begin_load(index);
    self->load(index, ticket);
  });
}

}  // namespace millrace::app
