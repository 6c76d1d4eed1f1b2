#include <set>

#include "broker/io/sim/sim_random.h"
#include "broker/storage/log_cleaner_test_support.h"

namespace millrace::storage {
namespace {

class LogCleanerCrash : public CleanerTest {
 protected:
  void fill(uint64_t seed) {
    fresh_disk(seed);
    appended_.clear();
    open();
    for (int i = 0; i < 40; ++i) {
      const std::string key = std::to_string(i % 7);
      put({{"k" + key, "v" + std::to_string(i)},
           {"l" + key, i % 9 == 4 ? std::nullopt : std::optional<std::string>("w")}});
    }
    roll();
  }
  void expect_whole(const std::string& when) {
    ASSERT_EQ(log().log_end(), Offset(81)) << when;
    expect_faithful(when, 80);
    ASSERT_TRUE(files_ending(".cleaned").empty()) << when;
    ASSERT_TRUE(files_ending(".swap").empty()) << when;
    ASSERT_TRUE(flush());  // and it can be compacted again
    clock_.advance(std::chrono::milliseconds(2000));
    clean();
    expect_faithful(when + ", compacted again", 80);
    std::set<std::string> keys;
    for (const auto& [offset, record] : records())
      ASSERT_TRUE(keys.insert(record.key).second) << when << " " << record.key;
  }
};

// The process dies, or the machine does, in each of the calls that a pass makes.
TEST_F(LogCleanerCrash, at_any_call_costs_nothing) {
  fill(1);
  const uint64_t before = disk_.calls();
  clean();
  const uint64_t calls = disk_.calls() - before;
  ASSERT_GT(calls, 60u);
  for (const bool power : {false, true}) {
    for (const bool stale : {false, true}) {
      for (uint64_t call = 0; call < calls; ++call) {
        const std::string when = "call " + std::to_string(call) + (power ? ", power lost" : ", killed") +
                                 (stale ? ", recovery point stale" : "");
        fill(call * 4 + (power ? 2 : 0) + (stale ? 1 : 0) + 1);
        disk_.die_at_call(call);
        static_cast<void>(static_cast<bool>(try_clean()));  // whatever it answers
        if (stale) recovery_point_ = Offset(0);
        power ? lose_power() : crash();
        expect_whole(when);
        if (HasFailure()) return;
      }
    }
  }
}

// Dies twice: in the pass, and in the start that completes or undoes it.
TEST_F(LogCleanerCrash, in_the_start_after_a_crash_costs_nothing_either) {
  fill(1);
  const uint64_t before = disk_.calls();
  clean();
  const uint64_t calls = disk_.calls() - before;
  for (uint64_t call = 0; call < calls; call += kOneIn) {
    for (uint64_t again = 0; again < 40; again += 1 + again / 8) {
      const std::string when = "call " + std::to_string(call) + ", then " + std::to_string(again);
      fill(call * 100 + again + 1);
      disk_.die_at_call(call);
      static_cast<void>(static_cast<bool>(try_clean()));
      log_.reset();
      call % 2 == 0 ? disk_.lose_power() : disk_.restart();
      disk_.die_at_call(again);
      static_cast<void>(static_cast<bool>(Log::open(disk_, options())));
      disk_.die_at_call(io::sim::SimFileSystem::kNever - disk_.calls() - 1);
      lose_power();
      expect_whole(when);
      if (HasFailure()) return;
    }
  }
}

TEST_F(LogCleanerCrash, a_call_that_fails_leaves_the_log_whole) {
  fill(1);
  const uint64_t before = disk_.calls();
  clean();
  const uint64_t calls = disk_.calls() - before;
  for (uint64_t call = 0; call < calls; ++call) {
    const std::string when = "failing call " + std::to_string(call);
    fill(call + 1);
    disk_.fail_call(call, call % 2 == 0 ? Errc::disk_full : Errc::io);
    const bool cleaned = static_cast<bool>(try_clean());
    if (!log().is_offline()) {
      expect_faithful(when + (cleaned ? ", cleaned" : ""), 80);
      if (!cleaned) clean();
    }
    lose_power();
    expect_whole(when);
    if (HasFailure()) return;
  }
}

TEST_F(LogCleanerCrash, a_damaged_swap_is_dropped_while_what_it_was_made_from_is_there) {
  fill(1);
  auto plan = log().plan_cleaning(log().log_end()).value();
  auto cleaner = std::make_unique<LogCleaner>(disk_, *plan, LogCleaner::Limits{});
  while (cleaner->step(1).value() != LogCleaner::Step::swap) continue;
  ASSERT_TRUE(log().commit_cleaned(cleaner->plan(), cleaner->cleaned()));
  ASSERT_TRUE(disk_.flush_directory(kDirectory));
  ASSERT_EQ(files_ending(".swap").size(), 1u);
  disk_.flip_bit(files_ending(".swap").front(), uint64_t{8} * 90);
  crash();
  expect_whole("damaged swap");
}

// Random keys, tombstones, codecs, rolls, passes, crashes and losses of power against a map.
class LogCleanerFuzz : public CleanerTest {
 protected:
  void run(uint64_t seed) {
    fresh_disk(seed);
    appended_.clear();
    times_.clear();
    random_ = std::make_unique<io::sim::SimRandom>(seed);
    config_.segment_bytes_max = 500 + static_cast<int32_t>(below(4)) * 400;
    config_.index_interval_bytes = static_cast<int32_t>(below(3)) * 200;
    config_.delete_retention_ms = static_cast<int64_t>(below(3)) * 3000;
    attempted_ = 0;
    flushed_ = 0;
    ++producer_;
    sequence_ = 0;
    epoch_ = 3;
    open();
    for (int step = 0; step < 120; ++step) {
      one_step();
      if (HasFailure()) return;
      if (step % 15 == 14) expect_faithful("step " + std::to_string(step), attempted_);
      if (HasFailure()) return;
    }
    expect_faithful("the end", attempted_);
  }
  std::string trace_;

 private:
  uint64_t below(uint64_t bound) { return random_->below(bound); }
  int64_t end() const { return appended_.empty() ? 0 : appended_.rbegin()->first + 1; }

  void one_step() {
    const uint64_t op = below(20);
    trace_ += " " + std::to_string(op) + "@" + std::to_string(end());
    switch (op) {
      default:
        return put_some();
      case 12:
      case 13:
        return pass();
      case 14:
        ASSERT_TRUE(flush());
        flushed_ = end();
        return;
      case 15:
        flushed_ = end();
        close_and_reopen();
        return;
      case 16:
        crash();
        return;
      case 17:
        if (below(2) == 0) recovery_point_ = Offset(0);
        lose_power();
        return shrink();
      case 18:
        return die_in_pass();
      case 19:
        return compare_times();
    }
  }
  void put_some() {
    std::vector<KeyValue> records;
    KeyedSpec spec;
    if (below(10) == 0) ++epoch_;
    spec.epoch = LeaderEpoch(epoch_);
    for (uint64_t i = 1 + below(5); i-- > 0;) {
      records.push_back(
          {"key" + std::to_string(below(12)),
           below(5) == 0 ? std::nullopt : std::optional(std::string(below(60), static_cast<char>('a' + below(26))))});
      spec.times.push_back(clock_.wall_ms() - static_cast<Timestamp>(below(500)));
    }
    clock_.advance(std::chrono::milliseconds(below(400)));
    spec.codec = static_cast<protocol::Codec>(below(5));
    if (below(3) == 0) {
      spec.producer = producer_;
      spec.sequence = sequence_;
      sequence_ += static_cast<int32_t>(records.size());
    }
    const AppendInfo info = put(records, spec);
    for (size_t i = 0; i < records.size(); ++i)
      times_[info.first_offset.value() + static_cast<int64_t>(i)] = spec.times[i];
  }
  size_t map_bytes() { return below(3) == 0 ? 24 * 10 : 1 << 16; }
  void note_attempt() {
    auto plan = log().plan_cleaning(log().log_end());
    ASSERT_TRUE(plan);
    if (*plan) attempted_ = std::max(attempted_, (*plan)->sources.back().end.value());
  }
  void pass() {
    if (below(2) == 0) {
      ASSERT_TRUE(flush());
    }
    flushed_ = log().flushed_offset().value();
    note_attempt();
    clean(map_bytes());
    std::map<std::string, int64_t> seen;
    for (const auto& [offset, record] : records()) {
      if (offset >= log().cleaned_to().value()) break;
      ASSERT_TRUE(seen.emplace(record.key, offset).second)
          << record.key << " twice below " << log().cleaned_to().value() << " at " << seen[record.key] << ", "
          << offset;
    }
  }
  void die_in_pass() {
    flushed_ = log().flushed_offset().value();
    note_attempt();
    disk_.die_at_call(below(80));
    static_cast<void>(static_cast<bool>(try_clean(map_bytes())));
    disk_.die_at_call(io::sim::SimFileSystem::kNever - disk_.calls() - 1);
    if (below(2) == 0) recovery_point_ = Offset(0);
    if (below(2) == 0) cleaned_to_ = Offset(0);
    below(2) == 0 ? crash() : lose_power();
    shrink();
  }
  // What was not flushed may be gone, from some batch on.
  void shrink() {
    const int64_t left = log().log_end().value();
    ASSERT_GE(left, std::min(flushed_, end()));
    ASSERT_LE(left, end());
    appended_.erase(appended_.lower_bound(left), appended_.end());
    ++producer_;  // how far the old one's batches are there is unknown to it
    sequence_ = 0;
  }
  void compare_times() {
    const Records left = records();
    const Timestamp time = clock_.wall_ms() - static_cast<Timestamp>(below(20'000));
    const auto found = log().find_by_timestamp(time, log().log_end()).value();
    const auto expected =
        std::find_if(left.begin(), left.end(), [&](const auto& entry) { return times_[entry.first] >= time; });
    ASSERT_EQ(found.has_value(), expected != left.end());
    if (found) {
      ASSERT_EQ(found->offset.value(), expected->first);
      ASSERT_EQ(found->timestamp, times_[expected->first]);
    }
  }

  std::unique_ptr<io::sim::SimRandom> random_;
  std::map<int64_t, Timestamp> times_;
  int64_t attempted_ = 0;  // how far any pass may have gone
  int64_t flushed_ = 0;
  int32_t sequence_ = 0;
  int32_t epoch_ = 3;
  int64_t producer_ = 9;
};

TEST_F(LogCleanerFuzz, agrees_with_a_map_whatever_happens) {
  const uint64_t seeds = seeds_to_run(200);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    trace_.clear();
    run(seed);
    if (HasFailure()) {
      ADD_FAILURE() << "seed " << seed << ", operations@end:" << trace_;
      return;
    }
  }
}

}  // namespace
}  // namespace millrace::storage
