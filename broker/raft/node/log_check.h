#pragma once

#include <string>

#include "broker/io/file_system.h"
#include "broker/raft/core/types.h"

namespace millrace::raft {

// Looks at every entry in the segments of `directory` before the log is opened, which cuts at the first damage. Damage
// there may be the tail that a crash tore: entries that were never durable, hence never confirmed. It is refused
// (corrupt: file, place and what to do) when it lies among entries that were durable: before `flushed` (from the quorum
// state), or before what an intact entry behind it says was flushed when it was written. Segments that are missing
// count as damage.
//
// What this cannot see: damage to entries of the very last flush, with nothing written since.
Status check_log(io::FileSystem& fs, const std::string& directory, Offset flushed);

// What to do about damage, for people.
extern const char* const kRepairAdvice;

}  // namespace millrace::raft
