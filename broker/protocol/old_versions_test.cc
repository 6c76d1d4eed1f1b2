// Versions older than those that Kafka's current classes know, so without vectors. The bytes are derived by hand from
// the message definitions: the fields that later versions added left out, and those that they dropped put in.
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "broker/protocol/messages/create_topics.h"
#include "broker/protocol/messages/delete_topics.h"
#include "broker/protocol/messages/describe_configs.h"
#include "broker/protocol/messages/offset_commit.h"
#include "broker/protocol/messages/offset_for_leader_epoch.h"
#include "broker/protocol/reader.h"
#include "broker/protocol/writer.h"

namespace millrace::protocol {
namespace {

// "0002 'ab' 01" to bytes: hexadecimal digits, texts between quotes with the int16 length that Kafka puts before them,
// and notes between parentheses.
std::string bytes_of(std::string_view notation) {
  std::string bytes;
  std::string digits;
  for (size_t at = 0; at < notation.size(); ++at) {
    if (notation[at] == '(') {
      at = notation.find(')', at);
    } else if (notation[at] == '\'') {
      const size_t end = notation.find('\'', at + 1);
      const std::string_view text = notation.substr(at + 1, end - at - 1);
      bytes += {static_cast<char>(text.size() >> 8), static_cast<char>(text.size())};
      bytes += text;
      at = end;
    } else if (notation[at] != ' ') {
      digits += notation[at];
      if (digits.size() < 2) continue;
      bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
      digits.clear();
    }
  }
  EXPECT_TRUE(digits.empty()) << notation;
  return bytes;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += {kDigits[static_cast<uint8_t>(byte) >> 4], kDigits[static_cast<uint8_t>(byte) & 15], ' '};
  }
  return text;
}

template <class Message>
void expect_bytes(const Message& message, int16_t version, std::string_view notation) {
  SCOPED_TRACE(testing::Message() << "version " << version);
  Writer writer;
  message.encode(writer, version);
  EXPECT_EQ(hex(writer.take_bytes().text()), hex(bytes_of(notation)));
  const Bytes body = Bytes::copy_of(bytes_of(notation));
  Reader reader(body);
  Message decoded;
  decoded.read(reader, version);
  EXPECT_TRUE(reader.ok() && reader.at_end()) << "it reads " << body.size() - reader.remaining() << " bytes";
  EXPECT_EQ(decoded, message);
}

CreateTopicsRequest create_topics() {
  CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.num_partitions = 2;
  topic.replication_factor = 3;
  auto& assignment = topic.assignments.emplace_back();
  assignment.partition_index = 1;
  assignment.broker_ids = {7, 8};
  topic.configs.emplace_back().name = "k";
  topic.configs.back().value = "v";
  topic.configs.emplace_back().name = "n";
  topic.configs.back().value.reset();
  request.timeout_ms = 1000;
  return request;
}
constexpr std::string_view kCreateTopics =
    "00000001 (topics) 't' 00000002 (partitions) 0003 (replicas) 00000001 (assignments) 00000001 (partition) 00000002 "
    "(brokers) 00000007 00000008 00000002 (configs) 'k' 'v' 'n' ffff (null) 000003e8 (timeout)";

TEST(OldVersions, create_topics_0_has_no_validate_only) { expect_bytes(create_topics(), 0, kCreateTopics); }

TEST(OldVersions, create_topics_1_has_validate_only) {
  CreateTopicsRequest request = create_topics();
  request.validate_only = true;
  expect_bytes(request, 1, std::string(kCreateTopics) + "01");
}

TEST(OldVersions, the_answer_to_create_topics_0_is_names_and_codes_1_adds_messages_and_2_the_throttle_time) {
  CreateTopicsResponse response;
  response.topics.emplace_back().name = "t";
  response.topics.back().error_code = 36;
  response.topics.emplace_back().name = "u";
  expect_bytes(response, 0, "00000002 't' 0024 'u' 0000");
  response.topics[1].error_message.reset();
  response.topics[0].error_message = "there";
  expect_bytes(response, 1, "00000002 't' 0024 'there' 'u' 0000 ffff");
  response.throttle_time_ms = 9;
  expect_bytes(response, 2, "00000009 00000002 't' 0024 'there' 'u' 0000 ffff");
}

TEST(OldVersions, delete_topics_0_answers_without_throttle_time) {
  DeleteTopicsRequest request;
  request.topic_names = {"t", "uv"};
  request.timeout_ms = 5;
  for (const int16_t version : {int16_t{0}, int16_t{1}}) {
    expect_bytes(request, version, "00000002 't' 'uv' 00000005");
  }
  DeleteTopicsResponse response;
  response.responses.emplace_back().name = "t";
  response.responses.back().error_code = 3;
  expect_bytes(response, 0, "00000001 't' 0003");
  response.throttle_time_ms = 2;
  expect_bytes(response, 1, "00000002 00000001 't' 0003");
}

TEST(OldVersions, describe_configs_0_tells_defaults_by_a_flag_and_has_no_synonyms) {
  DescribeConfigsRequest request;
  request.resources.emplace_back().resource_type = 2;
  request.resources.back().resource_name = "t";
  request.resources.back().configuration_keys = {"k"};
  request.resources.emplace_back().resource_type = 4;
  request.resources.back().resource_name = "1";
  request.resources.back().configuration_keys.reset();
  constexpr std::string_view kRequest = "00000002 02 't' 00000001 'k' 04 '1' ffffffff (null: all)";
  expect_bytes(request, 0, kRequest);
  request.include_synonyms = true;
  expect_bytes(request, 1, std::string(kRequest) + "01");

  DescribeConfigsResponse response;
  response.throttle_time_ms = 1;
  auto& result = response.results.emplace_back();
  result.error_message.reset();
  result.resource_type = 2;
  result.resource_name = "t";
  auto& config = result.configs.emplace_back();
  config.name = "k";
  config.value = "v";
  config.read_only = true;
  config.is_default = true;
  expect_bytes(response, 0,
               "00000001 00000001 0000 (error) ffff (message) 02 't' 00000001 'k' 'v' 01 (read only) 01 (default) 00 "
               "(sensitive)");
  config.is_default = false;
  config.config_source = 5;
  config.synonyms.emplace_back().name = "s";
  config.synonyms.back().value.reset();
  config.synonyms.back().source = 4;
  expect_bytes(response, 1,
               "00000001 00000001 0000 ffff 02 't' 00000001 'k' 'v' 01 (read only) 05 (source) 00 (sensitive) 00000001 "
               "(synonyms) 's' ffff 04");
}

TEST(OldVersions, offset_for_leader_epoch_0_and_1_know_no_current_epoch_and_only_1_answers_with_an_epoch) {
  OffsetForLeaderEpochRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic = "t";
  topic.partitions.emplace_back().partition = 3;
  topic.partitions.back().leader_epoch = 4;
  for (const int16_t version : {int16_t{0}, int16_t{1}}) {
    expect_bytes(request, version, "00000001 't' 00000001 00000003 00000004");
  }
  topic.partitions.back().current_leader_epoch = 9;
  expect_bytes(request, 2, "00000001 't' 00000001 00000003 00000009 00000004");

  OffsetForLeaderEpochResponse response;
  auto& answer = response.topics.emplace_back();
  answer.topic = "t";
  answer.partitions.emplace_back().error_code = 74;
  answer.partitions.back().partition = 3;
  answer.partitions.back().end_offset = 5;
  expect_bytes(response, 0, "00000001 't' 00000001 004a (error) 00000003 00000000 00000005 (end offset)");
  answer.partitions.back().leader_epoch = 4;
  expect_bytes(response, 1, "00000001 't' 00000001 004a 00000003 00000004 (epoch) 00000000 00000005");
  response.throttle_time_ms = 6;
  expect_bytes(response, 2, "00000006 00000001 't' 00000001 004a 00000003 00000004 00000000 00000005");
}

TEST(OldVersions, offset_commit_1_carries_a_timestamp_for_each_partition) {
  OffsetCommitRequest request;
  request.group_id = "g";
  request.generation_id_or_member_epoch = 2;
  request.member_id = "m";
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  auto& partition = topic.partitions.emplace_back();
  partition.partition_index = 3;
  partition.committed_offset = 4;
  partition.commit_timestamp = 5;
  partition.committed_metadata = "x";
  expect_bytes(request, 1,
               "'g' 00000002 (generation) 'm' 00000001 't' 00000001 00000003 00000000 00000004 (offset) 00000000 "
               "00000005 (timestamp) 'x'");
  OffsetCommitResponse response;
  response.topics.emplace_back().name = "t";
  response.topics.back().partitions.emplace_back().partition_index = 3;
  response.topics.back().partitions.back().error_code = 22;
  expect_bytes(response, 1, "00000001 't' 00000001 00000003 0016");
}

}  // namespace
}  // namespace millrace::protocol
