// Produces, fetches, flushes and retention of the same partitions at once; meant for ThreadSanitizer.

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "broker/base/mutex.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::replication {
namespace {

using testing::bytes_of;
using testing::make_batch;
using testing::values_of;

constexpr int kPartitions = 2;
constexpr int kProducersEach = 2;
constexpr int kBatchesEach = 150;

// Lets threads wait for any progress.
class Bell final : public PartitionListener {
 public:
  void on_progress(const Partition&) override {
    MutexLock lock(mutex_);
    ++rings_;
    rung_.notify_all();
  }
  void wait_until(const std::function<bool()>& done) {
    for (;;) {
      const uint64_t seen = rings();
      if (done()) return;
      MutexLock lock(mutex_);
      while (rings_ == seen) rung_.wait(mutex_);
    }
  }

 private:
  uint64_t rings() {
    MutexLock lock(mutex_);
    return rings_;
  }
  Mutex mutex_;
  Condition rung_;
  uint64_t rings_ GUARDED_BY(mutex_) = 0;
};

TEST(PartitionThreads, no_acknowledged_record_is_lost_or_moved_under_concurrent_use) {
  testing::Machine machine;
  storage::Flusher flusher(machine.fs, machine.clock, 2);
  Bell bell;
  PartitionConfig config;
  config.log.flush_messages = 1;
  config.log.segment_bytes_max = 2000;  // many segments
  std::vector<std::shared_ptr<Partition>> partitions;
  for (int i = 0; i < kPartitions; ++i) {
    auto log = storage::Log::open(machine.fs, {.directory = "/data/t-" + std::to_string(i),
                                               .topic = "t",
                                               .partition = PartitionIndex{i},
                                               .topic_id = Uuid::from_random(1, 1),
                                               .config = config.log,
                                               .clock = &machine.clock,
                                               .files = &machine.files});
    ASSERT_TRUE(log) << log.error().to_string();
    partitions.push_back(std::make_shared<Partition>(PartitionOptions{.id = {"t", PartitionIndex{i}},
                                                                      .topic_id = Uuid::from_random(1, 1),
                                                                      .self = BrokerId{1},
                                                                      .config = config,
                                                                      .listener = &bell,
                                                                      .flusher = &flusher,
                                                                      .clock = &machine.clock},
                                                     std::move(*log)));
    partitions.back()->set_state(testing::led_by(BrokerId{1}));
  }

  std::atomic<int> producing{kPartitions * kProducersEach};
  std::atomic<int> failures{0};
  std::vector<std::vector<std::pair<int64_t, std::string>>> acknowledged(size_t{kPartitions} * kProducersEach);
  std::vector<std::thread> threads;
  for (int p = 0; p < kPartitions; ++p) {
    for (int n = 0; n < kProducersEach; ++n) {
      threads.emplace_back([&, p, n] {
        auto& mine = acknowledged[size_t{kProducersEach} * static_cast<size_t>(p) + static_cast<size_t>(n)];
        for (int i = 0; i < kBatchesEach; ++i) {
          std::string value = std::to_string(n) + ":" + std::to_string(i);
          const Result<Appended> appended = partitions[static_cast<size_t>(p)]->append(make_batch({value}), Acks::all);
          if (!appended) {
            failures.fetch_add(1);
            break;
          }
          bell.wait_until([&] {
            const Result<bool> done = partitions[static_cast<size_t>(p)]->is_acknowledged(*appended);
            if (!done) failures.fetch_add(1);
            return !done || *done;
          });
          mine.emplace_back(appended->info.first_offset.value(), std::move(value));
        }
        producing.fetch_sub(1);
        bell.on_progress(*partitions[static_cast<size_t>(p)]);
      });
    }
  }
  // One consumer a partition, from the beginning to the end, seeing every record once and in order.
  std::vector<std::vector<std::string>> consumed(kPartitions);
  for (int p = 0; p < kPartitions; ++p) {
    threads.emplace_back([&, p] {
      const auto want = size_t{kProducersEach} * kBatchesEach;
      Partition& partition = *partitions[static_cast<size_t>(p)];
      auto& values = consumed[static_cast<size_t>(p)];
      while (values.size() < want && failures == 0) {
        PartitionVersion seen;
        bell.wait_until([&] {
          seen = partition.version();
          return seen.readable_bytes > 0;
        });
        const Result<FetchResult> result = partition.fetch(Offset{static_cast<int64_t>(values.size())}, 4000, true,
                                                           Isolation::read_uncommitted, kNoLeaderEpoch);
        if (!result) {
          failures.fetch_add(1);
          return;
        }
        for (std::string& value : values_of(bytes_of(result->read))) values.push_back(std::move(value));
        if (values.size() >= want) return;
        if (result->read.more) continue;
        bell.wait_until([&] { return partition.version().changes != result->version.changes || failures != 0; });
      }
    });
  }
  threads.emplace_back([&] {
    while (producing > 0) {
      for (const auto& partition : partitions) {
        if (!partition->enforce_retention()) failures.fetch_add(1);
        static_cast<void>(partition->size_bytes());
        static_cast<void>(partition->offsets_of_log().has_value());
      }
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  flusher.stop();

  EXPECT_EQ(failures.load(), 0);
  for (int p = 0; p < kPartitions; ++p) {
    const auto& values = consumed[static_cast<size_t>(p)];
    EXPECT_EQ(values.size(), size_t{kProducersEach} * kBatchesEach);
    for (int n = 0; n < kProducersEach; ++n) {
      for (const auto& [offset, value] :
           acknowledged[size_t{kProducersEach} * static_cast<size_t>(p) + static_cast<size_t>(n)]) {
        ASSERT_LT(static_cast<size_t>(offset), values.size());
        EXPECT_EQ(values[static_cast<size_t>(offset)], value);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::replication
