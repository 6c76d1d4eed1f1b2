#pragma once

#include <string_view>

#include "broker/storage/log_config.h"

// Names in the store's directory, beside the segments of the log.
namespace millrace::raft {

inline constexpr std::string_view kStateFile = "quorum-state", kSnapshotFile = "snapshot",
                                  kTakingFile = "snapshot.taking", kReceivingFile = "snapshot.receiving";

inline storage::LogConfig metadata_log_config(int32_t segment_bytes) {
  return {.segment_bytes_max = segment_bytes,
          .segment_ms_max = INT64_MAX,
          .retention_ms = -1,
          .batch_bytes_max = segment_bytes,
          .delete_old = false};
}

}  // namespace millrace::raft
