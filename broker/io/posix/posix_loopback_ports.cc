#include "broker/io/posix/posix_loopback_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::io::posix {

namespace {

constexpr int kAttemptsMax = 100;

// The port that was bound, or 0. SO_REUSEADDR as servers set it: connections in TIME_WAIT do not make a port taken.
uint16_t bind_once(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  uint16_t bound = 0;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(fd, 1) == 0 &&
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    bound = ntohs(address.sin_port);
  }
  ::close(fd);
  return bound;
}

}  // namespace

Result<uint16_t> PosixLoopbackPorts::choose(uint16_t preferred, const std::set<uint16_t>& taken) {
  if (preferred != 0 && !taken.contains(preferred) && bind_once(preferred) != 0) return preferred;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const uint16_t chosen = bind_once(0);
    if (chosen != 0 && !taken.contains(chosen)) return chosen;
  }
  return Error{Errc::in_use, "no free port on 127.0.0.1"};
}

}  // namespace millrace::io::posix
