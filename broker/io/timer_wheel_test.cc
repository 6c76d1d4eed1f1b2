#include "broker/io/timer_wheel.h"

#include <map>

#include <gtest/gtest.h>

#include "broker/io/random.h"

namespace millrace::io {
namespace {

using std::chrono::milliseconds;

class Words final : public Random {
 public:
  explicit Words(uint64_t seed) : state_(seed * 2 + 1) {}
  uint64_t next() override {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return state_ ^ (state_ >> 29);
  }

 private:
  uint64_t state_;
};

class TimerWheelTest : public testing::Test {
 protected:
  TimePoint at(int64_t ms) const { return TimePoint(milliseconds(1'000'000 + ms)); }
  TimerId add(int64_t ms, int name) {
    return wheel_.add(at(ms), [this, name] { ran_.push_back(name); });
  }
  std::vector<int> expire(int64_t ms) {
    ran_.clear();
    while (auto task = wheel_.pop_due(at(ms))) task();
    return ran_;
  }
  std::vector<int> ran_;
  TimerWheel wheel_{at(0)};
};

using Names = std::vector<int>;

TEST_F(TimerWheelTest, a_timer_runs_at_its_deadline_and_not_before) {
  add(5, 1);
  EXPECT_EQ(expire(4), Names());
  EXPECT_EQ(expire(5), Names({1}));
  EXPECT_EQ(expire(100), Names());
  EXPECT_EQ(wheel_.size(), 0u);
}

TEST_F(TimerWheelTest, a_part_of_a_millisecond_is_rounded_up) {
  wheel_.add(at(5) + Duration(1), [this] { ran_.push_back(1); });
  EXPECT_EQ(expire(5), Names());
  EXPECT_EQ(expire(6), Names({1}));
}

TEST_F(TimerWheelTest, a_deadline_in_the_past_runs_in_the_next_millisecond) {
  expire(50);
  add(10, 1);
  EXPECT_EQ(expire(50), Names());
  EXPECT_EQ(expire(51), Names({1}));
}

TEST_F(TimerWheelTest, a_cancelled_timer_does_not_run_and_its_id_stays_dead) {
  const TimerId id = add(5, 1);
  wheel_.cancel(id);
  const TimerId reused = add(6, 2);
  EXPECT_NE(id, reused);
  wheel_.cancel(id);
  EXPECT_EQ(expire(10), Names({2}));
  wheel_.cancel(reused);
}

TEST_F(TimerWheelTest, a_task_may_cancel_one_that_is_due_with_it) {
  std::array<TimerId, 2> ids;
  ids[0] = wheel_.add(at(5), [&] { wheel_.cancel(ids[1]), ran_.push_back(0); });
  ids[1] = wheel_.add(at(5), [&] { wheel_.cancel(ids[0]), ran_.push_back(1); });
  EXPECT_EQ(expire(5).size(), 1u);
}

TEST_F(TimerWheelTest, next_is_never_later_than_the_first_deadline) {
  EXPECT_FALSE(wheel_.next().has_value());
  add(1'000'000'000, 1);
  ASSERT_TRUE(wheel_.next().has_value());
  EXPECT_LE(*wheel_.next(), at(1'000'000'000));
}

// Against a sorted map, over every distance and through every level.
TEST_F(TimerWheelTest, random_timers_run_exactly_when_a_sorted_map_says) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Words random(seed);
    TimerWheel wheel(at(0));
    std::multimap<int64_t, int> expected;
    std::map<int, std::pair<TimerId, int64_t>> alive;
    std::vector<int> ran;
    int64_t now = 0;
    for (int name = 0; name < 3000; ++name) {
      if (random.below(3) != 0) {
        const auto due = now + 1 + static_cast<int64_t>(random.below(uint64_t{1} << (1 + random.below(30))));
        alive[name] = {wheel.add(at(due), [&ran, name] { ran.push_back(name); }), due};
      } else if (random.below(2) == 0 && !alive.empty()) {
        auto victim = alive.lower_bound(static_cast<int>(random.below(3000)));
        if (victim == alive.end()) victim = alive.begin();
        wheel.cancel(victim->second.first);
        alive.erase(victim);
      } else {
        // As a loop does: never sleeps past next().
        now += static_cast<int64_t>(random.below(uint64_t{1} << random.below(24)));
        std::map<int64_t, int> due_counts;
        for (const auto& [timer, entry] : alive) {
          if (entry.second <= now) ++due_counts[entry.second];
        }
        ran.clear();
        while (auto task = wheel.pop_due(at(now))) task();
        int64_t last = 0;
        for (const int timer : ran) {
          ASSERT_TRUE(alive.contains(timer));
          EXPECT_GE(alive[timer].second, last);
          last = alive[timer].second;
          --due_counts[last];
          alive.erase(timer);
        }
        for (const auto& [tick, count] : due_counts) EXPECT_EQ(count, 0) << "at " << tick << " now " << now;
        for (const auto& [timer, entry] : alive) EXPECT_LE(*wheel.next(), at(entry.second));
      }
    }
    EXPECT_EQ(wheel.size(), alive.size());
  }
}

}  // namespace
}  // namespace millrace::io
