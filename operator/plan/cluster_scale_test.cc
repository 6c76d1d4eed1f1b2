// Brokers that come and go, who votes on metadata, and where replicas move.

#include "operator/desired/quorum.h"
#include "operator/plan/cluster_plan_test_support.h"

namespace millrace::plan {
namespace {

class ClusterScale : public ClusterPlanTest {
 protected:
  ClusterScale() { have(4, 3); }
  // `count` brokers that run, all that voters may be vote, and the specification asks for `wanted`.
  void have(int32_t count, int32_t wanted) {
    have_brokers(count);
    spec()["replicas"] = wanted;
    seen_.kafka.voters.clear();
    seen_.quorum.emplace();
    for (int32_t id = 0; id < count; ++id) {
      BrokerFacts& one = broker(id);
      one.partitions = 9;
      one.directory = "d" + std::to_string(id);
      one.rpc_host = "h";
      one.rpc_port = 9091;
      const QuorumMemberFacts member{id, one.directory, true};
      if (id < desired::voters_of(count)) {
        seen_.kafka.voters.push_back(id);
        seen_.quorum->voters.push_back(member);
      } else {
        seen_.quorum->observers.push_back(member);
      }
    }
    seen_.widest = WidestTopic{"payments", 3};
  }
  BrokerFacts& broker(int32_t id) { return seen_.kafka.brokers.at(static_cast<size_t>(id)); }
  void drained(int32_t id) {
    broker(id).partitions = 0;
    broker(id).decommission = DecommissionFacts{};
  }
  void shrink_set(int32_t replicas) {
    Json set = seen_.owned.back().json();
    set["spec"]["replicas"] = replicas;
    seen_.owned.back() = kube::Object(set);
  }
  std::string blocked() {
    const Plan made = plan();
    return made.blocked_by.empty() ? "" : made.blocked_by[0].rule + ": " + made.blocked_by[0].message;
  }
  Condition progressing() { return plan().conditions.at(1); }
};

TEST_F(ClusterScale, a_broker_leaves_step_by_step) {
  EXPECT_EQ(steps(), Words{"decommission broker 3"});
  EXPECT_EQ(progressing().reason, "ScalingDown");
  EXPECT_EQ(ready().status, ConditionStatus::yes) << "it serves all the while";
  broker(3).decommission = DecommissionFacts{.left = 9, .moving = 2};
  EXPECT_EQ(steps(), Words{});
  EXPECT_EQ(blocked(), "Decommission: broker 3 leaves: 9 partitions have a replica on it, 2 of them move");
  broker(3).decommission = DecommissionFacts{.left = 9, .stuck = 2, .first_stuck = "payments-4"};
  EXPECT_NE(blocked().find("no other broker may take payments-4 and 1 others"), std::string::npos) << blocked();
  drained(3);
  EXPECT_EQ(steps(), Words{"remove broker 3"});
  shrink_set(3);
  EXPECT_NE(blocked().find("broker 3 is stopping"), std::string::npos) << blocked();
  seen_.pods.pop_back();
  EXPECT_EQ(steps(), Words{}) << "its session has not ended";
  broker(3).is_fenced = true;
  EXPECT_EQ(steps(), Words{"unregister broker 3"});
  seen_.kafka.brokers.pop_back();
  EXPECT_EQ(steps(), Words{});
  EXPECT_EQ(progressing().reason, "UpToDate");
}

TEST_F(ClusterScale, only_the_number_of_pods_changes_when_one_is_removed) {
  drained(3);
  const Plan made = plan();
  const auto& removal = std::get<RemoveBroker>(made.steps.at(0));
  EXPECT_EQ(removal.set.number_at({"spec", "replicas"}), 3);
  EXPECT_EQ(desired::template_hash_of(removal.set), hash());
}

TEST_F(ClusterScale, a_broker_is_removed_only_when_the_controller_agrees) {
  drained(3);
  answer_ = {.refusals = {{.rule = "QuorumMajority", .partition = "", .words = "the quorum needs 2", .since_ms = 5}}};
  EXPECT_EQ(steps(), Words{});
  EXPECT_EQ(blocked(), "QuorumMajority: pod orders-kafka-3 waits for its removal: the quorum needs 2");
  seen_.pods[3].is_ready = false;
  EXPECT_EQ(steps(), Words{"remove broker 3"}) << "one that is down takes nothing away";
}

TEST_F(ClusterScale, the_permit_of_a_removal_is_kept_until_the_broker_has_left) {
  drained(3);
  broker(3).permit_holder = holder_;
  EXPECT_EQ(steps(), Words{"remove broker 3"}) << "an operator before this one was granted it";
  spec()["replicas"] = 4;
  EXPECT_EQ(steps(), (Words{"release the permit to stop broker 3", "cancel the decommission of broker 3"}));
}

TEST_F(ClusterScale, fewer_brokers_than_a_topic_has_replicas_is_refused_and_names_it) {
  spec()["replicas"] = 2;
  broker(3).decommission = DecommissionFacts{.left = 9};
  EXPECT_EQ(steps(), Words{"cancel the decommission of broker 3"}) << "what was begun is taken back";
  broker(3).decommission.reset();
  EXPECT_EQ(steps(), Words{});
  EXPECT_EQ(ready().reason, "CannotScaleDown");
  EXPECT_NE(ready().message.find("topic payments has 3 replicas"), std::string::npos) << ready().message;
  spec()["config"] = {{"log.retention.hours", 1}};
  EXPECT_EQ(steps(), (Words{"apply ConfigMap shop/orders-kafka-config", "apply StatefulSet shop/orders-kafka",
                            "restart pod orders-kafka-0"}))
      << "the rest is followed";
}

TEST_F(ClusterScale, nobody_leaves_and_nobody_is_kept_while_it_cannot_be_said_who_may) {
  broker(3).decommission = DecommissionFacts{.left = 0};
  seen_.widest.reset();
  EXPECT_EQ(steps(), Words{});
  EXPECT_NE(blocked().find("nobody says what is on the brokers"), std::string::npos) << blocked();
  seen_.widest = WidestTopic{};
  seen_.kafka.no_controller = "no leader";
  EXPECT_EQ(steps(), Words{});
}

TEST_F(ClusterScale, editing_the_number_back_cancels_what_was_begun) {
  broker(3).decommission = DecommissionFacts{.left = 4, .moving = 1};
  spec()["replicas"] = 4;
  EXPECT_EQ(steps(), Words{"cancel the decommission of broker 3"});
  EXPECT_EQ(ready().status, ConditionStatus::yes);
}

TEST_F(ClusterScale, all_that_leave_stop_taking_replicas_at_once_and_go_one_after_the_other) {
  have(6, 4);
  EXPECT_EQ(steps(), (Words{"decommission broker 4", "decommission broker 5"}));
  drained(4);
  broker(5).decommission = DecommissionFacts{.left = 1, .moving = 1};
  EXPECT_EQ(steps(), Words{}) << "the highest first";
  drained(5);
  EXPECT_EQ(steps(), Words{"take the vote on metadata from broker 4"}) << "three voters are enough for four";
  seen_.kafka.voters = {0, 1, 2, 3};
  EXPECT_EQ(steps(), Words{"take the vote on metadata from broker 3"});
  seen_.kafka.voters = {0, 1, 2};
  EXPECT_EQ(steps(), Words{"remove broker 5"});
}

TEST_F(ClusterScale, a_restart_goes_before_a_removal_and_neither_joins_the_other) {
  drained(3);
  seen_.pods[0].template_hash = "old";
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-0"});
  seen_.pods[0] = pod(0);
  broker(0).permit_holder = holder_;
  broker(0).out_of_sync = 1;
  EXPECT_EQ(steps(), Words{}) << "the one that was restarted is not back";
  EXPECT_NE(blocked().find("leaves once pod orders-kafka-0 is back"), std::string::npos) << blocked();
}

TEST_F(ClusterScale, claims_go_with_their_broker_when_they_are_to) {
  have(3, 3);
  seen_.spare_claims = {{"data-orders-kafka-3", "u3", 3}};
  EXPECT_EQ(steps(), Words{"delete claim data-orders-kafka-3"});
  seen_.kafka.brokers.push_back({.id = 3, .is_fenced = true, .decommission = DecommissionFacts{}});
  EXPECT_EQ(steps(), Words{"unregister broker 3"}) << "not before it has left";
}

TEST_F(ClusterScale, voters_are_added_one_at_a_time_once_they_have_the_log) {
  have(5, 5);
  seen_.kafka.voters = {0, 1, 2};
  seen_.quorum->observers = {{3, "d3", false}, {4, "d4", true}};
  EXPECT_EQ(steps(), Words{});
  EXPECT_NE(blocked().find("broker 3 votes on metadata once it has all of the metadata log"), std::string::npos);
  seen_.quorum->observers[0].is_caught_up = true;
  EXPECT_EQ(steps(), Words{"let broker 3 vote on metadata"});
  broker(3).directory = "another";
  EXPECT_EQ(steps(), Words{}) << "it has come back with an empty disk";
  seen_.kafka.voters = {0, 1, 2, 3};
  EXPECT_EQ(steps(), Words{"let broker 4 vote on metadata"});
  seen_.kafka.voters = {0, 1, 2, 3, 4};
  EXPECT_EQ(steps(), Words{});
  EXPECT_FALSE(wishes_of(cluster(), seen_).quorum);
}

TEST_F(ClusterScale, quorum_follows_replicas) {
  for (const auto& [replicas, voters] : {std::pair{1, 1}, {2, 1}, {3, 3}, {4, 3}, {5, 5}, {6, 5}, {100, 5}}) {
    EXPECT_EQ(desired::voters_of(replicas), voters) << replicas;
  }
}

TEST_F(ClusterScale, replicas_move_to_a_broker_that_has_far_fewer_until_all_is_even) {
  have(4, 4);
  broker(3).partitions = 0;
  answer_ = {.moves = 5, .moves_left = 2};
  EXPECT_FALSE(plan_cluster(cluster(), seen_, defaults_).ask) << "it is said first, so that it is not forgotten";
  EXPECT_EQ(progressing().reason, "Rebalancing");
  object_["status"]["conditions"] = Json::array({{{"type", "Progressing"}, {"reason", "Rebalancing"}}});
  EXPECT_EQ(plan_cluster(cluster(), seen_, defaults_).ask, (Question{Question::Kind::rebalance, 0}));
  EXPECT_EQ(progressing().message, "replicas move to brokers that have fewer: 5 move, 2 will");
  broker(3).partitions = 6;
  EXPECT_TRUE(plan_cluster(cluster(), seen_, defaults_).ask) << "it goes on although the worst is over";
  answer_ = {};
  EXPECT_EQ(progressing().reason, "UpToDate");
  object_.erase("status");
  EXPECT_FALSE(plan_cluster(cluster(), seen_, defaults_).ask) << "a small difference is none of ours";
  broker(3).partitions = 0;
  seen_.pods[1].is_ready = false;
  EXPECT_FALSE(plan_cluster(cluster(), seen_, defaults_).ask) << "not while anything else is to be done";
}

// From four brokers to two or three: whatever is seen, at most one broker is taken away, and none that still has
// anything.
TEST_F(ClusterScale, never_is_a_broker_taken_away_that_others_need) {
  for (int mask = 0; mask < 1 << 13; ++mask) {
    have(4, 2 + (mask & 1));
    seen_.widest = WidestTopic{"t", 1 + ((mask >> 1) & 3)};
    for (int id = 0; id < 2; ++id) {
      const int bits = mask >> (3 + 5 * id);
      const int32_t which = 2 + id;
      if (bits & 1) broker(which).decommission = DecommissionFacts{.left = (bits & 2) ? 3 : 0};
      if (bits & 4) seen_.pods[static_cast<size_t>(which)].template_hash = "old";
      if (bits & 8) seen_.pods[static_cast<size_t>(which)].is_deleting = true;
      if (bits & 16) broker(which).permit_holder = holder_;
    }
    const Plan made = plan();
    ASSERT_LE(disruptive(made), 1) << mask;
    for (const Step& step : made.steps) {
      const auto* removal = std::get_if<RemoveBroker>(&step);
      if (removal == nullptr) continue;
      const BrokerFacts& gone = broker(removal->broker);
      ASSERT_EQ(removal->broker, 3) << mask << ": the highest";
      ASSERT_TRUE(gone.decommission && gone.decommission->left == 0) << mask;
      ASSERT_GE(removal->set.number_at({"spec", "replicas"}), seen_.widest->replicas) << mask;
      ASSERT_FALSE(seen_.pods[2].is_deleting) << mask;
      ASSERT_EQ(std::count(seen_.kafka.voters.begin(), seen_.kafka.voters.end(), 3), 0) << mask;
    }
  }
}

}  // namespace
}  // namespace millrace::plan
