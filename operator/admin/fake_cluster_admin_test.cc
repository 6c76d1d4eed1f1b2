// The fake keeps to the controller's rules: what is tested with it is tested against these.

#include "operator/admin/fake_cluster_admin.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"

namespace millrace::admin {
namespace {

class FakeClusterAdminTest : public testing::Test {
 protected:
  FakeClusterAdminTest() {
    for (int32_t id = 0; id < 3; ++id) fake_.start_broker(id);
    fake_.set_voters({0, 1, 2});
    fake_.put_topic("t", 3, 3, 2);
    admin_ = *fake_.connector()->connect(
        {.brokers = {{"127.0.0.1", FakeClusterAdmin::rpc_port(0)}, {"127.0.0.1", FakeClusterAdmin::rpc_port(1)}}});
  }
  StopAnswer may_stop(int32_t id, const std::string& holder = "a") {
    return *admin_->may_stop({.node = BrokerId(id), .holder = holder, .ttl = std::chrono::seconds(10)});
  }
  void move_until_done() {
    for (int i = 0; i < 10; ++i) fake_.move_on();
  }

  io::sim::SimClock clock_;
  FakeClusterAdmin fake_{clock_};
  std::unique_ptr<ClusterAdmin> admin_;
};

TEST_F(FakeClusterAdminTest, one_permit_at_a_time_where_two_would_take_too_much) {
  EXPECT_TRUE(may_stop(0).granted);
  EXPECT_TRUE(may_stop(0).granted) << "asking again keeps it";
  const StopAnswer other = may_stop(0, "b");
  ASSERT_FALSE(other.granted);
  EXPECT_EQ(other.refusals[0].rule, StopRefusal::Rule::other_permit);
  const StopAnswer next = may_stop(1);
  ASSERT_FALSE(next.granted);
  EXPECT_EQ(next.refusals[0].rule, StopRefusal::Rule::quorum_majority);
  EXPECT_EQ(next.refusals[1].rule, StopRefusal::Rule::min_insync);
  EXPECT_EQ(next.refusals[1].partition->to_string(), "t-0");
  EXPECT_TRUE(*admin_->release_permit(BrokerId(0), "a"));
  EXPECT_FALSE(*admin_->release_permit(BrokerId(0), "a"));
  EXPECT_TRUE(may_stop(1).granted);
  clock_.advance(std::chrono::seconds(10));
  EXPECT_TRUE(may_stop(0).granted) << "the other one has expired";
}

TEST_F(FakeClusterAdminTest, a_broker_that_is_away_counts_until_it_is_in_sync_again) {
  fake_.stop_broker(1);
  EXPECT_FALSE(may_stop(0).granted);
  fake_.start_broker(1, /*in_sync=*/false);
  EXPECT_EQ(may_stop(0).refusals[0].rule, StopRefusal::Rule::min_insync);
  fake_.sync(1);
  EXPECT_TRUE(may_stop(0).granted);
}

TEST_F(FakeClusterAdminTest, a_decommission_moves_all_that_others_can_take) {
  ASSERT_TRUE(admin_->decommission(BrokerId(2), 1).has_value());
  EXPECT_EQ(admin_->describe()->find(BrokerId(2))->decommission->stuck, 3) << "three replicas, two other brokers";
  fake_.start_broker(3);
  fake_.move_on();
  EXPECT_EQ(admin_->describe()->find(BrokerId(2))->decommission->moving, 1);
  EXPECT_EQ(admin_->unregister(BrokerId(2)).error().code, Errc::policy_violation);
  move_until_done();
  EXPECT_EQ(fake_.replicas_on(2), 0);
  EXPECT_EQ(fake_.replicas_on(3), 3);
  EXPECT_EQ(admin_->unregister(BrokerId(2)).error().code, Errc::policy_violation) << "it votes";
  ASSERT_TRUE(fake_.remove_voter(2).has_value());
  EXPECT_TRUE(admin_->unregister(BrokerId(2)).has_value());
  EXPECT_EQ(admin_->describe()->find(BrokerId(2)), nullptr);
}

TEST_F(FakeClusterAdminTest, a_rebalance_goes_in_steps_until_replicas_are_spread) {
  fake_.start_broker(3);
  fake_.put_topic("u", 8, 1, 1);
  fake_.start_broker(4);
  int steps = 0;
  while (!admin_->rebalance(2)->is_done()) {
    ASSERT_LT(++steps, 10);
    fake_.move_on();
  }
  EXPECT_GE(fake_.replicas_on(4), 3);
  EXPECT_TRUE(fake_.is_whole());
}

TEST_F(FakeClusterAdminTest, without_a_controller_brokers_tell_what_they_saw_and_change_nothing) {
  fake_.set_no_controller("the metadata quorum is lost");
  EXPECT_EQ(admin_->describe()->no_controller, "the metadata quorum is lost");
  EXPECT_FALSE(admin_->decommission(BrokerId(2), 1).has_value());
  fake_.stop_broker(1);
  const auto each = admin_->ask_each();
  ASSERT_EQ(each.size(), 2u);
  EXPECT_TRUE(each[0]->isolated);
  EXPECT_EQ(each[0]->quorum.voters.size(), 3u);
  EXPECT_EQ(each[1].error().code, Errc::connection_refused);
  fake_.set_reachable(false);
  EXPECT_FALSE(admin_->describe().has_value());
}

TEST_F(FakeClusterAdminTest, a_fault_comes_once_before_or_after_the_effect) {
  fake_.fail_next("decommission", {Errc::timed_out, "a test"}, /*after_effect=*/true);
  EXPECT_FALSE(admin_->decommission(BrokerId(2), 0).has_value());
  EXPECT_TRUE(admin_->describe()->find(BrokerId(2))->decommission.has_value());
  EXPECT_TRUE(admin_->decommission(BrokerId(2), 0).has_value());
  EXPECT_EQ(fake_.changes(), std::vector<std::string>{"decommission 2"});
}

}  // namespace
}  // namespace millrace::admin
