#include "broker/app/node.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/endian.h"
#include "broker/io/posix/posix_file_system.h"

namespace millrace::app {
namespace {

// A blocking client that asks for metadata as soon as anybody takes its connection.
class EagerClient {
 public:
  explicit EagerClient(uint16_t port) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_.sin_port = htons(port);
  }
  // How many brokers the first answer names; -1 when none came before `given_up`.
  int brokers_in_first_answer(const std::atomic<bool>& given_up) const {
    while (!given_up) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const bool is_connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0;
      const int brokers = is_connected ? ask(fd) : -1;
      ::close(fd);
      if (brokers >= 0) return brokers;
    }
    return -1;
  }

 private:
  static int ask(int fd) {
    // Metadata version 1 of no topics: size, key 3, version 1, correlation 7, client id null, an empty list.
    constexpr std::array<unsigned char, 18> kRequest{0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 255, 255, 0, 0, 0, 0};
    if (::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(kRequest.size())) return -1;
    std::array<std::byte, 12> head{};  // size, correlation id, number of brokers
    if (::recv(fd, head.data(), head.size(), MSG_WAITALL) != static_cast<ssize_t>(head.size())) return -1;
    return load_big_endian<int32_t>(head.data() + 8);
  }
  sockaddr_in address_{};
};

struct NodeTest : testing::Test {
  std::string directory;
  uint16_t port = 0;

  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "millrace-node-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    // A free port below those that the system gives to clients: one of these could meet itself in the loop above.
    for (port = static_cast<uint16_t>(20'000 + getpid() % 10'000); !is_free(port); ++port) continue;
  }
  static bool is_free(uint16_t candidate) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(candidate);
    const bool is_bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return is_bound;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  // Starts, is let in by its own controller, and stops.
  void serve_once() {
    std::atomic<bool> given_up{false};
    const auto node = open();
    ASSERT_TRUE(node.has_value()) << node.error().to_string();
    ASSERT_EQ(EagerClient(port).brokers_in_first_answer(given_up), 1);
    ASSERT_TRUE((*node)->stop());
  }
  std::string marker() const {
    io::posix::PosixFileSystem fs;
    const auto text = io::read_small_file(fs, directory + "/data/.kafka_cleanshutdown");
    return text ? *text : text.error().to_string();
  }
  Result<std::unique_ptr<Node>> open(const std::string& data = "data", const std::vector<std::string>& more = {}) {
    io::posix::PosixFileSystem fs;
    ConfigSources sources{.file = {},
                          .sets = {"listeners=PLAINTEXT://127.0.0.1:" + std::to_string(port),
                                   "millrace.http.listener=127.0.0.1:0", "millrace.rpc.listener=127.0.0.1:0"},
                          .data_dir = directory + "/" + data};
    sources.sets.insert(sources.sets.end(), more.begin(), more.end());
    auto config = read_node_config(fs, sources);
    if (!config) return std::move(config).error();
    return Node::open(*std::move(config));
  }
};

TEST_F(NodeTest, whoever_connects_while_it_starts_is_answered_by_a_registered_broker) {
  for (int round = 0; round < 10; ++round) {
    std::atomic<bool> given_up{false};
    int brokers = -1;
    std::thread client([&] { brokers = EagerClient(port).brokers_in_first_answer(given_up); });
    const auto node = open("data-" + std::to_string(round));
    if (!node) given_up = true;
    client.join();
    ASSERT_TRUE(node.has_value()) << node.error().to_string();
    ASSERT_EQ(brokers, 1) << "round " << round;
    ASSERT_TRUE((*node)->stop());
  }
}

TEST_F(NodeTest, a_broker_can_be_stopped_at_any_moment_of_its_start) {
  for (int round = 0; round < 30; ++round) {
    const auto node = open("data-" + std::to_string(round % 3));
    ASSERT_TRUE(node.has_value()) << node.error().to_string();
    for (int spin = 0; spin < round * 3000; ++spin) std::this_thread::yield();  // spreads the stops over the start
    EXPECT_TRUE((*node)->stop()) << "round " << round;
  }
}

TEST_F(NodeTest, a_broker_that_waits_for_the_other_voters_can_be_stopped) {
  const auto node = open("data", {"node.id=1", "millrace.cluster.id=AAAAAAAAAAAAAAAAAAAAAA",
                                  "controller.quorum.voters=1@127.0.0.1:1,2@127.0.0.1:2,3@127.0.0.1:3"});
  ASSERT_TRUE(node.has_value()) << node.error().to_string();
  EXPECT_TRUE((*node)->stop());
}

TEST_F(NodeTest, a_clean_stop_leaves_the_epoch_of_this_brokers_registration_and_each_start_has_a_later_one) {
  int64_t last = -1;
  for (int round = 0; round < 3; ++round) {
    serve_once();
    const std::string text = marker();
    constexpr std::string_view kBegin = "{\"version\":0,\"brokerEpoch\":";
    ASSERT_EQ(text.substr(0, kBegin.size()), kBegin);
    const int64_t epoch = std::stoll(text.substr(kBegin.size()));
    EXPECT_GT(epoch, last);
    last = epoch;
  }
}

TEST_F(NodeTest, a_start_that_ends_before_any_log_is_open_leaves_a_clean_stop_as_it_was) {
  serve_once();
  const std::string before = marker();
  const uint16_t taken = port;
  const auto other = open("other");
  ASSERT_TRUE(other.has_value());
  EXPECT_FALSE(open().has_value()) << "port " << taken << " is taken";
  EXPECT_EQ(marker(), before);
}

TEST_F(NodeTest, a_voter_among_others_needs_the_clusters_id) {
  const auto node = open("data", {"node.id=1", "controller.quorum.voters=1@127.0.0.1:1,2@127.0.0.1:2,3@127.0.0.1:3"});
  ASSERT_FALSE(node.has_value());
  EXPECT_EQ(node.error().code, Errc::invalid_config);
  EXPECT_NE(node.error().context.find("millrace.cluster.id"), std::string::npos);
}

TEST_F(NodeTest, a_port_that_is_taken_ends_the_start_before_anything_is_registered) {
  const auto first = open();
  ASSERT_TRUE(first.has_value()) << first.error().to_string();
  const auto second = open("other");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::in_use);
  EXPECT_TRUE((*first)->stop());
}

}  // namespace
}  // namespace millrace::app
