#include "broker/raft/node/log_check.h"

#include <algorithm>
#include <optional>

#include "broker/raft/node/entry_codec.h"
#include "broker/storage/batch_scanner.h"
#include "broker/storage/segment_file.h"

namespace millrace::raft {
namespace {

using storage::BatchScanner;

struct Damage {
  std::string where;
  Offset at;
};

class Check {
 public:
  Check(io::FileSystem& fs, std::string directory, Offset flushed)
      : fs_(fs), directory_(std::move(directory)), flushed_(flushed) {}

  Status run() {
    TRY_ASSIGN(const std::vector<io::DirectoryEntry> entries, fs_.list(directory_));
    std::vector<std::pair<Offset, std::string>> segments;
    for (const io::DirectoryEntry& entry : entries) {
      if (const auto base = storage::parse_segment_name(entry.name, storage::kLogSuffix)) {
        segments.emplace_back(*base, io::join_path(directory_, entry.name));
      }
    }
    std::sort(segments.begin(), segments.end());
    Offset end = segments.empty() ? Offset{0} : segments.front().first;
    for (const auto& [base, path] : segments) {
      if (base != end) note(path + ", byte 0: entries are missing before it", end);
      TRY_ASSIGN(end, scan(path, base));
    }
    if (!damage_ && end < flushed_) note(directory_ + ": the log is shorter than it was", end);
    if (!damage_ || damage_->at >= flushed_) return ok();
    return Error{Errc::corrupt, damage_->where + ", at entry " + std::to_string(index_of(damage_->at).value()) +
                                    "; entries before " + std::to_string(index_of(flushed_).value()) +
                                    " were durable and may have been confirmed. " + kRepairAdvice};
  }

 private:
  // Answers the offset behind the last intact entry.
  Result<Offset> scan(const std::string& path, Offset base) {
    TRY_ASSIGN(const std::unique_ptr<io::File> file, fs_.open(path, io::OpenMode::read));
    TRY_ASSIGN(const uint64_t size, file->size());
    BatchScanner scanner(*file, 0, size, base, BatchScanner::kLargeChunkBytes);
    for (;;) {
      TRY_ASSIGN(const BatchScanner::Found found, scanner.next(storage::Verify::crc));
      if (found == BatchScanner::Found::end) return scanner.expected_offset();
      if (found == BatchScanner::Found::batch) {
        TRY(look_at(*file, path, scanner));
        continue;
      }
      note(path + ", byte " + std::to_string(scanner.position()) + ": " + scanner.reason(), scanner.expected_offset());
      const Offset before = scanner.expected_offset();
      TRY_ASSIGN(const bool more, scanner.skip_damage(Offset{INT64_MAX}));
      if (!more) return before;
    }
  }

  // No crash leaves a batch whose checksum is right and whose content is not.
  Status look_at(const io::File& file, const std::string& path, const BatchScanner& scanner) {
    Bytes batch = Bytes::uninitialized(scanner.header().total_bytes());
    TRY_ASSIGN(const size_t got, file.read_at(scanner.position(), {batch.mutable_data(), batch.size()}));
    if (got != batch.size()) return Error{Errc::io, path + " changed while it was read"};
    size_t size = 0;
    const auto entry = decode_entry(batch, size);
    if (!entry) {
      return Error{entry.error().code, path + ", byte " + std::to_string(scanner.position()) + ": " +
                                           entry.error().context + ". " + kRepairAdvice};
    }
    // What an intact entry says counts for those before it, damaged or not.
    if (entry->flushed) flushed_ = std::max(flushed_, *entry->flushed);
    return ok();
  }

  void note(std::string where, Offset at) {
    if (!damage_) damage_ = Damage{std::move(where), at};
  }

  io::FileSystem& fs_;
  const std::string directory_;
  Offset flushed_;
  std::optional<Damage> damage_;
};

}  // namespace

const char* const kRepairAdvice =
    "If other voters are alive, remove this directory and add the node to the quorum again; a single voter has to be "
    "restored from a backup";

Status check_log(io::FileSystem& fs, const std::string& directory, Offset flushed) {
  return Check(fs, directory, flushed).run();
}

}  // namespace millrace::raft
