#include "broker/rpc/peer_transport.h"

#include <future>

#include <gtest/gtest.h>

#include "broker/io/posix/real_clock.h"
#include "broker/rpc/relay_test_support.h"
#include "broker/rpc/rpc_server.h"

namespace millrace::rpc {
namespace {

using replication::PeerMessage;

// Keeps what a link is told; a test waits for it.
class Heard final : public replication::PeerLinkEvents {
 public:
  void on_message(PeerMessage message) override {
    MutexLock lock(mutex_);
    messages_.push_back(std::move(message));
    changed_.notify_all();
  }
  void on_closed(const Error& why) override {
    MutexLock lock(mutex_);
    closed_ = why;
    changed_.notify_all();
  }
  PeerMessage next() {
    MutexLock lock(mutex_);
    while (messages_.empty() && !closed_) changed_.wait(mutex_);
    if (messages_.empty()) {
      ADD_FAILURE() << "closed: " << closed_->to_string();
      return replication::Pong{};
    }
    PeerMessage message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }
  bool has_message() {
    MutexLock lock(mutex_);
    return !messages_.empty();
  }
  bool is_closed() {
    MutexLock lock(mutex_);
    return closed_.has_value();
  }
  Error closed() {
    MutexLock lock(mutex_);
    while (!closed_) changed_.wait(mutex_);
    return *closed_;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::deque<PeerMessage> messages_ GUARDED_BY(mutex_);
  std::optional<Error> closed_ GUARDED_BY(mutex_);
};

Identity identity(int node, const char* cluster = "c") {
  return {.cluster_id = cluster,
          .node = BrokerId{node},
          .directory_id = Uuid::from_random(1, static_cast<uint64_t>(node)),
          .incarnation = Uuid::from_random(2, static_cast<uint64_t>(node))};
}

// Two brokers in one process: the leader serves, the follower calls.
class PeerTransportTest : public ::testing::Test, public replication::PeerAcceptor {
 protected:
  ~PeerTransportTest() override {
    on_loop([this] { accepted_.clear(); });
    leader_transport_->set_acceptor(nullptr);
    if (server_) server_->stop(Duration::zero());
    loop_->stop();
  }

  void serve(const Identity& leader, bool accepting = true) {
    leader_channels_ = std::make_unique<Channels>(ChannelsOptions{.self = leader});
    leader_transport_ = std::make_unique<GrpcPeerTransport>(*leader_channels_, *loop_);
    if (accepting) leader_transport_->set_acceptor(this);
    auto server = RpcServer::open(loops_, {.at = {"127.0.0.1", 0},
                                           .self = leader,
                                           .admission = admission_,
                                           .streams = {{GrpcPeerTransport::kMethod, leader_transport_.get()}}});
    ASSERT_TRUE(server) << server.error().to_string();
    server_ = std::move(server).value();
  }
  void call(const Identity& follower, BrokerId whom = BrokerId{1}) {
    follower_channels_ = std::make_unique<Channels>(ChannelsOptions{
        .self = follower,
        .address_of = [this](BrokerId) -> Result<io::Endpoint> { return relay_ ? relay_->at() : server_->at(); }});
    follower_transport_ = std::make_unique<GrpcPeerTransport>(*follower_channels_, *loop_);
    on_loop([&] { link_ = follower_transport_->connect(whom, *loop_, at_follower_); });
  }
  void on_loop(const std::function<void()>& what) {
    std::promise<void> ran;
    loop_->post([&] {
      what();
      ran.set_value();
    });
    ran.get_future().wait();
  }
  void send(PeerMessage message) {
    on_loop([&] { link_->send(std::move(message)); });
  }
  void answer(PeerMessage message) {
    on_loop([&] { accepted_.back()->send(std::move(message)); });
  }
  void TearDown() override {
    on_loop([this] { link_.reset(); });
  }

  io::EventLoop& loop_for_link() override { return *loop_; }
  replication::PeerLinkEvents& accept(std::unique_ptr<replication::PeerLink> link) override {
    accepted_.push_back(std::move(link));
    return at_leader_;
  }

  io::posix::RealClock clock_;
  RpcLoops loops_;
  std::unique_ptr<QueueEventLoop> loop_ = loops_.start("links", clock_).value();
  Admission admission_;
  Heard at_leader_, at_follower_;
  std::unique_ptr<Channels> leader_channels_, follower_channels_;
  std::unique_ptr<GrpcPeerTransport> leader_transport_, follower_transport_;
  std::vector<std::unique_ptr<replication::PeerLink>> accepted_;  // the loop's
  std::unique_ptr<replication::PeerLink> link_;                   // the loop's
  std::unique_ptr<RpcServer> server_;
  std::optional<Relay> relay_;
};

TEST_F(PeerTransportTest, messages_arrive_in_order_in_both_directions) {
  serve(identity(1));
  call(identity(2));
  for (uint32_t n = 1; n <= 100; ++n) send(replication::Unsubscribe{{{.number = replication::SubscriptionNumber{n}}}});
  for (uint32_t n = 1; n <= 100; ++n) {
    EXPECT_EQ(std::get<replication::Unsubscribe>(at_leader_.next()).entries.at(0).number.value(), n);
  }
  const Bytes batch = Bytes::copy_of(std::string(3'000'000, 'b'));
  answer(replication::Data{{{.number = replication::SubscriptionNumber{1}, .batches = {batch}}}});
  answer(replication::Ping{});
  EXPECT_EQ(std::get<replication::Data>(at_follower_.next()).entries.at(0).batches.at(0), batch);
  EXPECT_TRUE(std::holds_alternative<replication::Ping>(at_follower_.next()));
}

TEST_F(PeerTransportTest, what_was_sent_counts_as_unsent_until_the_transport_takes_it) {
  serve(identity(1));
  call(identity(2));
  const Bytes batch = Bytes::copy_of(std::string(1'000'000, 'b'));
  for (int i = 0; i < 20; ++i) send(replication::Data{{{.batches = {batch}}}});
  for (int i = 0; i < 20; ++i) at_leader_.next();
  // A write ends a moment after the peer has read it.
  for (;;) {
    size_t unsent = 1;
    on_loop([&] { unsent = link_->unsent_bytes(); });
    if (unsent == 0) break;
  }
}

TEST_F(PeerTransportTest, a_link_that_one_side_closes_ends_at_the_other) {
  serve(identity(1));
  call(identity(2));
  send(replication::Ping{});
  at_leader_.next();
  on_loop([this] { link_.reset(); });
  EXPECT_EQ(at_leader_.closed().code, Errc::connection_closed);
}

TEST_F(PeerTransportTest, a_link_ends_when_the_leader_closes_it) {
  serve(identity(1));
  call(identity(2));
  send(replication::Ping{});
  at_leader_.next();
  on_loop([this] { accepted_.clear(); });
  EXPECT_EQ(at_follower_.closed().code, Errc::connection_closed);
}

TEST_F(PeerTransportTest, a_link_ends_when_the_leaders_process_stops_serving) {
  serve(identity(1));
  call(identity(2));
  send(replication::Ping{});
  at_leader_.next();
  server_->stop(Duration::zero());
  EXPECT_NE(at_follower_.closed().to_string(), "");
  EXPECT_NE(at_leader_.closed().to_string(), "");
}

TEST_F(PeerTransportTest, a_network_that_loses_everything_ends_the_link_at_both_ends_and_is_used_again_when_it_heals) {
  serve(identity(1));
  relay_.emplace(server_->at());
  call(identity(2));
  send(replication::Ping{});
  at_leader_.next();
  relay_->swallow(true);
  EXPECT_EQ(at_follower_.closed().code, Errc::connection_refused);  // as of a broker that is gone
  EXPECT_EQ(at_leader_.closed().code, Errc::connection_closed);
  relay_->swallow(false);
  // An attempt that fell into the silence is given up first.
  for (bool arrived = false; !arrived;) {
    Heard again;
    on_loop([&] { link_ = follower_transport_->connect(BrokerId{1}, *loop_, again); });
    send(replication::Ping{});
    while (!arrived && !again.is_closed()) arrived = at_leader_.has_message();
    on_loop([&] { link_.reset(); });
  }
  EXPECT_GE(relay_->accepted(), 2);
}

TEST_F(PeerTransportTest, nobody_at_the_address_is_a_closed_link) {
  serve(identity(1));
  server_->stop(Duration::zero());
  call(identity(2));
  EXPECT_EQ(at_follower_.closed().code, Errc::connection_refused);
}

TEST_F(PeerTransportTest, a_link_that_nobody_accepts_is_closed) {
  serve(identity(1), false);
  call(identity(2));
  EXPECT_EQ(at_follower_.closed().code, Errc::overloaded);
}

TEST_F(PeerTransportTest, a_follower_of_another_cluster_is_refused_in_one_sentence) {
  serve(identity(1));
  call(identity(2, "d"));
  const Error why = at_follower_.closed();
  EXPECT_EQ(why.code, Errc::cluster_mismatch);
  EXPECT_NE(why.context.find("broker 2 belongs to cluster d, broker 1 to cluster c"), std::string::npos) << why.context;
}

TEST_F(PeerTransportTest, a_follower_that_the_broker_does_not_admit_hears_why) {
  admission_ = [](const Identity& caller) -> Status {
    return Error{Errc::cluster_mismatch, "no place for broker " + std::to_string(caller.node.value())};
  };
  serve(identity(1));
  call(identity(2));
  EXPECT_NE(at_follower_.closed().context.find("no place for broker 2"), std::string::npos);
}

TEST_F(PeerTransportTest, a_leader_that_is_another_broker_than_was_called_gets_nothing) {
  serve(identity(1));
  call(identity(2), BrokerId{7});
  const Error why = at_follower_.closed();
  EXPECT_EQ(why.code, Errc::cluster_mismatch);
  EXPECT_NE(why.context.find("is said to be of broker 7, but broker 1 answers there"), std::string::npos)
      << why.context;
}

TEST_F(PeerTransportTest, a_frame_that_is_no_message_closes_the_link) {
  serve(identity(1));
  call(identity(2));
  // A Subscribe beyond the bound is what a peer would not send.
  replication::Subscribe many;
  many.entries.resize(replication::kSubscriptionsPerMessageMax + 1);
  send(many);
  EXPECT_EQ(at_leader_.closed().code, Errc::malformed);
  EXPECT_EQ(at_follower_.closed().code, Errc::connection_closed);
}

TEST_F(PeerTransportTest, a_method_that_is_not_served_is_refused) {
  struct Ended final : ByteStreamEvents {
    void on_frame(Bytes) override { ADD_FAILURE(); }
    void on_closed(const Error& why) override { closed.set_value(why); }
    std::promise<Error> closed;
  } ended;
  serve(identity(1));
  call(identity(2));
  std::unique_ptr<ByteStream> stream;
  on_loop([&] {
    stream = follower_channels_->open_stream(BrokerId{1}, Purpose::replication, "/millrace.rpc.v1.Replication/None",
                                             *loop_, ended);
  });
  EXPECT_EQ(ended.closed.get_future().get().code, Errc::unsupported_version);
  on_loop([&] { stream.reset(); });
}

TEST_F(PeerTransportTest, a_loop_that_stops_ends_its_streams_whose_users_are_told_nothing_and_may_close_later) {
  serve(identity(1));
  call(identity(2));
  RpcLoops loops;
  const auto other = loops.start("other", clock_).value();
  Heard heard;
  std::unique_ptr<replication::PeerLink> open, opening;
  other->post([&] {
    open = follower_transport_->connect(BrokerId{1}, *other, heard);
    open->send(replication::Ping{});
  });
  at_leader_.next();
  std::promise<void> begun;
  other->post([&] {
    opening = follower_transport_->connect(BrokerId{1}, *other, heard);
    begun.set_value();
  });
  begun.get_future().wait();
  other->stop();
  EXPECT_EQ(at_leader_.closed().code, Errc::connection_closed);
  EXPECT_FALSE(heard.is_closed());
  open.reset();
  opening->close();
}

TEST_F(PeerTransportTest, a_second_server_on_the_port_is_refused) {
  serve(identity(1));
  RpcLoops loops;
  const auto loop = loops.start("second", clock_).value();
  auto second = RpcServer::open(loops, {.at = server_->at(), .self = identity(3)});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::in_use);
}

}  // namespace
}  // namespace millrace::rpc
