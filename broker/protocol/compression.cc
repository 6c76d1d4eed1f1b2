#include "broker/protocol/compression.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "broker/base/endian.h"
#include "broker/base/ensure.h"

namespace millrace::protocol {
namespace {

constexpr size_t kFirstOutputBytes = 64u << 10;
constexpr int kGzipWindow = 15 + 16;  // zlib: largest window, gzip header

// snappy-java's stream format: magic, version and lowest compatible version (8 + 4 + 4 bytes), then blocks of int32
// size and raw snappy.
constexpr std::byte kXerialMagic[] = {std::byte{0x82}, std::byte{'S'}, std::byte{'N'}, std::byte{'A'},
                                      std::byte{'P'},  std::byte{'P'}, std::byte{'Y'}, std::byte{0}};
constexpr size_t kXerialHeaderBytes = 16, kXerialBlockBytes = 32u << 10;

Error broken(std::string_view codec) {
  return Error{Errc::invalid_record, std::string(codec) + " data of the batch does not decode"};
}
Error too_large(size_t bytes_max) {
  return Error{Errc::message_too_large, "the batch decompresses to more than " + std::to_string(bytes_max) + " bytes"};
}

// Output that grows by doubling up to a limit.
class Output {
 public:
  explicit Output(size_t bytes_max) : bytes_max_(bytes_max) {}
  // Room of at least one byte, or none when the limit is reached.
  std::span<std::byte> room() {
    if (used_ == block_.size()) block_.resize(std::min(bytes_max_, std::max(kFirstOutputBytes, block_.size() * 2)));
    return std::span(block_).subspan(used_);
  }
  void use(size_t bytes) { used_ += bytes; }
  bool append(BytesView bytes) {
    while (!bytes.empty()) {
      const auto free = room();
      if (free.empty()) return false;
      const size_t step = std::min(free.size(), bytes.size());
      std::memcpy(free.data(), bytes.data(), step);
      use(step);
      bytes = bytes.subspan(step);
    }
    return true;
  }
  size_t left() const { return bytes_max_ - used_; }
  Bytes take() {
    block_.resize(used_);
    return Bytes::adopt(std::move(block_));
  }

 private:
  size_t bytes_max_;
  size_t used_ = 0;
  std::vector<std::byte> block_;
};

struct InflateEnd {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};
struct DeflateEnd {
  void operator()(z_stream* stream) const { deflateEnd(stream); }
};

Bytef* zlib_bytes(const std::byte* bytes) { return reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes)); }

Result<Bytes> decompress_gzip(BytesView input, size_t bytes_max) {
  z_stream stream{};
  ENSURE(inflateInit2(&stream, kGzipWindow) == Z_OK);
  const std::unique_ptr<z_stream, InflateEnd> end(&stream);
  stream.next_in = zlib_bytes(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  Output output(bytes_max);
  for (;;) {
    const auto room = output.room();
    if (room.empty()) return too_large(bytes_max);
    stream.next_out = zlib_bytes(room.data());
    stream.avail_out = static_cast<uInt>(std::min<size_t>(room.size(), UINT32_MAX));
    const uInt offered = stream.avail_out;
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    output.use(offered - stream.avail_out);
    if (outcome == Z_STREAM_END) {
      if (stream.avail_in == 0) return output.take();
      if (inflateReset(&stream) != Z_OK) return broken("gzip");  // another member follows
    } else if (outcome != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) {
      return broken("gzip");
    }
  }
}

Result<Bytes> compress_gzip(BytesView plain) {
  z_stream stream{};
  ENSURE(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  const std::unique_ptr<z_stream, DeflateEnd> end(&stream);
  std::vector<std::byte> out(deflateBound(&stream, plain.size()));
  stream.next_in = zlib_bytes(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = zlib_bytes(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ENSURE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  return Bytes::adopt(std::move(out));
}

const char* chars(BytesView bytes) { return reinterpret_cast<const char*>(bytes.data()); }

Status append_snappy(BytesView input, Output& output, size_t bytes_max) {
  size_t size = 0;
  if (snappy_uncompressed_length(chars(input), input.size(), &size) != SNAPPY_OK) return broken("snappy");
  if (size > output.left()) return too_large(bytes_max);
  // The format cannot shrink by more than about 1:21, so a larger announced size is a lie that would only cost memory.
  constexpr size_t kSnappyRatioMax = 64;
  if (size > (input.size() + 1) * kSnappyRatioMax) return broken("snappy");
  Bytes plain = Bytes::uninitialized(size);
  if (snappy_uncompress(chars(input), input.size(), reinterpret_cast<char*>(plain.mutable_data()), &size) != SNAPPY_OK)
    return broken("snappy");
  ENSURE(output.append(plain.view()));
  return ok();
}

Result<Bytes> decompress_snappy(BytesView input, size_t bytes_max) {
  Output output(bytes_max);
  const bool framed =
      input.size() >= kXerialHeaderBytes && std::equal(std::begin(kXerialMagic), std::end(kXerialMagic), input.begin());
  if (!framed) {
    TRY(append_snappy(input, output, bytes_max));
    return output.take();
  }
  for (input = input.subspan(kXerialHeaderBytes); !input.empty();) {
    if (input.size() < sizeof(int32_t)) return broken("snappy");
    const int32_t size = load_big_endian<int32_t>(input.data());
    input = input.subspan(sizeof size);
    if (size < 0 || static_cast<size_t>(size) > input.size()) return broken("snappy");
    TRY(append_snappy(input.first(static_cast<size_t>(size)), output, bytes_max));
    input = input.subspan(static_cast<size_t>(size));
  }
  return output.take();
}

Result<Bytes> compress_snappy(BytesView plain) {
  std::vector<std::byte> out(kXerialHeaderBytes);
  std::copy(std::begin(kXerialMagic), std::end(kXerialMagic), out.begin());
  store_big_endian<int32_t>(out.data() + 8, 1);
  store_big_endian<int32_t>(out.data() + 12, 1);
  do {
    const BytesView block = plain.first(std::min(plain.size(), kXerialBlockBytes));
    const size_t at = out.size();
    size_t size = snappy_max_compressed_length(block.size());
    out.resize(at + sizeof(int32_t) + size);
    ENSURE(snappy_compress(chars(block), block.size(), reinterpret_cast<char*>(out.data() + at + sizeof(int32_t)),
                           &size) == SNAPPY_OK);
    store_big_endian(out.data() + at, static_cast<int32_t>(size));
    out.resize(at + sizeof(int32_t) + size);
    plain = plain.subspan(block.size());
  } while (!plain.empty());
  return Bytes::adopt(std::move(out));
}

struct Lz4Free {
  void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
};

Result<Bytes> decompress_lz4(BytesView input, size_t bytes_max) {
  LZ4F_dctx* made = nullptr;
  ENSURE(!LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)));
  const std::unique_ptr<LZ4F_dctx, Lz4Free> context(made);
  Output output(bytes_max);
  size_t hint = 1;
  while (hint != 0) {
    const auto room = output.room();
    if (room.empty()) return too_large(bytes_max);
    size_t produced = room.size();
    size_t consumed = input.size();
    hint = LZ4F_decompress(context.get(), room.data(), &produced, input.data(), &consumed, nullptr);
    if (LZ4F_isError(hint)) return broken("lz4");
    output.use(produced);
    input = input.subspan(consumed);
    if (hint != 0 && produced == 0 && consumed == 0) return broken("lz4");  // it ends in the middle
  }
  if (!input.empty()) return broken("lz4");
  return output.take();
}

Result<Bytes> compress_lz4(BytesView plain) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // Kafka's own reader takes nothing else
  std::vector<std::byte> out(LZ4F_compressFrameBound(plain.size(), &preferences));
  const size_t size = LZ4F_compressFrame(out.data(), out.size(), plain.data(), plain.size(), &preferences);
  ENSURE(!LZ4F_isError(size));
  out.resize(size);
  return Bytes::adopt(std::move(out));
}

struct ZstdFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Result<Bytes> decompress_zstd(BytesView input, size_t bytes_max) {
  const std::unique_ptr<ZSTD_DCtx, ZstdFree> context(ZSTD_createDCtx());
  ENSURE(context != nullptr);
  ENSURE(!ZSTD_isError(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax)));
  Output output(bytes_max);
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  for (;;) {
    const auto room = output.room();
    if (room.empty()) return too_large(bytes_max);
    ZSTD_outBuffer out{room.data(), room.size(), 0};
    const size_t hint = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(hint)) return broken("zstd");
    output.use(out.pos);
    if (hint == 0 && in.pos == in.size) return output.take();
    if (in.pos == in.size && out.pos < out.size) return broken("zstd");  // it ends in the middle
  }
}

Result<Bytes> compress_zstd(BytesView plain) {
  std::vector<std::byte> out(ZSTD_compressBound(plain.size()));
  const size_t size = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), ZSTD_CLEVEL_DEFAULT);
  ENSURE(!ZSTD_isError(size));
  out.resize(size);
  return Bytes::adopt(std::move(out));
}

}  // namespace

Result<Codec> codec_of(int16_t attributes) {
  const int codec = attributes & 7;
  if (codec > static_cast<int>(Codec::zstd))
    return Error{Errc::unsupported_compression, "codec " + std::to_string(codec)};
  return static_cast<Codec>(codec);
}

std::string_view name(Codec codec) {
  switch (codec) {
    case Codec::none:
      return "none";
    case Codec::gzip:
      return "gzip";
    case Codec::snappy:
      return "snappy";
    case Codec::lz4:
      return "lz4";
    case Codec::zstd:
      return "zstd";
  }
  return "unknown";
}

Result<Bytes> compress(Codec codec, BytesView plain) {
  ENSURE(plain.size() <= kDecompressedBytesMax);
  switch (codec) {
    case Codec::none:
      return Bytes::copy_of(plain);
    case Codec::gzip:
      return compress_gzip(plain);
    case Codec::snappy:
      return compress_snappy(plain);
    case Codec::lz4:
      return compress_lz4(plain);
    case Codec::zstd:
      return compress_zstd(plain);
  }
  return Errc::unsupported_compression;
}

Result<Bytes> decompress(Codec codec, BytesView compressed, size_t bytes_max) {
  // zlib counts its input in 32 bits; no batch comes near that.
  if (compressed.size() > kDecompressedBytesMax) return too_large(bytes_max);
  switch (codec) {
    case Codec::none:
      if (compressed.size() > bytes_max) return too_large(bytes_max);
      return Bytes::copy_of(compressed);
    case Codec::gzip:
      return decompress_gzip(compressed, bytes_max);
    case Codec::snappy:
      return decompress_snappy(compressed, bytes_max);
    case Codec::lz4:
      return decompress_lz4(compressed, bytes_max);
    case Codec::zstd:
      return decompress_zstd(compressed, bytes_max);
  }
  return Errc::unsupported_compression;
}

}  // namespace millrace::protocol
