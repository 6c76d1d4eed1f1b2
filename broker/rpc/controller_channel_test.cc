#include "broker/rpc/controller_channel.h"

#include <future>

#include <gtest/gtest.h>

#include "broker/io/posix/real_clock.h"
#include "broker/rpc/admin_test_support.h"
#include "broker/rpc/controller.pb.h"
#include "broker/rpc/controller_codec.h"
#include "broker/rpc/rpc_server.h"

namespace millrace::rpc {
namespace {

using control::ControllerAnswer;
using control::ControllerCall;

const Uuid kId = Uuid::from_random(11, 12);

std::vector<ControllerCall> one_of_each_call() {
  metadata::RegisterBroker broker{.id = BrokerId{4},
                                  .incarnation = kId,
                                  .directory_id = Uuid::from_random(1, 1),
                                  .cluster_id = "c",
                                  .listeners = {{.listener = "PLAINTEXT", .host = "h", .port = 65535}},
                                  .rpc = {.host = "r", .port = 9091},
                                  .rack = "a",
                                  .features = {{"f", {.min = 1, .max = 3}}},
                                  .clean_start = true,
                                  .previous_epoch = -1,
                                  .fenced = true};
  metadata::AlterPartition alter{.leader = BrokerId{4}, .epoch = 77, .partitions = {}};
  alter.partitions.push_back({.topic = kId,
                              .partition = PartitionIndex{3},
                              .leader_epoch = LeaderEpoch{5},
                              .partition_epoch = 6,
                              .isr = {{BrokerId{4}, 77}, {BrokerId{5}, -1}}});
  return {broker,
          metadata::BrokerHeartbeat{
              .id = BrokerId{4}, .epoch = 77, .metadata_offset = Offset{-1}, .want_fence = true, .want_shutdown = true},
          alter,
          metadata::AllocateProducerIds{BrokerId{4}},
          control::EnsureOffsetsTopic{},
          control::AutoCreateTopic{"t"},
          control::ForwardedRequest{.frame = Bytes::copy_of("abc"), .client_host = "1.2.3.4", .listener = "PLAINTEXT"},
          metadata::MayStop{BrokerId{4}, "me", std::chrono::seconds(5), true},
          metadata::ReleasePermit{BrokerId{4}, "me"},
          metadata::DrainLeadership{BrokerId{4}},
          metadata::Decommission{BrokerId{4}, 3},
          metadata::CancelDecommission{BrokerId{4}},
          metadata::Rebalance{7},
          control::PlanMoves{BrokerId{4}},
          metadata::UnregisterBroker{BrokerId{4}},
          control::DescribeCluster{}};
}

std::string serialized(const ControllerCall& call) {
  v1::ControllerCall out;
  encode(call, out);
  return out.SerializeAsString();
}

TEST(ControllerCodec, every_call_arrives_as_it_was_made) {
  for (const ControllerCall& call : one_of_each_call()) {
    v1::ControllerCall wire;
    ASSERT_TRUE(wire.ParseFromString(serialized(call)));
    const auto read = decode(wire);
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(read->index(), call.index());
    EXPECT_EQ(serialized(*read), serialized(call)) << call.index();
  }
  v1::ControllerCall wire;
  encode(one_of_each_call()[0], wire);
  const auto broker = std::get<metadata::RegisterBroker>(*decode(wire));
  EXPECT_EQ(broker.listeners.at(0).port, 65535);
  EXPECT_EQ(broker.features.at("f"), (metadata::FeatureRange{1, 3}));
  EXPECT_EQ(broker.previous_epoch, -1);
}

TEST(ControllerCodec, there_is_one_of_each_call) {
  const auto calls = one_of_each_call();
  ASSERT_EQ(calls.size(), std::variant_size_v<ControllerCall>);
  for (size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i].index(), i);
}

TEST(ControllerCodec, what_operators_hear_arrives_as_it_was_given) {
  const std::vector<ControllerAnswer> answers{metadata::MayStopReply{.expires_ms = 5},
                                              control::WasSo{true},
                                              control::WasSo{false},
                                              metadata::DrainLeadershipReply{.moved = 3},
                                              metadata::MovePlan{.moves = {}, .moving = 1, .left = 2, .stuck = 3},
                                              full_report(),
                                              Unit{}};
  for (const ControllerAnswer& answer : answers) {
    v1::ControllerAnswer wire, again;
    encode(answer, wire);
    const auto read = decode(wire);
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(read->index(), answer.index());
    encode(*read, again);
    EXPECT_EQ(again.SerializeAsString(), wire.SerializeAsString()) << answer.index();
  }
  v1::ControllerAnswer wire;
  encode(ControllerAnswer(control::WasSo{true}), wire);
  EXPECT_TRUE(std::get<control::WasSo>(*decode(wire)).was_so);
  wire.mutable_may_stop();
  EXPECT_EQ(decode(wire).error().code, Errc::malformed) << "neither a permit nor a refusal";
}

TEST(ControllerCodec, values_that_do_not_fit_are_refused) {
  v1::ControllerCall wire;
  encode(one_of_each_call()[0], wire);
  wire.mutable_register_broker()->set_rpc_port(65536);
  EXPECT_EQ(decode(wire).error().code, Errc::malformed);
  wire.mutable_register_broker()->set_rpc_port(1);
  wire.mutable_register_broker()->mutable_features(0)->set_level_max(40'000);
  EXPECT_EQ(decode(wire).error().code, Errc::malformed);
  wire.mutable_register_broker()->mutable_features(0)->set_level_max(4);
  wire.mutable_register_broker()->set_incarnation("short");
  EXPECT_EQ(decode(wire).error().code, Errc::malformed);
  EXPECT_EQ(decode(v1::ControllerCall{}).error().code, Errc::malformed);
}

TEST(ControllerCodec, answers_and_errors_arrive_as_they_were_given) {
  metadata::AlterPartitionReply altered;
  altered.partitions.push_back({.topic = kId, .partition = PartitionIndex{1}, .outcome = ok(), .state = {}});
  altered.partitions.push_back(
      {.topic = kId, .partition = PartitionIndex{2}, .outcome = Error{Errc::fenced_leader_epoch, "old"}, .state = {}});
  v1::ControllerAnswer wire;
  encode(ControllerAnswer(altered), wire);
  const auto read = std::get<metadata::AlterPartitionReply>(*decode(wire));
  EXPECT_TRUE(read.partitions.at(0).outcome);
  EXPECT_EQ(read.partitions.at(1).outcome.error().code, Errc::fenced_leader_epoch);
  EXPECT_EQ(read.partitions.at(1).outcome.error().context, "old");

  v1::ControllerAnswer failed;
  encode(Error{Errc::not_controller, "broker 3 leads"}, failed);
  EXPECT_EQ(decode(failed).error().to_string(), "broker 3 leads: not controller");
  failed.mutable_error()->set_code("from_the_future");
  EXPECT_EQ(decode(failed).error().code, Errc::invalid_argument);
}

// A broker that answers with what the test says.
class ControllerChannelTest : public ::testing::Test, public control::ControllerServer {
 protected:
  void serve(BrokerId, ControllerCall call, control::ControllerDone done) override {
    MutexLock lock(mutex_);
    calls_.push_back(std::move(call));
    if (answer_) {
      done(*answer_);
    } else {
      kept_ = std::move(done);
    }
  }
  void SetUp() override {
    service_ = make_controller_service(identity(1), {}, *this);
    auto server = RpcServer::open(
        loops_, {.at = {"127.0.0.1", 0}, .self = identity(1), .unary_loop = loop_.get(), .services = {service_.get()}});
    ASSERT_TRUE(server) << server.error().to_string();
    server_ = std::move(server).value();
    channels_ = std::make_unique<Channels>(
        ChannelsOptions{.self = identity(2), .address_of = [this](BrokerId broker) -> Result<io::Endpoint> {
                          if (broker.value() > 8) return Error{Errc::not_found, "broker 9"};
                          return server_->at();
                        }});
  }
  void TearDown() override {
    if (kept_) kept_(Error{Errc::shutting_down, {}});
    server_->stop(Duration::zero());
  }
  static Identity identity(int node) {
    return {
        .cluster_id = "c", .node = BrokerId{node}, .incarnation = Uuid::from_random(2, static_cast<uint64_t>(node))};
  }
  Result<ControllerAnswer> call(int broker, ControllerCall what,
                                std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    GrpcControllerChannel channel(*channels_);
    std::promise<Result<ControllerAnswer>> answered;
    channel.call(BrokerId{broker}, std::move(what), timeout,
                 [&](Result<ControllerAnswer> answer) { answered.set_value(std::move(answer)); });
    return answered.get_future().get();
  }

  Mutex mutex_;
  std::vector<ControllerCall> calls_ GUARDED_BY(mutex_);
  std::optional<Result<ControllerAnswer>> answer_ GUARDED_BY(mutex_);
  control::ControllerDone kept_;
  io::posix::RealClock clock_;
  RpcLoops loops_;
  std::unique_ptr<QueueEventLoop> loop_ = loops_.start("rpc", clock_).value();
  std::unique_ptr<UnaryService> service_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<Channels> channels_;
};

TEST_F(ControllerChannelTest, a_call_reaches_the_controller_and_its_answer_the_caller) {
  {
    MutexLock lock(mutex_);
    answer_ = ControllerAnswer(metadata::ProducerIdBlock{ProducerId{1000}, 1000});
  }
  const auto answer = call(1, metadata::AllocateProducerIds{BrokerId{2}});
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(std::get<metadata::ProducerIdBlock>(*answer).first.value(), 1000);
  MutexLock lock(mutex_);
  EXPECT_EQ(std::get<metadata::AllocateProducerIds>(calls_.at(0)).broker, BrokerId{2});
}

TEST_F(ControllerChannelTest, the_controllers_error_is_the_callers) {
  {
    MutexLock lock(mutex_);
    answer_ = Result<ControllerAnswer>(Error{Errc::not_controller, "broker 3 leads"});
  }
  const auto answer = call(1, control::EnsureOffsetsTopic{});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::not_controller);
}

TEST_F(ControllerChannelTest, a_call_without_an_answer_times_out) {
  const auto answer = call(1, control::EnsureOffsetsTopic{}, std::chrono::milliseconds(50));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::timed_out);
}

TEST_F(ControllerChannelTest, a_broker_whose_address_is_unknown_is_not_called) {
  EXPECT_EQ(call(9, control::EnsureOffsetsTopic{}).error().code, Errc::not_found);
}

TEST_F(ControllerChannelTest, an_answer_of_another_broker_is_not_believed) {
  {
    MutexLock lock(mutex_);
    answer_ = ControllerAnswer(Unit{});
  }
  EXPECT_EQ(call(7, control::AutoCreateTopic{"t"}).error().code, Errc::cluster_mismatch);
}

TEST_F(ControllerChannelTest, a_stopped_broker_is_an_error_at_once) {
  server_->stop(Duration::zero());
  channels_ = std::make_unique<Channels>(
      ChannelsOptions{.self = identity(2), .address_of = [](BrokerId) -> Result<io::Endpoint> {
                        return io::Endpoint{"127.0.0.1", 1};
                      }});
  const auto answer = call(1, control::EnsureOffsetsTopic{});
  EXPECT_EQ(answer.error().code, Errc::connection_refused);
}

}  // namespace
}  // namespace millrace::rpc
