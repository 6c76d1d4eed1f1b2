#include "operator/controller/queue.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"

namespace millrace::controller {
namespace {

using namespace std::chrono_literals;

class QueueTest : public testing::Test {
 protected:
  kube::ObjectKey key(const std::string& name) { return {"KafkaTopic", "shop", name}; }
  std::string take() {
    const auto taken = queue_.take_due();
    return taken ? taken->name : "-";
  }
  io::sim::SimClock clock_;
  Queue queue_{clock_};
};

TEST_F(QueueTest, a_key_asked_for_twice_comes_once) {
  queue_.add(key("a"));
  queue_.add(key("a"));
  EXPECT_EQ(take(), "a");
  EXPECT_EQ(take(), "-");
}

TEST_F(QueueTest, the_earlier_time_holds) {
  queue_.add(key("a"), 10s);
  queue_.add(key("a"), 1s);
  queue_.add(key("a"), 20s);
  EXPECT_EQ(take(), "-");
  clock_.advance(1s);
  EXPECT_EQ(take(), "a");
}

TEST_F(QueueTest, a_key_asked_for_while_it_is_worked_on_comes_again_and_not_at_the_same_time) {
  queue_.add(key("a"));
  EXPECT_EQ(take(), "a");
  queue_.add(key("a"));
  EXPECT_EQ(take(), "-");
  queue_.done(key("a"));
  EXPECT_EQ(take(), "a");
}

TEST_F(QueueTest, failures_come_later_each_time_up_to_a_limit_until_forgotten) {
  Duration last{};
  for (int i = 0; i < 30; ++i) {
    queue_.add_after_failure(key("a"));
    const Duration delay = *queue_.next_due() - clock_.now();
    EXPECT_GE(delay, last);
    EXPECT_LE(delay, Queue::kRetryMax);
    last = delay;
    clock_.advance(std::chrono::duration_cast<std::chrono::milliseconds>(delay));
    EXPECT_EQ(take(), "a");
    queue_.done(key("a"));
  }
  EXPECT_EQ(last, Queue::kRetryMax);
  queue_.forget_failures(key("a"));
  queue_.add_after_failure(key("a"));
  EXPECT_EQ(*queue_.next_due() - clock_.now(), Queue::kRetryMin);
}

TEST_F(QueueTest, a_full_queue_says_so) {
  for (size_t i = 0; i < Queue::kKeysMax; ++i) ASSERT_TRUE(queue_.add(key(std::to_string(i))));
  EXPECT_FALSE(queue_.add(key("one more")));
  EXPECT_TRUE(queue_.add(key("7")));
}

TEST_F(QueueTest, closing_ends_the_wait) {
  queue_.close();
  EXPECT_FALSE(queue_.take().has_value());
}

}  // namespace
}  // namespace millrace::controller
