// What clients might send instead of the vectors: bits flipped, bytes cut, inserted and repeated. No decoder may crash,
// read outside (the asan preset looks), or take more memory than its limits; the seed is printed on failure.
#include <random>

#include <gtest/gtest.h>

#include "broker/protocol/frame.h"
#include "broker/protocol/record_batch.h"
#include "broker/protocol/vectors_test_support.h"

namespace millrace::protocol {
namespace {

constexpr uint32_t kSeed = 20240917;
constexpr int kMutationsEach = 12;
constexpr size_t kDecompressedMax = 1 << 20;

class Mutator {
 public:
  explicit Mutator(uint32_t seed) : random_(seed) {}

  Bytes mutate(BytesView bytes) {
    std::vector<std::byte> out(bytes.begin(), bytes.end());
    for (auto changes = 1 + random_() % 3; changes > 0; --changes) change(out);
    return out.empty() ? Bytes{} : Bytes::adopt(std::move(out));
  }

 private:
  void change(std::vector<std::byte>& bytes) {
    const size_t at = bytes.empty() ? 0 : random_() % bytes.size();
    switch (random_() % 5) {
      case 0:
        if (!bytes.empty()) bytes[at] ^= static_cast<std::byte>(1u << (random_() % 8));
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::byte>(random_() & 0xff));
        break;
      case 3:  // lengths and counts at their bounds
        for (size_t i = at; i < std::min(at + 4, bytes.size()); ++i) bytes[i] = std::byte{0xff};
        break;
      default:
        if (!bytes.empty()) bytes[at] = random_() % 2 == 0 ? std::byte{0} : std::byte{0x7f};
    }
  }
  std::mt19937 random_;
};

TEST(Mutation, no_changed_message_breaks_a_decoder_and_what_decodes_encodes) {
  Mutator mutator(kSeed);
  size_t decoded = 0;
  size_t refused = 0;
  for (const auto& [file, expected] : api_vector_files()) {
    for_each_line(file, [&](const json& vector) {
      const MessageType* type = find_message(vector["name"].get<std::string>());
      ASSERT_NE(type, nullptr);
      const Bytes body = from_base64(vector["body"].get<std::string>());
      for (int i = 0; i < kMutationsEach; ++i) {
        const Bytes changed = mutator.mutate(body.view());
        const auto version = vector["version"].get<int16_t>();
        const Result<OutputChain> again = type->recode(changed, version);
        ++(again ? decoded : refused);
        // What we wrote ourselves must read back.
        if (again) {
          EXPECT_TRUE(type->recode(flat(*again), version)) << type->name << " seed " << kSeed;
        }
      }
    });
  }
  EXPECT_GT(decoded, 1000u) << "seed " << kSeed;
  EXPECT_GT(refused, 1000u) << "seed " << kSeed;
}

TEST(Mutation, no_changed_request_header_breaks_its_decoder) {
  Mutator mutator(kSeed);
  for_each_line(vector_file("headers"), [&](const json& vector) {
    const Bytes bytes = from_base64(vector["body"].get<std::string>());
    for (int i = 0; i < kMutationsEach; ++i) {
      const Bytes changed = mutator.mutate(bytes.view());
      const Result<RequestFrame> header = decode_request_frame(changed);
      if (header) {
        EXPECT_LE(header->body_at, changed.size()) << "seed " << kSeed;
      }
    }
  });
}

// The CRC would refuse almost everything, so it is made right again after the change.
void repair_crc(Bytes& batch) {
  if (batch.size() < kBatchHeaderBytes) return;
  const BatchHeader header = BatchHeader::decode(batch.data());
  if (header.length < static_cast<int32_t>(kBatchHeaderBytes - kLengthExcludes) || header.total_bytes() > batch.size())
    return;
  set_log_append_time(batch.mutable_data(), header.total_bytes(), header.max_timestamp);
}

TEST(Mutation, no_changed_record_batch_breaks_its_reader) {
  Mutator mutator(kSeed);
  size_t read = 0;
  for (const char* file : {"record-batches", "record-batches-invalid"}) {
    for_each_line(vector_file(file), [&](const json& vector) {
      const Bytes bytes = from_base64(vector["bytes"].get<std::string>());
      for (int i = 0; i < kMutationsEach * 10; ++i) {
        Bytes changed = mutator.mutate(bytes.view());
        repair_crc(changed);
        const Result<std::vector<Record>> records = read_batches(changed, kDecompressedMax);
        read += records ? records->size() : 0;
      }
    });
  }
  EXPECT_GT(read, 0u) << "seed " << kSeed;
}

}  // namespace
}  // namespace millrace::protocol
