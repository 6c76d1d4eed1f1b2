// libFuzzer: one message. The first byte chooses the message, the second its version; the rest is the body.
#include "broker/protocol/message_values_test_support.h"

using millrace::Bytes;
using millrace::BytesView;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto& types = millrace::protocol::message_types();
  const auto& type = types[data[0] % types.size()];
  const int versions = type.version_max - type.version_min + 1;
  const auto version = static_cast<int16_t>(type.version_min + data[1] % versions);
  const Bytes body = Bytes::copy_of(std::as_bytes(std::span(data + 2, size - 2)));
  auto again = type.recode(body, version);
  if (!again) return 0;
  // What we wrote ourselves must read back.
  std::vector<std::byte> flat;
  for (const auto& piece : again->pieces()) {
    const BytesView view = std::get<Bytes>(piece).view();
    flat.insert(flat.end(), view.begin(), view.end());
  }
  ENSURE(type.recode(Bytes::adopt(std::move(flat)), version).has_value());
  return 0;
}
