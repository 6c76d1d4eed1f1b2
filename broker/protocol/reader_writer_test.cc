#include <string>

#include <gtest/gtest.h>

#include "broker/protocol/frame.h"
#include "broker/protocol/messages/fetch.h"
#include "broker/protocol/messages/metadata.h"
#include "broker/protocol/messages/produce.h"
#include "broker/protocol/vectors_test_support.h"

namespace millrace::protocol {
namespace {

Bytes bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes.empty() ? Bytes{} : Bytes::adopt(std::move(bytes));
}

TEST(Reader, the_first_fault_sticks_and_later_reads_are_empty) {
  const Bytes frame = bytes_of({0, 1, 2});
  Reader reader(frame);
  EXPECT_EQ(reader.int16(), 1);
  EXPECT_EQ(reader.int32(), 0);
  EXPECT_EQ(reader.int8(), 0) << "the byte that is left must not be read after a fault";
  EXPECT_EQ(reader.status().error().code, Errc::malformed);
  EXPECT_NE(reader.status().error().context.find("byte 2"), std::string::npos) << reader.status().error().context;
}

TEST(Reader, lengths_beyond_the_frame_or_below_null_are_refused) {
  const auto refuses = [](std::initializer_list<int> content, auto read) {
    const Bytes frame = bytes_of(content);
    Reader reader(frame);
    read(reader);
    return !reader.ok();
  };
  EXPECT_TRUE(refuses({0, 5, 'a'}, [](Reader& r) { r.string(false); }));
  EXPECT_TRUE(refuses({0xff, 0xfe, 'a'}, [](Reader& r) { r.nullable_string(false); }));
  EXPECT_TRUE(refuses({0xff, 0xff}, [](Reader& r) { r.string(false); }));
  EXPECT_TRUE(refuses({0}, [](Reader& r) { r.string(true); }));
  EXPECT_TRUE(refuses({6, 'a'}, [](Reader& r) { r.string(true); }));
  EXPECT_TRUE(refuses({0x7f, 0xff, 0xff, 0xff}, [](Reader& r) { r.bytes(false); }));
  EXPECT_TRUE(refuses({0xff, 0xff, 0xff, 0xff, 0x0f}, [](Reader& r) { r.records(true); }));
  EXPECT_TRUE(refuses({0xff, 0xff, 0xff, 0xff}, [](Reader& r) { r.array_count(false, false, 1); }));
  EXPECT_TRUE(refuses({0x7f, 0xff, 0xff, 0xff}, [](Reader& r) { r.array_count(false, true, 1); }));
  EXPECT_TRUE(refuses({0x80, 0x80, 0x80, 0x80, 0x80, 0}, [](Reader& r) { r.unsigned_varint(); }));
  EXPECT_TRUE(refuses({0xff, 0xff, 0xff, 0xff, 0x1f}, [](Reader& r) { r.unsigned_varint(); }));
  EXPECT_TRUE(refuses({1, 7, 9, 0}, [](Reader& r) { r.skip_tags(); }));
  EXPECT_FALSE(refuses({1, 7, 2, 0, 0}, [](Reader& r) { r.skip_tags(); }));
}

TEST(Reader, records_of_a_produce_request_are_a_slice_of_its_frame) {
  ProduceRequest request;
  request.topic_data.emplace_back().name = "t";
  request.topic_data[0].partition_data.emplace_back().records = Records(Bytes::copy_of(std::string(100, 'r')));
  Writer writer;
  request.encode(writer, 9);
  const Bytes body = writer.take_bytes();
  const auto decoded = ProduceRequest::decode(body, 9);
  ASSERT_TRUE(decoded);
  const Bytes& records = decoded->topic_data[0].partition_data[0].records.bytes();
  EXPECT_EQ(records.text(), std::string(100, 'r'));
  EXPECT_TRUE(records.data() > body.data() && records.data() < body.data() + body.size())
      << "the record data was copied";
}

TEST(Reader, bytes_behind_the_last_field_are_ignored_because_librdkafka_sends_them) {
  // The body that librdkafka 2.16 sends for the metadata of all topics.
  const auto request = MetadataRequest::decode(bytes_of({0, 0, 0, 0, 1, 0, 0}), 13);
  ASSERT_TRUE(request) << request.error().to_string();
  EXPECT_FALSE(request->topics) << "null asks for all topics";
}

TEST(Writer, large_record_data_becomes_a_piece_of_its_own_without_a_copy) {
  const Bytes data = Bytes::copy_of(std::string(100'000, 'r'));
  FetchResponse response;
  response.responses.emplace_back().partitions.emplace_back().records = Records(data);
  Writer writer;
  response.encode(writer, 12);
  const OutputChain chain = writer.take();
  ASSERT_EQ(chain.pieces().size(), 3u);
  EXPECT_EQ(std::get<Bytes>(chain.pieces()[1]).data(), data.data());
}

TEST(Writer, the_size_of_a_frame_counts_file_ranges) {
  FetchResponse response;
  response.responses.emplace_back().partitions.emplace_back().records = Records(SourceRange{nullptr, 10, 5000});
  Writer writer;
  begin_response(writer, ApiKey::fetch, 12, 7);
  response.encode(writer, 12);
  const OutputChain frame = finish_frame(writer);
  const Bytes& head = std::get<Bytes>(frame.pieces()[0]);
  EXPECT_EQ(static_cast<size_t>(load_big_endian<int32_t>(head.data())), frame.size() - sizeof(int32_t));
  EXPECT_GT(frame.size(), 5000u);
}

TEST(Writer, a_text_longer_than_kafka_allows_is_cut) {
  for (const bool compact : {false, true}) {
    Writer writer;
    writer.string(std::string(40'000, 'x'), compact);
    const Bytes bytes = writer.take_bytes();
    Reader reader(bytes);
    EXPECT_EQ(reader.string(compact).size(), 32767u);
    EXPECT_TRUE(reader.at_end());
  }
}

}  // namespace
}  // namespace millrace::protocol
