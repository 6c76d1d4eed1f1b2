#include "broker/raft/node/entry_codec.h"

#include <algorithm>

#include "broker/base/crc32c.h"
#include "broker/base/endian.h"
#include "broker/protocol/batch_header.h"
#include "broker/protocol/record_batch.h"
#include "broker/protocol/varint.h"

namespace millrace::raft {
namespace {

constexpr std::string_view kTermHeader = "t", kFlushedHeader = "f";
// Lengths of name and value, a name of one byte, the value.
constexpr size_t kTermHeaderBytes = 3 + sizeof(int32_t), kFlushedHeaderBytes = 3 + sizeof(int64_t);

void append(std::vector<std::byte>& out, BytesView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

template <std::integral Int>
void append_header(std::vector<std::byte>& out, std::string_view name, Int value) {
  protocol::append_varlong(out, static_cast<int64_t>(name.size()));
  append(out, as_bytes(name));
  protocol::append_varlong(out, sizeof value);
  out.resize(out.size() + sizeof value);
  store_big_endian(out.data() + out.size() - sizeof value, value);
}

size_t varint_size(size_t value) {
  size_t size = 1;
  for (size_t zigzag = value << 1; zigzag >= 0x80; zigzag >>= 7) ++size;
  return size;
}

Error not_ours(Index index, std::string_view why) {
  return {Errc::corrupt, "entry " + std::to_string(index.value()) + " " + std::string(why)};
}

}  // namespace

Status encode_entry(std::vector<std::byte>& out, const Entry& entry, Index index, Timestamp now,
                    std::optional<Offset> flushed) {
  if (entry.term > kTermMax || entry.term < Term{0}) {
    return Error{Errc::invalid_argument, "term " + std::to_string(entry.term.value()) + " of an entry"};
  }
  const bool has_key = entry.kind != EntryKind::payload;
  const size_t header_bytes = kTermHeaderBytes + (flushed ? kFlushedHeaderBytes : 0);
  // Attributes, time and offset deltas, key, value, number of headers.
  const size_t body =
      3 + (has_key ? 2 : 1) + varint_size(entry.payload.size()) + entry.payload.size() + 1 + header_bytes;
  const size_t at = out.size();
  const size_t total = protocol::kBatchHeaderBytes + varint_size(body) + body;
  out.resize(at + protocol::kBatchHeaderBytes);
  protocol::append_varlong(out, static_cast<int64_t>(body));
  out.resize(out.size() + 3);
  protocol::append_varlong(out, has_key ? 1 : -1);
  if (has_key) out.push_back(static_cast<std::byte>(entry.kind));
  protocol::append_varlong(out, static_cast<int64_t>(entry.payload.size()));
  append(out, entry.payload.view());
  protocol::append_varlong(out, flushed ? 2 : 1);
  append_header(out, kTermHeader, static_cast<int32_t>(entry.term.value()));
  if (flushed) append_header(out, kFlushedHeader, flushed->value());
  ENSURE(out.size() == at + total);
  std::byte* const batch = out.data() + at;
  store_big_endian(batch + protocol::kBaseOffsetAt, offset_of(index).value());
  store_big_endian(batch + protocol::kLengthAt, static_cast<int32_t>(total - protocol::kLengthExcludes));
  store_big_endian(batch + protocol::kLeaderEpochAt, static_cast<int32_t>(entry.term.value()));
  store_big_endian(batch + protocol::kMagicAt, protocol::kMagic);
  store_big_endian(batch + protocol::kBaseTimestampAt, now);
  store_big_endian(batch + protocol::kMaxTimestampAt, now);
  store_big_endian(batch + protocol::kProducerIdAt, kNoProducerId.value());
  store_big_endian(batch + protocol::kProducerEpochAt, kNoProducerEpoch.value());
  store_big_endian(batch + protocol::kBaseSequenceAt, kNoSequence.value());
  store_big_endian(batch + protocol::kRecordCountAt, int32_t{1});
  store_big_endian(batch + protocol::kCrcAt, crc32c(BytesView(batch, total).subspan(protocol::kAttributesAt)));
  return ok();
}

Result<StoredEntry> decode_entry(const Bytes& bytes, size_t& size) {
  if (bytes.size() < protocol::kBatchHeaderBytes) return Error{Errc::corrupt, "a batch of the metadata log is cut"};
  const auto header = protocol::BatchHeader::decode(bytes.data());
  const Index index = index_of(header.base_offset);
  if (!header.is_plausible() || header.total_bytes() > bytes.size() || header.record_count != 1 ||
      header.codec() != 0 || header.leader_epoch < LeaderEpoch(0)) {
    return not_ours(index, "is no batch of one entry");
  }
  size = header.total_bytes();
  protocol::RecordCursor cursor(bytes.view().first(size).subspan(protocol::kBatchHeaderBytes));
  TRY_ASSIGN(const protocol::RecordView record, cursor.next());
  if (!cursor.at_end() || record.offset_delta != 0 || !record.value) return not_ours(index, "is no record of ours");
  EntryKind kind = EntryKind::payload;
  if (record.key) {
    const bool known =
        record.key->size() == 1 && ((*record.key)[0] == static_cast<std::byte>(EntryKind::no_op) ||
                                    (*record.key)[0] == static_cast<std::byte>(EntryKind::configuration));
    if (!known) return Error{Errc::unsupported_version, not_ours(index, "has a kind that is not known here").context};
    kind = static_cast<EntryKind>((*record.key)[0]);
  }
  StoredEntry stored{index, {Term{header.leader_epoch.value()}, kind, {}}, std::nullopt};
  if (!record.value->empty()) {
    stored.entry.payload = bytes.slice(static_cast<size_t>(record.value->data() - bytes.data()), record.value->size());
  }
  TRY_ASSIGN(const std::vector<protocol::RecordHeader> headers, protocol::read_headers(record));
  std::optional<int32_t> term;
  for (const protocol::RecordHeader& one : headers) {
    if (as_text(one.name) == kTermHeader && one.value && one.value->size() == sizeof(int32_t)) {
      term = load_big_endian<int32_t>(one.value->data());
    } else if (as_text(one.name) == kFlushedHeader && one.value && one.value->size() == sizeof(int64_t)) {
      stored.flushed = Offset(load_big_endian<int64_t>(one.value->data()));
    }
  }
  if (term != header.leader_epoch.value()) return not_ours(index, "has a leader epoch that is not its term");
  return stored;
}

}  // namespace millrace::raft
