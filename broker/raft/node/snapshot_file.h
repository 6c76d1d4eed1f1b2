#pragma once

#include <memory>
#include <string>

#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/raft/core/configuration.h"

// A snapshot on disk: what the machine says, in between what says whose it is and that it is whole. It is sent to a
// follower byte by byte, so that the follower checks what the leader wrote. Big-endian:
//
//   "MRSI" · int16 version (0) · the machine's image · int64 index and int64 term of the last entry in it · int64 index
//   of the configuration's entry · uint32 length and bytes of the configuration · uint64 length of the image · uint32
//   length of all from the last entry's index to here, this included · uint32 CRC-32C of all before
namespace millrace::raft {

// Writes one, piece after piece, with a flush every kFlushBytes so that none takes long. One thread at a time; the file
// is not removed when this is destroyed. Errors: io, disk_full.
class SnapshotFileWriter {
 public:
  static constexpr size_t kFlushBytes = 1 << 20;

  // An empty file, whatever was there.
  static Result<SnapshotFileWriter> create(io::FileSystem& fs, const std::string& path);
  // To be whole a file takes: begin(), the image, finish(). One that is received takes its bytes as they come.
  Status begin();
  Status append(BytesView bytes);
  Status finish(const SnapshotMeta& meta);
  Status flush() { return file_->flush(); }
  uint64_t size() const { return size_; }

 private:
  explicit SnapshotFileWriter(std::unique_ptr<io::File> file) : file_(std::move(file)) {}

  std::unique_ptr<io::File> file_;
  uint64_t size_ = 0;
  uint64_t unflushed_ = 0;
  uint32_t crc_ = 0;
};

// A file that is whole. Thread-safe.
class SnapshotFile {
 public:
  // Reads and verifies all of it, or what stands at its ends. Errors: not_found, io; corrupt, unsupported_version,
  // naming the file.
  enum class Check : uint8_t { all, ends };
  static Result<SnapshotFile> open(io::FileSystem& fs, const std::string& path, Check check = Check::all);

  const SnapshotMeta& meta() const { return meta_; }
  uint64_t size() const { return size_; }
  uint64_t image_size() const { return image_size_; }
  // Of the whole file, or of the image; fewer bytes only at the end.
  Result<Bytes> read(uint64_t from, size_t bytes_max) const { return read_below(size_, from, bytes_max); }
  Result<Bytes> read_image(uint64_t from, size_t bytes_max) const;

 private:
  SnapshotFile() = default;
  Status read_trailer();
  Status verify() const;
  Result<Bytes> read_below(uint64_t end, uint64_t from, size_t bytes_max) const;
  Error damaged(std::string_view why) const;

  std::string path_;
  std::shared_ptr<io::File> file_;
  SnapshotMeta meta_;
  uint64_t size_ = 0;
  uint64_t image_size_ = 0;
};

}  // namespace millrace::raft
