#include "broker/server/connection.h"

#include "broker/server/server_test_support.h"

namespace millrace::server {
namespace {

using Replies = std::vector<std::string>;

class ConnectionTest : public ServerTest {};
INSTANTIATE_TEST_SUITE_P(seeds, ConnectionTest, testing::Range<uint64_t>(1, 26));

TEST_P(ConnectionTest, pipelined_requests_are_answered_in_order) {
  start();
  TestClient& client = connect();
  Replies expected;
  std::string all;
  for (int i = 0; i < 500; ++i) {
    all += request(i, "now" + std::to_string(i));
    expected.push_back(std::to_string(i) + ":now" + std::to_string(i));
  }
  client.send(all);
  EXPECT_TRUE(until([&] { return client.replies().size() == 500; }));
  EXPECT_EQ(client.replies(), expected);
}

TEST_P(ConnectionTest, replies_completed_out_of_order_leave_in_order) {
  start();
  TestClient& client = connect();
  Replies expected;
  std::vector<std::string> texts;
  for (int i = 0; i < 60; ++i) {
    const bool waits = scheduler_.random().chance(2);
    const std::string text = (waits ? "wait" : "now") + std::to_string(i);
    if (waits) texts.push_back(text);
    client.send(request(i, text));
    expected.push_back(std::to_string(i) + ":" + text);
  }
  ASSERT_TRUE(until([&] { return handled_.size() == 60; }));
  while (!texts.empty()) {
    const size_t pick = scheduler_.random().below(texts.size());
    ASSERT_TRUE(answer(texts[pick]));
    texts.erase(texts.begin() + static_cast<std::ptrdiff_t>(pick));
    if (scheduler_.random().chance(2)) scheduler_.run_for(std::chrono::milliseconds(3));
    for (size_t i = 0; i < client.replies().size(); ++i) EXPECT_EQ(client.replies()[i], expected[i]);
  }
  EXPECT_TRUE(until([&] { return client.replies().size() == expected.size(); }));
  EXPECT_EQ(client.replies(), expected);
}

TEST_P(ConnectionTest, behind_a_last_reply_everything_that_was_asked_is_answered_and_the_connection_is_closed) {
  start();
  TestClient& client = connect();
  client.send(request(1, "wait1") + request(2, "wait2") + request(3, "last") + request(4, "unread"));
  ASSERT_TRUE(until([&] { return handled_.size() == 3; }));
  answer("wait2");
  answer("wait1");
  EXPECT_TRUE(until([&] { return client.is_closed(); }));
  EXPECT_EQ(client.replies(), Replies({"1:wait1", "2:wait2", "3:last"}));
  EXPECT_EQ(handled_.size(), 3u);
  EXPECT_EQ(closed(CloseReason::sent_away), 1u);
}

TEST_P(ConnectionTest, a_request_without_reply_leaves_no_gap) {
  start();
  TestClient& client = connect();
  client.send(request(1, "wait1") + request(2, "none") + request(3, "now"));
  ASSERT_TRUE(until([&] { return handled_.size() == 3; }));
  EXPECT_EQ(client.replies(), Replies());
  answer("wait1");
  EXPECT_TRUE(until([&] { return client.replies().size() == 2; }));
  EXPECT_EQ(client.replies(), Replies({"1:wait1", "3:now"}));
}

TEST_P(ConnectionTest, large_requests_arrive_whole_among_small_ones) {
  start();
  TestClient& client = connect();
  Replies expected;
  for (int i = 0; i < 12; ++i) {
    const size_t size = scheduler_.random().below(200'000);
    const std::string text = "now" + std::string(size, static_cast<char>('a' + i));
    client.send(request(i, text));
    expected.push_back(std::to_string(i) + ":" + text);
  }
  EXPECT_TRUE(until([&] { return client.replies().size() == 12; }));
  EXPECT_TRUE(client.replies() == expected);
}

TEST_P(ConnectionTest, a_connection_that_ends_drops_its_replies_and_nothing_else) {
  start();
  TestClient& client = connect();
  TestClient& other = connect();
  client.send(request(1, "wait1") + request(2, "now") + request(3, "wait3").substr(0, 9));
  ASSERT_TRUE(until([&] { return handled_.size() == 2; }));
  client.disconnect();
  ASSERT_TRUE(until([&] { return closed(CloseReason::peer) == 1; }));
  EXPECT_EQ(server_->request_bytes(), 0);
  answer("wait1");
  other.send(request(7, "now"));
  EXPECT_TRUE(until([&] { return other.replies() == Replies({"7:now"}); }));
}

TEST_P(ConnectionTest, a_handler_may_end_the_connection) {
  start();
  TestClient& client = connect();
  client.send(request(1, "now") + request(2, "close") + request(3, "now"));
  EXPECT_TRUE(until([&] { return client.is_closed(); }));
  EXPECT_EQ(closed(CloseReason::handler), 1u);
  EXPECT_EQ(handled_, Replies({"now", "close"}));
}

TEST_P(ConnectionTest, a_muted_connection_is_answered_at_once_and_read_later) {
  start();
  TestClient& client = connect();
  client.send(request(1, "mute"));
  ASSERT_TRUE(until([&] { return client.replies() == Replies({"1:mute"}); }));
  const TimePoint muted = clock_.now();
  client.send(request(2, "now"));
  ASSERT_TRUE(until([&] { return client.replies().size() == 2; }));
  EXPECT_GE(clock_.now() - muted, std::chrono::milliseconds(990));
}

TEST_P(ConnectionTest, what_follows_a_request_that_holds_the_connection_is_handled_once_it_goes_on) {
  start();
  TestClient& client = connect();
  client.send(request(0, "now0") + request(1, "hold1") + request(2, "now2"));
  ASSERT_TRUE(until([&] { return handled_.size() == 2; }));
  client.send(request(3, "now3"));
  scheduler_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(handled_.size(), 2u);
  go_on("hold1", false);
  EXPECT_TRUE(until([&] { return client.replies().size() == 4; }));
  EXPECT_EQ(client.replies(), (Replies{"0:now0", "1:hold1", "2:now2", "3:now3"}));
}

TEST_P(ConnectionTest, a_connection_that_was_held_in_vain_is_not_held_again_soon) {
  start();
  TestClient& client = connect();
  for (const bool in_vain : {false, true}) {
    const std::string text = in_vain ? "hold in vain" : "hold";
    client.send(request(0, text));
    ASSERT_TRUE(until([&] { return waiting_.contains(text); }));
    go_on(text, in_vain);
  }
  client.send(request(0, "hold soon"));
  ASSERT_TRUE(until([&] { return answer("hold soon"); }));
  scheduler_.run_for(std::chrono::seconds(2));
  client.send(request(0, "hold later"));
  ASSERT_TRUE(until([&] { return waiting_.contains("hold later"); }));
  EXPECT_EQ(held_, (std::vector<bool>{true, true, false, true}));
  go_on("hold later", false);
}

TEST_P(ConnectionTest, the_end_of_a_held_connection_is_seen_when_it_goes_on) {
  start();
  TestClient& client = connect();
  client.send(request(0, "hold"));
  ASSERT_TRUE(until([&] { return waiting_.contains("hold"); }));
  client.disconnect();
  scheduler_.run_for(std::chrono::seconds(1));
  go_on("hold", false);
  EXPECT_TRUE(until([&] { return closed(CloseReason::peer) == 1; }));
}

TEST_P(ConnectionTest, at_most_so_many_requests_are_in_progress) {
  start();
  TestClient& client = connect();
  std::string all;
  for (int i = 0; i < 1000; ++i) all += request(i, "wait" + std::to_string(i));
  client.send(all);
  settle();
  EXPECT_EQ(handled_.size(), Connection::kInProgressMax);
  // One more for each that is answered, whichever it is: only those at the front make room.
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(until([&] { return answer("wait" + std::to_string(i)); })) << i;
  EXPECT_TRUE(until([&] { return client.replies().size() == 1000; }));
}

TEST_P(ConnectionTest, a_client_that_does_not_read_is_not_served_further) {
  start({.idle_max = std::chrono::seconds(30)});
  TestClient& client = connect();
  client.stop_reading();
  for (int i = 0; i < 20; ++i) client.send(request(i, "big"));
  settle();
  EXPECT_LE(handled_.size(), 5u);
  // Reading goes on where it stopped.
  client.go_on_reading();
  EXPECT_TRUE(until([&] { return client.replies().size() == 20; }));
  client.stop_reading();
  for (int i = 0; i < 20; ++i) client.send(request(i, "big"));
  scheduler_.run_for(std::chrono::seconds(40));
  EXPECT_EQ(closed(CloseReason::idle), 1u);
}

TEST_P(ConnectionTest, requests_of_all_connections_share_a_memory_limit) {
  start({.queued_bytes_max = 1 << 20});
  std::vector<TestClient*> all;
  for (int i = 0; i < 8; ++i) all.push_back(&connect());
  for (size_t i = 0; i < all.size(); ++i) {
    all[i]->send(request(1, "wait" + std::to_string(i) + std::string(400'000, 'x')));
  }
  settle();
  EXPECT_EQ(waiting_.size(), 3u) << "as long as there is any memory one more is let in";
  EXPECT_LE(server_->request_bytes(), 1'300'000);
  // Each that ends lets another in; a request alone may exceed the limit.
  all[0]->send(request(2, "now" + std::string(3 << 20, 'y')));
  for (size_t done = 0; done < 8; ++done) {
    ASSERT_TRUE(until([&] { return !waiting_.empty(); })) << done;
    answer(std::string(waiting_.begin()->first));
  }
  EXPECT_TRUE(until([&] { return all[0]->replies().size() == 2; }));
  for (TestClient* client : all) EXPECT_GE(client->replies().size(), 1u);
}

TEST_P(ConnectionTest, an_idle_connection_is_closed_and_a_busy_one_is_not) {
  start({.idle_max = std::chrono::seconds(10)});
  TestClient& idle = connect();
  TestClient& busy = connect();
  TestClient& owed = connect();
  owed.send(request(1, "wait1"));
  for (int i = 0; i < 4; ++i) {
    busy.send(request(i, "now"));
    scheduler_.run_for(std::chrono::seconds(5));
  }
  EXPECT_TRUE(idle.is_closed());
  EXPECT_FALSE(busy.is_closed());
  EXPECT_FALSE(owed.is_closed());
  EXPECT_EQ(closed(CloseReason::idle), 1u);
}

TEST_P(ConnectionTest, a_peer_that_vanished_is_closed_as_idle) {
  start({.idle_max = std::chrono::seconds(10)});
  TestClient& client = connect();
  client.send(request(1, "now"));
  settle();
  io::sim::SimNetwork::cut_cable(client.stream());
  scheduler_.run_for(std::chrono::seconds(11));
  EXPECT_EQ(closed(CloseReason::idle), 1u);
}

TEST_P(ConnectionTest, a_request_that_stops_in_the_middle_gives_its_memory_back) {
  start({.queued_bytes_max = 1 << 20});
  TestClient& stalled = connect();
  stalled.send(request(1, "now" + std::string(1'100'000, 'x')).substr(0, 500'000));
  settle();
  TestClient& other = connect();
  other.send(request(1, "now" + std::string(200'000, 'y')));
  settle();
  EXPECT_EQ(other.replies().size(), 0u);
  scheduler_.run_for(std::chrono::minutes(2));
  EXPECT_TRUE(stalled.is_closed());
  EXPECT_EQ(other.replies().size(), 1u);
}

TEST_P(ConnectionTest, stopping_sends_what_is_owed_and_takes_nothing_more) {
  start();
  TestClient& client = connect();
  TestClient& quiet = connect();
  client.send(request(1, "wait1") + request(2, "now"));
  ASSERT_TRUE(until([&] { return handled_.size() == 2; }));
  bool done = false;
  server_->stop(std::chrono::seconds(10), [&] { done = true; });
  settle();
  EXPECT_TRUE(quiet.is_closed());
  EXPECT_FALSE(client.is_closed());
  client.send(request(3, "now"));
  settle();
  answer("wait1");
  EXPECT_TRUE(until([&] { return done; }));
  EXPECT_TRUE(until([&] { return client.is_closed(); }));
  EXPECT_EQ(client.replies(), Replies({"1:wait1", "2:now"}));
}

TEST_P(ConnectionTest, stopping_does_not_wait_longer_than_its_grace) {
  start();
  TestClient& client = connect();
  client.send(request(1, "wait1"));
  ASSERT_TRUE(until([&] { return handled_.size() == 1; }));
  bool done = false;
  server_->stop(std::chrono::seconds(10), [&] { done = true; });
  const TimePoint before = clock_.now();
  EXPECT_TRUE(until([&] { return done; }));
  EXPECT_LE(clock_.now() - before, std::chrono::seconds(11));
}

}  // namespace
}  // namespace millrace::server
