// What a broker does with the partitions that it leads while no controller answers it. A spell begins 1.8 s after the
// controller became unreachable (kIsolatedAfter).

#include "broker/replication/isolation_guard.h"

#include <gtest/gtest.h>

#include "broker/replication/sim_broker_test_support.h"
#include "broker/replication/step_runner_test_support.h"

namespace millrace::replication {
namespace {

using testing::SimBroker;
using testing::values_of;
using Values = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr BrokerId kA{1}, kB{2}, kC{3};

class IsolationGuardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (SimBroker* broker : {&a_, &b_, &c_}) broker->start();
    controller_.create("t", {{kA, kB, kC}});
    run(milliseconds(200));
  }
  void run(Duration time) {
    steps_.run_until([] { return false; }, time);
  }
  bool run_until(const std::function<bool()>& done) { return steps_.run_until(done, seconds(30)); }
  Result<Appended> append(Acks acks, SimBroker* to = nullptr) {
    return (to == nullptr ? a_ : *to).find("t")->append(testing::make_batch(Values{"v"}), acks);
  }
  void expect_refused() {
    for (const Acks acks : {Acks::none, Acks::leader, Acks::all}) {
      const Result<Appended> appended = append(acks);
      ASSERT_FALSE(appended) << "acks " << static_cast<int>(acks);
      EXPECT_EQ(appended.error().code, Errc::not_leader);
    }
  }
  void cut(BrokerId one, BrokerId other) {
    network_.block(one, other);
    network_.block(other, one);
  }
  void join(BrokerId one, BrokerId other) {
    network_.unblock(one, other);
    network_.unblock(other, one);
  }
  void isolate() {
    controller_.set_reachable(kA, false);
    run(milliseconds(2500));
  }
  int64_t refusing() { return a_.metrics().refusing_partitions.value(); }

  io::sim::SimClock clock_;
  io::sim::SimScheduler scheduler_{clock_, 15};
  testing::SimPeerNetwork network_{scheduler_, 16};
  testing::ToyController controller_{scheduler_, 17};
  std::unique_ptr<io::sim::SimEventLoop> loop_ = scheduler_.make_loop();
  testing::StepRunner steps_{scheduler_, *loop_};
  SimBroker a_{scheduler_, network_, controller_, kA, 1};
  SimBroker b_{scheduler_, network_, controller_, kB, 2};
  SimBroker c_{scheduler_, network_, controller_, kC, 3};
};

TEST_F(IsolationGuardTest, a_partition_whose_members_all_follow_goes_on) {
  isolate();
  run(seconds(10));
  EXPECT_EQ(refusing(), 0);
  EXPECT_TRUE(append(Acks::leader));
  const Result<Appended> all = append(Acks::all);
  ASSERT_TRUE(all);
  EXPECT_TRUE(run_until([&] { return *a_.find("t")->is_acknowledged(*all); }));
}

TEST_F(IsolationGuardTest, one_with_a_member_that_does_not_follow_refuses_writes_whatever_their_acks_and_is_read_on) {
  ASSERT_TRUE(append(Acks::leader));
  ASSERT_TRUE(run_until([&] { return a_.find("t")->offsets()->high_watermark == Offset{1}; }));
  cut(kA, kC);
  isolate();
  expect_refused();
  EXPECT_EQ(refusing(), 1);
  const Result<FetchResult> read =
      a_.find("t")->fetch(Offset{0}, 1 << 20, true, Isolation::read_uncommitted, kNoLeaderEpoch);
  ASSERT_TRUE(read);
  EXPECT_EQ(values_of(testing::bytes_of(read->read)), Values({"v"}));
}

TEST_F(IsolationGuardTest, what_waits_for_all_acks_is_told_at_once) {
  cut(kA, kC);
  const Result<Appended> waits = append(Acks::all);
  ASSERT_TRUE(waits);
  controller_.set_reachable(kA, false);
  run(milliseconds(1700));
  ASSERT_FALSE(*a_.find("t")->is_acknowledged(*waits));
  run(milliseconds(800));
  EXPECT_EQ(a_.find("t")->is_acknowledged(*waits).error().code, Errc::not_leader);
}

TEST_F(IsolationGuardTest, what_was_committed_before_is_acknowledged_all_the_same) {
  const Result<Appended> waits = append(Acks::all);
  ASSERT_TRUE(waits);
  ASSERT_TRUE(run_until([&] { return a_.find("t")->offsets()->high_watermark == Offset{1}; }));
  cut(kA, kC);
  isolate();
  expect_refused();
  EXPECT_TRUE(*a_.find("t")->is_acknowledged(*waits));
}

TEST_F(IsolationGuardTest, a_stream_that_is_open_and_silent_for_a_session_counts_as_none) {
  network_.block(kC, kA);
  controller_.set_reachable(kA, false);
  run(milliseconds(2400));
  EXPECT_EQ(a_.metrics().broken_links.value(), 0u);
  expect_refused();
}

TEST_F(IsolationGuardTest, with_only_this_broker_in_sync_it_goes_on) {
  cut(kA, kB);
  cut(kA, kC);
  ASSERT_TRUE(run_until([&] { return controller_.image().find_topic("t")->partitions[0].isr.size() == 1; }));
  run(milliseconds(100));
  isolate();
  run(seconds(10));
  EXPECT_TRUE(append(Acks::leader));
  EXPECT_TRUE(append(Acks::all)->acknowledged);
  EXPECT_EQ(refusing(), 0);
}

TEST_F(IsolationGuardTest, a_broker_that_hears_the_controller_takes_writes_whoever_follows) {
  cut(kA, kB);
  cut(kA, kC);
  run(milliseconds(2500));
  EXPECT_TRUE(append(Acks::leader));
}

TEST_F(IsolationGuardTest, writes_are_taken_again_when_members_follow_and_when_a_controller_answers) {
  cut(kA, kC);
  isolate();
  expect_refused();
  join(kA, kC);
  ASSERT_TRUE(run_until([&] { return refusing() == 0; }));
  EXPECT_TRUE(append(Acks::leader));
  cut(kA, kC);
  run(seconds(3));
  expect_refused();
  controller_.set_reachable(kA, true);
  run(milliseconds(200));
  EXPECT_TRUE(append(Acks::leader));
  EXPECT_EQ(refusing(), 0);
  EXPECT_EQ(a_.metrics().refused_writes.value(), 6u);
}

TEST_F(IsolationGuardTest, a_deposed_leader_that_its_followers_can_still_reach_takes_nothing_that_would_be_lost) {
  controller_.set_reachable(kA, false);
  run(seconds(2));
  controller_.fence(kA);
  ASSERT_TRUE(run_until([&] { return append(Acks::leader, &b_).has_value(); }));
  run(milliseconds(500));
  expect_refused();
}

}  // namespace
}  // namespace millrace::replication
