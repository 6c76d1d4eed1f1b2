#include "broker/control/isr_changer.h"

#include <gtest/gtest.h>

#include "broker/control/control_test_support.h"

namespace millrace::control {
namespace {

using replication::IsrChange;
using replication::IsrOutcome;

class IsrChangerTest : public ::testing::Test, public ControlFixture {
 protected:
  void propose(int partition) {
    IsrChange change;
    change.topic_id = Uuid::from_random(1, 2);
    change.partition = PartitionIndex{partition};
    change.leader_epoch = LeaderEpoch{3};
    change.partition_epoch = 4;
    change.isr = {{BrokerId{1}, 10}, {BrokerId{2}, -1}};
    changer.propose(change, [this, partition](IsrOutcome outcome) { outcomes[partition] = outcome; });
  }
  static ControllerAnswer reply(const metadata::AlterPartition& call, const std::vector<Status>& outcomes) {
    metadata::AlterPartitionReply reply;
    for (size_t i = 0; i < call.partitions.size(); ++i) {
      reply.partitions.push_back({.topic = call.partitions[i].topic,
                                  .partition = call.partitions[i].partition,
                                  .outcome = outcomes.at(i),
                                  .state = {}});
    }
    return reply;
  }
  IsrChanger changer{client, *loop, [] { return std::pair(BrokerId{1}, int64_t{10}); }};
  std::map<int, IsrOutcome> outcomes;
};

TEST_F(IsrChangerTest, a_wish_reaches_the_controller_with_everything_it_rests_on) {
  propose(7);
  const auto call = next_call();
  const auto& asked = std::get<metadata::AlterPartition>(call.call);
  EXPECT_EQ(asked.leader, BrokerId{1});
  EXPECT_EQ(asked.epoch, 10);
  ASSERT_EQ(asked.partitions.size(), 1u);
  EXPECT_EQ(asked.partitions[0].partition, PartitionIndex{7});
  EXPECT_EQ(asked.partitions[0].leader_epoch, LeaderEpoch{3});
  EXPECT_EQ(asked.partitions[0].partition_epoch, 4);
  EXPECT_EQ(asked.partitions[0].isr.at(1).id, BrokerId{2});
  EXPECT_EQ(asked.partitions[0].isr.at(1).epoch, -1);
  call.done(reply(asked, {ok()}));
  run_for(std::chrono::milliseconds(1));
  EXPECT_EQ(outcomes.at(7), IsrOutcome::committed);
}

TEST_F(IsrChangerTest, wishes_that_come_during_a_call_go_together_with_the_next) {
  propose(1);
  const auto first = next_call();
  for (int partition = 2; partition < 102; ++partition) propose(partition);
  run_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(controller.calls.empty()) << "one call at a time";
  first.done(reply(std::get<metadata::AlterPartition>(first.call), {Error{Errc::invalid_update_version, {}}}));
  const auto second = next_call();
  EXPECT_EQ(std::get<metadata::AlterPartition>(second.call).partitions.size(), 100u);
  EXPECT_EQ(outcomes.at(1), IsrOutcome::stale);
}

TEST_F(IsrChangerTest, a_call_is_bounded) {
  for (int partition = 0; partition < static_cast<int>(kIsrChangesPerCallMax) + 5; ++partition) propose(partition);
  const auto first = next_call();
  const auto& asked = std::get<metadata::AlterPartition>(first.call);
  EXPECT_EQ(asked.partitions.size(), kIsrChangesPerCallMax);
  first.done(reply(asked, std::vector<Status>(kIsrChangesPerCallMax, ok())));
  EXPECT_EQ(std::get<metadata::AlterPartition>(next_call().call).partitions.size(), 5u);
}

TEST_F(IsrChangerTest, a_controller_that_does_not_answer_leaves_the_outcome_unknown) {
  propose(1);
  next_call().done(Error{Errc::stale_broker_epoch, {}});
  run_for(std::chrono::milliseconds(1));
  EXPECT_EQ(outcomes.at(1), IsrOutcome::unknown);
  propose(3);
  next_call().done(ControllerAnswer(metadata::AlterPartitionReply{}));  // answers nothing that was asked
  run_for(std::chrono::milliseconds(1));
  EXPECT_EQ(outcomes.at(3), IsrOutcome::unknown);
  propose(2);
  next_call().done(ControllerAnswer(Unit{}));  // nonsense
  run_for(std::chrono::milliseconds(1));
  EXPECT_EQ(outcomes.at(2), IsrOutcome::unknown);
}

TEST(IsrOutcomes, each_answer_of_the_controller_has_one_meaning) {
  EXPECT_EQ(isr_outcome(ok()), IsrOutcome::committed);
  for (const Errc code : {Errc::fenced_leader_epoch, Errc::invalid_update_version, Errc::new_leader_elected,
                          Errc::unknown_topic_id, Errc::unknown_topic_or_partition}) {
    EXPECT_EQ(isr_outcome(code), IsrOutcome::stale);
  }
  EXPECT_EQ(isr_outcome(Errc::ineligible_replica), IsrOutcome::refused);
  EXPECT_EQ(isr_outcome(Errc::invalid_argument), IsrOutcome::refused);
  EXPECT_EQ(isr_outcome(Errc::not_controller), IsrOutcome::unknown);
  EXPECT_EQ(isr_outcome(Errc::overloaded), IsrOutcome::unknown);
}

}  // namespace
}  // namespace millrace::control
