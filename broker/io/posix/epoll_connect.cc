#include <cerrno>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/io/posix/epoll_network.h"
#include "broker/io/posix/epoll_stream.h"
#include "broker/io/posix/posix_file.h"
#include "broker/io/posix/socket_address.h"

namespace millrace::io::posix {
namespace {

using Connected = std::function<void(Result<std::unique_ptr<Stream>>)>;

// One attempt to connect: tries the host's addresses one after another until the timeout. Keeps itself alive through
// its timer and the callback of the socket that is connecting.
class Attempt final : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(EpollEventLoop& loop, Endpoint to, Connected connected)
      : loop_(loop), to_(std::move(to)), connected_(std::move(connected)) {}

  // Loop thread.
  void start(Duration timeout) {
    timer_ = loop_.run_after(timeout, [self = shared_from_this()] {
      self->finish(Error{Errc::timed_out, "connect to " + self->to_.to_string()});
    });
  }
  void resolved(Result<std::vector<SocketAddress>> addresses) {
    if (!connected_) return;  // timed out meanwhile
    if (!addresses) return finish(std::move(addresses).error());
    addresses_ = std::move(*addresses);
    try_next();
  }

 private:
  void try_next() {
    while (next_ < addresses_.size()) {
      const SocketAddress& address = addresses_[next_++];
      const int fd = make_socket(address.family());
      if (fd < 0) {
        last_error_ = system_error(errno, "connect to", to_.to_string());
        continue;
      }
      set_no_delay(fd);
      if (::connect(fd, address.get(), address.length) != 0 && errno != EINPROGRESS) {
        note_error(errno);
        ::close(fd);
        continue;
      }
      Result<std::unique_ptr<EpollStream>> stream = EpollStream::adopt(loop_, fd, to_endpoint(address));
      if (!stream) {
        last_error_ = std::move(stream).error();
        continue;
      }
      fd_ = fd;
      stream_ = std::move(*stream);
      wait();
      return;
    }
    finish(last_error_);
  }
  // A stream thinks that it is writable until told otherwise; here only the kernel's word counts.
  void wait() {
    stream_->when_writable([self = shared_from_this()] { self->on_writable(); });
  }
  void on_writable() {
    int number = 0;
    socklen_t length = sizeof number;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &number, &length);
    if (number != 0) {
      note_error(number);
      stream_.reset();
      return try_next();
    }
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    if (::getpeername(fd_, peer.get(), &peer.length) != 0) {
      // Not yet: ask again when the kernel says so.
      stream_->expect_writable_edge();
      return wait();
    }
    finish(std::unique_ptr<Stream>(std::move(stream_)));
  }
  void note_error(int number) {
    last_error_ = system_error(number, "connect to", to_.to_string());
    if (number == ECONNREFUSED) last_error_.code = Errc::connection_refused;
    if (number == ETIMEDOUT) last_error_.code = Errc::timed_out;
  }
  void finish(Result<std::unique_ptr<Stream>> outcome) {
    const std::shared_ptr<Attempt> self = shared_from_this();
    stream_.reset();
    loop_.cancel(timer_);
    if (connected_) std::exchange(connected_, nullptr)(std::move(outcome));
  }

  EpollEventLoop& loop_;
  const Endpoint to_;
  Connected connected_;
  std::vector<SocketAddress> addresses_;
  size_t next_ = 0;
  int fd_ = -1;
  std::unique_ptr<EpollStream> stream_;
  TimerId timer_ = 0;
  Error last_error_{Errc::not_found, ""};
};

}  // namespace

Result<EpollEventLoop*> EpollNetwork::resolver() {
  MutexLock lock(mutex_);
  if (!resolver_) {
    TRY_ASSIGN(resolver_, EpollEventLoop::start("resolver"));
  }
  return resolver_.get();
}

void EpollNetwork::connect(EventLoop& loop, const Endpoint& to, Duration timeout, Connected connected) {
  auto& owner = static_cast<EpollEventLoop&>(loop);
  auto attempt = std::make_shared<Attempt>(owner, to, std::move(connected));
  Result<std::vector<SocketAddress>> addresses = resolve(to, Resolve::numbers_only);
  if (addresses) {
    owner.post([attempt, timeout, addresses = std::move(addresses)]() mutable {
      attempt->start(timeout);
      attempt->resolved(std::move(addresses));
    });
    return;
  }
  owner.post([attempt, timeout] { attempt->start(timeout); });
  Result<EpollEventLoop*> names = resolver();
  if (!names) {
    owner.post([attempt, error = names.error()] { attempt->resolved(error); });
    return;
  }
  (*names)->post([attempt, &owner, to] {
    Result<std::vector<SocketAddress>> found = resolve(to, Resolve::names);
    owner.post([attempt, found = std::move(found)]() mutable { attempt->resolved(std::move(found)); });
  });
}

}  // namespace millrace::io::posix
