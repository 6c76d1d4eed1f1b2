#include "broker/app/metadata_log.h"

#include <future>

#include <gtest/gtest.h>

#include "broker/app/metadata_snapshot.h"
#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"

namespace millrace::app {
namespace {

using metadata::MetadataRecord;

struct MetadataLogTest : testing::Test {
  io::sim::SimFileSystem fs;
  io::sim::SimClock clock;
  std::unique_ptr<MetadataLog> log;
  int64_t snapshot_records = 10'000;

  Result<std::unique_ptr<MetadataLog>> try_open() {
    return MetadataLog::open(
        {.fs = &fs, .clock = &clock, .directory = "/data/__cluster_metadata-0", .snapshot_records = snapshot_records});
  }
  // The image that a start finds.
  metadata::ImagePointer open() {
    log.reset();
    auto opened = try_open();
    ENSURE(opened.has_value());
    log = std::move(*opened);
    return log->take_recovered().image();
  }
  std::future<Result<Offset>> begin(std::vector<MetadataRecord> records) {
    auto promise = std::make_shared<std::promise<Result<Offset>>>();
    std::vector<machine::Record> encoded;
    for (const MetadataRecord& record : records) encoded.push_back({.key = {}, .value = encode(record)});
    log->append(std::move(encoded), [promise](Result<Offset> last) { promise->set_value(std::move(last)); });
    return promise->get_future();
  }
  Result<Offset> append(std::vector<MetadataRecord> records) { return begin(std::move(records)).get(); }
  // Where the oldest file of records begins.
  Offset first_segment() {
    Offset first{INT64_MAX};
    const auto entries = fs.list("/data/__cluster_metadata-0");
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.name.ends_with(".log")) first = std::min(first, Offset{std::stoll(entry.name)});
    }
    return first;
  }
  static MetadataRecord key(int n) { return metadata::ConfigRecord{4, "", "key" + std::to_string(n), "v"}; }
  void SetUp() override { ENSURE(fs.create_directories("/data").has_value()); }
};

TEST_F(MetadataLogTest, what_was_committed_is_found_after_a_clean_stop_a_kill_and_a_power_loss) {
  EXPECT_EQ(open()->applied, Offset{-1});
  EXPECT_EQ(*append({metadata::ClusterRecord{"c"}, key(1)}), Offset{1});
  EXPECT_EQ(*append({key(2)}), Offset{2});
  EXPECT_EQ(open()->cluster_config.size(), 2u);
  EXPECT_EQ(*append({key(3)}), Offset{3});
  fs.restart();
  EXPECT_EQ(open()->cluster_config.size(), 3u);
  EXPECT_EQ(*append({key(4)}), Offset{4});
  fs.lose_power();
  const metadata::ImagePointer image = open();
  EXPECT_EQ(image->cluster_config.size(), 4u);
  EXPECT_EQ(image->cluster_id, "c");
  EXPECT_EQ(image->applied, Offset{4});
}

TEST_F(MetadataLogTest, a_full_disk_fails_everything_until_the_log_was_read_again) {
  open();
  ASSERT_TRUE(append({key(1)}));
  fs.fail_call(0, Errc::disk_full);
  EXPECT_FALSE(append({key(2)}));
  EXPECT_FALSE(append({key(3)})) << "it may rest on what was lost";
  auto again = log->reopen();
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->current().applied, Offset{0});
  EXPECT_EQ(*append({key(3)}), Offset{1});
  EXPECT_EQ(open()->cluster_config.size(), 2u);
}

TEST_F(MetadataLogTest, a_failed_flush_acknowledges_nothing) {
  open();
  ASSERT_TRUE(append({key(1)}));
  fs.fail_flushes(true);
  EXPECT_FALSE(append({key(2)}));
  fs.fail_flushes(false);
  fs.lose_power();
  const size_t found = open()->cluster_config.size();
  EXPECT_GE(found, 1u);
  EXPECT_LE(found, 2u);
}

TEST_F(MetadataLogTest, commits_come_in_the_order_of_appends) {
  open();
  std::vector<std::future<Result<Offset>>> waiting;
  for (int n = 0; n < 200; ++n) waiting.push_back(begin({key(n)}));
  for (int n = 0; n < 200; ++n) EXPECT_EQ(*waiting[static_cast<size_t>(n)].get(), Offset{n});
}

TEST_F(MetadataLogTest, a_start_goes_on_from_the_snapshot) {
  snapshot_records = 100;
  open();
  metadata::ImageBuilder builder;
  for (int n = 0; n < 250; ++n) {
    const MetadataRecord record = key(n % 7);
    ASSERT_TRUE(append({record}));
    builder.apply(Offset{n}, record);
    log->offer_snapshot(builder.image());
  }
  const metadata::ImagePointer image = open();
  EXPECT_TRUE(*image == *builder.image());
  EXPECT_TRUE(*fs.exists("/data/__cluster_metadata-0/snapshot"));
  EXPECT_EQ(*append({key(1)}), Offset{250});
  EXPECT_EQ(open()->applied, Offset{250});
}

TEST_F(MetadataLogTest, a_start_reads_the_snapshot_and_what_follows_it_and_no_more) {
  snapshot_records = 1'000;
  open();
  metadata::ImageBuilder builder;
  const auto large = [](int n) {
    return metadata::ConfigRecord{4, "", "key" + std::to_string(n % 7), std::string(1'000, 'v')};
  };
  for (int n = 0; n < 3'050; ++n) {
    ASSERT_TRUE(append({large(n)}));
    builder.apply(Offset{n}, large(n));
    log->offer_snapshot(builder.image());
  }
  log.reset();  // the snapshot that waits is written
  const uint64_t before = fs.read_bytes();
  EXPECT_TRUE(*open()->cluster_config.begin() == *builder.image()->cluster_config.begin());
  const uint64_t read = fs.read_bytes() - before;
  const Offset covered = load_snapshot(fs, "/data/__cluster_metadata-0/snapshot")->current().applied;
  EXPECT_LT(3'049 - covered.value(), 1'100) << "snapshots are written while commands come";
  // The segment begins where the snapshot was asked for; commands that came before it was written are in both.
  const Offset first = first_segment();
  EXPECT_LE(first, covered.next());
  // Seven kilobytes of state, and each of the records of a kilobyte at most twice: verified and replayed.
  EXPECT_LT(read, static_cast<uint64_t>(3'050 - first.value()) * 2 * 1'200 + 20'000) << "of 3 MB that were written";
  EXPECT_EQ(*append({key(1)}), Offset{3'050});
}

TEST_F(MetadataLogTest, a_start_from_a_snapshot_alone_goes_on_behind_it) {
  snapshot_records = 10;
  open();
  metadata::ImageBuilder builder;
  for (int n = 0; n < 10; ++n) {
    ASSERT_TRUE(append({key(n)}));
    builder.apply(Offset{n}, key(n));
  }
  log->offer_snapshot(builder.image());
  log.reset();
  for (const std::string& path : fs.files()) {
    if (path.ends_with(".log")) {
      EXPECT_TRUE(path.ends_with("/00000000000000000010.log")) << "a segment begins where the snapshot ends: " << path;
    }
  }
  EXPECT_TRUE(*open() == *builder.image());
  EXPECT_EQ(*append({key(1)}), Offset{10});
  EXPECT_EQ(open()->applied, Offset{10});
}

TEST_F(MetadataLogTest, an_image_older_than_the_end_of_the_log_waits_for_the_one_of_the_boundary) {
  snapshot_records = 3;
  open();
  metadata::ImageBuilder builder;
  std::vector<metadata::ImagePointer> images;
  for (int n = 0; n < 5; ++n) {
    ASSERT_TRUE(append({key(n)}));
    builder.apply(Offset{n}, key(n));
    images.push_back(builder.image());
  }
  log->offer_snapshot(images[2]);
  log->offer_snapshot(images[3]);
  ASSERT_TRUE(append({key(9)}));  // behind which both were looked at
  log.reset();
  EXPECT_FALSE(*fs.exists("/data/__cluster_metadata-0/snapshot"));
  open();
  log->offer_snapshot(images[4]);
  log.reset();
  EXPECT_FALSE(*fs.exists("/data/__cluster_metadata-0/snapshot")) << "offset 5 is not in it";
  EXPECT_EQ(open()->cluster_config.size(), 6u);
}

TEST_F(MetadataLogTest, the_interval_goes_on_after_a_restart) {
  snapshot_records = 10;
  open();
  metadata::ImageBuilder builder;
  for (int n = 0; n < 10; ++n) {
    ASSERT_TRUE(append({key(n)}));
    builder.apply(Offset{n}, key(n));
  }
  log->offer_snapshot(builder.image());
  open();
  ASSERT_TRUE(append({key(10)}));
  builder.apply(Offset{10}, key(10));
  log->offer_snapshot(builder.image());
  log.reset();
  EXPECT_EQ(load_snapshot(fs, "/data/__cluster_metadata-0/snapshot")->current().applied, Offset{9});
}

TEST_F(MetadataLogTest, a_snapshot_that_ends_inside_a_batch_is_continued_inside_it) {
  open();
  ASSERT_TRUE(append({key(0), key(1)}));
  log.reset();
  metadata::ImageBuilder builder;
  builder.apply(Offset{0}, key(0));
  ASSERT_TRUE(save_snapshot(fs, "/data/__cluster_metadata-0/snapshot", *builder.image()));
  const metadata::ImagePointer image = open();
  EXPECT_EQ(image->applied, Offset{1});
  EXPECT_EQ(image->cluster_config.size(), 2u);
}

TEST_F(MetadataLogTest, fewer_records_than_the_interval_make_no_snapshot) {
  snapshot_records = 5;
  open();
  metadata::ImageBuilder builder;
  for (int n = 0; n < 5; ++n) {
    EXPECT_FALSE(*fs.exists("/data/__cluster_metadata-0/snapshot"));
    ASSERT_TRUE(append({key(n)}));
    builder.apply(Offset{n}, key(n));
    log->offer_snapshot(builder.image());
  }
  log.reset();
  EXPECT_TRUE(*fs.exists("/data/__cluster_metadata-0/snapshot"));
}

TEST_F(MetadataLogTest, a_full_disk_is_not_fatal_and_anything_else_is) {
  open();
  ASSERT_TRUE(append({key(1)}));
  fs.fail_call(0, Errc::disk_full);
  EXPECT_EQ(append({key(2)}).error().code, Errc::disk_full);
  EXPECT_FALSE(log->fatal());
  ASSERT_TRUE(log->reopen());
  fs.fail_call(0, Errc::io);
  EXPECT_EQ(append({key(2)}).error().code, Errc::io);
  EXPECT_EQ(log->fatal()->code, Errc::io);
}

TEST_F(MetadataLogTest, a_failed_flush_is_fatal_whatever_its_reason) {
  open();
  ASSERT_TRUE(append({key(1)}));
  fs.fail_call(1, Errc::disk_full);  // the write, then the flush
  EXPECT_FALSE(append({key(2)}));
  EXPECT_TRUE(log->fatal().has_value());
}

TEST_F(MetadataLogTest, reading_again_fails_where_the_disk_does) {
  open();
  ASSERT_TRUE(append({key(1)}));
  fs.fail_call(0, Errc::disk_full);
  EXPECT_FALSE(append({key(2)}));
  fs.fail_flushes(true);
  EXPECT_FALSE(log->reopen());
  EXPECT_TRUE(log->fatal().has_value()) << "a flush that succeeds later would say nothing";
  fs.fail_flushes(false);
  EXPECT_FALSE(append({key(3)}));
}

// Handed over before the log was read again: it may rest on what was lost.
TEST_F(MetadataLogTest, what_waited_behind_a_failure_is_not_written_after_it) {
  open();
  ASSERT_TRUE(append({key(1)}));
  fs.fail_call(0, Errc::disk_full);
  std::vector<std::future<Result<Offset>>> waiting;
  for (int n = 2; n < 50; ++n) waiting.push_back(begin({key(n)}));
  for (auto& outcome : waiting) EXPECT_FALSE(outcome.get());
  const auto again = log->reopen();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->current().applied, Offset{0});
}

TEST_F(MetadataLogTest, appends_before_a_failed_one_in_the_same_flush_are_committed) {
  open();
  ASSERT_TRUE(append({key(1)}));
  // Whatever is batched with what: each answered as committed is found.
  for (uint64_t call = 0; call < 12; ++call) {
    SCOPED_TRACE(call);
    fs.fail_call(call, Errc::disk_full);
    std::vector<std::future<Result<Offset>>> waiting;
    for (int n = 0; n < 6; ++n) waiting.push_back(begin({key(n)}));
    Offset last = kNoOffset;
    for (auto& outcome : waiting) {
      const Result<Offset> committed = outcome.get();
      if (committed) last = std::max(last, *committed);
    }
    fs.fail_call(1'000'000, Errc::io);
    fs.lose_power();
    EXPECT_GE(open()->applied, last);
  }
}

TEST_F(MetadataLogTest, after_its_end_it_refuses_appends) {
  open();
  ASSERT_TRUE(append({key(1)}));
  EXPECT_TRUE(log->close());
  EXPECT_EQ(append({key(2)}).error().code, Errc::shutting_down);
  EXPECT_TRUE(log->close()) << "again";
  EXPECT_EQ(open()->applied, Offset{0});
}

TEST_F(MetadataLogTest, a_close_writes_what_was_handed_over) {
  open();
  std::vector<std::future<Result<Offset>>> waiting;
  for (int n = 0; n < 50; ++n) waiting.push_back(begin({key(n)}));
  EXPECT_TRUE(log->close());
  for (int n = 0; n < 50; ++n) EXPECT_EQ(*waiting[static_cast<size_t>(n)].get(), Offset{n});
  fs.lose_power();
  EXPECT_EQ(open()->applied, Offset{49});
}

TEST_F(MetadataLogTest, a_record_that_is_none_of_ours_is_named_and_not_served) {
  open();
  std::promise<Result<Offset>> done;
  log->append({{.key = {}, .value = std::nullopt}}, [&](Result<Offset> last) { done.set_value(std::move(last)); });
  ASSERT_TRUE(done.get_future().get());
  log.reset();
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::corrupt);
}

TEST_F(MetadataLogTest, a_damaged_snapshot_is_named_and_not_served) {
  snapshot_records = 1;
  open();
  metadata::ImageBuilder builder;
  for (int n = 0; n < 3; ++n) {
    ASSERT_TRUE(append({key(n)}));
    builder.apply(Offset{n}, key(n));
    log->offer_snapshot(builder.image());
  }
  log.reset();
  ASSERT_TRUE(*fs.exists("/data/__cluster_metadata-0/snapshot"));
  fs.flip_bit("/data/__cluster_metadata-0/snapshot", 200);
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().to_string(), "/data/__cluster_metadata-0/snapshot: corrupt data");
}

TEST_F(MetadataLogTest, whichever_call_the_process_dies_in_acknowledged_records_are_found) {
  for (uint64_t call = 0; call < 60; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    ASSERT_TRUE(fs.remove_all("/data"));
    ASSERT_TRUE(fs.create_directories("/data"));
    snapshot_records = 3;
    open();
    fs.die_at_call(call);
    metadata::ImageBuilder builder;
    int acknowledged = 0;
    for (int n = 0; n < 12; ++n) {
      if (!append({key(n)})) break;
      ++acknowledged;
      builder.apply(Offset{n}, key(n));
      log->offer_snapshot(builder.image());
    }
    log.reset();
    call % 2 == 0 ? fs.lose_power() : fs.restart();
    const metadata::ImagePointer image = open();
    EXPECT_GE(image->cluster_config.size(), static_cast<size_t>(acknowledged));
    EXPECT_LE(image->cluster_config.size(), static_cast<size_t>(acknowledged) + 1);
    EXPECT_EQ(append({key(50)})->value(), image->applied.value() + 1);
    log.reset();
  }
}

}  // namespace
}  // namespace millrace::app
