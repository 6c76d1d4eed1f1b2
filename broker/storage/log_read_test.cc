#include "broker/storage/file_cache.h"
#include "broker/storage/log_test_support.h"

namespace millrace::storage {
namespace {

class LogRead : public LogTest {
 protected:
  void fill(int batches, size_t value_bytes = 100) {
    for (int i = 0; i < batches; ++i) append({std::to_string(i) + std::string(value_bytes, '.'), "second"});
  }
};

TEST_F(LogRead, every_offset_finds_the_batch_that_holds_it) {
  config_.segment_bytes_max = 20'000;
  config_.index_interval_bytes = 500;
  fill(400);
  for (int pass = 0; pass < 3; ++pass) {
    for (int64_t offset = 0; offset < 800; ++offset) {
      const Bytes bytes = bytes_of(*read(offset, 1));
      ASSERT_GE(bytes.size(), protocol::kBatchHeaderBytes) << offset;
      EXPECT_EQ(protocol::BatchHeader::decode(bytes.data()).base_offset, Offset(offset / 2 * 2)) << offset;
      EXPECT_EQ(bytes.size(), protocol::BatchHeader::decode(bytes.data()).total_bytes());
    }
    if (pass == 0) close_and_reopen();
    if (pass == 1) crash();
  }
}

TEST_F(LogRead, answers_whole_batches_within_the_limit_of_bytes) {
  config_.index_interval_bytes = 500;
  fill(200);
  const size_t one = bytes_of(*read(20, 1)).size();
  for (const size_t bytes_max : {one - 1, one, one + 1, 10 * one, 77 * one + 3, size_t{20'000}, size_t{1} << 30}) {
    const Bytes bytes = bytes_of(*read(20, bytes_max, false));
    EXPECT_LE(bytes.size(), bytes_max);
    Values values;
    add_values(bytes.view(), values);
    if (bytes_max >= one) {
      EXPECT_FALSE(values.empty());
    }
    // The next batch (sizes differ by a few bytes) would not have fitted.
    if (!values.empty() && values.rbegin()->first < 399) {
      EXPECT_GT(bytes.size() + one + 3, bytes_max);
    }
  }
  EXPECT_EQ(read(20, 1, false)->size_bytes(), 0u);
  EXPECT_EQ(read(20, 0, false)->size_bytes(), 0u);
  EXPECT_GT(read(20, 1, true)->size_bytes(), 1u);
}

TEST_F(LogRead, stops_below_the_limit_of_offsets_at_a_batch) {
  config_.index_interval_bytes = 500;
  fill(100);
  for (int64_t below = 0; below <= 200; ++below) {
    const auto info = log().read(Offset(10), {.below = Offset(below), .bytes_max = 1 << 20, .at_least_one = true});
    Values values;
    add_values(bytes_of(*info).view(), values);
    const int64_t last = values.empty() ? 9 : values.rbegin()->first;
    EXPECT_EQ(last, std::max<int64_t>(9, below / 2 * 2 - 1)) << below;
  }
}

TEST_F(LogRead, offsets_outside_the_log_are_out_of_range) {
  fill(3);
  EXPECT_EQ(read(7).error().code, Errc::offset_out_of_range);
  EXPECT_EQ(read(-1).error().code, Errc::offset_out_of_range);
  EXPECT_EQ(read(6)->size_bytes(), 0u);
  ASSERT_TRUE(log().advance_log_start(Offset(3)));
  EXPECT_EQ(read(2).error().code, Errc::offset_out_of_range);
  EXPECT_EQ(values_from(3).size(), 3u);
}

TEST_F(LogRead, a_held_range_outlives_the_deletion_of_its_segment) {
  config_.segment_bytes_max = 40'000;
  config_.retention_bytes = 0;
  fill(100, 1000);
  const ReadInfo info = *read(0, 30'000);
  ASSERT_TRUE(std::holds_alternative<SourceRange>(info.data));
  const Bytes before = bytes_of(info);
  auto work = log().enforce_retention(log().log_end()).value();
  ASSERT_GT(work.delete_paths.size(), 0u);
  for (const std::string& path : work.delete_paths) ASSERT_TRUE(disk_.remove(path));
  EXPECT_EQ(bytes_of(info), before);
  EXPECT_EQ(read(0).error().code, Errc::offset_out_of_range);
}

TEST_F(LogRead, idle_logs_hold_no_file_open_and_the_cache_keeps_to_its_limit) {
  config_.segment_bytes_max = 2000;
  fill(200);
  EXPECT_LE(disk_.open_handles(), 16u);
  close_and_reopen();
  EXPECT_EQ(disk_.open_handles(), 0u);
  EXPECT_EQ(values_from(0).size(), 400u);
  EXPECT_LE(disk_.open_handles(), 16u);
}

TEST_F(LogRead, damaged_indexes_only_make_reads_walk_further) {
  config_.segment_bytes_max = 30'000;
  config_.index_interval_bytes = 300;
  fill(300);
  const Values before = all();
  close_and_reopen();
  io::sim::SimRandom random(5);
  for (const std::string& file : disk_.files()) {
    if (!file.ends_with("index")) continue;
    switch (random.below(4)) {
      case 0:
        ASSERT_TRUE(disk_.remove(file));
        break;
      case 1: {
        auto opened = disk_.open(file, io::OpenMode::read_write).value();
        ASSERT_TRUE(opened->truncate(opened->size().value() / 2 + 3));
        break;
      }
      case 2: {
        auto opened = disk_.open(file, io::OpenMode::read_write).value();
        const uint64_t size = opened->size().value();
        ASSERT_TRUE(opened->truncate(size / 2) && opened->truncate(size));  // a tail of zeros
        break;
      }
      default:
        for (int i = 0; i < 20; ++i) disk_.flip_bit(file, random.below(2000));
    }
  }
  open(true);
  EXPECT_EQ(all(), before);
  for (int64_t offset = 0; offset < 600; offset += 7)
    EXPECT_EQ(values_from(offset).size(), 600u - static_cast<size_t>(offset));
}

TEST_F(LogRead, times_find_the_first_record_at_or_after_them) {
  config_.segment_bytes_max = 5000;
  config_.index_interval_bytes = 200;
  const Timestamp base = clock_.wall_ms() - 1'000'000;
  std::vector<Timestamp> times;
  io::sim::SimRandom random(3);
  for (int i = 0; i < 150; ++i) {
    BatchSpec spec;
    for (int r = 0; r < 3; ++r) {
      spec.values.push_back("v");
      spec.times.push_back(base + int64_t{i} * 1000 + static_cast<Timestamp>(random.below(5000)));
      times.push_back(spec.times.back());
    }
    append(spec);
  }
  const auto expected = [&](Timestamp time, size_t from, size_t below) -> int64_t {
    for (size_t i = from; i < below; ++i) {
      if (times[i] >= time) return static_cast<int64_t>(i);
    }
    return -1;
  };
  const auto check = [&](size_t from, size_t below) {
    for (int i = 0; i < 300; ++i) {
      const Timestamp time = base + static_cast<Timestamp>(random.below(160'000)) - 2000;
      const auto found = log().find_by_timestamp(time, Offset(static_cast<int64_t>(below))).value();
      ASSERT_EQ(found ? found->offset.value() : -1, expected(time, from, below)) << time - base;
      if (found) {
        EXPECT_EQ(found->timestamp, times[static_cast<size_t>(found->offset.value())]);
        EXPECT_EQ(found->leader_epoch, kEpoch);
      }
    }
    const auto newest =
        std::max_element(times.begin() + static_cast<ptrdiff_t>(from), times.begin() + static_cast<ptrdiff_t>(below));
    const auto found = log().find_max_timestamp(Offset(static_cast<int64_t>(below))).value();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->timestamp, *newest);
    EXPECT_EQ(found->offset.value(), newest - times.begin());
  };
  check(0, times.size());
  check(0, 99);
  close_and_reopen();
  check(0, times.size());
  crash();
  check(0, times.size());
  ASSERT_TRUE(log().advance_log_start(Offset(100)));
  check(100, 399);
  ASSERT_TRUE(log().truncate_to(Offset(300)));
  times.resize(300);
  check(100, 300);
}

TEST_F(LogRead, an_empty_log_has_no_times) {
  EXPECT_FALSE(log().find_by_timestamp(0, Offset(0)).value());
  EXPECT_FALSE(log().find_max_timestamp(Offset(0)).value());
  EXPECT_EQ(log().read(Offset(0), {.below = Offset(0), .bytes_max = 10})->size_bytes(), 0u);
}

}  // namespace
}  // namespace millrace::storage
