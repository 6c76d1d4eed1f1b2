#include "broker/storage/log_test_support.h"

namespace millrace::storage {
namespace {

class LogAppend : public LogTest {
 protected:
  Errc refusal(Bytes batch) {
    auto info = log().append_as_leader(std::move(batch), kEpoch);
    EXPECT_FALSE(info) << "it was accepted";
    return info ? Errc::io : info.error().code;
  }
};

TEST_F(LogAppend, assigns_offsets_and_leader_epoch_in_place_and_leaves_the_checksum) {
  append({"a", "b"});
  Bytes batch = make_batch({.values = {"c", "d", "e"}});
  const uint32_t crc = protocol::BatchHeader::decode(batch.data()).crc;
  const AppendInfo info = log().append_as_leader(batch, kEpoch).value();
  EXPECT_EQ(info.first_offset, Offset(2));
  EXPECT_EQ(info.last_offset, Offset(4));
  EXPECT_EQ(info.log_append_time_ms, kNoTimestamp);
  const protocol::BatchHeader header = protocol::BatchHeader::decode(batch.data());
  EXPECT_EQ(header.base_offset, Offset(2));
  EXPECT_EQ(header.leader_epoch, kEpoch);
  EXPECT_EQ(header.crc, crc);
  EXPECT_EQ(all(), (Values{{0, "a"}, {1, "b"}, {2, "c"}, {3, "d"}, {4, "e"}}));
  EXPECT_EQ(log().log_end(), Offset(5));
}

TEST_F(LogAppend, one_batch_costs_one_write) {
  append({"first"});
  const uint64_t before = disk_.calls();
  append({"second"});
  EXPECT_EQ(disk_.calls() - before, 1u);
}

TEST_F(LogAppend, refuses_what_is_no_single_whole_batch_of_the_current_format) {
  const Bytes good = make_batch({.values = {"a", "b"}});
  EXPECT_EQ(refusal(good.slice(0, 60)), Errc::invalid_record);
  EXPECT_EQ(refusal(good.slice(0, good.size() - 1)), Errc::invalid_record);
  std::vector<std::byte> two(good.view().begin(), good.view().end());
  two.insert(two.end(), good.view().begin(), good.view().end());
  EXPECT_EQ(refusal(Bytes::adopt(two)), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kMagicAt, int8_t{1}, false)), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kMagicAt, int8_t{3}, false)), Errc::corrupt);
  EXPECT_EQ(refusal(with_field(good, protocol::kLengthAt, int32_t{-5}, false)), Errc::corrupt);
  EXPECT_EQ(refusal(with_field(good, protocol::kLengthAt, int32_t{2'000'000'000}, false)), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kMaxTimestampAt, int64_t{1}, false)), Errc::corrupt);  // checksum
  EXPECT_EQ(log().log_end(), Offset(0));
}

TEST_F(LogAppend, refuses_headers_that_no_client_may_send) {
  const Bytes good = make_batch({.values = {"a", "b"}});
  EXPECT_EQ(refusal(with_field(good, protocol::kBaseOffsetAt, int64_t{7})), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kRecordCountAt, int32_t{0})), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kRecordCountAt, int32_t{-1})), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kRecordCountAt, int32_t{1})), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kLastOffsetDeltaAt, int32_t{5})), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kAttributesAt, protocol::kControlBit)), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kAttributesAt, protocol::kTransactionalBit)), Errc::invalid_record);
  EXPECT_EQ(refusal(with_field(good, protocol::kAttributesAt, int16_t{5})), Errc::unsupported_compression);
  EXPECT_EQ(refusal(make_batch({.values = {"a"}, .producer = 9, .epoch = 0, .sequence = -1})), Errc::invalid_record);
  EXPECT_EQ(refusal(make_batch({.values = {"a"}, .producer = 9, .epoch = -1, .sequence = 0})), Errc::invalid_record);
}

TEST_F(LogAppend, refuses_records_that_contradict_their_header) {
  // More records promised than there are, with a header that is consistent in itself.
  const Bytes promises =
      with_field(with_field(make_batch({.values = {"a", "b"}}), protocol::kRecordCountAt, int32_t{3}),
                 protocol::kLastOffsetDeltaAt, int32_t{2});
  EXPECT_EQ(refusal(promises), Errc::invalid_record);
  const Bytes hides = with_field(with_field(make_batch({.values = {"a", "b"}}), protocol::kRecordCountAt, int32_t{1}),
                                 protocol::kLastOffsetDeltaAt, int32_t{0});
  EXPECT_EQ(refusal(hides), Errc::invalid_record);
  // Every byte of the records, changed to every neighbour: never a crash, never a batch of another length.
  const Bytes good = make_batch({.values = {"a", "bc"}});
  for (size_t at = protocol::kBatchHeaderBytes; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      const auto changed = static_cast<int8_t>(static_cast<uint8_t>(good.view()[at]) ^ (1u << bit));
      const auto checked = check_client_batch(with_field(good, at, changed), config_, clock_.wall_ms());
      if (!checked) {
        EXPECT_TRUE(checked.error().code == Errc::invalid_record || checked.error().code == Errc::invalid_timestamp);
      }
    }
  }
}

TEST_F(LogAppend, refuses_batches_above_the_limits) {
  config_.batch_bytes_max = 200;
  config_.segment_bytes_max = 150;
  open();
  EXPECT_EQ(refusal(make_batch({.values = {std::string(200, 'x')}})), Errc::message_too_large);
  EXPECT_EQ(refusal(make_batch({.values = {std::string(100, 'x')}})), Errc::batch_larger_than_segment);
  append({"fits"});
}

TEST_F(LogAppend, timestamps_out_of_bounds_refuse_the_whole_batch) {
  config_.timestamp_before_ms_max = 1000;
  open();
  const Timestamp now = clock_.wall_ms();
  EXPECT_EQ(refusal(make_batch({.values = {"a", "b"}, .times = {now, now + config_.timestamp_after_ms_max + 1}})),
            Errc::invalid_timestamp);
  EXPECT_EQ(refusal(make_batch({.values = {"a", "b"}, .times = {now, now - 1001}})), Errc::invalid_timestamp);
  append({.values = {"a", "b", "c"}, .times = {now - 1000, now, now + config_.timestamp_after_ms_max}});
}

TEST_F(LogAppend, log_append_time_replaces_the_clients_times) {
  config_.timestamp_type = TimestampType::log_append_time;
  open();
  const AppendInfo info = append({.values = {"a"}, .time = 5});
  EXPECT_EQ(info.log_append_time_ms, clock_.wall_ms());
  const Bytes stored = bytes_of(*read(0));
  const protocol::BatchHeader header = protocol::BatchHeader::decode(stored.data());
  EXPECT_TRUE(header.has(protocol::kTimestampTypeBit));
  EXPECT_EQ(header.max_timestamp, clock_.wall_ms());
  EXPECT_EQ(all(), (Values{{0, "a"}}));  // with a right checksum
}

TEST_F(LogAppend, a_wrong_largest_timestamp_or_type_is_corrected) {
  const Timestamp now = clock_.wall_ms();
  const Bytes batch = make_batch({.values = {"a", "b"}, .times = {now, now - 5}});
  const auto bits = static_cast<int16_t>(protocol::kTimestampTypeBit);
  ASSERT_TRUE(log().append_as_leader(
      with_field(with_field(batch, protocol::kMaxTimestampAt, now + 77), protocol::kAttributesAt, bits), kEpoch));
  const Bytes stored = bytes_of(*read(0));
  const protocol::BatchHeader header = protocol::BatchHeader::decode(stored.data());
  EXPECT_EQ(header.max_timestamp, now);
  EXPECT_FALSE(header.has(protocol::kTimestampTypeBit));
  EXPECT_EQ(all().size(), 2u);
}

TEST_F(LogAppend, a_full_disk_refuses_the_batch_keeps_serving_and_recovers_with_space) {
  append({"before"});
  disk_.set_capacity(disk_.disk_space("/").value().total_bytes);  // from now on counted
  disk_.set_capacity(500);
  int appended = 0;
  Result<AppendInfo> info = try_append({.values = {"x"}});
  for (; info; info = try_append({.values = {"x"}})) ++appended;
  EXPECT_EQ(info.error().code, Errc::disk_full);
  EXPECT_EQ(all().size(), 1u + static_cast<size_t>(appended));
  EXPECT_FALSE(log().is_offline());
  disk_.set_capacity(10'000);
  append({"after"});
  EXPECT_EQ(all().rbegin()->second, "after");
  crash();
  EXPECT_EQ(all().rbegin()->second, "after");
}

TEST_F(LogAppend, a_failed_write_leaves_nothing_visible) {
  append({"a"});
  disk_.fail_call(0);
  EXPECT_EQ(try_append({.values = {"lost"}}).error().code, Errc::io);
  EXPECT_EQ(all(), (Values{{0, "a"}}));
  append({"b"});
  EXPECT_EQ(crash().log_end(), Offset(2));
  EXPECT_EQ(all(), (Values{{0, "a"}, {1, "b"}}));
}

TEST_F(LogAppend, a_failed_write_that_cannot_be_undone_takes_the_log_offline) {
  append({"a"});
  disk_.die_at_call(0);
  EXPECT_FALSE(try_append({.values = {"lost"}}));
  EXPECT_TRUE(log().is_offline());
  EXPECT_EQ(try_append({.values = {"later"}}).error().code, Errc::storage_offline);
  EXPECT_EQ(crash().log_end(), Offset(1));
}

TEST_F(LogAppend, followers_take_batches_as_the_leader_stored_them) {
  append({"a", "b"});
  append({"c"});
  append({"d"});
  const Bytes stored = bytes_of(*read(0));

  io::sim::SimFileSystem other;
  ASSERT_TRUE(other.create_directories("/data"));
  auto follower = Log::open(other, options()).value();
  const AppendInfo info = follower->append_as_follower(stored).value();
  EXPECT_EQ(info.last_offset, Offset(3));
  EXPECT_EQ(follower->latest_epoch(), kEpoch);
  EXPECT_EQ(bytes_of(*follower->read(Offset(0), {.below = Offset(4), .bytes_max = 1 << 20})), stored);

  EXPECT_EQ(follower->append_as_follower(stored).error().code, Errc::invalid_argument);  // does not continue
  Bytes damaged = with_field(bytes_of(*read(3)), protocol::kMaxTimestampAt, int64_t{4}, false);
  EXPECT_EQ(follower->append_as_follower(damaged).error().code, Errc::corrupt);
  EXPECT_EQ(follower->append_as_follower(stored.slice(0, 30)).error().code, Errc::corrupt);
  EXPECT_EQ(follower->log_end(), Offset(4));
}

TEST_F(LogAppend, a_flush_is_counted_with_the_time_it_took) {
  append({"a"});
  FlushPlan plan = log().begin_flush();
  clock_.advance(std::chrono::milliseconds(3));
  log().end_flush(plan, run_flush(disk_, plan));
  EXPECT_EQ(metrics_.flushes.value(), 1u);
  EXPECT_EQ(metrics_.flush_duration.sum_ns(), 3'000'000u);
}

}  // namespace
}  // namespace millrace::storage
