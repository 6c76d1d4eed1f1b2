// Memory of requests and replies is bounded, whoever reads slowly or not at all; and who waits for it gets it.

#include <algorithm>

#include "broker/server/connection.h"
#include "broker/server/server_test_support.h"

namespace millrace::server {
namespace {

constexpr int64_t kLimit = 1 << 20;

class BackPressureTest : public ServerTest {
 protected:
  std::string large(const std::string& verb, size_t size = 400'000) { return verb + std::string(size, 'x'); }
  // The waiting request whose text starts so.
  bool answer_one(const std::string& start) {
    const auto found = waiting_.lower_bound(start);
    return found != waiting_.end() && found->first.starts_with(start) && answer(std::string(found->first));
  }
  size_t handled_with(const std::string& start) const {
    return static_cast<size_t>(
        std::count_if(handled_.begin(), handled_.end(), [&](const auto& text) { return text.starts_with(start); }));
  }
  // Fills the memory with requests that wait, of a client of their own: "waitfull…".
  void fill_memory() {
    TestClient& client = connect();
    for (int i = 0; i < 3; ++i) client.send(request(i, large("waitfull" + std::to_string(i))));
    ASSERT_TRUE(until([&] { return handled_with("waitfull") == 3; }));
    ASSERT_GE(server_->request_bytes(), kLimit);
  }
};
INSTANTIATE_TEST_SUITE_P(seeds, BackPressureTest, testing::Range<uint64_t>(1, 21));

TEST_P(BackPressureTest, many_connections_that_pause_for_memory_all_go_on) {
  start({.queued_bytes_max = kLimit}, 3);
  constexpr int kClients = 60;
  constexpr int kRequests = 5;
  constexpr size_t kLargest = 500'000;
  std::vector<TestClient*> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(&connect());
  size_t waits = 0;
  for (int i = 0; i < kRequests; ++i) {
    for (size_t c = 0; c < clients.size(); ++c) {
      const bool wait = scheduler_.random().chance(2);
      waits += wait;
      clients[c]->send(request(i, large((wait ? "wait" : "now") + std::to_string(c) + "." + std::to_string(i) + ",",
                                        scheduler_.random().below(kLargest))));
    }
  }
  int64_t most = 0;
  size_t answered = 0;
  while (answered < waits) {
    ASSERT_TRUE(until([&] {
      most = std::max(most, server_->request_bytes());
      return !waiting_.empty();
    })) << answered
        << " of " << waits << " were answered: the others wait for a wake-up that was lost";
    auto picked = waiting_.begin();
    std::advance(picked, static_cast<std::ptrdiff_t>(scheduler_.random().below(waiting_.size())));
    ASSERT_TRUE(answer(std::string(picked->first)));
    ++answered;
  }
  EXPECT_TRUE(until([&] {
    return std::all_of(clients.begin(), clients.end(),
                       [](const TestClient* one) { return one->replies().size() == kRequests; });
  }));
  EXPECT_GT(server_->metrics().paused_for_memory.value(), 0u) << "the test is about waiting";
  // One request beyond the limit, and the replies that are on their way.
  EXPECT_LE(most, kLimit + static_cast<int64_t>(kLargest) * 4);
}

TEST_P(BackPressureTest, a_client_with_many_large_requests_does_not_keep_others_from_theirs) {
  start({.queued_bytes_max = kLimit});
  fill_memory();
  TestClient& greedy = connect();
  for (int i = 0; i < 12; ++i) greedy.send(request(i, large("waitgreedy" + std::to_string(i), 1'100'000)));
  settle();
  constexpr int kOthers = 5;
  for (int i = 0; i < kOthers; ++i) {
    connect().send(request(1, large("waitother" + std::to_string(i), 1'100'000)));
    settle();
  }
  EXPECT_EQ(handled_with("waitgreedy") + handled_with("waitother"), 0u);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(answer_one("waitfull"));
  // One at a time fits. Each of the greedy one's comes to the end of the line when it is announced.
  int answers = 0;
  for (; handled_with("waitother") < kOthers; ++answers) {
    ASSERT_LE(answers, kOthers + 2) << "others starve";
    ASSERT_TRUE(until([&] { return !waiting_.empty(); }));
    ASSERT_TRUE(answer_one("wait"));
    settle();
  }
  EXPECT_LE(handled_with("waitgreedy"), 2u);
}

TEST_P(BackPressureTest, a_small_request_does_not_overtake_a_large_one_that_waits) {
  start({.queued_bytes_max = kLimit});
  fill_memory();
  connect().send(request(1, large("waitlarge", 5 << 20)));
  settle();
  TestClient& small = connect();
  small.send(request(1, "now"));
  settle();
  EXPECT_EQ(small.replies().size(), 0u);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(answer_one("waitfull"));
  ASSERT_TRUE(until([&] { return handled_with("waitlarge") == 1; }))
      << "larger than the limit, and yet it has its turn";
  ASSERT_TRUE(answer_one("waitlarge"));
  EXPECT_TRUE(until([&] { return small.replies().size() == 1; }));
}

TEST_P(BackPressureTest, a_connection_that_ends_while_it_waits_gives_its_place_to_the_next) {
  start({.queued_bytes_max = kLimit, .idle_max = std::chrono::seconds(60)});
  fill_memory();
  std::vector<TestClient*> queue;
  for (int i = 0; i < 10; ++i) {
    queue.push_back(&connect());
    queue.back()->send(request(1, large("now" + std::to_string(i) + ",")));
  }
  settle();
  for (size_t i = 0; i < queue.size(); i += 2) io::sim::SimNetwork::reset(queue[i]->stream());
  // Some end before it is their turn, some after: an end is seen when the connection is next looked at.
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(answer_one("waitfull"));
  for (size_t i = 1; i < queue.size(); i += 2) EXPECT_TRUE(until([&] { return queue[i]->replies().size() == 1; }));
}

TEST_P(BackPressureTest, who_waits_for_memory_is_not_idle) {
  start({.queued_bytes_max = kLimit, .idle_max = std::chrono::seconds(5)});
  fill_memory();
  TestClient& client = connect();
  client.send(request(1, large("now")));
  scheduler_.run_for(std::chrono::seconds(20));
  EXPECT_FALSE(client.is_closed());
  ASSERT_TRUE(answer_one("waitfull"));
  EXPECT_TRUE(until([&] { return client.replies().size() == 1; }));
}

TEST_P(BackPressureTest, replies_that_a_client_does_not_take_are_counted_and_bounded) {
  start();
  TestClient& deaf = connect();
  deaf.stop_reading();
  std::string all;
  for (int i = 0; i < 200; ++i) all += request(i, "big");
  deaf.send(all);
  settle();
  EXPECT_LE(handled_.size(), 5u);
  EXPECT_GE(server_->request_bytes(), 400'000) << "what it does not take is not counted";
  EXPECT_LE(server_->request_bytes(), static_cast<int64_t>(Connection::kUnsentBytesMax) + 500'000);
  deaf.go_on_reading();
  EXPECT_TRUE(until([&] { return deaf.replies().size() == 200; }));
  settle();
  EXPECT_EQ(server_->request_bytes(), 0);
}

TEST_P(BackPressureTest, replies_that_wait_for_one_before_them_are_counted_and_bounded) {
  start();
  TestClient& client = connect();
  std::string all = request(0, "wait");
  for (int i = 1; i < 100; ++i) all += request(i, "big");
  client.send(all);
  settle();
  EXPECT_LE(handled_.size(), 4u) << "each takes 400,000 bytes that cannot leave";
  EXPECT_GE(server_->request_bytes(), 1'000'000);
  ASSERT_TRUE(answer("wait"));
  EXPECT_TRUE(until([&] { return client.replies().size() == 100; }));
}

TEST_P(BackPressureTest, what_a_request_takes_when_decoded_is_counted_until_it_is_answered) {
  start({.queued_bytes_max = kLimit});
  TestClient& heavy = connect();
  heavy.send(request(1, "heavy"));
  ASSERT_TRUE(until([&] { return handled_.size() == 1; }));
  EXPECT_GE(server_->request_bytes(), kLimit);
  TestClient& other = connect();
  other.send(request(1, "now"));
  settle();
  EXPECT_EQ(other.replies().size(), 0u);
  ASSERT_TRUE(answer("heavy"));
  EXPECT_TRUE(until([&] { return other.replies().size() == 1; }));
}

TEST_P(BackPressureTest, deaf_clients_that_hold_all_memory_are_closed_when_others_need_it) {
  start({.queued_bytes_max = 4 * kLimit});
  std::vector<TestClient*> deaf;
  for (int i = 0; i < 6; ++i) {
    deaf.push_back(&connect());
    deaf.back()->stop_reading();
    for (int k = 0; k < 10; ++k) deaf.back()->send(request(k, "big"));
  }
  settle();
  ASSERT_GE(server_->request_bytes(), 4 * kLimit);
  TestClient& healthy = connect();
  healthy.send(request(1, "now"));
  const TimePoint before = clock_.now();
  EXPECT_TRUE(until([&] { return healthy.replies().size() == 1; }));
  EXPECT_LE(clock_.now() - before, Connection::kReplyStallMax * 2);
  EXPECT_GE(closed(CloseReason::idle), 1u);
}

TEST_P(BackPressureTest, a_deaf_client_is_left_alone_while_nobody_needs_its_memory) {
  start();
  TestClient& deaf = connect();
  deaf.stop_reading();
  for (int k = 0; k < 10; ++k) deaf.send(request(k, "big"));
  for (int second = 0; second < 60; ++second) {
    TestClient& other = connect();
    other.send(request(1, "now"));
    EXPECT_TRUE(until([&] { return other.replies().size() == 1; }));
    other.disconnect();
    scheduler_.run_for(std::chrono::seconds(1));
  }
  deaf.go_on_reading();
  EXPECT_TRUE(until([&] { return deaf.replies().size() == 10; }));
}

TEST_P(BackPressureTest, stopping_with_requests_that_wait_for_memory_ends_them) {
  start({.queued_bytes_max = kLimit});
  fill_memory();
  for (int i = 0; i < 5; ++i) connect().send(request(1, large("now")));
  settle();
  bool done = false;
  server_->stop(std::chrono::seconds(1), [&] { done = true; });
  EXPECT_TRUE(until([&] { return done; }));
  EXPECT_EQ(server_->request_bytes(), 0);
}

}  // namespace
}  // namespace millrace::server
