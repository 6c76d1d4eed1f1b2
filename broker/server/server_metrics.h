#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/base/metrics.h"

namespace millrace::server {

// Why a connection ended. The order of the names below.
enum class CloseReason : uint8_t {
  peer,
  error,
  idle,
  limit,
  frame,
  malformed,
  unsupported,
  handler,
  sent_away,
  shutting_down,
};
inline constexpr std::array<std::string_view, 10> kCloseReasons{
    "peer",       // the client closed it
    "error",      // the network failed
    "idle",       // nothing moved for connections.max.idle.ms
    "limit",      // max.connections or max.connections.per.ip
    "frame",      // a size that is not a request's: garbage, another protocol, too large
    "malformed",  // a header or body that does not decode
    "unsupported",
    "handler",    // the protocol has no reply for what happened
    "sent_away",  // others may lead what this broker leads, and no controller tells it
    "shutting_down",
};

// Of one API: a row of the handler table.
struct ApiMetrics {
  Counter requests;
  DurationHistogram duration;  // from the last byte read to the reply handed to the connection
};

inline constexpr size_t kApisMax = 128;  // rows of the handler table

// Consumers that read from followers (KIP-392).
struct FollowerReadMetrics {
  Counter redirects;  // fetches that this broker, as leader, sent to a follower in the client's rack
  Counter fetches;    // of partitions that this broker follows, with records
  Counter bytes;      // of them
};

// The network and request side of a broker; app/ names them.
struct ServerMetrics {
  Gauge connections;
  Counter accepted;
  std::array<Counter, kCloseReasons.size()> closed;
  Counter received_bytes;
  Counter sent_bytes;
  Gauge requests_in_progress;
  Counter paused_for_memory;              // times a connection waited for queued.max.request.bytes
  std::array<ApiMetrics, kApisMax> apis;  // by row
};

}  // namespace millrace::server
