// Compaction as PartitionManager drives it, on a simulated disk and clock.

#include "broker/replication/partition_manager_test_support.h"

namespace millrace::replication {
namespace {

using testing::bytes_of;
using testing::make_batch;
using testing::PartitionManagerTest;
using testing::Values;
using testing::values_of;

class CompactionTest : public PartitionManagerTest {
 protected:
  static constexpr uint64_t kSegmentBytes = 1 << 20;

  void create_compacted(const std::string& topic) {
    create(topic, 1);
    configure(topic, "cleanup.policy", "compact");
    configure(topic, "segment.bytes", std::to_string(kSegmentBytes));
  }
  void put(const std::string& topic, const std::string& key, const std::string& value) {
    const Result<Appended> appended = find(topic)->append(make_batch({.values = {value}, .keys = {key}}), Acks::leader);
    ASSERT_TRUE(appended) << appended.error().to_string();
  }
  // `rounds` values for each of ten keys, and time for the background to do what it wants.
  void commit(const std::string& topic, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      for (int key = 0; key < 10; ++key) put(topic, "key" + std::to_string(key), std::to_string(++commits_));
      if (round % 100 == 99) pass_time(std::chrono::seconds(1));
    }
  }
  void pass_time(Duration time) {
    machine_.flusher.run_due();
    scheduler_.run_for(time);
  }
  uint64_t bytes_on_disk(const std::string& topic) {
    uint64_t bytes = 0;
    for (const std::string& file : machine_.fs.files()) {
      if (!file.starts_with("/data/" + topic + "-0/")) continue;
      bytes += machine_.fs.open(file, io::OpenMode::read).value()->size().value();
    }
    return bytes;
  }
  Values read_all(const std::string& topic) {
    Values values;
    const auto partition = find(topic);
    for (Offset at = partition->offsets()->log_start; at < partition->offsets()->log_end;) {
      const auto fetched = partition->fetch(at, 1 << 20, true, Isolation::read_uncommitted, kNoLeaderEpoch);
      EXPECT_TRUE(fetched) << fetched.error().to_string();
      const Bytes bytes = fetched ? bytes_of(fetched->read) : Bytes();
      if (bytes.empty()) break;
      for (std::string& value : values_of(bytes)) values.push_back(std::move(value));
      const std::byte* batch = bytes.data();
      while (batch < bytes.data() + bytes.size()) {
        at = Offset(load_big_endian<int64_t>(batch) + load_big_endian<int32_t>(batch + 23) + 1);
        batch += 12 + load_big_endian<int32_t>(batch + 8);
      }
    }
    return values;
  }
  int commits_ = 0;
};

TEST_F(CompactionTest, a_hundred_thousand_commits_for_ten_keys_stay_small) {
  create_compacted("__consumer_offsets");
  uint64_t largest = 0;
  for (int i = 0; i < 20; ++i) {
    commit("__consumer_offsets", 500);
    pass_time(std::chrono::seconds(80));  // the cleaner's interval and the delay of deletion
    largest = std::max(largest, bytes_on_disk("__consumer_offsets"));
  }
  EXPECT_EQ(find("__consumer_offsets")->offsets()->log_end, Offset(100'000));
  EXPECT_LT(largest, 3 * kSegmentBytes);
  EXPECT_GT(metrics_.compactions.value(), 3u);
  for (const bool power : {false, true}) {
    if (power) {
      machine_.flusher.flush_soon(find("__consumer_offsets"));
      machine_.flusher.run_due();
      stop_uncleanly();
      machine_.fs.lose_power();
    } else {
      stop_cleanly();
    }
    start();
    const Values left = read_all("__consumer_offsets");
    ASSERT_GE(left.size(), 10u);
    for (int key = 0; key < 10; ++key) {
      EXPECT_EQ(left[left.size() - 10 + static_cast<size_t>(key)], std::to_string(99'991 + key));
    }
  }
}

TEST_F(CompactionTest, the_checkpoint_says_how_far_a_log_is_compacted_and_is_used_at_the_next_start) {
  create_compacted("t");
  commit("t", 2000);
  pass_time(std::chrono::seconds(40));
  const auto cleaned = find("t")->offsets()->cleaned_to;
  EXPECT_GT(cleaned, Offset(0));
  EXPECT_EQ(dir_->read_cleaner_offsets()->at({"t", PartitionIndex{0}}), cleaned);
  const auto text = io::read_small_file(machine_.fs, "/data/cleaner-offset-checkpoint");
  EXPECT_EQ(*text, "0\n1\nt 0 " + std::to_string(cleaned.value()) + "\n");
  stop_cleanly();
  start();
  EXPECT_EQ(find("t")->offsets()->cleaned_to, cleaned);
}

TEST_F(CompactionTest, a_log_below_its_dirty_ratio_is_left_alone) {
  create_compacted("t");
  configure("t", "min.cleanable.dirty.ratio", "1");
  commit("t", 2000);
  pass_time(std::chrono::seconds(100));
  EXPECT_EQ(metrics_.compactions.value(), 0u);
  configure("t", "min.cleanable.dirty.ratio", "0.9");
  pass_time(std::chrono::seconds(100));
  EXPECT_EQ(metrics_.compactions.value(), 1u);
}

TEST_F(CompactionTest, a_cleaner_that_is_switched_off_does_nothing) {
  stop_cleanly();
  static_values_["log.cleaner.enable"] = "false";
  start();
  create_compacted("t");
  commit("t", 2000);
  pass_time(std::chrono::minutes(5));
  EXPECT_EQ(metrics_.compactions.value(), 0u);
}

TEST_F(CompactionTest, keeps_to_its_rate) {
  stop_cleanly();
  static_values_["log.cleaner.io.max.bytes.per.second"] = "20000";
  start();
  create_compacted("t");
  commit("t", 3000);  // more than 1 MB in sealed segments, which is read twice
  pass_time(std::chrono::seconds(20));
  EXPECT_EQ(metrics_.compactions.value(), 0u) << "not yet";
  pass_time(std::chrono::minutes(10));
  EXPECT_GE(metrics_.compactions.value(), 1u);
}

TEST_F(CompactionTest, compact_and_delete_together_also_end_by_retention) {
  create_compacted("t");
  configure("t", "cleanup.policy", "compact,delete");
  configure("t", "retention.ms", "600000");
  commit("t", 2000);
  pass_time(std::chrono::seconds(40));
  EXPECT_GT(metrics_.compactions.value(), 0u);
  EXPECT_EQ(find("t")->offsets()->log_start, Offset(0));
  pass_time(std::chrono::minutes(20));
  EXPECT_EQ(find("t")->offsets()->log_start, Offset(20'000));
}

TEST_F(CompactionTest, a_topic_that_is_deleted_while_it_is_compacted_is_no_error) {
  stop_cleanly();
  static_values_["log.cleaner.io.max.bytes.per.second"] = "100000";
  start();
  create_compacted("t");
  commit("t", 3000);
  pass_time(std::chrono::seconds(20));
  remove(find("t")->topic_id());
  create_compacted("t");
  put("t", "a", "1");
  pass_time(std::chrono::minutes(3));
  EXPECT_EQ(read("t"), Values({"1"}));
  EXPECT_EQ(metrics_.compaction_failures.value(), 0u);
}

TEST_F(CompactionTest, a_damaged_log_is_not_tried_again_and_others_are_compacted) {
  create_compacted("bad");
  create_compacted("good");
  configure("bad", "min.cleanable.dirty.ratio", "1");
  commit("bad", 2000);
  machine_.fs.flip_bit("/data/bad-0/00000000000000000000.log", uint64_t{8} * 5000);
  configure("bad", "min.cleanable.dirty.ratio", "0.5");
  commit("good", 2000);
  pass_time(std::chrono::minutes(5));
  EXPECT_EQ(metrics_.compaction_failures.value(), 1u);
  EXPECT_EQ(metrics_.compactions.value(), 1u);
  put("bad", "a", "1");
}

}  // namespace
}  // namespace millrace::replication
