#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/base/bytes.h"
#include "broker/base/result.h"

namespace millrace::protocol {

// The codecs of record batches, as bits 0 to 2 of a batch's attributes hold them.
enum class Codec : int8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

// unsupported_compression for 5 to 7.
Result<Codec> codec_of(int16_t attributes);
std::string_view name(Codec codec);

// What one batch may become when its records are decompressed, where the caller has no tighter limit.
inline constexpr size_t kDecompressedBytesMax = 256u << 20;

// Largest distance that zstd data may refer back to: what levels up to 22 write, and what clients' own readers take.
// The decoder keeps a window of that size beside the plain bytes while it works, but touches no more of it than there
// are plain bytes. A batch that asks for more is invalid_record.
inline constexpr int kZstdWindowLogMax = 27;
inline constexpr size_t kZstdWindowBytesMax = size_t{1} << kZstdWindowLogMax;

// Snappy is written in the xerial framing that Java clients use, LZ4 as a frame. Levels are the libraries' defaults.
Result<Bytes> compress(Codec codec, BytesView plain);
// Takes what any Kafka client writes: snappy with xerial framing or raw, gzip of several members, zstd and LZ4 frames
// of several blocks. invalid_record when it does not decode whole; message_too_large when it would exceed `bytes_max`.
// Memory: the plain bytes as far as they have been decoded, twice while they move to a larger block, and the codec's
// own, which is zstd's window or at most 16 MiB (LZ4 with blocks of 4 MiB).
Result<Bytes> decompress(Codec codec, BytesView compressed, size_t bytes_max);

}  // namespace millrace::protocol
