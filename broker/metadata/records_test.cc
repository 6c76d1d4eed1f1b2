#include "broker/metadata/records.h"

#include <gtest/gtest.h>

namespace millrace::metadata {
namespace {

Uuid id(uint64_t n) { return Uuid::from_random(n, n); }

std::vector<MetadataRecord> one_of_each() {
  const PartitionImage state{.leader = BrokerId{1},
                             .leader_epoch = LeaderEpoch{7},
                             .partition_epoch = 9,
                             .replicas = {BrokerId{1}, BrokerId{2}},
                             .isr = {BrokerId{1}},
                             .isr_since_ms = 77,
                             .elr = {BrokerId{2}},
                             .last_known_elr = {BrokerId{4}, BrokerId{5}},
                             .adding = {BrokerId{6}},
                             .removing = {BrokerId{1}}};
  return {ClusterRecord{"cluster"},
          FeatureRecord{"metadata.version", 22},
          RegisterBrokerRecord{.id = BrokerId{3},
                               .epoch = 42,
                               .incarnation = id(1),
                               .directory_id = id(2),
                               .rack = "a",
                               .fenced = false,
                               .listeners = {{"PLAINTEXT", "host", 9092}, {"OTHER", "", 65535}},
                               .rpc = {"host", 9091},
                               .features = {{"metadata.version", {1, 3}}, {"other", {0, 1}}},
                               .in_controlled_shutdown = true,
                               .state_since_ms = 99,
                               .former_incarnations = {id(8), id(9)}},
          UnregisterBrokerRecord{BrokerId{3}},
          FenceBrokerRecord{BrokerId{3}, false, true, 5},
          TopicRecord{id(3), "orders"},
          PartitionRecord{id(3), PartitionIndex{0}, state},
          PartitionChangeRecord{id(3), PartitionIndex{5}, state},
          RemoveTopicRecord{id(3)},
          ConfigRecord{2, "orders", "retention.ms", "-1"},
          ConfigRecord{4, "", "retention.ms", std::nullopt},
          ProducerIdsRecord{BrokerId{3}, 5000},
          StopPermitRecord{BrokerId{3}, {"operator", 10, 20}},
          StopPermitEndRecord{BrokerId{3}},
          VotersRecord{{{BrokerId{0}, id(5), {"host0", 9091}}, {BrokerId{1}, id(6), {}}}},
          DecommissionRecord{BrokerId{3}, 30, 5},
          MinInsyncChangedRecord{id(3)}};
}

// What a build before version 1 of the type wrote: the bytes that version 1 added are cut off its end.
std::vector<std::byte> as_version_0(const MetadataRecord& record, size_t added) {
  const Bytes bytes = encode(record);
  std::vector<std::byte> old(bytes.view().begin(), bytes.view().end() - static_cast<std::ptrdiff_t>(added));
  old[3] = std::byte{0};
  return old;
}

TEST(MetadataRecords, every_record_reads_back_as_it_was_written) {
  for (const MetadataRecord& record : one_of_each()) {
    const Result<MetadataRecord> read = decode_record(encode(record).view());
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(*read, record);
  }
}

TEST(MetadataRecords, the_bytes_of_a_topic_record_are_fixed) {
  const Bytes bytes = encode(TopicRecord{Uuid{}, "ab"});
  const std::vector<uint8_t> expected = {0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   0,
                                         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 'a', 'b'};
  ASSERT_EQ(bytes.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(static_cast<uint8_t>(bytes.data()[i]), expected[i]) << i;
}

TEST(MetadataRecords, logs_of_builds_before_version_1_are_read_with_defaults_for_what_they_lack) {
  const PartitionImage state{.leader = BrokerId{1},
                             .leader_epoch = LeaderEpoch{7},
                             .partition_epoch = 9,
                             .replicas = {BrokerId{1}, BrokerId{2}},
                             .isr = {BrokerId{1}}};
  const std::vector<std::pair<MetadataRecord, size_t>> cases = {
      {PartitionRecord{id(3), PartitionIndex{0}, state}, 8 + 4 * 4},
      {PartitionChangeRecord{id(3), PartitionIndex{5}, state}, 8 + 4 * 4},
      {FenceBrokerRecord{BrokerId{3}, true}, 1 + 8},
      {RegisterBrokerRecord{
           .id = BrokerId{3}, .epoch = 42, .incarnation = id(1), .listeners = {{"PLAINTEXT", "host", 9092}}},
       4 + 2 + 4 + 1 + 8 + 4}};
  for (const auto& [record, added] : cases) {
    const auto read = decode_record(as_version_0(record, added));
    ASSERT_TRUE(read) << record.index() << ": " << read.error().to_string();
    EXPECT_EQ(*read, record);
  }
}

TEST(MetadataRecords, the_bytes_of_a_partition_are_fixed) {
  const Bytes bytes = encode(PartitionRecord{Uuid{},
                                             PartitionIndex{1},
                                             {.leader = BrokerId{2},
                                              .leader_epoch = LeaderEpoch{3},
                                              .partition_epoch = 4,
                                              .replicas = {BrokerId{2}, BrokerId{5}},
                                              .isr = {BrokerId{2}},
                                              .isr_since_ms = 6,
                                              .elr = {BrokerId{5}}}});
  std::vector<uint8_t> expected = {0, 7, 0, 1};
  expected.resize(expected.size() + 16);  // the topic
  const auto numbers = [&](const std::vector<uint8_t>& values, size_t size = 4) {
    for (const uint8_t value : values) {
      expected.resize(expected.size() + size - 1);
      expected.push_back(value);
    }
  };
  numbers({1, 2, 3, 4});
  numbers({2, 2, 5, 1, 2});
  numbers({6}, 8);
  numbers({1, 5, 0, 0, 0});
  ASSERT_EQ(bytes.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(static_cast<uint8_t>(bytes.data()[i]), expected[i]) << i;
}

TEST(MetadataRecords, a_truncated_record_or_one_with_trailing_bytes_is_malformed) {
  for (const MetadataRecord& record : one_of_each()) {
    const Bytes bytes = encode(record);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const auto read = decode_record(bytes.view().first(size));
      ASSERT_FALSE(read) << "type " << record.index() << " cut at " << size;
      EXPECT_EQ(read.error().code, Errc::malformed);
    }
    std::vector<std::byte> longer(bytes.view().begin(), bytes.view().end());
    longer.push_back({});
    EXPECT_FALSE(decode_record(longer));
  }
}

TEST(MetadataRecords, an_unknown_type_or_version_is_named) {
  Bytes bytes = encode(ClusterRecord{"c"});
  bytes.mutable_data()[1] = std::byte{99};
  EXPECT_EQ(decode_record(bytes.view()).error().to_string(), "metadata record of type 99: unsupported version");
  bytes = encode(ClusterRecord{"c"});
  bytes.mutable_data()[3] = std::byte{1};
  EXPECT_EQ(decode_record(bytes.view()).error().to_string(),
            "metadata record of type 1 in version 1: unsupported version");
}

TEST(MetadataRecords, a_count_beyond_the_record_allocates_nothing) {
  Bytes bytes = encode(PartitionRecord{id(1), PartitionIndex{0}, {}});
  const size_t replicas_at = 4 + 16 + 4 + 12;
  for (size_t i = 0; i < 4; ++i) bytes.mutable_data()[replicas_at + i] = std::byte{0xff};
  EXPECT_EQ(decode_record(bytes.view()).error().code, Errc::malformed);
}

TEST(MetadataRecords, flipped_bytes_never_crash_the_reader) {
  for (const MetadataRecord& record : one_of_each()) {
    const Bytes bytes = encode(record);
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const int flip : {1, 0x80, 0xff}) {
        Bytes bent = Bytes::copy_of(bytes.view());
        bent.mutable_data()[at] ^= static_cast<std::byte>(flip);
        (void)decode_record(bent.view()).has_value();
      }
    }
  }
}

}  // namespace
}  // namespace millrace::metadata
