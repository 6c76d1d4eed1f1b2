#include "broker/control/controller_client.h"

#include <gtest/gtest.h>

#include "broker/control/control_test_support.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

class ControllerClientTest : public ::testing::Test, public ControlFixture {
 protected:
  void ask(ControllerCall call, milliseconds timeout = milliseconds(1000)) {
    client.call(std::move(call), timeout,
                [this](Result<ControllerAnswer> answer) { answers.push_back(std::move(answer)); });
  }
  std::vector<Result<ControllerAnswer>> answers;
};

TEST_F(ControllerClientTest, a_call_goes_to_the_broker_that_leads_and_its_answer_comes_back) {
  ask(EnsureOffsetsTopic{});
  auto call = next_call();
  EXPECT_EQ(call.at, BrokerId{2});
  EXPECT_TRUE(answers.empty());
  call.done(ControllerAnswer(OffsetsTopicReply{50}));
  run_for(milliseconds(1));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(std::get<OffsetsTopicReply>(*answers[0]).partitions, 50);
}

TEST_F(ControllerClientTest, a_call_stays_here_when_this_broker_leads) {
  leader = BrokerId{1};
  ask(EnsureOffsetsTopic{});
  EXPECT_EQ(next_call().at, kNoBroker);
}

TEST_F(ControllerClientTest, a_call_waits_for_an_election) {
  leader = kNoBroker;
  ask(EnsureOffsetsTopic{});
  run_for(milliseconds(300));
  EXPECT_TRUE(controller.calls.empty());
  leader = BrokerId{3};
  EXPECT_EQ(next_call().at, BrokerId{3});
  EXPECT_TRUE(answers.empty());
}

TEST_F(ControllerClientTest, a_call_follows_the_leadership) {
  ask(ForwardedRequest{});
  auto call = next_call();
  leader = BrokerId{3};
  call.done(Error{Errc::not_controller, "broker 3 leads"});
  EXPECT_EQ(next_call().at, BrokerId{3});
}

TEST_F(ControllerClientTest, a_call_that_may_have_happened_is_repeated_only_if_that_does_no_harm) {
  ask(EnsureOffsetsTopic{});
  next_call().done(Error{Errc::connection_closed, {}});
  next_call().done(ControllerAnswer(OffsetsTopicReply{1}));
  run_for(milliseconds(1));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0]);

  ask(ForwardedRequest{});
  next_call().done(Error{Errc::connection_closed, {}});
  run_for(milliseconds(1));
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].error().code, Errc::connection_closed);
  EXPECT_TRUE(controller.calls.empty());
}

TEST_F(ControllerClientTest, a_call_whose_leadership_was_lost_on_the_way_is_made_again_at_the_next_leader) {
  ask(metadata::MayStop{BrokerId{1}, "me"});
  auto call = next_call();
  leader = BrokerId{3};
  call.done(Error{Errc::outcome_unknown, "leadership was lost"});
  EXPECT_EQ(next_call().at, BrokerId{3});
}

TEST_F(ControllerClientTest, a_broker_is_not_forgotten_twice_for_the_second_time_it_would_be_unknown) {
  for (const Errc lost : {Errc::connection_closed, Errc::outcome_unknown, Errc::timed_out}) {
    ask(metadata::UnregisterBroker{BrokerId{1}});
    next_call().done(Error{lost, {}});
    run_for(milliseconds(1));
    ASSERT_FALSE(answers.empty());
    EXPECT_EQ(answers.back().error().code, lost);
    EXPECT_TRUE(controller.calls.empty());
  }
}

TEST_F(ControllerClientTest, a_controller_on_this_broker_that_cannot_answer_is_waited_for_no_longer_than_others) {
  leader = BrokerId{1};
  ask(EnsureOffsetsTopic{}, milliseconds(500));
  auto call = next_call();
  run_for(milliseconds(501));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, Errc::timed_out);
  call.done(ControllerAnswer(OffsetsTopicReply{50}));
  run_for(milliseconds(1));
  EXPECT_EQ(answers.size(), 1u) << "a late answer is nobody's";

  ask(EnsureOffsetsTopic{}, milliseconds(500));
  next_call().done(ControllerAnswer(OffsetsTopicReply{50}));
  run_for(milliseconds(1));
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[1]);
  EXPECT_EQ(loop->timers(), 0u);
}

TEST_F(ControllerClientTest, a_call_ends_when_its_time_is_up_and_says_what_it_waited_for) {
  leader = kNoBroker;
  ask(EnsureOffsetsTopic{}, milliseconds(500));
  run_for(milliseconds(501));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, Errc::timed_out);
  EXPECT_NE(answers[0].error().context.find("no broker leads the metadata quorum"), std::string::npos);
}

TEST_F(ControllerClientTest, the_time_left_is_what_the_controller_gets) {
  leader = kNoBroker;
  ask(EnsureOffsetsTopic{}, milliseconds(1000));
  run_for(milliseconds(600));
  leader = BrokerId{2};
  const auto call = next_call();
  EXPECT_LE(call.timeout, milliseconds(400));
  EXPECT_GT(call.timeout, milliseconds(100));
}

TEST_F(ControllerClientTest, what_the_controller_refuses_is_not_asked_again) {
  ask(AutoCreateTopic{"t"});
  next_call().done(Error{Errc::topic_already_exists, "t"});
  run_for(milliseconds(500));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].error().code, Errc::topic_already_exists);
  EXPECT_TRUE(controller.calls.empty());
}

}  // namespace
}  // namespace millrace::control
