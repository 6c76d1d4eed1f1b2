#include "broker/raft/node/snapshot_file.h"

#include <algorithm>
#include <array>

#include "broker/base/crc32c.h"
#include "broker/base/endian.h"

namespace millrace::raft {
namespace {

constexpr std::string_view kMagic = "MRSI";
constexpr int16_t kVersion = 0;
constexpr size_t kHeaderBytes = 6;
static_assert(kHeaderBytes == kMagic.size() + sizeof kVersion);
// Of the trailer: its fixed fields, and the two at its very end.
constexpr size_t kFixedBytes = 3 * sizeof(int64_t) + sizeof(uint32_t) + sizeof(uint64_t) + sizeof(uint32_t);
constexpr size_t kEndBytes = 2 * sizeof(uint32_t);
constexpr size_t kTrailerBytesMax = 64 << 10;
constexpr size_t kVerifyBytes = 256 << 10;  // of one read

template <std::integral Int>
void put(std::vector<std::byte>& out, Int value) {
  out.resize(out.size() + sizeof value);
  store_big_endian(out.data() + out.size() - sizeof value, value);
}

}  // namespace

Result<SnapshotFileWriter> SnapshotFileWriter::create(io::FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(std::unique_ptr<io::File> file, fs.open(path, io::OpenMode::create));
  TRY(file->truncate(0));
  return SnapshotFileWriter(std::move(file));
}

Status SnapshotFileWriter::begin() {
  ENSURE(size_ == 0);
  std::vector<std::byte> header;
  const BytesView magic = as_bytes(kMagic);
  header.insert(header.end(), magic.begin(), magic.end());
  put(header, kVersion);
  return append(header);
}

Status SnapshotFileWriter::append(BytesView bytes) {
  const std::array<BytesView, 1> pieces{bytes};
  TRY(file_->write_at(size_, pieces));
  crc_ = crc32c(bytes, crc_);
  size_ += bytes.size();
  unflushed_ += bytes.size();
  if (unflushed_ < kFlushBytes) return ok();
  unflushed_ = 0;
  return file_->flush();
}

Status SnapshotFileWriter::finish(const SnapshotMeta& meta) {
  ENSURE(size_ >= kHeaderBytes);
  const Bytes configuration = meta.configuration.encode();
  std::vector<std::byte> trailer;
  put(trailer, meta.last.index.value());
  put(trailer, meta.last.term.value());
  put(trailer, meta.configuration_at.value());
  put(trailer, static_cast<uint32_t>(configuration.size()));
  trailer.insert(trailer.end(), configuration.view().begin(), configuration.view().end());
  put(trailer, size_ - kHeaderBytes);
  put(trailer, static_cast<uint32_t>(trailer.size() + sizeof(uint32_t)));
  put(trailer, crc32c(trailer, crc_));
  return append(trailer);
}

Error SnapshotFile::damaged(std::string_view why) const { return {Errc::corrupt, path_ + ": " + std::string(why)}; }

Result<SnapshotFile> SnapshotFile::open(io::FileSystem& fs, const std::string& path, Check check) {
  SnapshotFile snapshot;
  snapshot.path_ = path;
  TRY_ASSIGN(snapshot.file_, fs.open(path, io::OpenMode::read));
  TRY_ASSIGN(snapshot.size_, snapshot.file_->size());
  TRY(snapshot.read_trailer());
  if (check == Check::all) TRY(snapshot.verify());
  return snapshot;
}

Status SnapshotFile::read_trailer() {
  if (size_ < kHeaderBytes + kFixedBytes + sizeof(uint32_t)) return damaged("too short for a snapshot");
  TRY_ASSIGN(const Bytes header, read(0, kHeaderBytes));
  if (!header.text().starts_with(kMagic)) return damaged("no snapshot of a metadata log");
  const auto version = load_big_endian<int16_t>(header.data() + kMagic.size());
  if (version != kVersion) {
    return Error{Errc::unsupported_version, path_ + ": snapshot of version " + std::to_string(version)};
  }
  TRY_ASSIGN(const Bytes end, read(size_ - kEndBytes, kEndBytes));
  const auto length = load_big_endian<uint32_t>(end.data());
  if (length < kFixedBytes || length > kTrailerBytesMax || length + kHeaderBytes + sizeof(uint32_t) > size_) {
    return damaged("its end is cut or damaged");
  }
  TRY_ASSIGN(const Bytes trailer, read(size_ - sizeof(uint32_t) - length, length));
  const std::byte* at = trailer.data();
  meta_.last = {Index{load_big_endian<int64_t>(at)}, Term{load_big_endian<int64_t>(at + 8)}};
  meta_.configuration_at = Index{load_big_endian<int64_t>(at + 16)};
  const auto configuration_bytes = load_big_endian<uint32_t>(at + 24);
  if (configuration_bytes != length - kFixedBytes) return damaged("its configuration does not fit");
  image_size_ = load_big_endian<uint64_t>(at + 28 + configuration_bytes);
  if (image_size_ != size_ - sizeof(uint32_t) - length - kHeaderBytes) return damaged("its image is cut");
  auto configuration = Configuration::decode(trailer.view().subspan(28, configuration_bytes));
  if (!configuration) return damaged("its configuration cannot be read");
  meta_.configuration = *std::move(configuration);
  return ok();
}

Status SnapshotFile::verify() const {
  uint32_t crc = 0;
  const uint64_t end = size_ - sizeof(uint32_t);
  for (uint64_t at = 0; at < end;) {
    TRY_ASSIGN(const Bytes piece, read_below(end, at, kVerifyBytes));
    if (piece.empty()) return damaged("shorter than it was");
    crc = crc32c(piece.view(), crc);
    at += piece.size();
  }
  TRY_ASSIGN(const Bytes stored, read(end, sizeof(uint32_t)));
  if (stored.size() != sizeof(uint32_t) || load_big_endian<uint32_t>(stored.data()) != crc)
    return damaged("its checksum");
  return ok();
}

Result<Bytes> SnapshotFile::read_below(uint64_t end, uint64_t from, size_t bytes_max) const {
  if (from >= end) return Bytes();
  Bytes bytes = Bytes::uninitialized(static_cast<size_t>(std::min<uint64_t>(bytes_max, end - from)));
  TRY_ASSIGN(const size_t got, file_->read_at(from, {bytes.mutable_data(), bytes.size()}));
  if (got != bytes.size()) return damaged("shorter than it was");
  return bytes;
}

Result<Bytes> SnapshotFile::read_image(uint64_t from, size_t bytes_max) const {
  TRY_ASSIGN(Bytes bytes, read_below(kHeaderBytes + image_size_, kHeaderBytes + from, bytes_max));
  return bytes;
}

}  // namespace millrace::raft
