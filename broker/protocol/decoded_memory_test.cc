// A small frame may not become a large thing in memory: the reader's budget, for each kind of structure that a schema
// can hold.
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "broker/protocol/messages/create_topics.h"
#include "broker/protocol/messages/delete_topics.h"
#include "broker/protocol/messages/describe_configs.h"
#include "broker/protocol/messages/fetch.h"
#include "broker/protocol/messages/list_offsets.h"
#include "broker/protocol/messages/metadata.h"
#include "broker/protocol/messages/offset_fetch.h"
#include "broker/protocol/messages/produce.h"
#include "broker/protocol/reader.h"
#include "broker/protocol/writer.h"

namespace millrace::protocol {
namespace {

constexpr size_t kCount = 3'000'000;  // of a byte each: beyond the budget of any element that is not one byte itself

// A compact array whose elements are all the byte `element`.
Bytes array_of(uint8_t element, size_t count = kCount) {
  Writer writer;
  writer.unsigned_varint(static_cast<uint32_t>(count + 1));
  writer.raw(std::vector<std::byte>(count, std::byte{element}));
  return writer.take_bytes();
}

template <class T>
void expect_refused(const Bytes& frame) {
  Reader reader(frame);
  std::vector<T> values;
  read_array(reader, true, values);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(values.capacity(), 0u) << "memory was taken before the budget was asked";
}

struct Empty {  // a struct of one byte on the wire
  std::array<int64_t, 10> defaults{};
  void read(Reader& reader, int16_t) { reader.int8(); }
};

TEST(DecodedMemory, arrays_of_each_kind_are_refused_before_they_are_allocated) {
  expect_refused<std::string>(array_of(1));  // ""
  expect_refused<Bytes>(array_of(1));
  const Bytes frame = array_of(0);
  {
    Reader reader(frame);
    std::vector<Empty> values;
    read_struct_array(reader, true, 0, values);
    EXPECT_FALSE(reader.ok());
    EXPECT_EQ(values.capacity(), 0u);
  }
  {
    Reader reader(frame);
    std::optional<std::vector<Empty>> values;
    read_struct_array(reader, true, true, 0, values);
    EXPECT_FALSE(reader.ok());
    EXPECT_TRUE(!values || values->capacity() == 0);
  }
  {
    Reader reader(frame);
    std::optional<std::vector<std::string>> values;
    read_array(reader, true, true, values);
    EXPECT_FALSE(reader.ok());
    EXPECT_TRUE(!values || values->capacity() == 0);
  }
}

TEST(DecodedMemory, numbers_and_texts_cost_what_they_are) {
  Writer writer;
  write_array(writer, true, std::vector<int32_t>(2'000'000, 7));
  writer.string(std::string(30'000, 's'), true);
  writer.string("short", true);
  const Bytes frame = writer.take_bytes();
  Reader reader(frame);
  std::vector<int32_t> numbers;
  read_array(reader, true, numbers);
  EXPECT_EQ(numbers.size(), 2'000'000u);
  EXPECT_GE(reader.decoded_bytes(), 8'000'000u);
  const size_t before = reader.decoded_bytes();
  reader.string(true);
  EXPECT_GE(reader.decoded_bytes(), before + 30'000);
  const size_t after = reader.decoded_bytes();
  EXPECT_EQ(reader.string(true), "short");
  EXPECT_EQ(reader.decoded_bytes(), after) << "it lies in its string";
  EXPECT_TRUE(reader.ok());
}

TEST(DecodedMemory, record_data_is_a_slice_and_costs_nothing) {
  ProduceRequest request;
  request.topic_data.emplace_back().partition_data.emplace_back().records =
      Records(Bytes::copy_of(std::string(80 << 20, 'r')));
  Writer writer;
  request.encode(writer, 9);
  const OutputChain chain = writer.take();
  std::string flat;
  for (const OutputChain::Piece& piece : chain.pieces()) flat += std::get<Bytes>(piece).text();
  const Bytes body = Bytes::copy_of(flat);
  EXPECT_TRUE(ProduceRequest::decode(body, 9)) << "a large batch is more than decoded structures may be";
}

// What is in memory of one message for each byte of its body, whatever the body is made of.
template <class Request>
void expect_bounded(int16_t version, const Bytes& body) {
  Reader reader(body);
  Request request;
  request.read(reader, version);
  EXPECT_FALSE(reader.ok()) << "a body of " << body.size() << " bytes became " << reader.decoded_bytes();
}

// `count` times `element` behind a compact count and before `rest`.
Bytes body_of(const std::string& before, const std::string& element, size_t count, const std::string& after = {}) {
  Writer writer;
  writer.raw(as_bytes(before));
  writer.unsigned_varint(static_cast<uint32_t>(count + 1));
  std::string all;
  for (size_t i = 0; i < count; ++i) all += element;
  writer.raw(as_bytes(all));
  writer.raw(as_bytes(after));
  return writer.take_bytes();
}

TEST(DecodedMemory, requests_of_a_million_of_the_smallest_elements_are_refused) {
  const std::string zeros(64, '\0');
  constexpr size_t kMany = 1'000'000;
  // Topics of empty names, each with nothing in it.
  expect_bounded<MetadataRequest>(9, body_of("", std::string("\1\0", 2), kMany, zeros));
  expect_bounded<DeleteTopicsRequest>(4, body_of("", "\1", kMany, zeros));
  expect_bounded<CreateTopicsRequest>(5, body_of("", std::string("\1\0\0\0\0\0\0\1\1\0", 10), kMany, zeros));
  expect_bounded<DescribeConfigsRequest>(4, body_of("", std::string("\0\1\0\0", 4), kMany, zeros));
  expect_bounded<ProduceRequest>(9, body_of(std::string("\0\0\1\0\0\0\1", 7), std::string("\1\1\0", 3), kMany, zeros));
  expect_bounded<OffsetFetchRequest>(8, body_of("", std::string("\1\0\0", 3), kMany, zeros));
  // One topic with a null batch for each of many partitions.
  expect_bounded<ProduceRequest>(
      9, body_of(std::string("\0\0\1\0\0\0\1\2\1", 9), std::string("\0\0\0\0\0\0", 6), 3 * kMany, zeros));
}

TEST(DecodedMemory, requests_that_clients_really_send_stay_far_below) {
  MetadataRequest metadata;
  metadata.topics.emplace();
  for (int i = 0; i < 50'000; ++i) metadata.topics->emplace_back().name = "t" + std::to_string(i);
  FetchRequest fetch;
  for (int t = 0; t < 2'000; ++t) {
    auto& topic = fetch.topics.emplace_back();
    topic.topic = "t" + std::to_string(t);
    for (int p = 0; p < 20; ++p) topic.partitions.emplace_back().partition = p;
  }
  ListOffsetsRequest offsets;
  for (int t = 0; t < 20'000; ++t) {
    auto& topic = offsets.topics.emplace_back();
    topic.name = "t" + std::to_string(t);
    topic.partitions.emplace_back().partition_index = 0;
  }
  const auto share_of_budget = [](const auto& request, int16_t version) {
    Writer writer;
    request.encode(writer, version);
    const Bytes body = writer.take_bytes();
    Reader reader(body);
    std::remove_cvref_t<decltype(request)> again;
    again.read(reader, version);
    EXPECT_TRUE(reader.ok()) << reader.status().error().to_string();
    return static_cast<double>(reader.decoded_bytes()) / static_cast<double>(body.size()) / Reader::kDecodedPerByteMax;
  };
  for (const int16_t version : {int16_t{4}, int16_t{12}}) EXPECT_LT(share_of_budget(metadata, version), 0.6);
  for (const int16_t version : {int16_t{4}, int16_t{12}}) EXPECT_LT(share_of_budget(fetch, version), 0.5);
  for (const int16_t version : {int16_t{1}, int16_t{6}}) EXPECT_LT(share_of_budget(offsets, version), 0.6);
}

}  // namespace
}  // namespace millrace::protocol
