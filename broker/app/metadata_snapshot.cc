#include "broker/app/metadata_snapshot.h"

#include "broker/base/crc32c.h"
#include "broker/base/endian.h"

namespace millrace::app {
namespace {

constexpr std::string_view kMagic = "MRSN";
constexpr int16_t kVersion = 0;
constexpr size_t kVersionAt = 4, kOffsetAt = 6, kCountAt = 14, kRecordsAt = 18, kCrcBytes = 4;
static_assert(kOffsetAt == kVersionAt + sizeof(int16_t) && kCountAt == kOffsetAt + sizeof(int64_t) &&
              kRecordsAt == kCountAt + sizeof(uint32_t));

template <std::integral Int>
void put(std::string& text, Int value) {
  std::byte bytes[sizeof value];
  store_big_endian(bytes, value);
  text.append(reinterpret_cast<const char*>(bytes), sizeof value);
}

}  // namespace

Status save_snapshot(io::FileSystem& fs, const std::string& path, const metadata::ClusterImage& image) {
  const std::vector<metadata::MetadataRecord> records = snapshot_of(image);
  std::string text(kMagic);
  put(text, kVersion);
  put(text, image.applied.value());
  put(text, static_cast<uint32_t>(records.size()));
  for (const metadata::MetadataRecord& record : records) {
    const Bytes value = encode(record);
    put(text, static_cast<uint32_t>(value.size()));
    text += value.text();
  }
  put(text, crc32c(as_bytes(text)));
  if (text.size() > io::kSmallFileBytesMax) {
    return Error{Errc::overloaded, "a metadata snapshot of " + std::to_string(text.size()) + " bytes"};
  }
  return io::write_file_atomically(fs, path, text);
}

Result<metadata::ImageBuilder> load_snapshot(io::FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const std::string text, io::read_small_file(fs, path));
  const BytesView bytes = as_bytes(text);
  const auto damaged = [&] { return Error{Errc::corrupt, path}; };
  if (bytes.size() < kRecordsAt + kCrcBytes || text.compare(0, kMagic.size(), kMagic) != 0) return damaged();
  const size_t end = bytes.size() - kCrcBytes;
  if (crc32c(bytes.first(end)) != load_big_endian<uint32_t>(bytes.data() + end)) return damaged();
  if (load_big_endian<int16_t>(bytes.data() + kVersionAt) != kVersion) return Error{Errc::unsupported_version, path};
  const Offset applied{load_big_endian<int64_t>(bytes.data() + kOffsetAt)};
  metadata::ImageBuilder builder;
  size_t at = kRecordsAt;
  for (uint32_t left = load_big_endian<uint32_t>(bytes.data() + kCountAt); left > 0; --left) {
    if (end - at < sizeof(uint32_t)) return damaged();
    const uint32_t size = load_big_endian<uint32_t>(bytes.data() + at);
    at += sizeof size;
    if (size > end - at) return damaged();
    TRY(builder.apply_encoded(applied, bytes.subspan(at, size)));
    at += size;
  }
  if (at != end) return damaged();
  return builder;
}

}  // namespace millrace::app
