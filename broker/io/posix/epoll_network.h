#pragma once

#include <memory>

#include "broker/base/mutex.h"
#include "broker/io/network.h"
#include "broker/io/posix/epoll_event_loop.h"

namespace millrace::io::posix {

// The machine's TCP. Every EventLoop handed to it is an EpollEventLoop. Thread-safe. Host names are resolved on a
// thread of its own, started at the first name that is not a number; listen() resolves on the calling thread. Accepted
// streams have keep-alive on, so that a peer that vanished is noticed within two minutes.
class EpollNetwork final : public Network {
 public:
  ~EpollNetwork() override;
  Result<std::unique_ptr<Listener>> listen(EventLoop& accept_loop, const Endpoint& at,
                                           std::function<EventLoop&()> choose_loop,
                                           std::function<void(std::unique_ptr<Stream>)> accepted) override;
  void connect(EventLoop& loop, const Endpoint& to, Duration timeout,
               std::function<void(Result<std::unique_ptr<Stream>>)> connected) override;

 private:
  Result<EpollEventLoop*> resolver();

  Mutex mutex_;  // a leaf
  std::unique_ptr<EpollEventLoop> resolver_ GUARDED_BY(mutex_);
};

}  // namespace millrace::io::posix
