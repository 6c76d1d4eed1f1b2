// What clients must not send, and what it gets: the end of their connection, while others are served.

#include "broker/server/server_test_support.h"

namespace millrace::server {
namespace {

class BadInputTest : public ServerTest {
 protected:
  void expect_closed(const std::string& bytes, CloseReason reason) {
    SCOPED_TRACE(testing::Message() << "seed " << GetParam() << ", bytes "
                                    << testing::PrintToString(bytes.substr(0, 40)));
    const uint64_t before = closed(reason);
    const size_t handled = handled_.size();
    TestClient& client = connect();
    client.send(bytes);
    EXPECT_TRUE(until([&] { return client.is_closed(); }));
    EXPECT_EQ(closed(reason), before + 1);
    EXPECT_EQ(client.received(), 0u) << "there is no reply to it";
    EXPECT_EQ(handled_.size(), handled);
    EXPECT_EQ(server_->request_bytes(), 0);
    client.disconnect();
    TestClient& other = connect();
    other.send(request(1, "now"));
    EXPECT_TRUE(until([&] { return other.replies().size() == 1; }));
    other.disconnect();
  }
};
INSTANTIATE_TEST_SUITE_P(seeds, BadInputTest, testing::Range<uint64_t>(1, 11));

TEST_P(BadInputTest, a_size_that_is_zero_negative_or_too_large_ends_the_connection) {
  start({.request_bytes_max = 1000});
  expect_closed(big_endian(0), CloseReason::frame);
  expect_closed(big_endian(-1), CloseReason::frame);
  expect_closed(big_endian(INT32_MIN), CloseReason::frame);
  expect_closed(big_endian(1001), CloseReason::frame);
  expect_closed(big_endian(INT32_MAX), CloseReason::frame);
}

TEST_P(BadInputTest, other_protocols_end_the_connection) {
  start();
  expect_closed("GET / HTTP/1.1\r\nHost: broker\r\n\r\n", CloseReason::frame);
  expect_closed(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), CloseReason::frame);  // TLS
  expect_closed("SSH-2.0-OpenSSH_9.2\r\n", CloseReason::frame);
}

TEST_P(BadInputTest, a_frame_that_is_no_request_ends_the_connection) {
  start();
  expect_closed(framed("\1"), CloseReason::malformed);
  expect_closed(framed(std::string(7, '\0')), CloseReason::malformed);
  // The client id is longer than the frame.
  expect_closed(framed(big_endian16(static_cast<int>(kApi)) + big_endian16(0) + big_endian(1) + big_endian16(50) + "x"),
                CloseReason::malformed);
  expect_closed(framed(big_endian16(static_cast<int>(kApi)) + big_endian16(0) + big_endian(1) + big_endian16(-2)),
                CloseReason::malformed);
}

TEST_P(BadInputTest, an_api_or_version_that_is_not_served_ends_the_connection) {
  start();
  expect_closed(request(1, "now", 0, 999), CloseReason::unsupported);
  expect_closed(request(1, "now", 0, -1), CloseReason::unsupported);
  expect_closed(request(1, "now", 0, static_cast<int>(protocol::ApiKey::metadata)), CloseReason::unsupported);
  expect_closed(request(1, "now", 2), CloseReason::unsupported);
  expect_closed(request(1, "now", -1), CloseReason::unsupported);
}

TEST_P(BadInputTest, what_came_before_it_is_handled) {
  start();
  TestClient& client = connect();
  client.send(request(1, "now") + "GET /");
  EXPECT_TRUE(until([&] { return client.is_closed(); }));
  EXPECT_EQ(handled_.size(), 1u);
}

TEST_P(BadInputTest, half_a_request_and_the_end_is_no_request) {
  start();
  const std::string whole = request(1, "now");
  for (size_t cut = 1; cut < whole.size(); cut += 5) {
    TestClient& client = connect();
    client.send(whole.substr(0, cut));
    ASSERT_TRUE(until([&] { return client.has_sent_all(); }));
    client.disconnect();
  }
  settle();
  EXPECT_TRUE(handled_.empty());
  EXPECT_EQ(server_->request_bytes(), 0);
}

TEST_P(BadInputTest, any_bytes_at_all_leave_the_server_alive) {
  start({.request_bytes_max = 100'000});
  for (int i = 0; i < 40; ++i) {
    TestClient& client = connect();
    std::string noise = request(1, "now") + request(2, std::string(50, 'x'));
    for (int change = 0; change < 3; ++change) {
      noise[scheduler_.random().below(noise.size())] = static_cast<char>(scheduler_.random().next());
    }
    client.send(noise);
    scheduler_.run_for(std::chrono::milliseconds(20));
    client.disconnect();
  }
  TestClient& client = connect();
  client.send(request(1, "now"));
  EXPECT_TRUE(until([&] { return client.replies().size() == 1; }));
}

TEST_P(BadInputTest, connections_beyond_the_limits_are_closed_at_once) {
  start({.connections_max = 5, .connections_per_ip_max = 3});
  for (int i = 0; i < 3; ++i) connect();
  TestClient& fourth = connect();
  EXPECT_TRUE(until([&] { return fourth.is_closed(); }));
  network_.set_client_host("10.0.0.2");
  TestClient& elsewhere = connect();
  connect();
  TestClient& sixth = connect();
  EXPECT_TRUE(until([&] { return sixth.is_closed(); }));
  EXPECT_EQ(closed(CloseReason::limit), 2u);
  elsewhere.disconnect();
  settle();
  TestClient& again = connect();
  again.send(request(1, "now"));
  EXPECT_TRUE(until([&] { return again.replies().size() == 1; }));
}

}  // namespace
}  // namespace millrace::server
