#include "broker/rpc/admin_codec.h"

#include <gtest/gtest.h>

#include "broker/rpc/admin_test_support.h"
#include "broker/rpc/wire/admin.pb.h"

namespace millrace::rpc {
namespace {

using control::ControllerCall;
using metadata::PartitionName;
using std::chrono::milliseconds;

const PartitionName kPartition{"topic", PartitionIndex{INT32_MAX}};

// As another process reads it.
template <class Message, class Value>
Message sent(const Value& value) {
  Message out, in;
  encode(value, out);
  EXPECT_TRUE(in.ParseFromString(out.SerializeAsString()));
  return in;
}

// The request again, after it was read once.
template <class Message, class Command>
Command read_back(const Command& command) {
  const Result<ControllerCall> read = decode(sent<Message>(command));
  EXPECT_TRUE(read) << read.error().to_string();
  return std::get<Command>(*read);
}

TEST(AdminCodec, a_question_whether_a_broker_may_stop_arrives_as_it_was_asked) {
  for (const bool accepts : {false, true}) {
    for (const auto ttl : {milliseconds{0}, milliseconds{INT64_MIN}, milliseconds{INT64_MAX}}) {
      const auto read = read_back<v1::MayStopRequest>(
          metadata::MayStop{BrokerId{INT32_MIN}, std::string(kHolderBytesMax, 'h'), ttl, accepts});
      EXPECT_EQ(read.node, BrokerId{INT32_MIN});
      EXPECT_EQ(read.holder, std::string(kHolderBytesMax, 'h'));
      EXPECT_EQ(read.ttl, ttl);
      EXPECT_EQ(read.accept_single_replicas, accepts);
    }
  }
}

TEST(AdminCodec, a_holder_is_short_because_it_is_kept) {
  const std::string holder(kHolderBytesMax + 1, 'h');
  EXPECT_EQ(decode(sent<v1::MayStopRequest>(metadata::MayStop{BrokerId{1}, holder})).error().code,
            Errc::invalid_argument);
  EXPECT_EQ(decode(sent<v1::ReleasePermitRequest>(metadata::ReleasePermit{BrokerId{1}, holder})).error().code,
            Errc::invalid_argument);
}

TEST(AdminCodec, the_other_commands_arrive_as_they_were_given) {
  for (const BrokerId node : {BrokerId{0}, BrokerId{INT32_MAX}, kNoBroker}) {
    EXPECT_EQ(read_back<v1::ReleasePermitRequest>(metadata::ReleasePermit{node, "me"}).node, node);
    EXPECT_EQ(read_back<v1::ReleasePermitRequest>(metadata::ReleasePermit{node, "me"}).holder, "me");
    EXPECT_EQ(read_back<v1::DrainLeadershipRequest>(metadata::DrainLeadership{node}).node, node);
    EXPECT_EQ(read_back<v1::DecommissionRequest>(metadata::Decommission{node, 7}).node, node);
    EXPECT_EQ(read_back<v1::DecommissionRequest>(metadata::Decommission{node, -7}).moves_max, -7);
    EXPECT_EQ(read_back<v1::CancelDecommissionRequest>(metadata::CancelDecommission{node}).node, node);
    EXPECT_EQ(read_back<v1::UnregisterRequest>(metadata::UnregisterBroker{node}).id, node);
    EXPECT_EQ(read_back<v1::PlanMovesRequest>(control::PlanMoves{node}).decommission, node);
  }
  EXPECT_EQ(read_back<v1::PlanMovesRequest>(control::PlanMoves{}).decommission, std::nullopt);
  EXPECT_EQ(read_back<v1::RebalanceRequest>(metadata::Rebalance{INT32_MAX}).moves_max, INT32_MAX);
}

TEST(AdminCodec, who_does_not_say_how_many_move_at_a_time_takes_what_is_usual) {
  EXPECT_EQ(read_back<v1::DecommissionRequest>(metadata::Decommission{BrokerId{1}, 0}).moves_max,
            metadata::kDecommissionMovesDefault);
  EXPECT_EQ(read_back<v1::RebalanceRequest>(metadata::Rebalance{0}).moves_max, metadata::kRebalanceMovesDefault);
}

TEST(AdminCodec, a_plan_of_nothing_is_malformed) {
  EXPECT_EQ(decode(v1::PlanMovesRequest{}).error().code, Errc::malformed);
}

TEST(AdminCodec, a_permit_and_each_refusal_arrive_as_they_were_given) {
  const auto granted = decode(sent<v1::MayStopReply>(metadata::MayStopReply{.expires_ms = INT64_MAX}));
  ASSERT_TRUE(granted);
  EXPECT_TRUE(granted->refusals.empty());
  EXPECT_EQ(granted->expires_ms, INT64_MAX);

  metadata::MayStopReply refused{.refusals = {}, .refusals_total = 400};
  using metadata::StopRule;
  const std::vector rules{StopRule::other_permit, StopRule::min_insync, StopRule::no_other_leader,
                          StopRule::quorum_majority};
  for (const StopRule rule : rules) {
    const bool names = rule == StopRule::min_insync;
    refused.refusals.push_back({rule, names ? std::optional(kPartition) : std::nullopt, names ? 5 : kNoTimestamp,
                                "words " + std::to_string(static_cast<int>(rule))});
  }
  const v1::MayStopReply wire = sent<v1::MayStopReply>(refused);
  EXPECT_FALSE(wire.granted());
  const auto read = decode(wire);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->refusals_total, 400);
  EXPECT_EQ(read->expires_ms, kNoTimestamp);
  ASSERT_EQ(read->refusals.size(), rules.size());
  for (size_t i = 0; i < rules.size(); ++i) {
    EXPECT_EQ(read->refusals[i].rule, refused.refusals[i].rule);
    EXPECT_EQ(read->refusals[i].partition, refused.refusals[i].partition);
    EXPECT_EQ(read->refusals[i].since_ms, refused.refusals[i].since_ms);
    EXPECT_EQ(read->refusals[i].words, refused.refusals[i].words);
  }
}

TEST(AdminCodec, an_answer_that_cannot_be_understood_is_never_taken_for_a_permit) {
  v1::MayStopReply wire;
  EXPECT_EQ(decode(wire).error().code, Errc::malformed) << "neither grants nor refuses";
  wire.add_refusals();
  EXPECT_EQ(decode(wire).error().code, Errc::malformed) << "a rule that is not known";
  wire.mutable_refusals(0)->set_rule(v1::StopRefusal::MIN_INSYNC);
  EXPECT_TRUE(decode(wire));
  wire.set_granted(true);
  EXPECT_EQ(decode(wire).error().code, Errc::malformed) << "both grants and refuses";
}

TEST(AdminCodec, what_a_drain_came_to_arrives_as_it_was_told) {
  const metadata::DrainLeadershipReply full{INT32_MAX, 11, {kPartition, {"u", PartitionIndex{0}}}, true};
  const auto read = decode(sent<v1::DrainLeadershipReply>(full));
  EXPECT_EQ(read.moved, full.moved);
  EXPECT_EQ(read.left, full.left);
  EXPECT_EQ(read.first_left, full.first_left);
  EXPECT_TRUE(read.more);
  EXPECT_FALSE(decode(sent<v1::DrainLeadershipReply>(metadata::DrainLeadershipReply{})).more);
}

TEST(AdminCodec, moves_arrive_as_they_were_planned) {
  metadata::MovePlan plan{.moves = {}, .moving = 3, .left = INT32_MAX, .stuck = 1};
  for (int i = 0; i < 1000; ++i) {
    plan.moves.push_back(
        {{std::string(249, 't'), PartitionIndex{i}}, {BrokerId{0}, BrokerId{INT32_MAX}}, {BrokerId{2}}});
  }
  const v1::MovesReply wire = sent<v1::MovesReply>(plan);
  EXPECT_EQ(wire.moves_total(), 1000);
  const auto read = decode(wire);
  EXPECT_EQ(read.moves, plan.moves);
  EXPECT_EQ(read.moving, plan.moving);
  EXPECT_EQ(read.left, plan.left);
  EXPECT_EQ(read.stuck, plan.stuck);
}

TEST(AdminCodec, a_report_arrives_as_it_was_made) {
  const metadata::ClusterReport report = full_report();
  const v1::ClusterReport wire = sent<v1::ClusterReport>(report);
  const auto read = decode(wire);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(sent<v1::ClusterReport>(*read).SerializeAsString(), wire.SerializeAsString());
  EXPECT_EQ(read->applied, report.applied);
  EXPECT_EQ(read->leaderless, report.leaderless);
  ASSERT_EQ(read->brokers.size(), 3u);
  const metadata::BrokerReport& full = read->brokers[2];
  EXPECT_EQ(full.id, BrokerId{INT32_MAX});
  EXPECT_EQ(full.epoch, INT64_MAX);
  EXPECT_EQ(full.directory_id, report.brokers[2].directory_id);
  EXPECT_FALSE(full.fenced);
  EXPECT_TRUE(full.shutting_down);
  EXPECT_EQ(full.heard_ago, milliseconds{0}) << "just now is not never";
  EXPECT_EQ(full.rack, "räck");
  EXPECT_EQ(full.listeners, report.brokers[2].listeners);
  EXPECT_EQ(full.rpc, report.brokers[2].rpc);
  EXPECT_EQ(full.counts.in_sync, 99'999);
  EXPECT_EQ(full.permit, report.brokers[2].permit);
  ASSERT_TRUE(full.decommission);
  EXPECT_EQ(full.decommission->first_stuck, (PartitionName{"t", PartitionIndex{0}}));
  EXPECT_EQ(full.decommission->remaining, milliseconds{std::chrono::hours{900}});
  EXPECT_EQ(full.decommission->partitions_left, 7);

  const metadata::BrokerReport& bare = read->brokers[0];
  EXPECT_EQ(bare.epoch, -1);
  EXPECT_EQ(bare.state_since_ms, kNoTimestamp);
  EXPECT_EQ(bare.heard_ago, std::nullopt);
  EXPECT_TRUE(bare.directory_id.is_zero());
  EXPECT_FALSE(bare.permit);
  EXPECT_FALSE(bare.decommission);
  EXPECT_EQ(read->brokers[1].decommission->remaining, std::nullopt);
  EXPECT_FALSE(read->brokers[1].decommission->first_stuck);
  EXPECT_TRUE(read->voters.at(0).live);
  EXPECT_FALSE(read->voters.at(1).live);

  const auto nothing = decode(sent<v1::ClusterReport>(metadata::ClusterReport{}));
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->controller, kNoBroker);
  EXPECT_EQ(nothing->applied, Offset{-1});
}

TEST(AdminCodec, a_report_with_what_is_no_port_or_no_directory_is_malformed) {
  v1::ClusterReport wire = sent<v1::ClusterReport>(full_report());
  wire.mutable_brokers(2)->mutable_rpc()->set_port(65536);
  EXPECT_EQ(decode(wire).error().code, Errc::malformed);
  wire.mutable_brokers(2)->mutable_rpc()->set_port(1);
  wire.mutable_brokers(2)->mutable_listeners(0)->mutable_at()->set_port(UINT32_MAX);
  EXPECT_EQ(decode(wire).error().code, Errc::malformed);
  wire.mutable_brokers(2)->mutable_listeners(0)->mutable_at()->set_port(0);
  EXPECT_TRUE(decode(wire));
  wire.mutable_brokers(2)->set_directory_id("no id");
  EXPECT_FALSE(decode(wire));
}

TEST(AdminCodec, what_a_broker_knows_itself_is_told_whole) {
  const Uuid directory = Uuid::from_random(1, 2);
  const BrokerSelf self{.id = BrokerId{7},
                        .cluster_id = "c",
                        .version = "1.2.3",
                        .waits_for = "waits",
                        .fenced = false,
                        .isolated = true,
                        .isolated_since_ms = 99,
                        .quorum = {.role = QuorumSelf::Role::candidate,
                                   .leader = kNoBroker,
                                   .term = INT64_MAX,
                                   .committed = 5,
                                   .last = 6,
                                   .voters = {{BrokerId{1}, directory, {"h", 1}}, {BrokerId{2}, Uuid{}, {}}}},
                        .log_bytes = UINT64_MAX,
                        .now_ms = 123};
  const auto wire = sent<v1::BrokerSelf>(self);
  EXPECT_EQ(wire.id(), 7);
  EXPECT_EQ(wire.version(), "1.2.3");
  EXPECT_EQ(wire.waits_for(), "waits");
  EXPECT_FALSE(wire.fenced());
  EXPECT_TRUE(wire.isolated());
  EXPECT_EQ(wire.isolated_since_ms(), 99);
  EXPECT_EQ(wire.quorum().role(), v1::QuorumSelf::CANDIDATE);
  EXPECT_EQ(wire.quorum().leader(), -1);
  EXPECT_EQ(wire.quorum().term(), INT64_MAX);
  EXPECT_EQ(wire.quorum().voters(0).directory_id(), directory.to_string());
  EXPECT_EQ(wire.quorum().voters(0).rpc().host(), "h");
  EXPECT_FALSE(wire.quorum().voters(1).has_rpc());
  EXPECT_EQ(wire.quorum().voters(1).directory_id(), "");
  EXPECT_EQ(wire.log_bytes(), UINT64_MAX);
  EXPECT_EQ(wire.now_ms(), 123);
}

}  // namespace
}  // namespace millrace::rpc
