// Restarts under permits: what is asked, what is waited for, and in which order.

#include "operator/plan/cluster_plan_test_support.h"

namespace millrace::plan {
namespace {

class ClusterRestart : public ClusterPlanTest {
 protected:
  ClusterRestart() { have_brokers(3); }
  void outdate(int32_t ordinal) { seen_.pods[static_cast<size_t>(ordinal)].template_hash = "old"; }
  BrokerFacts& broker(int32_t id) { return seen_.kafka.brokers[static_cast<size_t>(id)]; }
  void expect_block(const std::string& rule, const std::string& object, const std::string& words) {
    const Plan made = plan();
    EXPECT_EQ(disruptive(made), 0) << words;
    ASSERT_EQ(made.blocked_by.size(), 1u) << words;
    EXPECT_EQ(made.blocked_by[0].rule, rule);
    EXPECT_EQ(made.blocked_by[0].object, object);
    EXPECT_NE(made.blocked_by[0].message.find(words), std::string::npos) << made.blocked_by[0].message;
    EXPECT_EQ(made.check_again, kCheckSoon);
  }
};

TEST_F(ClusterRestart, a_broker_that_serves_is_restarted_only_after_the_controller_was_asked) {
  outdate(2);
  const Plan before = plan_cluster(cluster(), seen_, defaults_);
  EXPECT_EQ(before.ask, (Question{Question::Kind::may_stop, 2}));
  EXPECT_TRUE(before.steps.empty());
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-2"});
}

TEST_F(ClusterRestart, a_refusal_is_told_in_the_controllers_words_and_with_its_time) {
  outdate(2);
  answer_ = {.refusals = {{.rule = "MinInsync",
                           .partition = "payments-4",
                           .words = "partition payments-4 needs 2 in-sync replicas and would have 1",
                           .since_ms = 1'700'000'000'000}},
             .refusals_total = 1};
  expect_block("MinInsync", "partition payments-4",
               "pod orders-kafka-2 waits for its restart: partition payments-4 needs 2 in-sync replicas");
  EXPECT_EQ(plan().blocked_by[0].since_ms, 1'700'000'000'000);
  answer_ = {.error = "timed out: 127.0.0.1:9091"};
  expect_block("Permit", "pod orders-kafka-2", "timed out");
}

TEST_F(ClusterRestart, without_a_controller_nobody_is_asked_and_nothing_that_serves_is_restarted) {
  outdate(1);
  seen_.kafka.no_controller = "the metadata quorum has no leader";
  EXPECT_FALSE(plan_cluster(cluster(), seen_, defaults_).ask);
  expect_block("Permit", "pod orders-kafka-1", "the metadata quorum has no leader");
  seen_.kafka = {.is_reachable = false, .error = "connection refused"};
  expect_block("Permit", "pod orders-kafka-1", "connection refused");
}

TEST_F(ClusterRestart, the_next_waits_until_the_one_before_is_ready_let_in_and_in_sync_and_its_permit_is_given_back) {
  outdate(1);
  broker(0).permit_holder = holder_;
  broker(0).is_fenced = true;
  expect_block("InSync", "broker 0", "broker 0 is not part of the cluster yet");
  broker(0).is_fenced = false;
  broker(0).partitions = 10;
  broker(0).out_of_sync = 3;
  expect_block("InSync", "broker 0", "3 of the 10 replicas on broker 0 are not in sync");
  broker(0).out_of_sync = 0;
  EXPECT_EQ(steps(), (Words{"release the permit to stop broker 0", "restart pod orders-kafka-1"}));
  seen_.pods[1] = pod(1);
  EXPECT_EQ(steps(), Words{"release the permit to stop broker 0"}) << "also when nothing is left to restart";
  broker(0).permit_holder = "somebody else";
  EXPECT_EQ(steps(), Words{}) << "what others hold is theirs";
}

TEST_F(ClusterRestart, after_a_crash_the_broker_whose_permit_is_held_goes_on) {
  for (int32_t i = 0; i < 3; ++i) outdate(i);
  broker(1).permit_holder = holder_;
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-1"}) << "before the pod was deleted";
  seen_.pods[1] = pod(1);
  seen_.pods[1].is_ready = false;
  EXPECT_EQ(steps(), Words{}) << "after";
  seen_.pods[1].is_ready = true;
  EXPECT_EQ(steps(), (Words{"release the permit to stop broker 1", "restart pod orders-kafka-0"}));
}

TEST_F(ClusterRestart, the_controller_goes_last) {
  for (int32_t i = 0; i < 3; ++i) outdate(i);
  seen_.kafka.controller = 0;
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-1"});
}

TEST_F(ClusterRestart, a_broker_that_would_come_back_empty_and_be_refused_keeps_running) {
  spec()["storage"] = {{"type", "ephemeral"}};
  seen_.owned = desired::objects_of(cluster(), defaults_, "c1");
  EXPECT_EQ(steps(), Words{});
  EXPECT_EQ(plan().blocked_by.at(0).rule, "EphemeralStorage");
  seen_.pods[0].is_ready = false;
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-0"}) << "one that does not serve has nothing to lose";
}

TEST_F(ClusterRestart, a_broker_that_is_down_needs_no_permit) {
  outdate(0);
  outdate(1);
  seen_.pods[1].is_ready = false;
  seen_.kafka = {.is_reachable = false, .error = "connection refused"};
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-1"});
}

// What one combination of outdated, not ready, being deleted, gone, not in sync and held, of three pods, means.
struct Combination {
  ClusterObserved seen;
  int going = 0;  // or gone, and not there again
  bool is_outdated = false;
  std::set<int32_t> away;  // ready or not: not what they were
};

TEST_F(ClusterRestart, never_are_two_brokers_down_by_our_hand) {
  const api::KafkaCluster wanted = cluster();
  const std::string hash = this->hash();
  constexpr int kBits = 6;
  for (int mask = 0; mask < 1 << (3 * kBits); ++mask) {
    Combination now{.seen = {.kafka = seen_.kafka}};
    for (int i = 0; i < 3; ++i) {
      const int bits = mask >> (kBits * i);
      PodFacts one = seen_.pods[static_cast<size_t>(i)];
      if (bits & 1) one.template_hash = "old";
      one.is_ready = (bits & 2) == 0;
      one.is_deleting = (bits & 4) != 0;
      const bool is_gone = (bits & 8) != 0;
      BrokerFacts& facts = now.seen.kafka.brokers[static_cast<size_t>(i)];
      if (bits & 16) facts.out_of_sync = 1;
      if (bits & 32) facts.permit_holder = holder_;
      if (!is_gone) now.seen.pods.push_back(one);
      now.going += is_gone || one.is_deleting ? 1 : 0;
      now.is_outdated = now.is_outdated || (!is_gone && !one.is_deleting && (bits & 1) != 0);
      const bool is_back = !is_gone && one.is_ready && !one.is_deleting && (bits & 16) == 0;
      if (!is_back && (!one.is_ready || is_gone || one.is_deleting || (bits & 32) != 0)) now.away.insert(i);
    }
    Plan made;
    plan_restart(wanted, 3, hash, now.seen, made);
    if (made.ask) {
      now.seen.answer = Answer{.question = *made.ask, .is_granted = true};
      made = {};
      plan_restart(wanted, 3, hash, now.seen, made);
    }
    ASSERT_LE(disruptive(made), 1) << mask;
    ASSERT_TRUE(!now.is_outdated || disruptive(made) == 1 || !made.blocked_by.empty())
        << mask << ": it goes on or says why not";
    for (const Step& step : made.steps) {
      if (const auto* release = std::get_if<ReleasePermit>(&step)) {
        ASSERT_FALSE(now.away.contains(release->broker)) << mask;
      }
      const auto* restart = std::get_if<RestartPod>(&step);
      if (restart == nullptr) continue;
      ASSERT_EQ(now.going, 0) << mask;
      const PodFacts* const pod = now.seen.find_pod(restart->name.back() - '0');
      ASSERT_NE(pod, nullptr) << mask;
      ASSERT_EQ(pod->template_hash, "old") << mask;
      if (!pod->is_ready) continue;
      ASSERT_TRUE(now.seen.answer) << mask << ": it was asked";
      now.away.erase(pod->ordinal);
      ASSERT_TRUE(now.away.empty()) << mask;
    }
  }
}

}  // namespace
}  // namespace millrace::plan
