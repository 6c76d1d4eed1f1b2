// What single rules of replication look like from outside: three brokers, one of which leads.

#include <gtest/gtest.h>

#include "broker/replication/sim_broker_test_support.h"
#include "broker/replication/step_runner_test_support.h"
#include "broker/replication/truth_test_support.h"

namespace millrace::replication {
namespace {

using testing::SimBroker;
using testing::values_of;
using Values = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr BrokerId kA{1}, kB{2}, kC{3};

class ReplicationClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (SimBroker* broker : {&a_, &b_, &c_}) broker->start();
  }
  void create(std::vector<BrokerId> replicas = {kA, kB, kC}, const std::string& topic = "t") {
    controller_.create(topic, {std::move(replicas)});
    run(milliseconds(200));
  }
  void configure(const std::string& name, const std::string& value) { controller_.configure("t", name, value); }
  void run(Duration time) {
    steps_.run_until([] { return false; }, time);
  }
  bool run_until(const std::function<bool()>& done) { return steps_.run_until(done, seconds(30)); }
  Appended append(SimBroker& to, Values values, Acks acks = Acks::all, const std::string& topic = "t") {
    const Result<Appended> appended = to.find(topic)->append(testing::make_batch(std::move(values)), acks);
    EXPECT_TRUE(appended) << appended.error().to_string();
    return appended ? *appended : Appended{};
  }
  PartitionOffsets at(SimBroker& broker, const std::string& topic = "t") {
    return *broker.find(topic)->offsets_of_log();
  }
  Result<FetchResult> fetch(SimBroker& from, int64_t offset, ReadFrom whom = ReadFrom::any_replica) {
    return from.find("t")->fetch(Offset{offset}, 1 << 20, true, Isolation::read_uncommitted, kNoLeaderEpoch, SIZE_MAX,
                                 whom);
  }
  Values read(SimBroker& from, int64_t offset = 0) {
    const Result<FetchResult> result = fetch(from, offset);
    EXPECT_TRUE(result) << result.error().to_string();
    return result ? values_of(testing::bytes_of(result->read)) : Values{};
  }
  const metadata::PartitionImage& state() { return controller_.image().find_topic("t")->partitions[0]; }
  bool is_level(SimBroker& broker) { return at(broker).high_watermark == at(a_).log_end; }

  io::sim::SimClock clock_;
  io::sim::SimScheduler scheduler_{clock_, 5};
  testing::SimPeerNetwork network_{scheduler_, 6};
  testing::ToyController controller_{scheduler_, 7};
  std::unique_ptr<io::sim::SimEventLoop> loop_ = scheduler_.make_loop();
  testing::StepRunner steps_{scheduler_, *loop_};
  SimBroker a_{scheduler_, network_, controller_, kA, 1};
  SimBroker b_{scheduler_, network_, controller_, kB, 2};
  SimBroker c_{scheduler_, network_, controller_, kC, 3};
};

TEST_F(ReplicationClusterTest, acks_of_all_wait_for_every_member_of_the_in_sync_set_and_acks_of_one_do_not) {
  create();
  const Appended all = append(a_, {"a"});
  EXPECT_FALSE(all.acknowledged);
  EXPECT_TRUE(append(a_, {"b"}, Acks::leader).acknowledged);
  EXPECT_EQ(read(a_), Values{});
  ASSERT_TRUE(run_until([&] { return *a_.find("t")->is_acknowledged(all); }));
  EXPECT_GE(at(b_).log_end, Offset{1});
  EXPECT_GE(at(c_).log_end, Offset{1});
}

TEST_F(ReplicationClusterTest, followers_serve_what_they_know_to_be_committed) {
  create();
  append(a_, {"a", "b"});
  ASSERT_TRUE(run_until([&] { return is_level(b_); }));
  EXPECT_EQ(read(b_), Values({"a", "b"}));
  EXPECT_EQ(fetch(b_, 0, ReadFrom::leader).error().code, Errc::not_leader);
  EXPECT_EQ(fetch(b_, 3).error().code, Errc::offset_out_of_range);
  network_.block(kA, kB);
  append(a_, {"c"});
  run(milliseconds(100));
  EXPECT_EQ(read(b_, 2), Values{});
}

TEST_F(ReplicationClusterTest, partitions_in_which_nothing_happens_cost_nothing) {
  for (int i = 0; i < 100; ++i) create({kA, kB, kC}, "idle" + std::to_string(i));
  run(seconds(5));
  const uint64_t before = network_.messages();
  run(seconds(60));
  // Two streams lead to broker a; both ends of each ask twice a second.
  EXPECT_LT(network_.messages() - before, 2u * 2 * 2 * 2 * 60 + 10);
  EXPECT_TRUE(controller_.proposals.empty());
}

TEST_F(ReplicationClusterTest, a_member_behind_a_broken_stream_leaves_after_the_lag_time_and_comes_back) {
  create();
  network_.block(kA, kC);
  const Appended waits = append(a_, {"a"});
  run(seconds(2));
  EXPECT_EQ(state().isr.size(), 3u);
  EXPECT_FALSE(*a_.find("t")->is_acknowledged(waits));
  ASSERT_TRUE(run_until([&] { return state().isr.size() == 2; }));
  ASSERT_TRUE(run_until([&] { return *a_.find("t")->is_acknowledged(waits); }));
  network_.unblock(kA, kC);
  ASSERT_TRUE(run_until([&] { return state().isr.size() == 3; }));
}

// What is missing is far more than a window and than what a leader keeps in memory.
class ThrottleTest : public ReplicationClusterTest {
 protected:
  static constexpr int kBatches = 160;
  static constexpr size_t kBatchBytes = 50'000;

  void append_much() {
    for (int i = 0; i < kBatches; ++i) append(a_, {std::string(kBatchBytes, 'x')}, Acks::leader);
  }
  void leave_c_behind() {
    if (a_.find("t") == nullptr) create();
    c_.crash();
    append_much();
    ASSERT_TRUE(run_until([&] { return state().isr.size() == 2; }));
    run(milliseconds(100));  // until the leader knows
    c_.start();
    began_at_ = clock_.now();
    sent_before_ = a_.metrics().sent_catch_up_bytes.value();
  }
  Duration until_level() {
    EXPECT_TRUE(run_until([&] { return state().isr.size() == 3 && is_level(c_); }));
    return clock_.now() - began_at_;
  }
  // What was read from the log for C came at about this rate; the first message costs no time, nor do the newest
  // records, which a leader has in memory.
  void expect_rate(double bytes_per_second) {
    const double seconds_taken = std::chrono::duration<double>(until_level()).count();
    const auto bytes = static_cast<double>(a_.metrics().sent_catch_up_bytes.value() - sent_before_);
    EXPECT_GT(bytes, 4'000'000);
    EXPECT_LT((bytes - kFreeBytes) / seconds_taken, bytes_per_second);
    EXPECT_GT(bytes / seconds_taken, bytes_per_second / 2);
  }
  static constexpr double kFreeBytes = kCatchUpWindowBytes;  // may be on the way when the rate begins to count
  TimePoint began_at_;
  uint64_t sent_before_ = 0;
};

TEST_F(ThrottleTest, without_one_a_replica_is_brought_up_at_once) {
  leave_c_behind();
  EXPECT_LT(until_level(), seconds(3));
}

TEST_F(ThrottleTest, a_leader_sends_what_is_behind_no_faster_than_its_rate) {
  controller_.configure_broker(kA, "leader.replication.throttled.rate", "800000");
  create();
  configure("leader.replication.throttled.replicas", "0:1");
  leave_c_behind();
  expect_rate(800'000);
}

TEST_F(ThrottleTest, a_follower_takes_what_it_lacks_no_faster_than_its_rate) {
  controller_.configure_broker(kC, "follower.replication.throttled.rate", "800000");
  create();
  configure("follower.replication.throttled.replicas", "*");
  leave_c_behind();
  expect_rate(800'000);
}

TEST_F(ThrottleTest, replicas_that_no_topic_names_are_as_fast_as_they_can_be) {
  controller_.configure_broker(kA, "leader.replication.throttled.rate", "1000");
  controller_.configure_broker(kC, "follower.replication.throttled.rate", "1000");
  create();
  configure("leader.replication.throttled.replicas", "0:3,1:1");
  configure("follower.replication.throttled.replicas", "0:1,0:2");
  leave_c_behind();
  EXPECT_LT(until_level(), seconds(3));
}

TEST_F(ThrottleTest, those_in_sync_are_not_slowed_down) {
  controller_.configure_broker(kA, "leader.replication.throttled.rate", "1000");
  for (const BrokerId id : {kB, kC}) controller_.configure_broker(id, "follower.replication.throttled.rate", "1000");
  create();
  configure("leader.replication.throttled.replicas", "*");
  configure("follower.replication.throttled.replicas", "*");
  run(milliseconds(100));
  for (int i = 0; i < kBatches; ++i) {
    const Appended all = append(a_, {std::string(kBatchBytes, 'x')});
    ASSERT_TRUE(steps_.run_until([&] { return *a_.find("t")->is_acknowledged(all); }, seconds(1))) << i;
  }
  // More at once than memory keeps for them: they read the log and are in sync all the same.
  for (int i = 0; i < 4; ++i) append(a_, {std::string(900'000, 'x')}, Acks::leader);
  const Appended last = append(a_, {"last"});
  EXPECT_TRUE(steps_.run_until([&] { return *a_.find("t")->is_acknowledged(last); }, seconds(2)));
}

TEST_F(ThrottleTest, another_rate_counts_within_a_second) {
  controller_.configure_broker(kA, "leader.replication.throttled.rate", "20000");
  create();
  configure("leader.replication.throttled.replicas", "*");
  leave_c_behind();
  run(seconds(10));
  EXPECT_EQ(state().isr.size(), 2u);
  controller_.configure_broker(kA, "leader.replication.throttled.rate", "100000000");
  began_at_ = clock_.now();
  EXPECT_LT(until_level(), seconds(4));
}

TEST_F(ReplicationClusterTest,
       an_append_that_waits_while_the_in_sync_set_becomes_too_small_is_told_and_the_next_is_refused) {
  create();
  configure("min.insync.replicas", "3");
  run(milliseconds(100));
  network_.block(kA, kC);
  const Appended waits = append(a_, {"a"});
  ASSERT_TRUE(run_until([&] { return a_.find("t")->is_under_replicated(); }));
  EXPECT_EQ(a_.find("t")->is_acknowledged(waits).error().code, Errc::not_enough_replicas_after_append);
  EXPECT_EQ(a_.find("t")->append(testing::make_batch({"b"}), Acks::all).error().code, Errc::not_enough_replicas);
  EXPECT_EQ(at(a_).high_watermark, Offset{0});
}

TEST_F(ReplicationClusterTest, a_deposed_leader_drops_what_was_not_committed_and_takes_what_was_committed_since) {
  create();
  append(a_, {"common"});
  ASSERT_TRUE(run_until([&] { return is_level(b_) && is_level(c_); }));
  controller_.set_reachable(kA, false);
  network_.block(kA, kB);
  network_.block(kA, kC);
  append(a_, {"lost1", "lost2"}, Acks::leader);
  controller_.fence(kA);
  run(milliseconds(200));
  ASSERT_EQ(state().leader, kB);
  append(b_, {"kept"});
  run(seconds(1));
  network_.unblock(kA, kB);
  network_.unblock(kA, kC);
  controller_.set_reachable(kA, true);
  controller_.unfence(kA);
  ASSERT_TRUE(run_until([&] { return state().isr.size() == 3 && at(a_).high_watermark == Offset{2}; }));
  EXPECT_EQ(read(a_), Values({"common", "kept"}));
  EXPECT_GE(a_.metrics().truncations.value(), 1u);
}

TEST_F(ReplicationClusterTest, committed_records_that_a_leader_lacks_are_kept_and_said_to_be_missing) {
  create({kA, kB});
  append(a_, {"a"});
  append(a_, {"b"});
  ASSERT_TRUE(run_until([&] { return is_level(b_); }));
  controller_.fence(kB);  // a alone is in sync
  b_.crash();
  a_.lose_power();  // and nothing was flushed
  a_.start();
  run(milliseconds(200));
  ASSERT_LT(at(a_).log_end, Offset{2});
  b_.start();
  run(seconds(3));
  // It knows the high watermark only if it was written down; then nothing is dropped.
  if (b_.metrics().refused_truncations.value() != 0) {
    EXPECT_EQ(at(b_).log_end, Offset{2});
  }
  EXPECT_GE(at(b_).log_end, at(b_).high_watermark);
}

TEST_F(ReplicationClusterTest, the_high_watermark_is_known_after_a_restart) {
  create({kA, kB});
  append(a_, {"a", "b"});
  run(seconds(6));  // its checkpoint is written every five
  ASSERT_TRUE(is_level(b_));
  controller_.set_reachable(kB, false);
  b_.crash();
  a_.crash();
  b_.start();
  EXPECT_EQ(at(b_).high_watermark, Offset{2});
}

TEST_F(ReplicationClusterTest, after_an_unclean_stop_a_broker_does_not_lead_on_in_the_epoch_that_it_finds) {
  create({kA, kB});
  append(a_, {"a"});
  ASSERT_TRUE(run_until([&] { return is_level(b_); }));
  controller_.set_reachable(kA, false);  // it will not hear of its election
  a_.crash();
  a_.start();
  run(milliseconds(100));
  EXPECT_EQ(a_.find("t")->append(testing::make_batch({"b"}), Acks::leader).error().code, Errc::not_leader);
}

TEST_F(ReplicationClusterTest, records_that_arrive_damaged_are_asked_for_again) {
  create({kA, kB});
  network_.set_damage(1);
  const Appended appended = append(a_, {"a"});
  run(milliseconds(500));
  EXPECT_GE(b_.metrics().damaged_messages.value(), 1u);
  EXPECT_EQ(at(b_).log_end, Offset{0});
  network_.set_damage(0);
  ASSERT_TRUE(run_until([&] { return *a_.find("t")->is_acknowledged(appended); }));
  ASSERT_TRUE(run_until([&] { return is_level(b_); }));
  EXPECT_EQ(read(b_), Values({"a"}));
}

TEST_F(ReplicationClusterTest, records_damaged_on_a_followers_disk_come_again_once_it_is_out_of_sync) {
  create();
  append(a_, {"a"});
  append(a_, {"b"});
  ASSERT_TRUE(run_until([&] { return is_level(b_) && is_level(c_); }));
  b_.stop_cleanly();
  b_.fs().flip_bit("/data/t-0/00000000000000000000.log", uint64_t{8} * 65);
  b_.start();
  ASSERT_TRUE(run_until([&] { return state().isr.size() == 3; }));
  EXPECT_EQ(fetch(b_, 0).error().code, Errc::corrupt);
  ASSERT_TRUE(run_until([&] { return b_.metrics().refetches.value() == 1 && state().isr.size() == 3; }));
  ASSERT_TRUE(run_until([&] { return is_level(b_); }));
  EXPECT_EQ(read(b_), Values({"a", "b"}));
}

TEST_F(ReplicationClusterTest, a_partition_whose_disk_fails_holds_up_no_other) {
  create({kA, kB});
  create({kA, kB}, "other");
  append(a_, {"a"});
  ASSERT_TRUE(run_until([&] { return is_level(b_); }));
  controller_.configure("t", "flush.messages", "1");
  run(milliseconds(100));
  b_.fs().fail_flushes(true);
  append(a_, {"b"}, Acks::leader);
  ASSERT_TRUE(run_until([&] { return b_.find("t")->is_offline(); }));
  append(a_, {"c"}, Acks::leader);
  const Appended other = append(a_, {"x"}, Acks::all, "other");
  ASSERT_TRUE(run_until([&] { return *a_.find("other")->is_acknowledged(other); }));
  EXPECT_TRUE(run_until([&] { return state().isr == std::vector{kA} && at(a_).high_watermark == Offset{3}; }));
}

TEST_F(ReplicationClusterTest, a_follower_whose_disk_is_full_holds_up_nobody_and_is_back_in_sync_when_there_is_space) {
  create();
  append(a_, {"a"});
  ASSERT_TRUE(run_until([&] { return is_level(b_) && is_level(c_); }));
  b_.fs().set_capacity(1);
  const Appended waits = append(a_, {"b"}, Acks::all);
  const TimePoint began = clock_.now();
  ASSERT_TRUE(run_until([&] { return *a_.find("t")->is_acknowledged(waits); }));
  EXPECT_LT(clock_.now() - began, milliseconds(500)) << "replica.lag.time.max.ms is not waited for";
  EXPECT_EQ(state().isr.size(), 2u);
  b_.fs().set_capacity(io::sim::SimFileSystem::kNever);
  EXPECT_TRUE(run_until([&] { return is_level(b_) && state().isr.size() == 3; }));
}

TEST_F(ReplicationClusterTest, a_follower_whose_next_record_is_gone_starts_over_where_the_leader_starts) {
  create();
  configure("min.insync.replicas", "1");
  configure("segment.bytes", "1000");
  run(milliseconds(100));
  c_.crash();
  controller_.fence(kC);
  for (int i = 0; i < 100; ++i) append(a_, {std::to_string(i)}, Acks::leader);
  ASSERT_TRUE(run_until([&] { return is_level(b_); }));
  configure("retention.bytes", "1000");
  run(seconds(301));
  ASSERT_GT(at(a_).log_start, Offset{0});
  c_.start();
  ASSERT_TRUE(run_until([&] { return c_.find("t") != nullptr && is_level(c_); }));
  EXPECT_EQ(at(c_).log_start, at(a_).log_start);
  ASSERT_TRUE(run_until([&] { return state().isr.size() == 3; }));
}

}  // namespace
}  // namespace millrace::replication
