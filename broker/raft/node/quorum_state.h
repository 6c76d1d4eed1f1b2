#pragma once

#include <string>

#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/raft/core/types.h"

namespace millrace::raft {

// The file `quorum-state`: a node that has it takes part in a quorum, or did.
struct QuorumState {
  Member self;  // whose it is: a file that came from elsewhere is refused
  HardState hard;
  Offset flushed{0};  // entries of the log before it were durable when this was written
  friend bool operator==(const QuorumState&, const QuorumState&) = default;
};

// Big-endian: "MRQS", int16 version (0), node int32, directory (16 bytes), term int64, int8 whether there is a vote,
// its node int32 and directory (16 bytes; zeros without one), flushed int64, uint32 CRC-32C of all before it.
std::string encode(const QuorumState& state);
Result<QuorumState> decode_quorum_state(std::string_view text);  // corrupt, unsupported_version

// Replaced as a whole, durably. Errors: io, disk_full; not_found without a file.
Status save_quorum_state(io::FileSystem& fs, const std::string& path, const QuorumState& state);
Result<QuorumState> load_quorum_state(io::FileSystem& fs, const std::string& path);

}  // namespace millrace::raft
