#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/server/handler.h"
#include "broker/server/server_metrics.h"

namespace millrace::server {

class Connection;

// Finds the handler of a frame and hands it over. What has no handler, or a header that does not decode, ends its
// connection without a reply, as in Kafka; only ApiVersions of an unknown version reaches its handler (KIP-511).
// Thread-safe.
class Dispatcher {
 public:
  // `handlers` is sorted by API key.
  Dispatcher(std::span<const Handler> handlers, Services& services, ServerMetrics& metrics);

  void dispatch(Connection& connection, Bytes frame, uint64_t sequence, TimePoint received_at);

 private:
  void forward(const Handler& handler, Bytes frame, RawRequest request);

  static constexpr size_t kKeysMax = 128;

  std::span<const Handler> handlers_;
  Services& services_;
  ServerMetrics& metrics_;
  std::array<int8_t, kKeysMax> row_of_key_;  // -1: no handler
};

}  // namespace millrace::server
