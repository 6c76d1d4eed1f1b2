#include "broker/io/sim/sim_network.h"

#include <gtest/gtest.h>

namespace millrace::io::sim {
namespace {

using std::chrono::milliseconds;

class SimNetworkTest : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    listener_ = network_
                    .listen(
                        *server_loop_, {"server", 0}, [this]() -> EventLoop& { return *server_loop_; },
                        [this](std::unique_ptr<Stream> stream) { server_ = std::move(stream); })
                    .value();
  }
  void connect() {
    network_.connect(*client_loop_, listener_->local(), milliseconds(100),
                     [this](Result<std::unique_ptr<Stream>> stream) { client_ = std::move(stream).value(); });
    ASSERT_TRUE(scheduler_.run_until([this] { return client_ && server_; }));
  }
  // Keeps sending until all of it is written.
  void send(Stream& stream, OutputChain& chain) {
    const Result<size_t> sent = chain.empty() ? Result<size_t>(size_t{0}) : stream.write_some(chain);
    if (!sent && sent.error().code != Errc::would_block) return;
    if (!chain.empty()) stream.when_writable([this, &stream, &chain] { send(stream, chain); });
  }
  // Keeps reading until the end.
  void receive(Stream& stream, std::string& into) {
    std::array<std::byte, 1000> buffer;
    const Result<size_t> got = stream.read_some(buffer);
    if (got) into += as_text({buffer.data(), *got});
    if (!got && got.error().code != Errc::would_block) {
      ended_ = true;
      return;
    }
    stream.when_readable([this, &stream, &into] { receive(stream, into); });
  }
  static std::string text(size_t size) {
    std::string all;
    for (size_t i = 0; all.size() < size; ++i) all += std::to_string(i) + " ";
    return all;
  }

  SimClock clock_;
  SimScheduler scheduler_{clock_, GetParam()};
  SimNetwork network_{scheduler_};
  std::unique_ptr<SimEventLoop> server_loop_ = scheduler_.make_loop();
  std::unique_ptr<SimEventLoop> client_loop_ = scheduler_.make_loop();
  std::unique_ptr<Stream> server_;
  std::unique_ptr<Stream> client_;
  std::unique_ptr<Listener> listener_;
  bool ended_ = false;
};

INSTANTIATE_TEST_SUITE_P(seeds, SimNetworkTest, testing::Range<uint64_t>(1, 21));

TEST_P(SimNetworkTest, bytes_arrive_once_in_order_and_then_the_end) {
  connect();
  const std::string sent = text(300'000);
  OutputChain chain;
  for (size_t at = 0; at < sent.size(); at += 70'000) chain.append(Bytes::copy_of(sent.substr(at, 70'000)));
  std::string received;
  send(*client_, chain);
  receive(*server_, received);
  ASSERT_TRUE(scheduler_.run_until([&] { return received.size() == sent.size(); }));
  EXPECT_EQ(received, sent);
  EXPECT_FALSE(ended_);
  client_.reset();
  EXPECT_TRUE(scheduler_.run_until([&] { return ended_; }));
}

TEST_P(SimNetworkTest, a_writer_waits_for_a_reader_that_does_not_read) {
  connect();
  OutputChain chain;
  chain.append(Bytes::copy_of(text(300'000)));
  send(*client_, chain);
  scheduler_.run_for(std::chrono::minutes(1));
  EXPECT_GE(chain.size(), 300'000u - (64u << 10));
  std::string received;
  receive(*server_, received);
  EXPECT_TRUE(scheduler_.run_until([&] { return chain.empty(); }));
}

TEST_P(SimNetworkTest, a_reset_ends_both_sides) {
  connect();
  std::string received;
  receive(*server_, received);
  scheduler_.run_for(milliseconds(10));
  SimNetwork::reset(*client_);
  EXPECT_TRUE(scheduler_.run_until([&] { return ended_; }));
  std::array<std::byte, 1> buffer;
  EXPECT_EQ(client_->read_some(buffer).error().code, Errc::connection_closed);
}

TEST_P(SimNetworkTest, a_cut_cable_is_silence) {
  connect();
  std::string received;
  receive(*server_, received);
  SimNetwork::cut_cable(*client_);
  OutputChain chain;
  chain.append(Bytes::copy_of("hello"));
  send(*client_, chain);
  client_.reset();
  scheduler_.run_for(std::chrono::hours(1));
  EXPECT_EQ(received, "");
  EXPECT_FALSE(ended_);
}

TEST_P(SimNetworkTest, a_port_nobody_listens_on_refuses) {
  Errc code = Errc::io;
  network_.connect(*client_loop_, {"server", 1}, milliseconds(100),
                   [&](Result<std::unique_ptr<Stream>> stream) { code = stream.error().code; });
  EXPECT_TRUE(scheduler_.run_until([&] { return code == Errc::connection_refused; }));
  EXPECT_EQ(network_.listen(*server_loop_, listener_->local(), nullptr, nullptr).error().code, Errc::in_use);
}

TEST(SimEventLoop, a_cancelled_timer_does_not_run_even_when_it_is_due) {
  SimClock clock;
  SimScheduler scheduler(clock, 1);
  const auto loop = scheduler.make_loop();
  std::array<TimerId, 2> ids;
  int ran = 0;
  ids[0] = loop->run_after(milliseconds(5), [&] { ++ran, loop->cancel(ids[1]); });
  ids[1] = loop->run_after(milliseconds(5), [&] { ++ran, loop->cancel(ids[0]); });
  scheduler.run_for(milliseconds(4));
  EXPECT_EQ(ran, 0);
  scheduler.run_for(milliseconds(1));
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace millrace::io::sim
