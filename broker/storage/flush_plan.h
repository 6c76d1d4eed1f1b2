#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/io/file_system.h"

namespace millrace::storage {

inline constexpr std::chrono::milliseconds kFlushAgainAfter{200};  // one that found the disk full

// What a flush has to do outside the partition's mutex; see Log::begin_flush.
struct FlushPlan {
  struct SmallFile {
    std::string path;
    std::string content;
  };
  std::vector<std::shared_ptr<io::File>> files;  // data before indexes
  std::vector<SmallFile> small_files;            // written whole: checkpoints that must keep up with the data
  std::vector<std::string> directories;          // that gained or lost names
  Offset up_to;                                  // records below it are durable once all of it succeeded
  std::optional<Error> failure;                  // the files could not even be opened
  TimePoint began;                               // when begin_flush() made it
  // For end_flush(): the truncations, changes of names and of epochs, and the sealed segments that it covers.
  uint64_t generation = 0;
  uint64_t names = 0;
  uint64_t epochs = 0;
  std::vector<Offset> sealed;
  bool is_data_durable = false;  // set by run_flush()
  // There was no room for a checkpoint: nothing is lost, and the flush may be made again.
  bool is_put_off(const Status& outcome) const {
    return !outcome && outcome.error().code == Errc::disk_full && is_data_durable;
  }
  bool empty() const { return files.empty() && small_files.empty() && directories.empty() && !failure; }
};

}  // namespace millrace::storage
