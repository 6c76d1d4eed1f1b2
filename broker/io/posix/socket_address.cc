#include "broker/io/posix/socket_address.h"

#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include <netdb.h>
#include <netinet/in.h>

namespace millrace::io::posix {

Endpoint to_endpoint(const SocketAddress& address) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(address.get(), address.length, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {};
  }
  std::string_view text(host.data());
  constexpr std::string_view kMapped = "::ffff:";
  if (text.starts_with(kMapped) && text.find('.') != std::string_view::npos) text.remove_prefix(kMapped.size());
  return {std::string(text), static_cast<uint16_t>(std::strtoul(port.data(), nullptr, 10))};
}

Endpoint local_endpoint(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (::getsockname(fd, address.get(), &address.length) != 0) return {};
  return to_endpoint(address);
}

Result<std::vector<SocketAddress>> resolve(const Endpoint& endpoint, Resolve how) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  if (how == Resolve::numbers_only) hints.ai_flags |= AI_NUMERICHOST;
  if (how == Resolve::for_listening) hints.ai_flags |= AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(endpoint.port);
  const int outcome =
      ::getaddrinfo(endpoint.host.empty() ? nullptr : endpoint.host.c_str(), port.c_str(), &hints, &found);
  // The name means the loopback address also where no hosts file says so, as in slim containers (RFC 6761,
  // section 6.3).
  if (outcome != 0 && endpoint.host == "localhost" && how != Resolve::numbers_only) {
    return resolve({"127.0.0.1", endpoint.port}, how);
  }
  if (outcome != 0) return Error{Errc::not_found, "host " + endpoint.host + ": " + ::gai_strerror(outcome)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(found, &::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.length = at->ai_addrlen;
    addresses.push_back(address);
  }
  if (addresses.empty()) return Error{Errc::not_found, "host " + endpoint.host};
  return addresses;
}

}  // namespace millrace::io::posix
