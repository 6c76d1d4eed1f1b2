#include "broker/coordinator/records.h"

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <zlib.h>

#include "broker/coordinator/groups.h"

namespace millrace::coordinator {
namespace {

using nlohmann::json;

std::string from_base64(const std::string& text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xff);
  }
  return bytes;
}

// Kafka's own bytes of records of its coordinators; empty when the data is not there.
std::vector<json> vectors() {
  for (const char* directory : {"/tests/data/vectors", "/../shared/protocol/vectors"}) {
    const std::string path = std::string(MILLRACE_SOURCE_DIR) + directory + "/coordinator-records.jsonl.gz";
    gzFile file = gzopen(path.c_str(), "rb");
    if (file == nullptr) continue;
    std::string text;
    std::array<char, 1 << 16> block;
    for (int n = 0; (n = gzread(file, block.data(), block.size())) > 0;)
      text.append(block.data(), static_cast<size_t>(n));
    gzclose(file);
    std::vector<json> lines;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      lines.push_back(json::parse(text.substr(at, end - at)));
      at = end == std::string::npos ? text.size() : end + 1;
    }
    return lines;
  }
  return {};
}

Bytes prefixed(const json& line) { return Bytes::copy_of(from_base64(line["prefixed"])); }
std::optional<std::string> text_or_null(const json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<std::string>());
}

// Whether members are in the order in which we keep and write them.
bool is_sorted(const json& members) {
  std::string last;
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string id = members[i]["memberId"];
    if (i > 0 && id <= last) return false;
    last = id;
  }
  return true;
}

struct RecordVectors : testing::Test {
  std::vector<json> lines = vectors();
  void SetUp() override {
    if (lines.empty()) GTEST_SKIP() << "no coordinator-records.jsonl.gz in tests/data/vectors or ../shared";
  }
};

TEST_F(RecordVectors, keys_are_read_and_written_as_kafka_does) {
  size_t seen = 0;
  for (const json& line : lines) {
    if (line["kind"] != "coordinator-key" || line["where"] != "group-coordinator") continue;
    const json& value = line["value"];
    const int type = line["recordType"];
    const machine::Record record{.key = prefixed(line), .value = std::nullopt};
    SCOPED_TRACE(line["name"].get<std::string>() + " " + line["sample"].get<std::string>());
    auto read = read_record(record);
    ASSERT_TRUE(read) << read.error().to_string();
    if (type == 2) {
      ++seen;
      EXPECT_EQ(std::get<GroupRecord>(*read).group, value["group"]);
      EXPECT_EQ(group_tombstone(value["group"]).key, record.key);
    } else if (type == 0 || type == 1) {
      ++seen;
      EXPECT_EQ(std::get<OffsetRecord>(*read).topic, value["topic"]);
      EXPECT_EQ(std::get<OffsetRecord>(*read).partition.value(), value["partition"]);
      if (type == 1) {
        EXPECT_EQ(offset_tombstone(value["group"], value["topic"], PartitionIndex{value["partition"]}).key, record.key);
      }
    } else {
      EXPECT_TRUE(std::holds_alternative<OtherRecord>(*read));
    }
  }
  EXPECT_GE(seen, 12u);
}

TEST_F(RecordVectors, offsets_of_every_version_are_read_and_written_as_kafka_does) {
  std::set<int> read_versions;
  std::set<int> written_versions;
  for (const json& line : lines) {
    if (line["name"] != "OffsetCommitValue" || line["sample"] == "unknown-tags") continue;
    SCOPED_TRACE("version " + line["version"].dump() + " " + line["sample"].get<std::string>());
    const json& value = line["value"];
    machine::Record record = offset_tombstone("g", "t", PartitionIndex{0});
    record.value = prefixed(line);
    auto read = read_record(record);
    ASSERT_TRUE(read) << read.error().to_string();
    const CommittedOffset& offset = *std::get<OffsetRecord>(*read).value;
    read_versions.insert(line["version"].get<int>());
    EXPECT_EQ(offset.offset.value(), value["offset"].get<int64_t>());
    EXPECT_EQ(offset.metadata, value["metadata"]);
    EXPECT_EQ(offset.committed_at, value["commitTimestamp"].get<int64_t>());
    if (value.contains("leaderEpoch")) {
      EXPECT_EQ(offset.leader_epoch.value(), value["leaderEpoch"]);
    }
    const bool is_written = line["version"] == 3 || (line["version"] == 1 && offset.expires_at);
    if (!is_written) continue;
    written_versions.insert(line["version"].get<int>());
    EXPECT_EQ(offset_record("g", "t", PartitionIndex{0}, offset).value, record.value);
  }
  EXPECT_EQ(read_versions, (std::set{0, 1, 2, 3, 4}));
  EXPECT_EQ(written_versions, (std::set{1, 3}));
}

TEST_F(RecordVectors, groups_of_every_version_are_read_and_written_as_kafka_does) {
  std::set<int> read_versions;
  size_t written = 0;
  for (const json& line : lines) {
    if (line["name"] != "GroupMetadataValue" || line["sample"] == "unknown-tags") continue;
    SCOPED_TRACE("version " + line["version"].dump() + " " + line["sample"].get<std::string>());
    const json& value = line["value"];
    machine::Record record = group_tombstone("g");
    record.value = prefixed(line);
    auto read = read_record(record);
    ASSERT_TRUE(read) << read.error().to_string();
    const Group& group = *std::get<GroupRecord>(*read).value;
    read_versions.insert(line["version"].get<int>());
    EXPECT_EQ(group.generation.value(), value["generation"]);
    EXPECT_EQ(group.protocol, text_or_null(value["protocol"]));
    EXPECT_EQ(group.leader, text_or_null(value["leader"]));
    for (const json& source : value["members"]) {
      const Member* member = group.find(source["memberId"].get<std::string>());
      ASSERT_NE(member, nullptr);
      if (source.contains("groupInstanceId")) {
        EXPECT_EQ(member->instance_id, text_or_null(source["groupInstanceId"]));
      }
      EXPECT_EQ(member->client_host, source["clientHost"]);
    }
    if (line["version"] != 3 || !group.protocol || !is_sorted(value["members"])) continue;
    bool has_odd_timeout = false;  // which we replace
    for (const json& source : value["members"]) has_odd_timeout |= source["rebalanceTimeout"].get<int>() < 0;
    if (has_odd_timeout) continue;
    ++written;
    EXPECT_EQ(group_record(group).value, record.value);
  }
  EXPECT_EQ(read_versions, (std::set{0, 1, 2, 3, 4}));
  EXPECT_GE(written, 1u);
}

TEST(GroupRecords, tombstones_take_away_what_records_brought) {
  Groups groups;
  CommittedOffset offset{.offset = Offset{5}, .leader_epoch = {}, .metadata = "x", .committed_at = 1, .expires_at = {}};
  groups.apply(Offset{0}, offset_record("g", "t", PartitionIndex{0}, offset));
  groups.apply(Offset{1}, offset_record("g", "t", PartitionIndex{1}, offset));
  EXPECT_EQ(*groups.offset("g", "t", PartitionIndex{1}), offset);
  EXPECT_EQ(groups.live_records(), 3u);
  groups.apply(Offset{2}, group_tombstone("g"));
  EXPECT_NE(groups.find("g"), nullptr) << "its offsets keep it";
  groups.apply(Offset{3}, offset_tombstone("g", "t", PartitionIndex{0}));
  groups.apply(Offset{4}, offset_tombstone("g", "t", PartitionIndex{1}));
  groups.apply(Offset{5}, group_tombstone("g"));
  EXPECT_EQ(groups.find("g"), nullptr);
  EXPECT_EQ(groups.offsets("g"), nullptr);
  groups.apply(Offset{6}, offset_tombstone("g", "t", PartitionIndex{1}));
  EXPECT_EQ(groups.live_records(), 0u);
  EXPECT_EQ(groups.unreadable_records(), 0u);
}

}  // namespace
}  // namespace millrace::coordinator
