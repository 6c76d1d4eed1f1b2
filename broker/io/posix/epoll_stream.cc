#include "broker/io/posix/epoll_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "broker/base/ensure.h"
#include "broker/io/posix/posix_file.h"
#include "broker/io/posix/socket_address.h"

namespace millrace::io::posix {
namespace {

constexpr size_t kPiecesPerWrite = 64;          // below IOV_MAX; more only grows the copy of pointers
constexpr size_t kFileBytesPerWrite = 1 << 20;  // so that one connection does not hold its reactor
constexpr size_t kCopyBytes = 64 << 10;         // for sources without a descriptor

constexpr int kKeepAliveIdleSeconds = 60;
constexpr int kKeepAliveIntervalSeconds = 10;
constexpr int kKeepAliveProbes = 6;
constexpr int kUnacknowledgedMsMax = 120'000;  // of sent data, before the connection is given up

void set_option(int fd, int level, int name, int value) {
  // Best effort: a stream without the option still works.
  ::setsockopt(fd, level, name, &value, sizeof value);
}

}  // namespace

int make_socket(int family) { return ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

void set_no_delay(int fd) { set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); }

void set_keep_alive(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMsMax);
}

Result<std::unique_ptr<EpollStream>> EpollStream::adopt(EpollEventLoop& loop, int fd, Endpoint peer) {
  std::unique_ptr<EpollStream> stream(new EpollStream(loop, fd, std::move(peer)));
  TRY(loop.watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, *stream));
  return stream;
}

EpollStream::EpollStream(EpollEventLoop& loop, int fd, Endpoint peer)
    : loop_(loop),
      fd_(fd),
      self_(std::make_shared<EpollStream*>(this)),
      peer_(std::move(peer)),
      local_(local_endpoint(fd)) {}

EpollStream::~EpollStream() { close(); }

void EpollStream::close() {
  *self_ = nullptr;
  on_readable_ = nullptr;
  on_writable_ = nullptr;
  if (fd_ < 0) return;
  loop_.unwatch(fd_, *this);
  ::close(fd_);
  fd_ = -1;
}

Error EpollStream::failure(const char* action) {
  const int number = errno;
  if (number == ECONNRESET || number == EPIPE || number == ETIMEDOUT) {
    return Error{Errc::connection_closed, peer_.to_string()};
  }
  return system_error(number, action, peer_.to_string());
}

Result<size_t> EpollStream::read_some(std::span<std::byte> into) {
  ENSURE(loop_.is_current() && !into.empty());
  if (fd_ < 0) return Errc::connection_closed;
  if (!readable_) return Errc::would_block;
  ssize_t got;
  do {
    got = ::recv(fd_, into.data(), into.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    // Fewer than asked for means that the queue was emptied: the next byte brings a new edge (epoll(7)). The peer's end
    // may have come in the same edge, so that one is read up to.
    if (static_cast<size_t>(got) < into.size() && !ended_) readable_ = false;
    return static_cast<size_t>(got);
  }
  if (got == 0) return Error{Errc::connection_closed, peer_.to_string()};
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    readable_ = false;
    return Errc::would_block;
  }
  return failure("read from");
}

Result<size_t> EpollStream::write_some(OutputChain& chain) {
  ENSURE(loop_.is_current() && !chain.empty());
  if (fd_ < 0) return Errc::connection_closed;
  size_t total = 0;
  while (!chain.empty() && writable_ && total < kFileBytesPerWrite) {
    const OutputChain::Piece& front = chain.pieces().front();
    Result<size_t> sent =
        std::holds_alternative<Bytes>(front) ? write_memory(chain) : write_file(std::get<SourceRange>(front));
    if (!sent) {
      if (sent.error().code == Errc::would_block) break;
      return sent;
    }
    chain.remove_front(*sent);
    total += *sent;
  }
  if (total == 0) return Errc::would_block;
  return total;
}

Result<size_t> EpollStream::write_memory(OutputChain& chain) {
  std::array<iovec, kPiecesPerWrite> pieces;
  size_t count = 0;
  size_t bytes = 0;
  for (const OutputChain::Piece& piece : chain.pieces()) {
    if (count == pieces.size() || !std::holds_alternative<Bytes>(piece)) break;
    const Bytes& memory = std::get<Bytes>(piece);
    pieces[count++] = {const_cast<std::byte*>(memory.data()), memory.size()};
    bytes += memory.size();
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  // What follows at once is to share the packet: a fetch reply's header and its records.
  const int more = bytes < chain.size() ? MSG_MORE : 0;
  ssize_t sent;
  do {
    sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | more);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) {
    if (static_cast<size_t>(sent) < bytes) writable_ = false;
    return static_cast<size_t>(sent);
  }
  if (errno != EAGAIN && errno != EWOULDBLOCK) return failure("write to");
  writable_ = false;
  return Errc::would_block;
}

Result<size_t> EpollStream::write_file(const SourceRange& range) {
  const int source = range.source->native_fd();
  if (source < 0) return write_copied(range);
  auto position = static_cast<off_t>(range.position);
  ssize_t sent;
  do {
    sent = ::sendfile(fd_, source, &position, std::min(range.size, kFileBytesPerWrite));
  } while (sent < 0 && errno == EINTR);
  if (sent > 0) return static_cast<size_t>(sent);
  if (sent == 0) return Error{Errc::corrupt, "a log segment ends before the range that was to be sent"};
  if (errno != EAGAIN && errno != EWOULDBLOCK) return failure("send a file to");
  writable_ = false;
  return Errc::would_block;
}

Result<size_t> EpollStream::write_copied(const SourceRange& range) {
  Bytes copy = Bytes::uninitialized(std::min(range.size, kCopyBytes));
  TRY_ASSIGN(const size_t got, range.source->read_at(range.position, {copy.mutable_data(), copy.size()}));
  if (got == 0) return Error{Errc::corrupt, "a source ends before the range that was to be sent"};
  ssize_t sent;
  do {
    sent = ::send(fd_, copy.data(), got, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return static_cast<size_t>(sent);
  if (errno != EAGAIN && errno != EWOULDBLOCK) return failure("write to");
  writable_ = false;
  return Errc::would_block;
}

void EpollStream::when_readable(std::function<void()> callback) {
  ENSURE(loop_.is_current() && !on_readable_);
  on_readable_ = std::move(callback);
  if (readable_) call_soon();
}

void EpollStream::when_writable(std::function<void()> callback) {
  ENSURE(loop_.is_current() && !on_writable_);
  on_writable_ = std::move(callback);
  if (writable_) call_soon();
}

void EpollStream::call_soon() {
  // Not from inside when_*(): the caller may hold what the callback changes.
  loop_.post([self = self_] {
    if (*self != nullptr) (*self)->on_events(0);
  });
}

void EpollStream::on_events(uint32_t epoll_events) {
  if (epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ended_ = readable_ = true;
  if (epoll_events & EPOLLIN) readable_ = true;
  if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  const std::shared_ptr<EpollStream*> self = self_;  // a callback may destroy this
  if (readable_ && on_readable_) std::exchange(on_readable_, nullptr)();
  if (*self == nullptr) return;
  if (writable_ && on_writable_) std::exchange(on_writable_, nullptr)();
}

}  // namespace millrace::io::posix
