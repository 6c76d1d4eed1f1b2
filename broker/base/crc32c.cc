#include "broker/base/crc32c.h"

#include <array>
#include <climits>

#if defined(__x86_64__) || defined(__aarch64__)
#include <isa-l/crc.h>
#define MILLRACE_HAVE_ISAL 1
#endif

namespace millrace {
namespace {

constexpr uint32_t kPolynomialReflected = 0x82f63b78;

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? kPolynomialReflected : 0);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

}  // namespace

uint32_t crc32c_portable(BytesView bytes, uint32_t crc) {
  uint32_t state = ~crc;
  for (std::byte byte : bytes) state = (state >> 8) ^ kTable[(state ^ static_cast<uint32_t>(byte)) & 0xff];
  return ~state;
}

uint32_t crc32c(BytesView bytes, uint32_t crc) {
#ifdef MILLRACE_HAVE_ISAL
  // ISA-L takes an int length, neither inverts its seed nor its result, and never writes through its non-const pointer.
  uint32_t state = ~crc;
  while (!bytes.empty()) {
    const size_t step = std::min<size_t>(bytes.size(), INT_MAX);
    state = crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data())), static_cast<int>(step),
                        state);
    bytes = bytes.subspan(step);
  }
  return ~state;
#else
  return crc32c_portable(bytes, crc);
#endif
}

}  // namespace millrace
