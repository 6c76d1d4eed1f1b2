#include "broker/io/posix/epoll_network.h"

#include <cerrno>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/ensure.h"
#include "broker/base/logger.h"
#include "broker/io/posix/epoll_stream.h"
#include "broker/io/posix/posix_file.h"
#include "broker/io/posix/socket_address.h"

namespace millrace::io::posix {
namespace {

constexpr int kBacklog = 1024;       // connections the kernel holds until they are accepted
constexpr int kAcceptsPerTurn = 64;  // then others of the loop have their turn
constexpr Duration kNoDescriptorsPause = std::chrono::milliseconds(100);

const Logger kLog("io");

EpollEventLoop& epoll_loop(EventLoop& loop) { return static_cast<EpollEventLoop&>(loop); }

Error listen_error(int number, const Endpoint& at) {
  Error error = system_error(number, "listen on", at.to_string());
  if (number == EADDRINUSE) error.code = Errc::in_use;
  if (number == EADDRNOTAVAIL) error.code = Errc::invalid_argument;
  return error;
}

// The part of a listener that lives on the accepting loop.
class Acceptor final : public Watched, public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(EpollEventLoop& loop, int fd, std::function<EventLoop&()> choose_loop,
           std::function<void(std::unique_ptr<Stream>)> accepted)
      : loop_(loop), fd_(fd), choose_loop_(std::move(choose_loop)), accepted_(std::move(accepted)) {}
  ~Acceptor() override { ::close(fd_); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  Status start() { return loop_.watch(fd_, EPOLLIN | EPOLLET, *this); }
  void stop() {
    stopped_ = true;
    loop_.unwatch(fd_, *this);
    loop_.cancel(retry_);
    choose_loop_ = nullptr;
    accepted_ = nullptr;
  }
  void on_events(uint32_t) override { accept_some(); }

 private:
  void accept_some() {
    for (int turn = 0; turn < kAcceptsPerTurn && !stopped_; ++turn) {
      SocketAddress peer;
      peer.length = sizeof peer.storage;
      const int fd = ::accept4(fd_, peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        starved_ = false;
        hand_over(fd, to_endpoint(peer));
        continue;
      }
      const int number = errno;
      if (number == EAGAIN || number == EWOULDBLOCK) return;
      // The connection was gone before it was taken, or has an error that concerns it alone (accept(2)).
      if (number == ECONNABORTED || number == EINTR || number == EPROTO || number == EPERM) continue;
      if (!std::exchange(starved_, true)) {
        kLog.warn("new connections wait",
                  {{"error", system_error(number, "accept on", local_endpoint(fd_).to_string()).to_string()}});
      }
      try_again_after(kNoDescriptorsPause);
      return;
    }
    if (!stopped_) try_again_after(Duration::zero());
  }
  void try_again_after(Duration pause) {
    loop_.cancel(retry_);
    retry_ = loop_.run_after(pause, [self = shared_from_this()] { self->accept_some(); });
  }
  void hand_over(int fd, Endpoint peer) {
    set_no_delay(fd);
    set_keep_alive(fd);
    EpollEventLoop& owner = epoll_loop(choose_loop_());
    // The descriptor travels in something that closes it when the loop has stopped and drops the task.
    auto travelling = std::shared_ptr<int>(new int(fd), [](int* number) {
      if (*number >= 0) ::close(*number);
      delete number;
    });
    owner.post([&owner, travelling, peer = std::move(peer), accepted = accepted_] {
      Result<std::unique_ptr<EpollStream>> stream = EpollStream::adopt(owner, std::exchange(*travelling, -1), peer);
      if (stream) accepted(std::move(*stream));
    });
  }

  EpollEventLoop& loop_;
  const int fd_;
  std::function<EventLoop&()> choose_loop_;
  std::function<void(std::unique_ptr<Stream>)> accepted_;
  TimerId retry_ = 0;
  bool stopped_ = false;
  bool starved_ = false;  // warned that there are no descriptors or memory left
};

class EpollListener final : public Listener {
 public:
  EpollListener(EpollEventLoop& loop, std::shared_ptr<Acceptor> acceptor, Endpoint local)
      : loop_(loop), acceptor_(std::move(acceptor)), local_(std::move(local)) {}
  ~EpollListener() override {
    if (loop_.is_current()) {
      acceptor_->stop();
    } else {
      loop_.post([acceptor = acceptor_] { acceptor->stop(); });
    }
  }
  const Endpoint& local() const override { return local_; }

 private:
  EpollEventLoop& loop_;
  std::shared_ptr<Acceptor> acceptor_;
  Endpoint local_;
};

Result<int> bind_socket(const SocketAddress& address, const Endpoint& at) {
  const int fd = make_socket(address.family());
  if (fd < 0) return listen_error(errno, at);
  const int yes = 1;
  const int no = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (address.family() == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  if (::bind(fd, address.get(), address.length) != 0 || ::listen(fd, kBacklog) != 0) {
    const int number = errno;
    ::close(fd);
    return listen_error(number, at);
  }
  return fd;
}

}  // namespace

EpollNetwork::~EpollNetwork() = default;

Result<std::unique_ptr<Listener>> EpollNetwork::listen(EventLoop& accept_loop, const Endpoint& at,
                                                       std::function<EventLoop&()> choose_loop,
                                                       std::function<void(std::unique_ptr<Stream>)> accepted) {
  Result<std::vector<SocketAddress>> addresses = resolve(at, Resolve::for_listening);
  if (!addresses) return Error{Errc::invalid_argument, addresses.error().context};
  TRY_ASSIGN(const int fd, bind_socket(addresses->front(), at));
  EpollEventLoop& loop = epoll_loop(accept_loop);
  auto acceptor = std::make_shared<Acceptor>(loop, fd, std::move(choose_loop), std::move(accepted));
  loop.post([acceptor] {
    if (const Status watched = acceptor->start(); !watched) {
      kLog.error("a listener does not work", {{"error", watched.error().to_string()}});
    }
  });
  return std::unique_ptr<Listener>(std::make_unique<EpollListener>(loop, acceptor, local_endpoint(fd)));
}

}  // namespace millrace::io::posix
