#include "broker/control/broker_lifecycle.h"

#include <gtest/gtest.h>

#include "broker/control/control_test_support.h"

namespace millrace::control {
namespace {

using metadata::BrokerHeartbeat;
using metadata::BrokerHeartbeatReply;
using std::chrono::milliseconds;

class BrokerLifecycleTest : public ::testing::Test, public ControlFixture, public BrokerLifecycleEvents {
 protected:
  void on_registered(int64_t epoch) override { events.push_back("registered " + std::to_string(epoch)); }
  void on_state(bool fenced, bool isolated) override {
    events.push_back(std::string(fenced ? "fenced" : "serving") + (isolated ? ", isolated" : ""));
  }
  void on_refused(const Error& why) override { events.push_back("refused: " + why.to_string()); }

  void join() {
    lifecycle.start();
    next_call().done(ControllerAnswer(metadata::RegisterBrokerReply{77}));
    answer_heartbeat({.is_caught_up = true, .is_fenced = false});
    run_for(milliseconds(1));
    ASSERT_EQ(events, std::vector<std::string>({"registered 77", "serving"}));
    events.clear();
  }
  BrokerHeartbeat answer_heartbeat(const BrokerHeartbeatReply& reply) {
    auto call = next_call();
    call.done(ControllerAnswer(reply));
    return std::get<BrokerHeartbeat>(call.call);
  }

  std::vector<std::string> events;
  Offset applied{5};
  uint64_t failed_writes = 0;
  BrokerLifecycle lifecycle{{.client = &client,
                             .loop = loop.get(),
                             .clock = &clock,
                             .registration = {.id = BrokerId{1}, .cluster_id = "c", .fenced = true},
                             .metadata_offset = [this] { return applied; },
                             .failed_writes = [this] { return failed_writes; }},
                            *this};
};

TEST_F(BrokerLifecycleTest, a_broker_whose_writes_fail_asks_that_others_lead_but_not_again_and_again) {
  join();
  const auto drains = [this](Duration within) {
    int count = 0;
    const TimePoint until = clock.now() + within;
    while (clock.now() < until) {
      auto call = next_call();
      if (std::holds_alternative<metadata::DrainLeadership>(call.call)) {
        EXPECT_EQ(std::get<metadata::DrainLeadership>(call.call).node, BrokerId{1});
        call.done(ControllerAnswer(metadata::DrainLeadershipReply{}));
        ++count;
      } else {
        call.done(ControllerAnswer(BrokerHeartbeatReply{.is_caught_up = true, .is_fenced = false}));
      }
    }
    return count;
  };
  EXPECT_EQ(drains(std::chrono::seconds(3)), 0);
  failed_writes = 2;
  EXPECT_EQ(drains(std::chrono::seconds(3)), 1);
  failed_writes = 3;
  EXPECT_EQ(drains(std::chrono::seconds(5)), 0);
  EXPECT_EQ(drains(std::chrono::seconds(20)), 1);
}

TEST_F(BrokerLifecycleTest, a_broker_registers_then_sends_heartbeats_with_its_epoch_and_offset) {
  lifecycle.start();
  auto call = next_call();
  EXPECT_EQ(std::get<metadata::RegisterBroker>(call.call).cluster_id, "c");
  EXPECT_EQ(lifecycle.epoch(), -1);
  call.done(ControllerAnswer(metadata::RegisterBrokerReply{77}));
  const BrokerHeartbeat beat = answer_heartbeat({.is_caught_up = false, .is_fenced = true});
  EXPECT_EQ(beat.epoch, 77);
  EXPECT_EQ(beat.metadata_offset, Offset{5});
  EXPECT_EQ(lifecycle.epoch(), 77);
}

TEST_F(BrokerLifecycleTest, a_fenced_broker_asks_often_and_a_serving_one_at_its_interval) {
  join();
  TimePoint asked = clock.now();
  answer_heartbeat({.is_caught_up = true, .is_fenced = true});
  EXPECT_NEAR(static_cast<double>((clock.now() - asked).count()), 500e6, 2e6);
  asked = clock.now();
  answer_heartbeat({.is_caught_up = true, .is_fenced = true});
  EXPECT_LE(clock.now() - asked, milliseconds(25));
  EXPECT_EQ(events, std::vector<std::string>({"fenced"}));
}

TEST_F(BrokerLifecycleTest, registration_is_tried_until_a_controller_answers) {
  lifecycle.start();
  for (int i = 0; i < 3; ++i) next_call().done(Error{Errc::overloaded, {}});
  next_call().done(ControllerAnswer(metadata::RegisterBrokerReply{78}));
  run_for(milliseconds(1));
  EXPECT_EQ(events.at(0), "registered 78");
}

TEST_F(BrokerLifecycleTest, a_refusal_that_nothing_can_mend_ends_it) {
  for (const Errc code : {Errc::cluster_mismatch, Errc::duplicate_registration, Errc::unsupported_version}) {
    BrokerLifecycle other({.client = &client,
                           .loop = loop.get(),
                           .clock = &clock,
                           .registration = {.id = BrokerId{1}},
                           .metadata_offset = [] { return Offset{0}; }},
                          *this);
    events.clear();
    other.start();
    next_call().done(Error{code, "words"});
    run_for(std::chrono::seconds(10));
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].rfind("refused: words", 0), 0u) << events[0];
    EXPECT_TRUE(controller.calls.empty());
    other.stop();
  }
}

TEST_F(BrokerLifecycleTest, a_broker_whose_registration_was_replaced_ends) {
  join();
  next_call().done(Error{Errc::stale_broker_epoch, "epoch 77"});
  run_for(std::chrono::seconds(3));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].rfind("refused: epoch 77", 0), 0u);
}

TEST_F(BrokerLifecycleTest, a_broker_that_was_unregistered_ends) {
  join();
  next_call().done(Error{Errc::broker_not_registered, "broker 1"});
  run_for(std::chrono::seconds(3));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].rfind("refused: broker 1", 0), 0u);
}

TEST_F(BrokerLifecycleTest, a_broker_that_reaches_no_controller_for_a_session_knows_before_it_is_fenced) {
  join();
  const TimePoint last_heard = clock.now();
  leader = kNoBroker;
  ASSERT_TRUE(scheduler.run_until([this] { return !events.empty(); }, std::chrono::minutes(1)));
  EXPECT_EQ(events[0], "serving, isolated");
  EXPECT_LE(clock.now() - last_heard, std::chrono::seconds(2));
  EXPECT_GE(clock.now() - last_heard, milliseconds(1900));
  leader = BrokerId{2};
  answer_heartbeat({.is_caught_up = true, .is_fenced = true});
  run_for(milliseconds(1));
  EXPECT_EQ(events.back(), "fenced");
}

TEST_F(BrokerLifecycleTest, a_slow_answer_counts_from_when_the_heartbeat_was_sent) {
  join();
  auto call = next_call();
  const TimePoint sent = clock.now();
  run_for(milliseconds(400));
  call.done(ControllerAnswer(BrokerHeartbeatReply{.is_caught_up = true, .is_fenced = false}));
  run_for(milliseconds(1));
  leader = kNoBroker;
  controller.calls.clear();
  ASSERT_TRUE(scheduler.run_until([this] { return !events.empty(); }, std::chrono::minutes(1)));
  EXPECT_LE(clock.now() - sent, std::chrono::seconds(2));
}

TEST_F(BrokerLifecycleTest, a_stop_waits_until_leadership_is_handed_over_and_names_what_is_not) {
  join();
  std::optional<std::string> left;
  lifecycle.shut_down(std::chrono::seconds(30), [&](std::string words) { left = std::move(words); });
  EXPECT_TRUE(answer_heartbeat({.is_caught_up = true, .is_fenced = false}).want_shutdown);
  run_for(milliseconds(1));
  EXPECT_FALSE(left);
  BrokerHeartbeatReply reply{.is_caught_up = true, .is_fenced = false, .should_shut_down = true};
  reply.left_without_leader = 12;
  reply.without_leader = {{"t", PartitionIndex{3}}};
  answer_heartbeat(reply);
  run_for(milliseconds(1));
  ASSERT_TRUE(left);
  EXPECT_EQ(*left, "12 partitions that nobody else can lead: t-3, ...");
  run_for(std::chrono::seconds(5));
  EXPECT_TRUE(controller.calls.empty()) << "a broker that may stop says nothing more";
}

TEST_F(BrokerLifecycleTest, a_stop_does_not_wait_for_a_controller_that_is_gone_for_a_session) {
  join();
  std::optional<std::string> left;
  lifecycle.shut_down(std::chrono::seconds(30), [&](std::string words) { left = std::move(words); });
  leader = kNoBroker;
  controller.on_call = [this] { controller.take().done(Error{Errc::overloaded, {}}); };
  ASSERT_TRUE(scheduler.run_until([&] { return left.has_value(); }, std::chrono::seconds(3)));
  EXPECT_EQ(*left, "no controller has answered for a session");
}

TEST_F(BrokerLifecycleTest, a_stop_ends_when_the_broker_was_unregistered_meanwhile) {
  join();
  std::optional<std::string> left;
  lifecycle.shut_down(std::chrono::seconds(30), [&](std::string words) { left = std::move(words); });
  controller.on_call = [this] { controller.take().done(Error{Errc::broker_not_registered, "broker 1"}); };
  ASSERT_TRUE(scheduler.run_until([&] { return left.has_value(); }, std::chrono::seconds(3)));
  EXPECT_NE(left->find("broker 1"), std::string::npos) << *left;
}

TEST_F(BrokerLifecycleTest, a_stop_does_not_wait_for_ever) {
  join();
  std::optional<std::string> left;
  lifecycle.shut_down(std::chrono::seconds(1), [&](std::string words) { left = std::move(words); });
  leader = kNoBroker;
  controller.on_call = [this] { controller.take().done(Error{Errc::overloaded, {}}); };
  ASSERT_TRUE(scheduler.run_until([&] { return left.has_value(); }, std::chrono::seconds(3)));
  EXPECT_EQ(*left, "leadership was not handed over in time");
}

}  // namespace
}  // namespace millrace::control
