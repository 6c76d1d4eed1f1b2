#include "broker/protocol/record_batch.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "broker/base/endian.h"
#include "broker/protocol/compression.h"

namespace millrace::protocol {
namespace {

class RecordBatchOfCodec : public testing::TestWithParam<Codec> {};

INSTANTIATE_TEST_SUITE_P(AllCodecs, RecordBatchOfCodec,
                         testing::Values(Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd),
                         [](const auto& codec) { return std::string(name(codec.param)); });

TEST_P(RecordBatchOfCodec, records_come_back_as_they_were_added) {
  RecordBatchBuilder builder(GetParam());
  builder.add(1000, as_bytes("k"), as_bytes("v"), {{as_bytes("h"), as_bytes("x")}, {as_bytes("n"), std::nullopt}});
  builder.add(990, std::nullopt, std::nullopt);
  for (int i = 0; i < 5000; ++i) builder.add(1000 + i, std::nullopt, as_bytes("the same text again and again"));
  const auto records = read_batch(builder.build());
  ASSERT_TRUE(records) << records.error().to_string();
  ASSERT_EQ(records->size(), 5002u);
  EXPECT_EQ((*records)[0].key->text(), "k");
  EXPECT_EQ((*records)[0].headers[0].value->text(), "x");
  EXPECT_FALSE((*records)[0].headers[1].value);
  EXPECT_EQ((*records)[1].timestamp, 990);
  EXPECT_FALSE((*records)[1].value);
  EXPECT_EQ(records->back().offset, Offset(5001));
}

TEST_P(RecordBatchOfCodec, a_flipped_bit_is_found) {
  const Bytes good = RecordBatchBuilder(GetParam()).add(1, std::nullopt, as_bytes("value")).build();
  for (size_t at = kCrcAt; at < good.size(); ++at) {
    Bytes bad = Bytes::copy_of(good.view());
    bad.mutable_data()[at] ^= std::byte{0x10};
    EXPECT_EQ(read_batch(bad).error().code, Errc::corrupt) << "byte " << at;
  }
}

TEST_P(RecordBatchOfCodec, decompression_stops_at_the_limit) {
  if (GetParam() == Codec::none) GTEST_SKIP() << "nothing is decompressed";
  const std::string large(4 << 20, 'a');
  const auto compressed = compress(GetParam(), as_bytes(large));
  ASSERT_TRUE(compressed);
  EXPECT_EQ(decompress(GetParam(), compressed->view(), 1 << 20).error().code, Errc::message_too_large);
  EXPECT_EQ(decompress(GetParam(), compressed->view(), 4 << 20)->text(), large);
}

TEST_P(RecordBatchOfCodec, compressed_data_cut_anywhere_is_refused) {
  if (GetParam() == Codec::none) GTEST_SKIP() << "nothing is decompressed";
  const auto whole = compress(GetParam(), as_bytes("some text that is compressed and then cut somewhere"));
  for (size_t size = 0; size < whole->size(); ++size) {
    const auto plain = decompress(GetParam(), whole->view().first(size), 1 << 20);
    // Snappy's outer framing has no end mark: a cut after its header is an empty stream.
    EXPECT_TRUE(!plain || (GetParam() == Codec::snappy && plain->empty())) << "cut to " << size;
  }
}

// As a stream of unknown size with a window of 2^27, which is what level 22 writes; made at level 1 for speed.
std::string zstd_of_the_widest_window(std::string_view plain) {
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, kZstdWindowLogMax);
  std::string out(ZSTD_compressBound(plain.size()) + 64, '\0');
  ZSTD_inBuffer in{plain.data(), plain.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  EXPECT_FALSE(ZSTD_isError(ZSTD_compressStream2(context.get(), &to, &in, ZSTD_e_continue)));
  EXPECT_EQ(ZSTD_compressStream2(context.get(), &to, &in, ZSTD_e_end), 0u);
  out.resize(to.pos);
  return out;
}

TEST(Compression, zstd_of_level_22_is_taken_and_a_wider_window_is_refused) {
  const std::string plain = "some text, " + std::string(300'000, 'z') + ", some text";
  std::string stream = zstd_of_the_widest_window(plain);
  constexpr size_t kWindowDescriptorAt = 5;  // behind the magic and the frame's descriptor (RFC 8878)
  ASSERT_EQ(static_cast<uint8_t>(stream[kWindowDescriptorAt]), (kZstdWindowLogMax - 10) << 3);
  const auto taken = decompress(Codec::zstd, as_bytes(stream), 1 << 20);
  ASSERT_TRUE(taken) << taken.error().to_string();
  EXPECT_EQ(taken->text(), plain);
  // One eighth more, and twice as much.
  for (const int wider : {((kZstdWindowLogMax - 10) << 3) + 1, (kZstdWindowLogMax - 9) << 3}) {
    stream[kWindowDescriptorAt] = static_cast<char>(wider);
    const auto refused = decompress(Codec::zstd, as_bytes(stream), 1 << 20);
    ASSERT_FALSE(refused) << wider;
    EXPECT_EQ(refused.error().code, Errc::invalid_record);
  }
}

TEST(Compression, what_the_most_eager_zstd_levels_write_comes_back) {
  const std::string plain = "a text of a producer that saves bytes " + std::string(100'000, 'y');
  for (const int level : {1, 19, ZSTD_maxCLevel()}) {
    std::string out(ZSTD_compressBound(plain.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), level));
    EXPECT_EQ(decompress(Codec::zstd, as_bytes(out), 1 << 20)->text(), plain) << "level " << level;
  }
}

TEST(RecordBatch, a_log_assigns_offset_and_epoch_without_touching_the_checksum) {
  Bytes batch = RecordBatchBuilder().add(5, std::nullopt, as_bytes("v")).build();
  set_base_offset(batch.mutable_data(), Offset(77));
  set_leader_epoch(batch.mutable_data(), LeaderEpoch(3));
  const auto header = check_batch(batch.view());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->base_offset, Offset(77));
  EXPECT_EQ(header->leader_epoch, LeaderEpoch(3));
}

TEST(RecordBatch, log_append_time_replaces_the_records_times_and_the_checksum) {
  Bytes batch = RecordBatchBuilder().add(5, std::nullopt, as_bytes("v")).build();
  set_log_append_time(batch.mutable_data(), batch.size(), 1234);
  EXPECT_EQ(read_batch(batch)->front().timestamp, 1234);
}

TEST(RecordBatch, a_count_that_differs_from_the_records_is_refused) {
  for (const int32_t count : {1, 3}) {
    Bytes batch = RecordBatchBuilder().add(5, std::nullopt, as_bytes("a")).add(6, std::nullopt, as_bytes("b")).build();
    store_big_endian(batch.mutable_data() + kRecordCountAt, count);
    store_big_endian(batch.mutable_data() + kLastOffsetDeltaAt, int32_t{5});
    set_log_append_time(batch.mutable_data(), batch.size(), 1);  // makes the checksum right again
    EXPECT_EQ(read_batch(batch).error().code, Errc::invalid_record) << count;
  }
}

TEST(RecordBatch, a_batch_cut_by_a_fetch_is_left_out) {
  const Bytes one = RecordBatchBuilder().add(5, std::nullopt, as_bytes("a")).build();
  std::vector<std::byte> two(one.data(), one.data() + one.size());
  two.insert(two.end(), one.data(), one.data() + one.size() - 1);
  EXPECT_EQ(read_batches(Bytes::adopt(std::move(two)))->size(), 1u);
}

}  // namespace
}  // namespace millrace::protocol
