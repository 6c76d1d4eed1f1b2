#include "broker/rpc/raft_transport.h"

#include <future>

#include <gtest/gtest.h>

#include "broker/io/posix/real_clock.h"
#include "broker/rpc/raft.pb.h"
#include "broker/rpc/raft_codec.h"
#include "broker/rpc/rpc_server.h"

namespace millrace::rpc {
namespace {

using namespace raft;  // NOLINT(google-build-using-namespace): the messages are what is tested

Bytes bytes_of(const Frame& frame) { return Bytes::copy_of(frame.head); }

raft::Member member_of(int node) { return {BrokerId{node}, Uuid::from_random(5, static_cast<uint64_t>(node))}; }

std::vector<raft::Message> one_of_each() {
  const Position at{Index{7}, Term{3}};
  const Configuration configuration{.cluster = "c", .voters = {member_of(1), member_of(2)}, .learners = {member_of(3)}};
  std::vector<MessageBody> bodies{
      VoteRequest{.election = Term{4}, .last = at, .pre = true, .transfer = true},
      VoteReply{.election = Term{4}, .pre = true, .granted = true},
      AppendRequest{.previous = at,
                    .entries = {{Term{3}, EntryKind::payload, Bytes::copy_of("abc")},
                                {Term{4}, EntryKind::no_op, {}},
                                {Term{4}, EntryKind::configuration, configuration.encode()}},
                    .commit = Index{6},
                    .round = HeartbeatRound{9}},
      AppendReply{.success = true,
                  .round = HeartbeatRound{9},
                  .verified = Index{8},
                  .durable = Index{7},
                  .rejected = Index{6},
                  .conflict = at,
                  .conflict_first = Index{5}},
      ReadIndexRequest{RequestId{11}},
      ReadIndexReply{.request = RequestId{11}, .index = Index{12}},
      TimeoutNow{},
      FollowRequest{},
      FollowReply{member_of(2)},
      FollowReply{},
      SnapshotChunk{.meta = {.last = at, .configuration_at = Index{1}, .configuration = configuration},
                    .offset = 100,
                    .data = Bytes::copy_of("state"),
                    .crc = 0xffffffff,
                    .last = true},
      SnapshotReply{.snapshot = at, .received = 105, .installed = true, .durable = Index{7}}};
  std::vector<raft::Message> messages;
  for (MessageBody& body : bodies) messages.push_back({member_of(1), member_of(2), Term{4}, std::move(body)});
  return messages;
}

raft::Message message_of(const Bytes& frame) { return std::get<raft::Message>(decode_raft_message(frame).value()); }

TEST(RaftCodec, every_message_arrives_as_it_was_sent) {
  for (const raft::Message& message : one_of_each()) {
    const Bytes frame = bytes_of(encode(message));
    const auto read = decode_raft_message(frame);
    ASSERT_TRUE(read) << message.body.index() << ": " << read.error().to_string();
    const auto& got = std::get<raft::Message>(*read);
    EXPECT_EQ(got.from, message.from);
    EXPECT_EQ(got.to, message.to);
    EXPECT_EQ(got.term, message.term);
    EXPECT_EQ(got.body.index(), message.body.index());
    EXPECT_EQ(bytes_of(encode(*read)), frame) << message.body.index();
  }
  const auto append = std::get<AppendRequest>(message_of(bytes_of(encode(one_of_each()[2]))).body);
  EXPECT_EQ(append.entries.at(0).payload.text(), "abc");
  EXPECT_EQ(append.entries.at(1).kind, EntryKind::no_op);
  EXPECT_EQ(append.previous, (Position{Index{7}, Term{3}}));
  const auto reply = std::get<AppendReply>(message_of(bytes_of(encode(one_of_each()[3]))).body);
  EXPECT_EQ(reply.verified, Index{8});
  EXPECT_EQ(reply.durable, Index{7});
  EXPECT_EQ(reply.rejected, Index{6});
  EXPECT_EQ(reply.conflict_first, Index{5});
  const auto chunk = std::get<SnapshotChunk>(message_of(bytes_of(encode(one_of_each()[10]))).body);
  EXPECT_EQ(chunk.meta.configuration.learners, std::vector{member_of(3)});
  EXPECT_EQ(chunk.crc, 0xffffffffu);
}

TEST(RaftCodec, an_introduction_arrives_as_it_was_made) {
  const raft::Introduction introduction{.cluster = "c",
                                        .voters = {BrokerId{1}, BrokerId{2}},
                                        .from = member_of(1),
                                        .to = {BrokerId{2}, {}},
                                        .asks = true,
                                        .empty = true};
  const auto read = decode_raft_message(bytes_of(encode(introduction)));
  ASSERT_TRUE(read);
  const auto& got = std::get<raft::Introduction>(*read);
  EXPECT_EQ(got.cluster, "c");
  EXPECT_EQ(got.voters, introduction.voters);
  EXPECT_EQ(got.from, introduction.from);
  EXPECT_EQ(got.to, introduction.to);
  EXPECT_TRUE(got.asks && got.empty);
}

TEST(RaftCodec, what_is_no_message_is_malformed) {
  EXPECT_EQ(decode_raft_message(Bytes::copy_of("\xff")).error().code, Errc::malformed);
  EXPECT_EQ(decode_raft_message({}).error().code, Errc::malformed) << "no sender";
  v1::RaftMessage wire;
  ASSERT_TRUE(wire.ParseFromString(std::string(bytes_of(encode(one_of_each()[2])).text())));
  wire.mutable_append_request()->mutable_entries(0)->set_kind(3);
  EXPECT_EQ(decode_raft_message(Bytes::copy_of(wire.SerializeAsString())).error().code, Errc::malformed);
  wire.clear_body();
  EXPECT_EQ(decode_raft_message(Bytes::copy_of(wire.SerializeAsString())).error().code, Errc::malformed);
}

// Members in one process; each has a loop, a server and a transport.
class RaftTransportTest : public ::testing::Test {
 protected:
  struct Node {
    std::unique_ptr<RpcLoops> loops;
    std::unique_ptr<QueueEventLoop> loop;
    std::unique_ptr<Channels> channels;
    std::unique_ptr<GrpcRaftTransport> transport;
    std::unique_ptr<RpcServer> server;
  };

  Node& start(int id, io::Endpoint at = {"127.0.0.1", 0}) {
    Node& node = nodes_[id];
    const Identity self{.cluster_id = "c",
                        .node = BrokerId{id},
                        .directory_id = member_of(id).directory,
                        .incarnation = Uuid::from_random(6, static_cast<uint64_t>(++incarnations_))};
    node.loops = std::make_unique<RpcLoops>();
    node.loop = node.loops->start("raft", clock_).value();
    node.channels = std::make_unique<Channels>(
        ChannelsOptions{.self = self, .address_of = [this](BrokerId broker) -> Result<io::Endpoint> {
                          MutexLock lock(mutex_);
                          const auto found = addresses_.find(broker);
                          if (found == addresses_.end())
                            return Error{Errc::not_found, "broker " + std::to_string(broker.value())};
                          return found->second;
                        }});
    node.transport = std::make_unique<GrpcRaftTransport>(
        *node.channels, *node.loop, clock_,
        [this](RaftMessage either) {
          auto message = std::get<raft::Message>(std::move(either));
          MutexLock lock(mutex_);
          received_.push_back(std::move(message));
          changed_.notify_all();
        },
        [this](BrokerId broker) {
          MutexLock lock(mutex_);
          broken_.insert(broker);
          changed_.notify_all();
        });
    auto server = RpcServer::open(
        *node.loops, {.at = at, .self = self, .streams = {{GrpcRaftTransport::kMethod, node.transport.get()}}});
    EXPECT_TRUE(server) << server.error().to_string();
    node.server = std::move(server).value();
    MutexLock lock(mutex_);
    addresses_[BrokerId{id}] = node.server->at();
    return node;
  }
  void on_loop(Node& node, const std::function<void()>& what) {
    std::promise<void> ran;
    node.loop->post([&] {
      what();
      ran.set_value();
    });
    ran.get_future().wait();
  }
  void send(Node& node, const raft::Message& message) {
    on_loop(node, [&] { node.transport->send(message); });
  }
  void end(Node& node) {
    on_loop(node, [&] { node.transport->stop(); });
    if (node.server) node.server->stop(Duration::zero());
  }
  void TearDown() override {
    for (auto& [id, node] : nodes_) end(node);
    for (auto& [id, node] : nodes_) node.loop->stop();
  }
  // Sends until something arrives: while a stream is being made, messages may be lost.
  raft::Message exchange(Node& from, const raft::Message& message) {
    for (;;) {
      send(from, message);
      MutexLock lock(mutex_);
      if (received_.empty()) changed_.wait_for(mutex_, std::chrono::milliseconds(20));
      if (received_.empty()) continue;
      raft::Message got = std::move(received_.front());
      received_.clear();
      return got;
    }
  }

  io::posix::RealClock clock_;
  Mutex mutex_;
  Condition changed_;
  std::deque<raft::Message> received_ GUARDED_BY(mutex_);
  std::set<BrokerId> broken_ GUARDED_BY(mutex_);
  std::map<BrokerId, io::Endpoint> addresses_ GUARDED_BY(mutex_);
  int incarnations_ = 0;
  std::map<int, Node> nodes_;
};

TEST_F(RaftTransportTest, messages_reach_the_member_they_are_for_in_order) {
  Node& first = start(1);
  start(2);
  exchange(first, one_of_each()[0]);
  for (int64_t n = 0; n < 50; ++n) {
    raft::Message message = one_of_each()[0];
    message.term = Term{100 + n};
    send(first, message);
  }
  std::vector<int64_t> terms;
  MutexLock lock(mutex_);
  for (;;) {
    terms.clear();
    for (const raft::Message& message : received_) {
      if (message.term >= Term{100}) terms.push_back(message.term.value());
    }
    if (terms.size() == 50) break;
    changed_.wait(mutex_);
  }
  EXPECT_TRUE(std::is_sorted(terms.begin(), terms.end()));
}

TEST_F(RaftTransportTest, messages_to_a_member_that_is_not_there_are_dropped_until_it_comes) {
  Node& first = start(1);
  for (int i = 0; i < 10; ++i) send(first, one_of_each()[0]);
  start(2);
  EXPECT_EQ(exchange(first, one_of_each()[0]).to, member_of(2));
  EXPECT_GT(first.transport->dropped(), 0u);
}

TEST_F(RaftTransportTest, a_member_that_restarts_is_reached_again) {
  Node& first = start(1);
  Node& second = start(2);
  exchange(first, one_of_each()[0]);
  const io::Endpoint at = second.server->at();
  end(second);
  second.server.reset();
  start(2, at);
  EXPECT_EQ(exchange(first, one_of_each()[0]).to, member_of(2));
}

TEST_F(RaftTransportTest, the_end_of_a_member_is_told_at_once_without_a_message) {
  Node& first = start(1);
  Node& second = start(2);
  exchange(first, one_of_each()[0]);
  end(second);
  second.server.reset();
  MutexLock lock(mutex_);
  while (!broken_.contains(BrokerId{2})) changed_.wait(mutex_);
}

TEST_F(RaftTransportTest, a_message_in_another_members_name_is_not_delivered) {
  Node& first = start(1);
  start(2);
  raft::Message forged = one_of_each()[0];
  forged.from = member_of(3);
  for (int i = 0; i < 5; ++i) send(first, forged);
  EXPECT_EQ(exchange(first, one_of_each()[0]).from, member_of(1));
}

}  // namespace
}  // namespace millrace::rpc
