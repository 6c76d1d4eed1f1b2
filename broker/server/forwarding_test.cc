#include "broker/server/controller_route.h"
#include "broker/server/forwarded_requests.h"
#include "broker/server/server_test_support.h"

namespace millrace::server {
namespace {

// A broker that is not the controller, and the way to one that a test plays.
class ForwardingTest : public ServerTest, public ControllerRoute {
 protected:
  struct Forwarded {
    std::string frame;
    std::string client_host;
    Done done;
  };
  bool is_here() const override { return is_here_; }
  void forward(Bytes frame, const RequestContext& context, Done done) override {
    forwarded_.push_back({std::string(frame.text()), context.client_host(), std::move(done)});
  }
  void start_with_route() {
    services_.route = this;
    start();
    handlers_.front().on_controller = true;
  }
  bool is_here_ = false;
  std::vector<Forwarded> forwarded_;
};
INSTANTIATE_TEST_SUITE_P(seeds, ForwardingTest, testing::Range<uint64_t>(1, 6));

TEST_P(ForwardingTest, a_request_for_the_controller_goes_there_as_it_came_and_its_reply_goes_back) {
  start_with_route();
  TestClient& client = connect();
  client.send(request(7, "now hello"));
  ASSERT_TRUE(until([&] { return !forwarded_.empty(); }));
  EXPECT_EQ(framed(forwarded_[0].frame), request(7, "now hello"));
  EXPECT_TRUE(handled_.empty());
  forwarded_[0].done(Bytes::copy_of(big_endian(7) + "from afar"));
  ASSERT_TRUE(until([&] { return !client.replies().empty(); }));
  EXPECT_EQ(client.replies()[0], "7:from afar");
}

TEST_P(ForwardingTest, replies_from_afar_keep_their_place_in_the_order) {
  start_with_route();
  TestClient& client = connect();
  client.send(request(1, "now a") + request(2, "now b"));
  ASSERT_TRUE(until([&] { return forwarded_.size() == 2; }));
  forwarded_[1].done(Bytes::copy_of(big_endian(2) + "second"));
  settle();
  EXPECT_TRUE(client.replies().empty());
  forwarded_[0].done(Bytes::copy_of(big_endian(1) + "first"));
  ASSERT_TRUE(until([&] { return client.replies().size() == 2; }));
  EXPECT_EQ(client.replies(), (std::vector<std::string>{"1:first", "2:second"}));
}

TEST_P(ForwardingTest, without_an_answer_from_the_controller_the_own_handler_speaks) {
  start_with_route();
  TestClient& client = connect();
  client.send(request(7, "now hello"));
  ASSERT_TRUE(until([&] { return !forwarded_.empty(); }));
  forwarded_[0].done(Error{Errc::timed_out, {}});
  ASSERT_TRUE(until([&] { return !client.replies().empty(); }));
  EXPECT_EQ(handled_, std::vector<std::string>{"now hello"});
  EXPECT_EQ(client.replies()[0], "7:now hello");
}

TEST_P(ForwardingTest, the_controller_itself_forwards_nothing) {
  start_with_route();
  is_here_ = true;
  TestClient& client = connect();
  client.send(request(7, "now hello"));
  ASSERT_TRUE(until([&] { return !client.replies().empty(); }));
  EXPECT_TRUE(forwarded_.empty());
}

TEST_P(ForwardingTest, other_requests_stay) {
  start_with_route();
  handlers_.front().on_controller = false;
  TestClient& client = connect();
  client.send(request(7, "now hello"));
  ASSERT_TRUE(until([&] { return !client.replies().empty(); }));
  EXPECT_TRUE(forwarded_.empty());
}

TEST_P(ForwardingTest, the_controller_runs_a_forwarded_request_as_if_it_were_its_own) {
  start();
  handlers_.front().on_controller = true;
  ForwardedRequests requests(handlers_, services_, *client_loop_);
  std::optional<Result<Bytes>> reply;
  const std::string frame = request(9, "wait").substr(4);
  requests.serve(Bytes::copy_of(frame), "1.2.3.4", "PLAINTEXT", [&](Result<Bytes> got) { reply = std::move(got); });
  settle();
  EXPECT_FALSE(reply);
  ASSERT_TRUE(answer("wait"));
  ASSERT_TRUE(reply && *reply);
  EXPECT_EQ((*reply)->text(), big_endian(9) + "wait");
}

TEST_P(ForwardingTest, what_is_not_for_the_controller_or_cannot_be_read_is_refused) {
  start();
  ForwardedRequests requests(handlers_, services_, *client_loop_);
  std::vector<Errc> errors;
  const auto done = [&](const Result<Bytes>& got) { errors.push_back(got.error().code); };
  requests.serve(Bytes::copy_of(request(9, "now").substr(4)), "", "", done);
  handlers_.front().on_controller = true;
  requests.serve(Bytes::copy_of(request(9, "now", 7).substr(4)), "", "", done);
  requests.serve(Bytes::copy_of("\x01"), "", "", done);
  requests.serve(Bytes::copy_of(request(9, "close").substr(4)), "", "", done);
  settle();
  EXPECT_EQ(errors, (std::vector<Errc>{Errc::unsupported_version, Errc::unsupported_version, Errc::malformed,
                                       Errc::connection_closed}));
}

}  // namespace
}  // namespace millrace::server
