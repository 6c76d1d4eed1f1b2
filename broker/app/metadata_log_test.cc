#include "broker/app/metadata_log.h"

#include <future>

#include <gtest/gtest.h>

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

TEST_F(MetadataLogTest, a_damaged_snapshot_is_named_and_not_served) {
  snapshot_records = 1;
  open();
  ASSERT_TRUE(append({key(1)}));
  metadata::ImageBuilder builder;
  builder.apply(Offset{0}, key(1));
  log->offer_snapshot(builder.image());
  ASSERT_TRUE(append({key(2)}));
  ASSERT_TRUE(append({key(3)}));
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
