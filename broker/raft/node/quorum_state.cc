#include "broker/raft/node/quorum_state.h"

#include <array>

#include "broker/base/crc32c.h"
#include "broker/base/endian.h"

namespace millrace::raft {
namespace {

constexpr std::string_view kMagic = "MRQS";
constexpr int16_t kVersion = 0;
constexpr size_t kVersionAt = 4, kNodeAt = 6, kDirectoryAt = 10, kTermAt = 26, kHasVoteAt = 34, kVoteNodeAt = 35,
                 kVoteDirectoryAt = 39, kFlushedAt = 55, kCrcAt = 63, kBytes = 67;
static_assert(kNodeAt == kVersionAt + sizeof(int16_t) && kTermAt == kDirectoryAt + sizeof(Uuid::bytes) &&
              kVoteDirectoryAt == kVoteNodeAt + sizeof(int32_t) &&
              kFlushedAt == kVoteDirectoryAt + sizeof(Uuid::bytes) && kBytes == kCrcAt + sizeof(uint32_t));

void put(std::byte* node_at, std::byte* directory_at, const Member& member) {
  store_big_endian(node_at, member.node.value());
  std::memcpy(directory_at, member.directory.bytes.data(), member.directory.bytes.size());
}
Member get(const std::byte* node_at, const std::byte* directory_at) {
  Member member{NodeId{load_big_endian<int32_t>(node_at)}, {}};
  std::memcpy(member.directory.bytes.data(), directory_at, member.directory.bytes.size());
  return member;
}

}  // namespace

std::string encode(const QuorumState& state) {
  std::array<std::byte, kBytes> bytes{};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  store_big_endian(bytes.data() + kVersionAt, kVersion);
  put(bytes.data() + kNodeAt, bytes.data() + kDirectoryAt, state.self);
  store_big_endian(bytes.data() + kTermAt, state.hard.term.value());
  if (state.hard.vote) {
    bytes[kHasVoteAt] = std::byte{1};
    put(bytes.data() + kVoteNodeAt, bytes.data() + kVoteDirectoryAt, *state.hard.vote);
  }
  store_big_endian(bytes.data() + kFlushedAt, state.flushed.value());
  store_big_endian(bytes.data() + kCrcAt, crc32c(BytesView(bytes).first(kCrcAt)));
  return std::string(as_text(bytes));
}

Result<QuorumState> decode_quorum_state(std::string_view text) {
  const std::byte* at = as_bytes(text).data();
  if (text.size() < kVersionAt + sizeof kVersion || !text.starts_with(kMagic))
    return Error{Errc::corrupt, "quorum state"};
  if (load_big_endian<int16_t>(at + kVersionAt) != kVersion) {
    return Error{Errc::unsupported_version,
                 "quorum state of version " + std::to_string(load_big_endian<int16_t>(at + kVersionAt))};
  }
  if (text.size() != kBytes || load_big_endian<uint32_t>(at + kCrcAt) != crc32c(as_bytes(text).first(kCrcAt))) {
    return Error{Errc::corrupt, "checksum of the quorum state"};
  }
  QuorumState state;
  state.self = get(at + kNodeAt, at + kDirectoryAt);
  state.hard.term = Term{load_big_endian<int64_t>(at + kTermAt)};
  if (at[kHasVoteAt] != std::byte{0}) state.hard.vote = get(at + kVoteNodeAt, at + kVoteDirectoryAt);
  state.flushed = Offset{load_big_endian<int64_t>(at + kFlushedAt)};
  return state;
}

Status save_quorum_state(io::FileSystem& fs, const std::string& path, const QuorumState& state) {
  return io::write_file_atomically(fs, path, encode(state));
}

Result<QuorumState> load_quorum_state(io::FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const std::string text, io::read_small_file(fs, path));
  return decode_quorum_state(text);
}

}  // namespace millrace::raft
