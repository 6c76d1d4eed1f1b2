#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/base/endian.h"
#include "broker/io/sim/sim_network.h"
#include "broker/protocol/api_key.h"
#include "broker/protocol/writer.h"
#include "broker/server/client_test_support.h"
#include "broker/server/server.h"
#include "broker/server/services.h"

namespace millrace::server {

// For tests: a server of one API on simulated loops and connections, whose handler does what the request's text says
// (see ServerTest::handle), and clients that send bytes and collect replies.
struct Text {
  std::string text;
  void encode(protocol::Writer& writer, int16_t) const { writer.raw(as_bytes(text)); }
};

inline std::string big_endian(int32_t value) {
  std::array<std::byte, 4> bytes;
  store_big_endian(bytes.data(), value);
  return std::string(as_text(bytes));
}
inline std::string big_endian16(int value) {
  std::array<std::byte, 2> bytes;
  store_big_endian(bytes.data(), static_cast<int16_t>(value));
  return std::string(as_text(bytes));
}
inline std::string framed(const std::string& content) {
  return big_endian(static_cast<int32_t>(content.size())) + content;
}

class ServerTest : public testing::TestWithParam<uint64_t> {
 protected:
  // SaslHandshake stands for all: its headers are never flexible.
  static constexpr protocol::ApiKey kApi = protocol::ApiKey::sasl_handshake;

  struct TestServices : Services {
    ServerTest* test = nullptr;
  };

  // "now…" is answered with itself, "wait…" when the test says so, "none…" not at all, "close…" with the end of the
  // connection, "hold…" as "wait…", with the connection held, "mute…" with itself and a second of silence, "big…" with
  // 400,000 bytes; "heavy…" says that it takes a megabyte more and waits.
  static void handle(RawRequest request) {
    ServerTest& test = *static_cast<TestServices&>(request.services).test;
    const std::string text(request.body.text());
    test.handled_.push_back(text);
    const bool is_heavy = text.starts_with("heavy");
    if (is_heavy) request.reply.count_memory(1 << 20);
    Reply<Text> reply(std::move(request.reply));
    if (text.starts_with("hold")) test.held_.push_back(reply.hold());
    if (is_heavy || text.starts_with("wait") || text.starts_with("hold")) {
      test.waiting_.emplace(text, std::make_unique<Reply<Text>>(std::move(reply)));
    } else if (text.starts_with("none")) {
      reply.no_response();
    } else if (text.starts_with("close")) {
      reply.close_connection("a test");
    } else if (text.starts_with("last")) {
      reply.send_last({text});
    } else if (text.starts_with("mute")) {
      reply.send({text}, std::chrono::seconds(1));
    } else if (text.starts_with("big")) {
      reply.send({std::string(400'000, 'b')});
    } else {
      reply.send({text});
    }
  }

  void start(ServerConfig config = {}, size_t reactors = 2) {
    for (size_t i = 0; i < reactors; ++i) loops_.push_back(scheduler_.make_loop());
    handlers_ = {Handler{.api = kApi, .version_min = 0, .version_max = 1, .run = &handle}};
    services_.clock = &clock_;
    services_.handlers = handlers_;
    services_.test = this;
    ServerOptions options{.network = &network_,
                          .listeners = {{"PLAINTEXT", {"broker", 0}}},
                          .config = config,
                          .handlers = handlers_,
                          .services = &services_};
    for (const auto& loop : loops_) options.loops.push_back(loop.get());
    server_ = Server::open(std::move(options)).value();
  }
  void TearDown() override {
    waiting_.clear_and_drop();
    if (!server_) return;
    bool done = false;
    server_->stop(std::chrono::seconds(1), [&] { done = true; });
    ASSERT_TRUE(scheduler_.run_until([&] { return done; }));
    EXPECT_EQ(server_->request_bytes(), 0) << "memory of requests is not given back";
    EXPECT_EQ(server_->metrics().requests_in_progress.value(), 0);
    EXPECT_EQ(server_->metrics().connections.value(), 0);
  }

  TestClient& connect() {
    TestClient* made = nullptr;
    network_.connect(*client_loop_, server_->listeners().front().at, std::chrono::seconds(1),
                     [&](Result<std::unique_ptr<io::Stream>> stream) {
                       clients_.push_back(std::make_unique<TestClient>(std::move(stream).value()));
                       made = clients_.back().get();
                     });
    EXPECT_TRUE(scheduler_.run_until([&] { return made != nullptr; }));
    return *made;
  }
  static std::string request(int32_t id, const std::string& text, int version = 0, int key = static_cast<int>(kApi)) {
    return framed(big_endian16(key) + big_endian16(version) + big_endian(id) + big_endian16(4) + "test" + text);
  }
  bool until(const std::function<bool()>& done) { return scheduler_.run_until(done, std::chrono::seconds(20)); }
  void settle() { scheduler_.run_for(std::chrono::seconds(2)); }
  bool answer(const std::string& text) {
    const auto found = waiting_.find(text);
    if (found == waiting_.end()) return false;
    found->second->send({text});
    waiting_.erase(found);
    return true;
  }
  void go_on(const std::string& text, bool in_vain) {
    waiting_.at(text)->go_on(in_vain);
    answer(text);
  }
  uint64_t closed(CloseReason reason) const { return server_->metrics().closed[static_cast<size_t>(reason)].value(); }

  struct Waiting : std::map<std::string, std::unique_ptr<Reply<Text>>> {
    void clear_and_drop() {
      for (auto& [text, reply] : *this) reply->close_connection("the test is over");
      clear();
    }
  };

  io::sim::SimClock clock_;
  io::sim::SimScheduler scheduler_{clock_, GetParam()};
  io::sim::SimNetwork network_{scheduler_};
  std::unique_ptr<io::sim::SimEventLoop> client_loop_ = scheduler_.make_loop();
  std::vector<std::unique_ptr<io::sim::SimEventLoop>> loops_;
  std::vector<Handler> handlers_;
  TestServices services_;
  std::vector<std::string> handled_;
  Waiting waiting_;
  std::vector<bool> held_;  // whether each "hold…" was
  std::vector<std::unique_ptr<TestClient>> clients_;
  std::unique_ptr<Server> server_;
};

}  // namespace millrace::server
