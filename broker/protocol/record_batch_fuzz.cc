// libFuzzer: a set of record batches, whose checksums are made right first so that what lies behind them is reached.
#include "broker/protocol/frame.h"
#include "broker/protocol/record_batch.h"

using namespace millrace;
using namespace millrace::protocol;

namespace {
constexpr size_t kDecompressedMax = 1 << 20;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes = Bytes::copy_of(std::as_bytes(std::span(data, size)));
  static_cast<void>(decode_request_frame(bytes));
  for (size_t at = 0; bytes.size() - at >= kBatchHeaderBytes;) {
    const BatchHeader header = BatchHeader::decode(bytes.data() + at);
    if (header.length < static_cast<int32_t>(kBatchHeaderBytes - kLengthExcludes) ||
        header.total_bytes() > bytes.size() - at) {
      break;
    }
    set_log_append_time(bytes.mutable_data() + at, header.total_bytes(), header.max_timestamp);
    at += header.total_bytes();
  }
  static_cast<void>(read_batches(bytes, kDecompressedMax));
  return 0;
}
