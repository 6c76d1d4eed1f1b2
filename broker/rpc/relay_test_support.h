#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <set>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/ensure.h"
#include "broker/io/network.h"

namespace millrace::rpc {

// Carries TCP connections of 127.0.0.1 to another port, until told to swallow everything: what a network that loses all
// packets looks like to both ends. One thread of its own.
class Relay {
 public:
  explicit Relay(io::Endpoint to) : to_(std::move(to)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = address(0);
    socklen_t length = sizeof(at);
    ENSURE(bind(listener_, reinterpret_cast<sockaddr*>(&at), length) == 0 && listen(listener_, 16) == 0);
    ENSURE(getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &length) == 0);
    at_ = {"127.0.0.1", ntohs(at.sin_port)};
    thread_ = std::thread([this] { carry(); });
  }
  ~Relay() {
    stopping_ = true;
    thread_.join();
    for (const auto& pair : pairs_) close(pair[0]), close(pair[1]);
    close(listener_);
  }
  const io::Endpoint& at() const { return at_; }
  void swallow(bool all) { swallows_ = all; }  // connections of before stay as they are when it ends: silent
  int accepted() const { return accepted_; }

 private:
  static sockaddr_in address(uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    return at;
  }

  void carry() {
    std::array<char, 65536> block;
    while (!stopping_) {
      if (swallows_) {
        silent_ = pairs_.size();
        poll(nullptr, 0, 10);
        continue;
      }
      std::vector<pollfd> ready{{listener_, POLLIN, 0}};
      for (size_t i = silent_; i < pairs_.size(); ++i) {
        for (const int end : pairs_[i]) ready.push_back({end, POLLIN, 0});
      }
      poll(ready.data(), ready.size(), 10);
      std::set<size_t> ended;
      for (size_t i = 1; i < ready.size(); ++i) {
        if (ready[i].revents == 0) continue;
        const auto& pair = pairs_[silent_ + (i - 1) / 2];
        const int other = pair[0] == ready[i].fd ? pair[1] : pair[0];
        const ssize_t n = recv(ready[i].fd, block.data(), block.size(), MSG_DONTWAIT);
        if (n > 0) {
          send(other, block.data(), static_cast<size_t>(n), MSG_NOSIGNAL);
        } else if (n == 0 || errno != EAGAIN) {
          ended.insert(silent_ + (i - 1) / 2);
        }
      }
      for (auto i = ended.rbegin(); i != ended.rend(); ++i) {
        for (const int end : pairs_[*i]) close(end);
        pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(*i));
      }
      if (ready[0].revents != 0) accept_one();
    }
  }
  void accept_one() {
    const int caller = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int called = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at = address(to_.port);
    if (connect(called, reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0) {
      close(caller);
      close(called);
      return;
    }
    pairs_.push_back({caller, called});
    ++accepted_;
  }

  const io::Endpoint to_;
  const int listener_;
  io::Endpoint at_;
  std::atomic<bool> stopping_{false}, swallows_{false};
  std::atomic<int> accepted_{0};
  std::vector<std::array<int, 2>> pairs_;  // the thread's
  size_t silent_ = 0;                      // the thread's: so many of them are carried no more
  std::thread thread_;
};

}  // namespace millrace::rpc
