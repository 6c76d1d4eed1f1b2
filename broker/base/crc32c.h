#pragma once

#include <cstdint>

#include "broker/base/bytes.h"

namespace millrace {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4), as Kafka's record batches carry it. `crc` continues an earlier result.
// Uses the processor's instructions where it has them (ISA-L) and a table elsewhere; both give the same values.
uint32_t crc32c(BytesView bytes, uint32_t crc = 0);

// The table version alone, for tests and as the fallback.
uint32_t crc32c_portable(BytesView bytes, uint32_t crc = 0);

}  // namespace millrace
