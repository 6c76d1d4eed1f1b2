#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "broker/base/clock.h"
#include "broker/io/network.h"

namespace millrace::protocol {
enum class ApiKey : int16_t;
}

namespace millrace::server {

// What is known of a connection once it is accepted. Immutable; shared by its requests, which may outlive it.
struct ConnectionInfo {
  uint64_t id = 0;       // unique in this process
  io::Endpoint peer;     // of the client
  io::Endpoint local;    // where it came in
  std::string listener;  // name, such as PLAINTEXT: Metadata answers with the addresses of this one
  io::EventLoop* loop = nullptr;
};

// The header of one request and where it came from. A value; copying costs two atomic increments.
struct RequestContext {
  protocol::ApiKey api;
  int16_t version = 0;
  int32_t correlation_id = 0;
  std::shared_ptr<const std::string> client_id;  // never null; "" when the client sent null
  std::shared_ptr<const ConnectionInfo> connection;
  TimePoint received_at;  // its last byte was read

  // The reactor of the connection: handlers are called on it, and what they park or post comes back to it.
  io::EventLoop& loop() const { return *connection->loop; }
  const std::string& client_host() const { return connection->peer.host; }
};

}  // namespace millrace::server
