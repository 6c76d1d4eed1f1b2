#pragma once

#include <optional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/raft/core/types.h"

// How an entry lies in the log: one record batch v2 with one record, so that any reader of Kafka's logs can show it.
// The entry with index i has offset i - 1, the batch's leader epoch is the term, the record's value the payload and its
// key one byte, the kind, which a payload lacks. Record header "t" (int32) repeats the term, because the batch's
// checksum leaves the leader epoch out; header "f" is explained below.
namespace millrace::raft {

inline Offset offset_of(Index index) { return Offset(index.value() - 1); }
inline Index index_of(Offset offset) { return Index(offset.value() + 1); }
inline constexpr Term kTermMax{INT32_MAX};  // of a leader epoch

// Appends the batch of `entry` at `index` to `out`. `flushed`, where given, is said in header "f" (int64): entries
// before that offset were durable when this was written, which tells damage from a tail that was torn. invalid_argument
// for a term beyond kTermMax.
Status encode_entry(std::vector<std::byte>& out, const Entry& entry, Index index, Timestamp now,
                    std::optional<Offset> flushed);

struct StoredEntry {
  Index index;
  Entry entry;                    // its payload is a slice of the batch
  std::optional<Offset> flushed;  // as above
};
// The entry in the batch at the front of `bytes`, whose checksum was verified, and the size of that batch. corrupt when
// this is none of ours.
Result<StoredEntry> decode_entry(const Bytes& bytes, size_t& size);

}  // namespace millrace::raft
