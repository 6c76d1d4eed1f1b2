#pragma once

#include <vector>

#include <sys/socket.h>

#include "broker/base/result.h"
#include "broker/io/network.h"

namespace millrace::io::posix {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// Numbers only, for people and for comparing: "127.0.0.1", "::1"; an IPv4 address seen through an IPv6 socket is
// written as IPv4.
Endpoint to_endpoint(const SocketAddress& address);
Endpoint local_endpoint(int fd);

enum class Resolve : uint8_t { numbers_only, names, for_listening };
// The addresses of a host, in the order to try. not_found when there are none. Names may block for seconds. An empty
// host is every local address (for_listening).
Result<std::vector<SocketAddress>> resolve(const Endpoint& endpoint, Resolve how);

}  // namespace millrace::io::posix
