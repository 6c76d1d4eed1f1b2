#include "broker/rpc/admin_service.h"

#include <future>
#include <thread>

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include "broker/base/logger.h"
#include "broker/rpc/admin_test_support.h"
#include "broker/rpc/wire/admin.grpc.pb.h"
#include "broker/rpc/wire/call_error.h"
#include "broker/rpc/wire/grpc_runtime.h"

namespace millrace::rpc {
namespace {

using control::ControllerAnswer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Stub = v1::ClusterAdmin::Stub;

const Identity kOperator{.cluster_id = "c"};

struct Outcome {
  grpc::Status status;
  std::string error;  // "": the status is gRPC's own
  CallMetadata server;
};

std::string text_of(const grpc::string_ref& text) { return {text.data(), text.size()}; }

class AdminServiceTest : public ::testing::Test {
 protected:
  template <class Request, class Reply>
  Outcome call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*), const Request& request,
               Reply& reply, const CallMetadata& metadata, milliseconds timeout = seconds(300)) {
    grpc::ClientContext context;
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout.count(), GPR_TIMESPAN)));
    Outcome outcome{.status = (stub_.get()->*method)(&context, request, &reply), .error = {}, .server = {}};
    for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
      if (text_of(name) == kErrorMetadata) outcome.error = text_of(value);
    }
    for (const auto& [name, value] : context.GetServerInitialMetadata())
      outcome.server.emplace(text_of(name), text_of(value));
    return outcome;
  }
  template <class Request, class Reply>
  Outcome call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*), const Request& request,
               Reply& reply, const Identity& caller = kOperator, milliseconds timeout = seconds(300)) {
    return call(method, request, reply, to_metadata(caller), timeout);
  }
  Outcome drain(const Identity& caller = kOperator, milliseconds timeout = seconds(300)) {
    v1::DrainLeadershipReply reply;
    return call(&Stub::DrainLeadership, v1::DrainLeadershipRequest{}, reply, caller, timeout);
  }

  PlayedBroker broker_;
  std::unique_ptr<Stub> stub_ =
      v1::ClusterAdmin::NewStub(grpc::CreateChannel(broker_.at().to_string(), grpc::InsecureChannelCredentials()));
};

TEST_F(AdminServiceTest, a_broker_tells_what_it_knows_itself_and_asks_nobody) {
  broker_.know({.id = BrokerId{1}, .cluster_id = "c", .version = "1.2", .waits_for = "a controller"});
  v1::BrokerSelf self;
  const Outcome outcome = call(&Stub::DescribeBroker, v1::DescribeBrokerRequest{}, self);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.error_message();
  EXPECT_EQ(self.id(), 1);
  EXPECT_EQ(self.waits_for(), "a controller");
  EXPECT_TRUE(broker_.calls().empty());
  EXPECT_EQ(from_metadata(outcome.server)->node, BrokerId{1}) << "who answers says who it is";
}

TEST_F(AdminServiceTest, only_the_question_for_the_cluster_may_be_asked_without_knowing_it) {
  v1::BrokerSelf self;
  EXPECT_TRUE(call(&Stub::DescribeBroker, v1::DescribeBrokerRequest{}, self, Identity{}).status.ok());
  EXPECT_EQ(self.cluster_id(), "c");
  EXPECT_EQ(drain(Identity{}).error, "cluster_mismatch");
  v1::ClusterReport report;
  EXPECT_EQ(call(&Stub::DescribeCluster, v1::DescribeClusterRequest{}, report, Identity{}).error, "cluster_mismatch");
  EXPECT_TRUE(broker_.calls().empty());
}

TEST_F(AdminServiceTest, callers_of_another_cluster_or_version_or_of_no_product_of_ours_are_refused_by_name) {
  v1::BrokerSelf self;
  const v1::DescribeBrokerRequest request;
  const Outcome foreign = call(&Stub::DescribeBroker, request, self, Identity{.cluster_id = "d"});
  EXPECT_EQ(foreign.error, "cluster_mismatch");
  EXPECT_EQ(foreign.status.error_message(),
            "the operator belongs to cluster d, broker 1 to cluster c: belongs to another cluster or node");
  EXPECT_EQ(drain({.version = kProtocolVersion + 1, .cluster_id = "c"}).error, "unsupported_version");
  EXPECT_EQ(call(&Stub::DescribeBroker, request, self, CallMetadata{}).error, "malformed");
}

TEST_F(AdminServiceTest, another_broker_may_ask_what_operators_may) {
  broker_.answer(ControllerAnswer(metadata::DrainLeadershipReply{}));
  const Identity other{.cluster_id = "c", .node = BrokerId{2}, .incarnation = Uuid::from_random(2, 2)};
  EXPECT_TRUE(drain(other).status.ok());
}

TEST_F(AdminServiceTest, a_question_whether_a_broker_may_stop_goes_to_the_controller_and_its_answer_to_the_caller) {
  broker_.answer(ControllerAnswer(metadata::MayStopReply{.expires_ms = 77}));
  v1::MayStopRequest request;
  request.set_node(2);
  request.set_holder("me");
  request.set_ttl_ms(5000);
  v1::MayStopReply reply;
  ASSERT_TRUE(call(&Stub::MayStop, request, reply).status.ok());
  EXPECT_TRUE(reply.granted());
  EXPECT_EQ(reply.expires_ms(), 77);
  const auto asked = std::get<metadata::MayStop>(broker_.calls().at(0));
  EXPECT_EQ(asked.node, BrokerId{2});
  EXPECT_EQ(asked.holder, "me");
  EXPECT_EQ(asked.ttl, seconds(5));
}

TEST_F(AdminServiceTest, every_other_call_goes_to_the_controller_as_the_command_it_names) {
  broker_.answer(ControllerAnswer(control::WasSo{true}));
  v1::ReleasePermitRequest release;
  release.set_node(3);
  v1::ReleasePermitReply released;
  EXPECT_TRUE(call(&Stub::ReleasePermit, release, released).status.ok());
  EXPECT_TRUE(released.was_held());
  v1::CancelDecommissionRequest cancel;
  cancel.set_node(4);
  v1::CancelDecommissionReply cancelled;
  EXPECT_TRUE(call(&Stub::CancelDecommission, cancel, cancelled).status.ok());
  EXPECT_TRUE(cancelled.was_decommissioned());

  broker_.answer(ControllerAnswer(metadata::DrainLeadershipReply{.moved = 5}));
  v1::DrainLeadershipRequest drained;
  drained.set_node(5);
  v1::DrainLeadershipReply drain;
  EXPECT_TRUE(call(&Stub::DrainLeadership, drained, drain).status.ok());
  EXPECT_EQ(drain.moved(), 5);

  broker_.answer(ControllerAnswer(Unit{}));
  v1::DecommissionRequest decommission;
  decommission.set_node(6);
  decommission.set_moves_max(8);
  v1::DecommissionReply begun;
  EXPECT_TRUE(call(&Stub::Decommission, decommission, begun).status.ok());
  v1::UnregisterRequest unregister;
  unregister.set_node(7);
  v1::UnregisterReply gone;
  EXPECT_TRUE(call(&Stub::Unregister, unregister, gone).status.ok());

  broker_.answer(ControllerAnswer(metadata::MovePlan{.moves = {}, .moving = 1, .left = 9, .stuck = 2}));
  v1::RebalanceRequest rebalance;
  rebalance.set_moves_max(10);
  v1::MovesReply moves;
  EXPECT_TRUE(call(&Stub::Rebalance, rebalance, moves).status.ok());
  EXPECT_EQ(moves.left(), 9);

  const auto calls = broker_.calls();
  ASSERT_EQ(calls.size(), 6u);
  EXPECT_EQ(std::get<metadata::ReleasePermit>(calls[0]).node, BrokerId{3});
  EXPECT_EQ(std::get<metadata::CancelDecommission>(calls[1]).node, BrokerId{4});
  EXPECT_EQ(std::get<metadata::DrainLeadership>(calls[2]).node, BrokerId{5});
  EXPECT_EQ(std::get<metadata::Decommission>(calls[3]).node, BrokerId{6});
  EXPECT_EQ(std::get<metadata::Decommission>(calls[3]).moves_max, 8);
  EXPECT_EQ(std::get<metadata::UnregisterBroker>(calls[4]).id, BrokerId{7});
  EXPECT_EQ(std::get<metadata::Rebalance>(calls[5]).moves_max, 10);
}

TEST_F(AdminServiceTest, what_moves_things_leaves_a_line_that_says_who_asked_and_what_became_of_it) {
  std::vector<std::string> lines;
  Logger::redirect([&lines](std::string_view line) { lines.emplace_back(line); });
  v1::DecommissionRequest request;
  request.set_node(6);
  v1::DecommissionReply reply;
  broker_.answer(ControllerAnswer(Unit{}));
  call(&Stub::Decommission, request, reply);
  broker_.answer(Result<ControllerAnswer>(Error{Errc::broker_not_registered, "broker 6"}));
  call(&Stub::Decommission, request, reply);
  Logger::redirect({});
  ASSERT_EQ(lines.size(), 2u);
  for (const char* part :
       {"asked by an operator", "what=\"decommission\"", "broker=6", "127.0.0.1", "outcome=\"done\""}) {
    EXPECT_NE(lines[0].find(part), std::string::npos) << lines[0];
  }
  EXPECT_NE(lines[1].find("broker is not registered"), std::string::npos) << lines[1];
}

TEST_F(AdminServiceTest, that_there_was_nothing_to_end_is_an_answer) {
  broker_.answer(ControllerAnswer(control::WasSo{false}));
  v1::ReleasePermitReply released;
  EXPECT_TRUE(call(&Stub::ReleasePermit, v1::ReleasePermitRequest{}, released).status.ok());
  EXPECT_FALSE(released.was_held());
  v1::CancelDecommissionReply cancelled;
  EXPECT_TRUE(call(&Stub::CancelDecommission, v1::CancelDecommissionRequest{}, cancelled).status.ok());
  EXPECT_FALSE(cancelled.was_decommissioned());
}

TEST_F(AdminServiceTest, a_plan_counts_all_moves_though_it_lists_the_first) {
  metadata::MovePlan plan{.moves = {}, .moving = 1, .left = 40, .stuck = 2};
  plan.moves.push_back({{"t", PartitionIndex{0}}, {BrokerId{1}}, {BrokerId{2}}});
  broker_.answer(ControllerAnswer(plan));
  v1::PlanMovesRequest request;
  request.set_decommission(1);
  v1::MovesReply reply;
  ASSERT_TRUE(call(&Stub::PlanMoves, request, reply).status.ok());
  EXPECT_EQ(reply.moves_total(), 41);
  EXPECT_EQ(reply.left(), 0);
  EXPECT_EQ(reply.moving(), 1);
  EXPECT_EQ(reply.stuck(), 2);
  EXPECT_EQ(std::get<control::PlanMoves>(broker_.calls().at(0)).decommission, BrokerId{1});
}

TEST_F(AdminServiceTest, the_controllers_refusal_arrives_by_name_and_in_a_sentence) {
  broker_.answer(Result<ControllerAnswer>(Error{Errc::broker_not_registered, "broker 9"}));
  const Outcome refused = drain();
  EXPECT_EQ(refused.error, "broker_not_registered");
  EXPECT_EQ(refused.status.error_message(), "broker 9: broker is not registered");
  EXPECT_EQ(from_metadata(refused.server)->node, BrokerId{1}) << "who refuses says who it is, too";
}

TEST_F(AdminServiceTest, an_answer_to_another_call_is_no_answer) {
  broker_.answer(ControllerAnswer(Unit{}));
  EXPECT_EQ(drain().error, "malformed");
}

TEST_F(AdminServiceTest, the_cluster_is_described_in_the_controllers_words_when_there_is_one) {
  broker_.answer(ControllerAnswer(full_report()));
  v1::ClusterReport report;
  ASSERT_TRUE(call(&Stub::DescribeCluster, v1::DescribeClusterRequest{}, report).status.ok());
  EXPECT_EQ(report.no_controller(), "");
  EXPECT_EQ(report.brokers_size(), 3);
  EXPECT_EQ(report.voters_size(), 2);
}

TEST_F(AdminServiceTest, without_a_controller_the_cluster_is_described_as_the_broker_saw_it_last_and_says_why) {
  broker_.have_seen({.cluster_id = "c", .applied = Offset{12}, .brokers = {{.id = BrokerId{1}}, {.id = BrokerId{2}}}});
  broker_.answer(Result<ControllerAnswer>(Error{Errc::timed_out, "controller: no broker leads the metadata quorum"}));
  v1::ClusterReport report;
  ASSERT_TRUE(call(&Stub::DescribeCluster, v1::DescribeClusterRequest{}, report).status.ok());
  EXPECT_EQ(report.no_controller(), "controller: no broker leads the metadata quorum: timed out");
  EXPECT_EQ(report.metadata_offset(), 12);
  EXPECT_EQ(report.brokers_size(), 2);
  EXPECT_EQ(report.controller(), -1);
  EXPECT_EQ(report.brokers(0).heard_ago_ms(), -1);
}

TEST_F(AdminServiceTest, the_controller_is_waited_for_as_long_as_the_caller_still_hears_what_went_wrong) {
  broker_.answer(ControllerAnswer(metadata::DrainLeadershipReply{}));
  drain(kOperator, seconds(10));
  drain(kOperator, std::chrono::hours(1));
  broker_.answer(ControllerAnswer(metadata::ClusterReport{}));
  v1::ClusterReport report;
  call(&Stub::DescribeCluster, v1::DescribeClusterRequest{}, report, kOperator, seconds(10));
  call(&Stub::DescribeCluster, v1::DescribeClusterRequest{}, report, kOperator, seconds(2));
  const auto timeouts = broker_.timeouts();
  ASSERT_EQ(timeouts.size(), 4u);
  EXPECT_LT(timeouts[0], seconds(10));
  EXPECT_GT(timeouts[0], seconds(5));
  EXPECT_EQ(timeouts[1], kAdminWaitMax);
  EXPECT_EQ(timeouts[2], kDescribeWaitMax);
  EXPECT_LT(timeouts[3], milliseconds(1100)) << "half of it, as far as gRPC carries deadlines exactly";
}

TEST_F(AdminServiceTest, a_request_that_is_larger_than_any_needs_to_be_is_refused) {
  v1::MayStopRequest request;
  request.set_holder(std::string(kAdminRequestBytesMax, 'h'));
  v1::MayStopReply reply;
  EXPECT_EQ(call(&Stub::MayStop, request, reply).error, "message_too_large");
  request.set_holder(std::string(kAdminRequestBytesMax / 2, 'h'));
  EXPECT_EQ(call(&Stub::MayStop, request, reply).error, "invalid_argument");
  EXPECT_TRUE(broker_.calls().empty());
}

TEST_F(AdminServiceTest, of_calls_that_wait_there_are_so_many_and_the_broker_still_tells_of_itself) {
  std::vector<std::thread> callers;
  std::atomic<int> served{0};
  for (int i = 0; i < kAdminCallsMax; ++i) {
    callers.emplace_back([&] { served += drain().status.ok(); });
  }
  broker_.wait_for_waiting(kAdminCallsMax);
  EXPECT_EQ(drain().error, "overloaded");
  v1::BrokerSelf self;
  EXPECT_TRUE(call(&Stub::DescribeBroker, v1::DescribeBrokerRequest{}, self).status.ok());
  broker_.answer(ControllerAnswer(metadata::DrainLeadershipReply{}));
  for (auto& done : broker_.take_waiting()) done(ControllerAnswer(metadata::DrainLeadershipReply{}));
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(served, kAdminCallsMax);
  EXPECT_TRUE(drain().status.ok()) << "there is room again";
}

TEST_F(AdminServiceTest, a_caller_that_gives_up_ends_its_call_and_a_late_answer_harms_nobody) {
  grpc::ClientContext context;
  for (const auto& [name, value] : to_metadata(kOperator)) context.AddMetadata(name, value);
  v1::DrainLeadershipReply reply;
  auto status = std::async(std::launch::async, [&] { return stub_->DrainLeadership(&context, {}, &reply); });
  broker_.wait_for_waiting(1);
  context.TryCancel();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::CANCELLED);
  for (auto& done : broker_.take_waiting()) done(ControllerAnswer(metadata::DrainLeadershipReply{}));
  broker_.answer(ControllerAnswer(metadata::DrainLeadershipReply{}));
  EXPECT_TRUE(drain().status.ok());
}

TEST_F(AdminServiceTest, a_call_to_which_no_answer_can_come_any_more_ends) {
  auto outcome = std::async(std::launch::async, [this] { return drain(); });
  broker_.wait_for_waiting(1);
  broker_.take_waiting();  // which drops it
  EXPECT_EQ(outcome.get().error, "shutting_down");
}

TEST_F(AdminServiceTest, a_broker_that_stops_ends_the_calls_under_way_at_once) {
  std::vector<std::future<Outcome>> outcomes;
  for (int i = 0; i < 5; ++i) outcomes.push_back(std::async(std::launch::async, [this] { return drain(); }));
  broker_.wait_for_waiting(5);
  broker_.stop();
  for (auto& outcome : outcomes) EXPECT_FALSE(outcome.get().status.ok());
  for (auto& done : broker_.take_waiting()) done(ControllerAnswer(metadata::DrainLeadershipReply{}));
}

}  // namespace
}  // namespace millrace::rpc
