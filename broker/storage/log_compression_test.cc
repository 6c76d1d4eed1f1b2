#include "broker/protocol/record_batch.h"
#include "broker/storage/log_test_support.h"

namespace millrace::storage {
namespace {

using protocol::Codec;

class LogCompression : public LogTest, public testing::WithParamInterface<Codec> {
 protected:
  Bytes batch(std::vector<Timestamp> times) {
    protocol::RecordBatchBuilder builder(GetParam());
    for (const Timestamp time : times) builder.add(time, as_bytes("key"), as_bytes(std::string(300, 'v')));
    return builder.build();
  }
  const Timestamp now_ = io::sim::SimClock::kStartWallMs;
};

TEST_P(LogCompression, batches_are_stored_as_they_came_and_their_records_are_found_by_time) {
  const Bytes first = batch({now_ - 50, now_ - 10, now_ - 30});
  ASSERT_TRUE(log().append_as_leader(Bytes::copy_of(first.view()), kEpoch));
  ASSERT_TRUE(log().append_as_leader(batch({now_ - 5, now_}), kEpoch));
  const Bytes stored = bytes_of(*read(0, 1));
  ASSERT_EQ(stored.size(), first.size());
  EXPECT_TRUE(std::equal(stored.view().begin() + protocol::kMagicAt, stored.view().end(),
                         first.view().begin() + protocol::kMagicAt));
  EXPECT_EQ(log().find_by_timestamp(now_ - 40, Offset(5)).value()->offset, Offset(1));
  EXPECT_EQ(log().find_by_timestamp(now_ - 9, Offset(5)).value()->offset, Offset(3));
  EXPECT_EQ(log().find_max_timestamp(Offset(5)).value()->offset, Offset(4));
  EXPECT_EQ(log().find_max_timestamp(Offset(3)).value()->offset, Offset(1));
}

TEST_P(LogCompression, a_payload_that_contradicts_its_header_is_refused) {
  const Bytes good = batch({now_, now_});
  const auto promise =
      with_field(with_field(good, protocol::kRecordCountAt, int32_t{3}), protocol::kLastOffsetDeltaAt, int32_t{2});
  EXPECT_EQ(log().append_as_leader(promise, kEpoch).error().code, Errc::invalid_record);
  // A checksum that is right over bytes that are wrong.
  for (size_t at = protocol::kBatchHeaderBytes; at < good.size(); ++at) {
    const auto flipped = static_cast<int8_t>(static_cast<uint8_t>(good.view()[at]) ^ 0x55u);
    const auto checked = check_client_batch(with_field(good, at, flipped), config_, now_);
    if (!checked) {
      EXPECT_NE(checked.error().code, Errc::io) << at;
    }
  }
  EXPECT_EQ(log().log_end(), Offset(0));
}

TEST_P(LogCompression, a_wrong_largest_timestamp_is_corrected_from_the_records) {
  const Bytes lies = with_field(batch({now_ - 7, now_ - 3}), protocol::kMaxTimestampAt, now_ + 1000);
  ASSERT_TRUE(log().append_as_leader(lies, kEpoch));
  EXPECT_EQ(log().find_max_timestamp(Offset(2)).value()->timestamp, now_ - 3);
}

INSTANTIATE_TEST_SUITE_P(Codecs, LogCompression,
                         testing::Values(Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd),
                         [](const auto& codec) { return std::string(protocol::name(codec.param)); });

}  // namespace
}  // namespace millrace::storage
