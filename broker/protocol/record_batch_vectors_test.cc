// Record batches made, and broken, by Apache Kafka's own classes (tests/data/vectors/README.md), and the functions that
// place keys and groups.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "broker/base/crc32c.h"
#include "broker/protocol/hash.h"
#include "broker/protocol/record_batch.h"
#include "broker/protocol/varint.h"
#include "broker/protocol/vectors_test_support.h"

namespace millrace::protocol {
namespace {

json nullable(const std::optional<Bytes>& bytes) { return bytes ? json(base64(bytes->view())) : json(); }

json records_as_json(const std::vector<Record>& records) {
  json all = json::array();
  for (const Record& record : records) {
    json headers = json::array();
    for (const auto& header : record.headers) headers.push_back({header.name, nullable(header.value)});
    all.push_back({{"offset", record.offset.value()},
                   {"timestamp", record.timestamp},
                   {"key", nullable(record.key)},
                   {"value", nullable(record.value)},
                   {"headers", headers}});
  }
  return all;
}

void check_header(const BatchHeader& header, const json& batch, const std::string& id) {
  EXPECT_EQ(header.total_bytes(), batch["size"].get<size_t>()) << id;
  EXPECT_EQ(header.crc, batch["crc"].get<uint32_t>()) << id;
  EXPECT_EQ(name(*codec_of(header.attributes)), batch["codec"].get<std::string>()) << id;
  EXPECT_EQ(header.base_offset.value(), batch["baseOffset"].get<int64_t>()) << id;
  EXPECT_EQ(header.last_offset().value(), batch["lastOffset"].get<int64_t>()) << id;
  EXPECT_EQ(header.leader_epoch.value(), batch["partitionLeaderEpoch"].get<int32_t>()) << id;
  EXPECT_EQ(header.attributes, batch["attributes"].get<int16_t>()) << id;
  EXPECT_EQ(header.base_timestamp, batch["baseTimestamp"].get<int64_t>()) << id;
  EXPECT_EQ(header.max_timestamp, batch["maxTimestamp"].get<int64_t>()) << id;
  EXPECT_EQ(header.producer_id.value(), batch["producerId"].get<int64_t>()) << id;
  EXPECT_EQ(header.producer_epoch.value(), batch["producerEpoch"].get<int16_t>()) << id;
  EXPECT_EQ(header.base_sequence.value(), batch["baseSequence"].get<int32_t>()) << id;
  EXPECT_EQ(header.record_count, batch["count"].get<int32_t>()) << id;
  EXPECT_EQ(header.has(kTransactionalBit), batch["transactional"].get<bool>()) << id;
  EXPECT_EQ(header.has(kControlBit), batch["control"].get<bool>()) << id;
}

TEST(RecordBatchVectors, every_batch_and_record_reads_as_kafka_reads_it) {
  std::set<std::string> codecs;
  size_t sets = 0;
  for_each_line(vector_file("record-batches"), [&](const json& vector) {
    const auto id = vector["id"].get<std::string>();
    const Bytes bytes = from_base64(vector["bytes"].get<std::string>());
    if (vector["batches"][0]["magic"] != 2) {
      EXPECT_EQ(check_batch(bytes.view()).error().code, Errc::corrupt) << id << ": an old format was taken";
      return;
    }
    ++sets;
    size_t at = 0;
    for (const json& batch : vector["batches"]) {
      const Bytes rest = bytes.slice(at, bytes.size() - at);
      const Result<BatchHeader> header = check_batch(rest.view());
      ASSERT_TRUE(header) << id << ": " << header.error().to_string();
      check_header(*header, batch, id);
      const Result<std::vector<Record>> records = read_batch(rest);
      ASSERT_TRUE(records) << id << ": " << records.error().to_string();
      json expected = batch["records"];
      for (json& record : expected) record.erase("sequence");
      EXPECT_EQ(records_as_json(*records), expected) << id;
      codecs.insert(batch["codec"].get<std::string>());
      at += header->total_bytes();
    }
    EXPECT_EQ(bytes.size() - at, vector.value("partialTail", size_t{0})) << id;
    EXPECT_TRUE(read_batches(bytes)) << id << ": an incomplete last batch is to be ignored";
  });
  EXPECT_EQ(codecs.size(), 5u);
  EXPECT_GT(sets, 60u);
}

// Where our reader refuses a set of batches: header (length, magic, CRC, counts) or records; accepted where it does
// not.
std::string refused_at(const Bytes& bytes) {
  const Result<BatchHeader> header = check_batch(bytes.view());
  if (!header) return header.error().code == Errc::corrupt ? "corrupt" : "counts";
  return read_batch(bytes) ? "accepted" : "records";
}

TEST(RecordBatchVectors, every_broken_batch_is_refused_where_it_is_broken) {
  // Kafka's reader takes these, or says so later than we do: our header check already compares count and offsets.
  const std::map<std::string, std::string> ours{{"count-more", "counts"},
                                                {"count-negative", "counts"},
                                                {"count-huge", "counts"},
                                                {"gzip-count-more", "counts"},
                                                {"snappy-count-more", "counts"},
                                                {"lz4-count-more", "counts"},
                                                {"zstd-count-more", "counts"},
                                                {"count-zero", "records"},
                                                {"last-offset-delta-less", "counts"},
                                                {"last-offset-delta-negative", "counts"}};
  size_t count = 0;
  for_each_line(vector_file("record-batches-invalid"), [&](const json& vector) {
    ++count;
    const auto id = vector["id"].get<std::string>();
    const auto stage = vector["javaStage"].get<std::string>();
    const auto known = ours.find(id);
    const std::string expected = known != ours.end()   ? known->second
                                 : stage == "records"  ? "records"
                                 : stage == "accepted" ? "accepted"
                                                       : "corrupt";
    EXPECT_EQ(refused_at(from_base64(vector["bytes"].get<std::string>())), expected)
        << id << " (" << vector["why"].get<std::string>() << "), Kafka: " << stage;
  });
  EXPECT_EQ(count, 85u);
}

TEST(HashVectors, crc32c_of_both_versions) {
  for_each_line(vector_file("crc32c"), [](const json& vector) {
    const Bytes bytes = from_base64(vector["bytes"].get<std::string>());
    EXPECT_EQ(crc32c(bytes.view()), vector["crc32c"].get<uint32_t>());
    EXPECT_EQ(crc32c_portable(bytes.view()), vector["crc32c"].get<uint32_t>());
  });
}

TEST(HashVectors, murmur2_places_keys_as_kafkas_producer_does) {
  for_each_line(vector_file("murmur2"), [](const json& vector) {
    const int32_t hash = murmur2(from_base64(vector["key"].get<std::string>()).view());
    EXPECT_EQ(hash, vector["murmur2"].get<int32_t>());
    for (const auto& [partitions, partition] : vector["partition"].items())
      EXPECT_EQ((hash & 0x7fffffff) % std::stoi(partitions), partition.get<int32_t>());
  });
}

TEST(HashVectors, groups_and_transactional_ids_go_to_kafkas_partition) {
  for_each_line(vector_file("coordinator-hash"), [](const json& vector) {
    const auto id = vector["id"].get<std::string>();
    EXPECT_EQ(java_string_hash(id), vector["javaHash"].get<int32_t>()) << id;
    for (const auto& [partitions, partition] : vector["partition"].items())
      EXPECT_EQ(coordinator_partition(id, std::stoi(partitions)), partition.get<int32_t>()) << id;
  });
}

TEST(PrimitiveVectors, varints_of_every_kind) {
  std::set<std::string> kinds;
  for_each_line(vector_file("varints"), [&](const json& vector) {
    const auto kind = vector["kind"].get<std::string>();
    kinds.insert(kind);
    const Bytes bytes = from_base64(vector["bytes"].get<std::string>());
    Reader reader(bytes);
    Writer writer;
    if (kind == "varint") {
      EXPECT_EQ(reader.varint(), vector["value"].get<int32_t>());
      writer.varint(vector["value"].get<int32_t>());
    } else if (kind == "varlong") {
      EXPECT_EQ(reader.varlong(), vector["value"].get<int64_t>());
      writer.varlong(vector["value"].get<int64_t>());
    } else if (kind == "unsigned-varint") {
      const auto value = static_cast<uint32_t>(vector["value"].get<int64_t>());
      EXPECT_EQ(reader.unsigned_varint(), value);
      writer.unsigned_varint(value);
    } else {
      return;  // unsigned varlongs: no message has one
    }
    EXPECT_TRUE(reader.ok() && reader.at_end());
    EXPECT_EQ(base64(flat(writer.take()).view()), vector["bytes"].get<std::string>());
    if (kind == "unsigned-varint") return;
    size_t at = 0;
    int64_t value = 0;
    EXPECT_TRUE(read_varlong(bytes.view(), at, value) && at == bytes.size());
    EXPECT_EQ(value, vector["value"].get<int64_t>());
    std::vector<std::byte> again;
    append_varlong(again, value);
    EXPECT_EQ(base64(again), vector["bytes"].get<std::string>());
  });
  EXPECT_GE(kinds.size(), 3u);
}

TEST(PrimitiveVectors, uuids_as_text_and_bytes) {
  for_each_line(vector_file("uuids"), [](const json& vector) {
    const Result<Uuid> id = Uuid::parse(vector["text"].get<std::string>());
    ASSERT_TRUE(id);
    EXPECT_EQ(base64(id->bytes), vector["bytes"].get<std::string>());
    EXPECT_EQ(id->to_string(), vector["text"].get<std::string>());
  });
}

}  // namespace
}  // namespace millrace::protocol
