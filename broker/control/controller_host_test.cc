#include "broker/control/controller_host.h"

#include <gtest/gtest.h>

#include "broker/control/control_test_support.h"
#include "broker/control/controller_proxy.h"
#include "broker/control/quorum_test_support.h"
#include "broker/metadata/metadata_config.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

// One broker, whose controller runs over a quorum that commits when the test says so.
class ControllerHostTest : public ::testing::Test, public ControlFixture {
 protected:
  void lead() {
    host.lead(quorum.machine.image(), tenure);
    settle();
  }
  // Everything that is proposed is committed, and time enough passes for it to be answered.
  void settle() {
    for (int i = 0; i < 5; ++i) {
      quorum.commit_all();
      run_for(milliseconds(1));
    }
  }
  std::optional<Result<ControllerAnswer>> ask(ControllerCall call) {
    auto answer = std::make_shared<std::optional<Result<ControllerAnswer>>>();
    host.serve(BrokerId{2}, std::move(call), [answer](Result<ControllerAnswer> got) { *answer = std::move(got); });
    settle();
    return *answer;
  }
  static metadata::RegisterBroker broker(int id) {
    return {.id = BrokerId{id},
            .incarnation = Uuid::from_random(7, static_cast<uint64_t>(id)),
            .directory_id = Uuid::from_random(8, static_cast<uint64_t>(id)),
            .cluster_id = "c",
            .listeners = {{.listener = "PLAINTEXT", .host = "h", .port = 1}},
            .fenced = true};
  }
  void serve_brokers(std::initializer_list<int> ids) {
    for (const int id : ids) {
      const auto registered = ask(broker(id));
      ASSERT_TRUE(registered && *registered) << (*registered).error().to_string();
      const int64_t epoch = std::get<metadata::RegisterBrokerReply>(**registered).epoch;
      ASSERT_TRUE(*ask(metadata::BrokerHeartbeat{
          .id = BrokerId{id}, .epoch = epoch, .metadata_offset = quorum.machine.next().previous()}));
    }
  }

  raft::Tenure tenure{.term = raft::Term{4}, .attempt = 0};
  std::vector<raft::Tenure> failed;
  uint64_t uuids = 0;
  ConfigValues values;
  MemoryQuorum quorum;
  ControllerHost host{{.clock = &clock,
                       .loop = loop.get(),
                       .quorum = &quorum,
                       .config = {.keys = metadata::metadata_config(), .static_values = &values, .self = BrokerId{1}},
                       .new_uuid = [this] { return Uuid::from_random(9, ++uuids); },
                       .cluster_id = "c",
                       .on_failed = [this](raft::Tenure of) { failed.push_back(of); }}};
};

TEST_F(ControllerHostTest, a_follower_says_who_is_the_controller) {
  quorum.leads = BrokerId{3};
  const auto answer = ask(EnsureOffsetsTopic{});
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().code, Errc::not_controller);
  EXPECT_EQ(answer->error().context, "broker 3 is");
  EXPECT_FALSE(host.is_active());
}

TEST_F(ControllerHostTest, the_first_leader_writes_the_clusters_id) {
  lead();
  EXPECT_EQ(quorum.images.load()->cluster_id, "c");
}

TEST_F(ControllerHostTest, a_command_is_answered_once_its_records_are_committed_and_visible) {
  lead();
  std::optional<Offset> seen;
  host.serve(BrokerId{2}, broker(2), [&](const Result<ControllerAnswer>& answer) {
    ASSERT_TRUE(answer);
    EXPECT_NE(quorum.images.load()->find_broker(BrokerId{2}), nullptr);
    seen = quorum.images.load()->applied;
  });
  EXPECT_FALSE(seen);
  settle();
  ASSERT_TRUE(seen);
  EXPECT_EQ(quorum.images.load()->find_broker(BrokerId{2})->epoch, seen->value()) << "the record's number is the epoch";
}

TEST_F(ControllerHostTest, the_next_controller_goes_on_where_the_log_is) {
  lead();
  serve_brokers({2});
  host.follow();
  lead();
  const auto again = ask(broker(2));
  ASSERT_TRUE(again && *again);
  EXPECT_EQ(std::get<metadata::RegisterBrokerReply>(**again).epoch,
            quorum.images.load()->find_broker(BrokerId{2})->epoch);
  ASSERT_TRUE(*ask(broker(3)));
  EXPECT_EQ(quorum.images.load()->find_broker(BrokerId{3})->epoch, quorum.images.load()->applied.value());
}

TEST_F(ControllerHostTest, a_command_whose_leadership_was_lost_has_an_unknown_outcome) {
  lead();
  std::optional<Errc> outcome;
  host.serve(BrokerId{2}, broker(2), [&](const Result<ControllerAnswer>& answer) { outcome = answer.error().code; });
  quorum.lose();
  host.follow();
  run_for(milliseconds(1));
  EXPECT_EQ(outcome, Errc::outcome_unknown);
  EXPECT_EQ(ask(broker(2))->error().code, Errc::not_controller);
}

TEST_F(ControllerHostTest, a_controller_that_the_quorum_refused_goes_on_with_the_next_attempt) {
  lead();
  std::optional<bool> first;
  host.serve(BrokerId{2}, broker(2), [&](const Result<ControllerAnswer>& answer) { first = answer.has_value(); });
  quorum.refuses = true;
  std::optional<Errc> second;
  host.serve(BrokerId{2}, broker(3), [&](const Result<ControllerAnswer>& answer) { second = answer.error().code; });
  host.serve(BrokerId{2}, broker(4), [](const Result<ControllerAnswer>& answer) { EXPECT_FALSE(answer); });
  quorum.commit_all();
  EXPECT_EQ(first, true);
  ASSERT_EQ(quorum.later.size(), 2u);
  quorum.answer_refused();
  EXPECT_EQ(second, Errc::overloaded);
  EXPECT_TRUE(failed.empty()) << "not all that was proposed has an outcome";
  quorum.answer_refused();
  quorum.refuses = false;
  ASSERT_EQ(failed, std::vector{tenure});
  ++tenure.attempt;
  lead();
  ASSERT_TRUE(*ask(broker(3)));
  EXPECT_EQ(quorum.tenures.back(), tenure);
  EXPECT_EQ(quorum.images.load()->find_broker(BrokerId{3})->epoch, quorum.images.load()->applied.value());
}

TEST_F(ControllerHostTest, a_broker_that_falls_silent_is_fenced_by_the_controllers_clock) {
  lead();
  serve_brokers({2});
  ASSERT_FALSE(quorum.images.load()->find_broker(BrokerId{2})->fenced);
  const TimePoint began = clock.now();
  while (!quorum.images.load()->find_broker(BrokerId{2})->fenced && clock.now() - began < std::chrono::seconds(10)) {
    run_for(milliseconds(10));
    quorum.commit_all();
  }
  EXPECT_TRUE(quorum.images.load()->find_broker(BrokerId{2})->fenced);
  EXPECT_GE(clock.now() - began, milliseconds(1900));
  EXPECT_LE(clock.now() - began, milliseconds(2300));
}

TEST_F(ControllerHostTest, the_clock_stops_with_the_controller) {
  lead();
  serve_brokers({2});
  host.follow();
  run_for(std::chrono::seconds(5));
  quorum.commit_all();
  EXPECT_FALSE(quorum.images.load()->find_broker(BrokerId{2})->fenced);
  EXPECT_EQ(loop->timers(), 0u);
}

TEST_F(ControllerHostTest, topics_are_made_on_demand) {
  lead();
  serve_brokers({1, 2});
  ASSERT_TRUE(*ask(AutoCreateTopic{"t"}));
  EXPECT_NE(quorum.images.load()->find_topic("t"), nullptr);
  EXPECT_EQ(ask(AutoCreateTopic{"t"})->error().code, Errc::topic_already_exists);
  const auto offsets = ask(EnsureOffsetsTopic{});
  EXPECT_EQ(std::get<OffsetsTopicReply>(**offsets).partitions, 50);
}

TEST_F(ControllerHostTest, a_permit_to_stop_is_given_and_taken_back_and_that_it_was_not_held_is_an_answer) {
  lead();
  serve_brokers({1, 2});
  using std::chrono::seconds;
  const auto granted = ask(metadata::MayStop{BrokerId{2}, "me", seconds(60)});
  EXPECT_TRUE(std::get<metadata::MayStopReply>(**granted).refusals.empty());
  EXPECT_EQ(quorum.images.load()->permits.at(BrokerId{2}).holder, "me");
  const auto other = ask(metadata::MayStop{BrokerId{2}, "you", seconds(60)});
  EXPECT_EQ(std::get<metadata::MayStopReply>(**other).refusal()->rule, metadata::StopRule::other_permit);
  EXPECT_EQ(ask(metadata::ReleasePermit{BrokerId{2}, "you"})->error().code, Errc::policy_violation);
  EXPECT_TRUE(std::get<WasSo>(**ask(metadata::ReleasePermit{BrokerId{2}, "me"})).was_so);
  EXPECT_FALSE(std::get<WasSo>(**ask(metadata::ReleasePermit{BrokerId{2}, "me"})).was_so);
  EXPECT_EQ(ask(metadata::MayStop{BrokerId{9}, "me", seconds(60)})->error().code, Errc::broker_not_registered);
}

TEST_F(ControllerHostTest, leadership_and_replicas_move_when_operators_ask) {
  lead();
  serve_brokers({1, 2});
  ASSERT_TRUE(*ask(AutoCreateTopic{"t"}));
  const BrokerId holder = quorum.images.load()->find_topic("t")->partitions.at(0).leader;
  const auto drained = std::get<metadata::DrainLeadershipReply>(**ask(metadata::DrainLeadership{holder}));
  EXPECT_EQ(drained.moved, 0);
  EXPECT_EQ(drained.left, 1) << "it has the only replica";

  const Offset before = quorum.images.load()->applied;
  const auto plan = std::get<metadata::MovePlan>(**ask(PlanMoves{holder}));
  ASSERT_EQ(plan.moves.size(), 1u);
  EXPECT_EQ(plan.moves[0].before, std::vector{holder});
  EXPECT_EQ(quorum.images.load()->applied, before) << "a plan changes nothing";
  EXPECT_TRUE(std::get<metadata::MovePlan>(**ask(PlanMoves{})).moves.empty());
  EXPECT_EQ(ask(PlanMoves{BrokerId{9}})->error().code, Errc::broker_not_registered);
  EXPECT_TRUE(std::get<metadata::MovePlan>(**ask(metadata::Rebalance{})).moves.empty());
  EXPECT_EQ(ask(metadata::Rebalance{0})->error().code, Errc::invalid_argument);

  ASSERT_TRUE(*ask(metadata::Decommission{holder, 5}));
  EXPECT_TRUE(quorum.images.load()->find_broker(holder)->decommissioned());
  EXPECT_EQ(ask(metadata::UnregisterBroker{holder})->error().code, Errc::policy_violation);
  EXPECT_TRUE(std::get<WasSo>(**ask(metadata::CancelDecommission{holder})).was_so);
  EXPECT_FALSE(std::get<WasSo>(**ask(metadata::CancelDecommission{holder})).was_so);
  EXPECT_FALSE(quorum.images.load()->find_broker(holder)->decommissioned());
  const BrokerId other{holder == BrokerId{1} ? 2 : 1};
  ASSERT_TRUE(*ask(metadata::UnregisterBroker{other}));
  EXPECT_EQ(quorum.images.load()->find_broker(other), nullptr);
}

TEST_F(ControllerHostTest, the_controller_reports_on_the_cluster) {
  lead();
  serve_brokers({1, 2});
  const auto report = std::get<metadata::ClusterReport>(**ask(DescribeCluster{}));
  EXPECT_EQ(report.cluster_id, "c");
  EXPECT_EQ(report.controller, BrokerId{1});
  ASSERT_EQ(report.brokers.size(), 2u);
  EXPECT_TRUE(report.brokers[1].heard_ago);
}

TEST_F(ControllerHostTest, handlers_reach_the_controller_here_and_elsewhere) {
  ControllerProxy proxy(host, client);
  lead();
  serve_brokers({1});
  std::optional<bool> made;
  metadata::CreateTopics command;
  command.topics.push_back({.name = "here"});
  proxy.create_topics(command, [&](const Result<metadata::CreateTopicsReply>& reply) {
    made = reply && reply->topics.at(0).second.has_value();
  });
  settle();
  EXPECT_EQ(made, true);

  host.follow();
  leader = BrokerId{2};
  made.reset();
  command.topics[0].name = "there";
  proxy.create_topics(command, [&](const Result<metadata::CreateTopicsReply>& reply) {
    made = reply && reply->topics.at(0).second.has_value();
  });
  auto call = next_call();
  EXPECT_EQ(call.at, BrokerId{2});
  EXPECT_EQ(std::get<AutoCreateTopic>(call.call).name, "there");
  call.done(ControllerAnswer(Unit{}));
  run_for(milliseconds(1));
  EXPECT_EQ(made, true);

  std::optional<Errc> refused;
  command.topics[0].partitions = 3;
  proxy.create_topics(command, [&](const Result<metadata::CreateTopicsReply>& reply) { refused = reply.error().code; });
  EXPECT_EQ(refused, Errc::timed_out)
      << "a client's own creation is forwarded as it is: whoever runs it here found no controller";
}

}  // namespace
}  // namespace millrace::control
