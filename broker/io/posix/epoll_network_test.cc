#include "broker/io/posix/epoll_network.h"

#include <future>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "broker/io/posix/posix_file_system.h"

namespace millrace::io::posix {
namespace {

using std::chrono::milliseconds;

class EpollNetworkTest : public testing::Test {
 protected:
  void SetUp() override {
    loop_ = EpollEventLoop::start("test").value();
    client_loop_ = EpollEventLoop::start("client").value();
    listener_ = network_
                    .listen(
                        *loop_, {"127.0.0.1", 0}, [this]() -> EventLoop& { return *loop_; },
                        [this](std::unique_ptr<Stream> stream) { accepted_.set_value(std::move(stream)); })
                    .value();
  }
  void TearDown() override {
    on(*loop_, [this] { server_.reset(), listener_.reset(); });
    on(*client_loop_, [this] { client_.reset(); });
  }
  static void on(EventLoop& loop, std::function<void()> task) {
    std::promise<void> done;
    loop.post([&] { task(), done.set_value(); });
    done.get_future().get();
  }
  Result<std::unique_ptr<Stream>> connect_to(const Endpoint& to) {
    std::promise<Result<std::unique_ptr<Stream>>> connected;
    network_.connect(*client_loop_, to, milliseconds(5000),
                     [&](Result<std::unique_ptr<Stream>> stream) { connected.set_value(std::move(stream)); });
    return connected.get_future().get();
  }
  void connect() {
    client_ = connect_to(listener_->local()).value();
    server_ = accepted_.get_future().get();
  }
  void send(Stream& stream, std::shared_ptr<OutputChain> chain) {
    const Result<size_t> sent = stream.write_some(*chain);
    if (!sent && sent.error().code != Errc::would_block) return;
    if (!chain->empty()) stream.when_writable([this, &stream, chain] { send(stream, chain); });
  }
  // Everything up to the peer's end.
  std::string receive_all(EventLoop& loop, Stream& stream) {
    std::string all;
    std::promise<void> ended;
    std::function<void()> more = [&] {
      std::array<std::byte, 10'000> buffer;
      for (;;) {
        const Result<size_t> got = stream.read_some(buffer);
        if (got) {
          all += as_text({buffer.data(), *got});
          continue;
        }
        if (got.error().code != Errc::would_block) return ended.set_value();
        return stream.when_readable(more);
      }
    };
    loop.post(more);
    ended.get_future().get();
    return all;
  }

  EpollNetwork network_;
  std::unique_ptr<EpollEventLoop> loop_;
  std::unique_ptr<EpollEventLoop> client_loop_;
  std::unique_ptr<Listener> listener_;
  std::promise<std::unique_ptr<Stream>> accepted_;
  std::unique_ptr<Stream> server_;
  std::unique_ptr<Stream> client_;
};

TEST_F(EpollNetworkTest, memory_and_file_ranges_arrive_in_order) {
  connect();
  PosixFileSystem fs;
  const std::string path = testing::TempDir() + "/epoll_network_test." + std::to_string(::getpid());
  std::shared_ptr<File> file = fs.open(path, OpenMode::create).value();
  std::string content;
  for (int i = 0; content.size() < 3'000'000; ++i) content += std::to_string(i) + ",";
  const BytesView view = as_bytes(content);
  ASSERT_TRUE(file->write_at(0, {&view, 1}));
  auto chain = std::make_shared<OutputChain>();
  std::string expected;
  for (size_t i = 0; i < 200; ++i) {
    chain->append(Bytes::copy_of("piece " + std::to_string(i) + ":"));
    chain->append(SourceRange{file, i * 1000, 1000 + i * 100});
    expected += "piece " + std::to_string(i) + ":" + content.substr(i * 1000, 1000 + i * 100);
  }
  chain->append(SourceRange{file, 0, content.size()});
  expected += content;
  on(*loop_, [&] { send(*server_, chain); });
  std::thread closer([&] {
    while (true) {
      bool done = false;
      on(*loop_, [&] { done = chain->empty(); });
      if (done) break;
      std::this_thread::yield();
    }
    on(*loop_, [&] { server_.reset(); });
  });
  const std::string received = receive_all(*client_loop_, *client_);
  closer.join();
  EXPECT_EQ(received.size(), expected.size());
  EXPECT_TRUE(received == expected);
  ASSERT_TRUE(fs.remove(path));
}

TEST_F(EpollNetworkTest, endpoints_name_both_sides) {
  connect();
  EXPECT_EQ(server_->local().to_string(), listener_->local().to_string());
  EXPECT_EQ(server_->peer().to_string(), client_->local().to_string());
  EXPECT_EQ(client_->peer().host, "127.0.0.1");
}

TEST_F(EpollNetworkTest, a_closed_peer_is_seen_after_its_last_bytes) {
  connect();
  auto chain = std::make_shared<OutputChain>();
  chain->append(Bytes::copy_of("bye"));
  on(*client_loop_, [&] { send(*client_, chain), client_.reset(); });
  EXPECT_EQ(receive_all(*loop_, *server_), "bye");
}

TEST_F(EpollNetworkTest, a_taken_port_an_unknown_address_and_nobody_listening_are_told_apart) {
  EXPECT_EQ(network_.listen(*loop_, listener_->local(), nullptr, nullptr).error().code, Errc::in_use);
  EXPECT_EQ(network_.listen(*loop_, {"192.0.2.1", 0}, nullptr, nullptr).error().code, Errc::invalid_argument);
  Endpoint free = listener_->local();
  on(*loop_, [&] { listener_.reset(); });
  on(*loop_, [] {});
  EXPECT_EQ(connect_to(free).error().code, Errc::connection_refused);
  EXPECT_EQ(connect_to({"no-such-host.invalid", 1}).error().code, Errc::not_found);
}

TEST_F(EpollNetworkTest, a_name_is_resolved) {
  client_ = connect_to({"localhost", listener_->local().port}).value();
  EXPECT_EQ(client_->peer().host, "127.0.0.1");
  server_ = accepted_.get_future().get();
}

TEST_F(EpollNetworkTest, connections_wait_while_there_are_no_descriptors) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan's check of object types reads memory through a pipe, which it cannot open without descriptors";
#endif
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // The client's socket takes the last descriptor that is allowed, so that accepting finds none.
  const int next = ::dup(0);
  ASSERT_GE(next, 0);
  ::close(next);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  client_ = connect_to(listener_->local()).value();
  std::future<std::unique_ptr<Stream>> accepted = accepted_.get_future();
  EXPECT_EQ(accepted.wait_for(milliseconds(150)), std::future_status::timeout);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  server_ = accepted.get();
  EXPECT_NE(server_, nullptr);
}

TEST(EpollEventLoop, posts_of_many_threads_run_each_once_and_in_each_threads_order) {
  const auto loop = EpollEventLoop::start("test").value();
  std::array<std::vector<int>, 4> seen;
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < seen.size(); ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 5000; ++i) loop->post([&, thread, i] { seen[thread].push_back(i); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::promise<void> done;
  loop->post([&] { done.set_value(); });
  done.get_future().get();
  for (const std::vector<int>& numbers : seen) {
    ASSERT_EQ(numbers.size(), 5000u);
    for (int i = 0; i < 5000; ++i) EXPECT_EQ(numbers[static_cast<size_t>(i)], i);
  }
}

TEST(EpollEventLoop, a_stopped_loop_destroys_what_it_did_not_run) {
  auto loop = EpollEventLoop::start("test").value();
  const auto token = std::make_shared<int>(1);
  std::promise<void> armed;
  loop->post([&, token] {
    loop->run_after(std::chrono::hours(1), [token] {});
    armed.set_value();
  });
  armed.get_future().get();
  loop->stop();
  loop->post([token] {});
  EXPECT_EQ(token.use_count(), 1);
}

TEST(EpollEventLoop, timers_run_in_the_order_of_their_deadlines) {
  const auto loop = EpollEventLoop::start("test").value();
  std::vector<int> ran;
  std::promise<void> done;
  loop->post([&] {
    loop->run_after(milliseconds(30), [&] { ran.push_back(3), done.set_value(); });
    loop->run_after(milliseconds(1), [&] { ran.push_back(1); });
    loop->cancel(loop->run_after(milliseconds(5), [&] { ran.push_back(9); }));
    loop->run_after(milliseconds(10), [&] { ran.push_back(2); });
  });
  done.get_future().get();
  EXPECT_EQ(ran, std::vector<int>({1, 2, 3}));
}

}  // namespace
}  // namespace millrace::io::posix
