// Conversations of real clients with Apache Kafka, where they are at hand (../shared beside the project): every frame
// decodes, and encodes to the same bytes again.
#include <filesystem>
#include <iostream>

#include <gtest/gtest.h>

#include "broker/protocol/frame.h"
#include "broker/protocol/vectors_test_support.h"

namespace millrace::protocol {
namespace {

// A response's body begins behind its header; the client's own tags in headers are never used.
size_t response_body_at(int16_t key, int16_t version) {
  return sizeof(int32_t) + static_cast<size_t>(response_header_version(ApiKey{key}, version));
}

TEST(Dialogues, every_frame_of_real_clients_decodes_and_encodes_to_the_same_bytes) {
  const std::filesystem::path dir =
      std::filesystem::path(MILLRACE_SOURCE_DIR).parent_path() / "shared/protocol/dialogues";
  if (!std::filesystem::exists(dir)) GTEST_SKIP() << "no recorded dialogues at " << dir;
  size_t frames = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (!entry.path().string().ends_with(".jsonl.gz")) continue;
    for_each_line(entry.path().string(), [&](const json& line) {
      if (!line.contains("frame")) return;
      ++frames;
      const std::string shown = entry.path().string() + " frame " + line["n"].dump();
      const auto key = line["key"].get<int16_t>();
      auto version = line["version"].get<int16_t>();
      const bool request = line["dir"] == ">";
      const MessageType* type = find_message(key, request ? "request" : "response");
      ASSERT_NE(type, nullptr) << shown;
      const Bytes frame = from_base64(line["frame"].get<std::string>());
      size_t body_at = response_body_at(key, version);
      if (request) {
        const Result<RequestFrame> header = decode_request_frame(frame);
        ASSERT_TRUE(header) << shown << ": " << header.error().to_string();
        EXPECT_EQ(header->api, key) << shown;
        body_at = header->body_at;
      }
      const Bytes body = frame.slice(body_at, frame.size() - body_at);
      // A broker that does not know the version of ApiVersions answers in version 0, error 35.
      if (!request && key == static_cast<int16_t>(ApiKey::api_versions) && body.size() >= 2 &&
          load_big_endian<int16_t>(body.data()) == 35) {
        version = 0;
      }
      const Result<OutputChain> again = type->recode(body, version);
      ASSERT_TRUE(again) << shown << ": " << again.error().to_string();
      // librdkafka 2.16 puts three bytes behind its metadata request for all topics; Kafka answers it.
      const size_t extra = type->name == "MetadataRequest" && version == 13 && body.size() == again->size() + 3 ? 3 : 0;
      EXPECT_TRUE(flat(*again) == body.slice(0, body.size() - extra)) << shown << " " << type->name << " v" << version;
    });
  }
  std::cout << frames << " frames\n";
  EXPECT_GT(frames, 100u);
}

}  // namespace
}  // namespace millrace::protocol
