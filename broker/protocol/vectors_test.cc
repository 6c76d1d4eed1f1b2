// Wire vectors made by Apache Kafka's own classes (tests/data/vectors/README.md): every version of every message
// decodes to the value that Kafka wrote and encodes to the bytes that Kafka made of it.
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include <gtest/gtest.h>

#include "broker/protocol/frame.h"
#include "broker/protocol/vectors_test_support.h"

namespace millrace::protocol {

std::vector<std::pair<std::string, size_t>> api_vector_files() {
  std::ifstream manifest(vectors_dir() + "MANIFEST.tsv");
  std::vector<std::pair<std::string, size_t>> files;
  for (std::string line; std::getline(manifest, line);) {
    std::istringstream columns(line);
    std::string name;
    size_t count = 0;
    if (line.starts_with("#") || !(columns >> name >> count) || !name.ends_with(".jsonl.gz")) continue;
    if (name[0] >= '0' && name[0] <= '9') files.emplace_back(vectors_dir() + name, count);
  }
  return files;
}

namespace {

std::string shown(const json& vector) {
  return vector["name"].get<std::string>() + " v" + vector["version"].dump() + " " +
         vector["sample"].get<std::string>();
}

void check_body(const json& vector) {
  const MessageType* type = find_message(vector["name"].get<std::string>());
  ASSERT_NE(type, nullptr) << shown(vector) << ": no schema";
  const auto version = vector["version"].get<int16_t>();
  ASSERT_TRUE(type->version_min <= version && version <= type->version_max) << shown(vector) << ": not in the schema";
  EXPECT_EQ(vector["flexible"].get<bool>(), type->flexible_min >= 0 && version >= type->flexible_min) << shown(vector);
  const Bytes body = from_base64(vector["body"].get<std::string>());
  JsonOut out;
  const Status decoded = type->show_body(body, version, out);
  ASSERT_TRUE(decoded) << shown(vector) << ": " << decoded.error().to_string();
  EXPECT_EQ(out.take(), vector["value"]) << shown(vector);
  if (vector["sample"] == "unknown-tags") return;
  JsonIn in(vector["value"]);
  EXPECT_EQ(base64(flat(type->encode(in, version)).view()), vector["body"].get<std::string>()) << shown(vector);
}

TEST(Vectors, every_api_message_decodes_to_its_value_and_encodes_to_its_bytes) {
  for (const auto& [file, expected] : api_vector_files()) {
    size_t count = 0;
    for_each_line(file, [&](const json& vector) {
      ++count;
      check_body(vector);
    });
    EXPECT_EQ(count, expected) << file;
  }
  EXPECT_GE(api_vector_files().size(), 79u);
}

TEST(Vectors, embedded_messages_decode_and_encode_behind_their_version_or_record_type) {
  for (const char* name : {"consumer-protocol", "control-records", "coordinator-records"}) {
    size_t count = 0;
    for_each_line(vector_file(name), [&](const json& vector) {
      ++count;
      check_body(vector);
      const Bytes prefixed = from_base64(vector["prefixed"].get<std::string>());
      Reader reader(prefixed);
      const int16_t prefix = reader.int16();
      EXPECT_EQ(prefix, vector[vector["kind"] == "coordinator-key" ? "recordType" : "version"].get<int16_t>());
      EXPECT_EQ(base64(prefixed.view().subspan(sizeof prefix)), vector["body"].get<std::string>());
    });
    EXPECT_GT(count, 40u) << name;
  }
}

// Headers by key, version and kind; and whole frames made of them.
TEST(Vectors, headers_and_frames) {
  std::map<std::tuple<int, int, std::string>, json> filled;
  for_each_line(vector_file("headers"), [&](const json& vector) {
    const auto key = vector["key"].get<int16_t>();
    const auto version = vector["version"].get<int16_t>();
    if (find_api(key) == nullptr) return;  // between controllers only
    const auto api = static_cast<ApiKey>(key);
    const bool request = vector["kind"] == "request-header";
    EXPECT_EQ(request ? request_header_version(api, version) : response_header_version(api, version),
              vector["headerVersion"].get<int16_t>())
        << shown(vector);
    const Bytes bytes = from_base64(vector["body"].get<std::string>());
    const json& value = vector["value"];
    if (request) {
      const Result<RequestFrame> header = decode_request_frame(bytes);
      ASSERT_TRUE(header) << shown(vector) << ": " << header.error().to_string();
      EXPECT_EQ(header->api, value["requestApiKey"].get<int16_t>());
      EXPECT_EQ(header->version, value["requestApiVersion"].get<int16_t>());
      EXPECT_EQ(header->correlation_id, value["correlationId"].get<int32_t>());
      EXPECT_EQ(header->client_id ? json(*header->client_id) : json(), value["clientId"]);
      EXPECT_EQ(header->body_at, bytes.size());
    }
    if (vector["sample"] == "unknown-tags") return;
    Writer writer;
    const auto correlation_id = value["correlationId"].get<int32_t>();
    if (request) {
      const json& client = value["clientId"];
      begin_request(writer, api, version, correlation_id,
                    client.is_null() ? std::nullopt : std::optional(client.get<std::string>()));
    } else {
      begin_response(writer, api, version, correlation_id);
    }
    EXPECT_EQ(base64(flat(finish_frame(writer)).view().subspan(sizeof(int32_t))), vector["body"].get<std::string>())
        << shown(vector);
    if (vector["sample"] == "filled") filled[{key, version, vector["kind"].get<std::string>()}] = value;
  });
  size_t frames = 0;
  for (const auto& [file, expected] : api_vector_files()) {
    for_each_line(file, [&](const json& vector) {
      if (!vector.contains("frame")) return;
      ++frames;
      const auto key = vector["key"].get<int16_t>();
      const auto version = vector["version"].get<int16_t>();
      const json& header = filled.at({key, version, vector["kind"].get<std::string>() + "-header"});
      Writer writer;
      if (vector["kind"] == "request") {
        begin_request(writer, ApiKey{key}, version, header["correlationId"], header["clientId"].get<std::string>());
      } else {
        begin_response(writer, ApiKey{key}, version, header["correlationId"]);
      }
      writer.raw(from_base64(vector["body"].get<std::string>()).view());
      EXPECT_EQ(base64(flat(finish_frame(writer)).view()), vector["frame"].get<std::string>()) << shown(vector);
    });
  }
  EXPECT_GT(frames, 400u);
}

}  // namespace
}  // namespace millrace::protocol
