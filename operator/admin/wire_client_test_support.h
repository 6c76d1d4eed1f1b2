#pragma once

#include <array>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/base/mutex.h"
#include "broker/io/posix/epoll_event_loop.h"
#include "broker/io/posix/epoll_network.h"
#include "broker/protocol/frame.h"
#include "broker/protocol/messages/api_versions.h"
#include "broker/protocol/writer.h"
#include "operator/admin/wire_client.h"

namespace millrace::admin {

using protocol::ApiKey;
using protocol::ErrorCode;

// A broker that says what the test wrote down, on a loop of its own at a free port of 127.0.0.1.
class ScriptedBroker {
 public:
  ScriptedBroker() : loop_(*io::posix::EpollEventLoop::start("broker")) {
    listener_ = *network_.listen(
        *loop_, {"127.0.0.1", 0}, [this]() -> io::EventLoop& { return *loop_; },
        [this](std::unique_ptr<io::Stream> stream) {
          streams_.push_back(std::move(stream));
          ++connections_;
          read(streams_.size() - 1);
        });
  }
  ~ScriptedBroker() { loop_->stop(); }

  std::string bootstrap() const { return listener_->local().to_string(); }
  uint16_t port() const { return listener_->local().port; }
  int connections() const { return connections_; }
  void serve(ApiKey api, int16_t min, int16_t max) { versions_.push_back({api, min, max}); }
  // Answers requests of `Request` by `answer`; the version is the one that was asked in.
  template <class Request>
  void on(std::function<typename Request::Response(const Request&, int16_t version)> answer) {
    serve(Request::kApiKey, Request::kMinVersion, Request::kMaxVersion);
    handlers_[static_cast<int16_t>(Request::kApiKey)] = [answer](const Bytes& body, int16_t version,
                                                                 protocol::Writer& writer) {
      const auto request = Request::decode(body, version);
      ASSERT_TRUE(request.has_value()) << request.error().to_string();
      answer(*request, version).encode(writer, version);
    };
  }
  // They are closed when it returns.
  void close_connections() {
    std::promise<void> done;
    loop_->post([&] {
      for (auto& stream : streams_) stream.reset();
      done.set_value();
    });
    done.get_future().wait();
  }
  void answer_nothing() { silent_ = true; }
  void answer_garbage() { garbage_ = true; }

 private:
  struct Version {
    ApiKey api;
    int16_t min;
    int16_t max;
  };

  void read(size_t index) {
    if (!streams_[index]) return;
    std::array<std::byte, 4096> piece;
    for (;;) {
      const auto got = streams_[index]->read_some(piece);
      if (!got) {
        if (got.error().code == Errc::would_block) {
          streams_[index]->when_readable([this, index] { read(index); });
        }
        return;
      }
      handle(index, Bytes::copy_of(BytesView(piece.data(), *got)).slice(4, *got - 4));
    }
  }

  void handle(size_t index, const Bytes& frame) {
    const auto request = protocol::decode_request_frame(frame);
    ASSERT_TRUE(request.has_value());
    if (silent_) return;
    protocol::Writer writer;
    const auto api = static_cast<ApiKey>(request->api);
    protocol::begin_response(writer, api, request->version, garbage_ ? 77 : request->correlation_id);
    if (api == ApiKey::api_versions) {
      protocol::ApiVersionsResponse response;
      for (const Version& version : versions_) {
        auto& row = response.api_keys.emplace_back();
        row.api_key = static_cast<int16_t>(version.api);
        row.min_version = version.min;
        row.max_version = version.max;
      }
      response.encode(writer, request->version);
    } else {
      handlers_.at(request->api)(frame.slice(request->body_at, frame.size() - request->body_at), request->version,
                                 writer);
    }
    OutputChain chain = protocol::finish_frame(writer);
    while (!chain.empty()) ASSERT_TRUE(streams_[index]->write_some(chain).has_value());
  }

  std::unique_ptr<io::posix::EpollEventLoop> loop_;
  io::posix::EpollNetwork network_;
  std::unique_ptr<io::Listener> listener_;
  std::deque<std::unique_ptr<io::Stream>> streams_;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> silent_ = false;
  std::atomic<bool> garbage_ = false;
  std::vector<Version> versions_;
  std::map<int16_t, std::function<void(const Bytes&, int16_t, protocol::Writer&)>> handlers_;
};

class WireClientTest : public testing::Test {
 protected:
  WireClientTest() : loop_(*io::posix::EpollEventLoop::start("client")) {}
  ~WireClientTest() override {
    client_.reset();
    loop_->stop();
  }
  Client& client(Duration timeout = std::chrono::seconds(10)) {
    if (!client_) {
      WireConnector connector({.network = &network_, .loop = loop_.get(), .request_timeout = timeout});
      client_ = *connector.connect(broker_.bootstrap());
    }
    return *client_;
  }

  ScriptedBroker broker_;
  io::posix::EpollNetwork network_;
  std::unique_ptr<io::posix::EpollEventLoop> loop_;
  std::unique_ptr<Client> client_;
};

}  // namespace millrace::admin
