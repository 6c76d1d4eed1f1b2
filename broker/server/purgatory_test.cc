#include "broker/server/purgatory.h"

#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_event_loop.h"

namespace millrace::server {
namespace {

using std::chrono::milliseconds;

class PurgatoryTest : public testing::TestWithParam<uint64_t> {
 protected:
  // Parks an operation that is ready when its number is in ready_; notes how it ended.
  void park(int number, std::vector<WatchKey> keys, milliseconds wait) {
    purgatory_.park({loop_.get(), [this, number] { return ready_.contains(number); },
                     [this, number](WakeReason reason) { ended_.emplace_back(number, reason); }},
                    keys, clock_.now() + wait);
  }
  using Ends = std::vector<std::pair<int, WakeReason>>;

  io::sim::SimClock clock_;
  io::sim::SimScheduler scheduler_{clock_, GetParam()};
  std::unique_ptr<io::sim::SimEventLoop> loop_ = scheduler_.make_loop();
  std::unique_ptr<io::sim::SimEventLoop> other_loop_ = scheduler_.make_loop();
  Purgatory purgatory_{clock_};
  std::set<int> ready_;
  Ends ended_;
};
INSTANTIATE_TEST_SUITE_P(seeds, PurgatoryTest, testing::Range<uint64_t>(1, 6));

TEST_P(PurgatoryTest, what_is_ready_when_parked_ends_at_once) {
  ready_ = {1};
  park(1, {7}, milliseconds(100));
  EXPECT_EQ(ended_, Ends({{1, WakeReason::ready}}));
  EXPECT_EQ(purgatory_.parked(), 0);
}

TEST_P(PurgatoryTest, a_wake_of_any_of_its_keys_ends_it_when_it_is_ready) {
  park(1, {7, 8}, milliseconds(100));
  park(2, {8}, milliseconds(100));
  purgatory_.wake(8);
  EXPECT_EQ(ended_, Ends());
  ready_ = {1};
  purgatory_.wake(9);
  EXPECT_EQ(ended_, Ends());
  purgatory_.wake(8);
  EXPECT_EQ(ended_, Ends({{1, WakeReason::ready}}));
  EXPECT_EQ(purgatory_.parked(), 1);
  scheduler_.run_for(milliseconds(200));
  EXPECT_EQ(ended_, Ends({{1, WakeReason::ready}, {2, WakeReason::deadline}}));
}

TEST_P(PurgatoryTest, a_deadline_ends_it_neither_early_nor_twice) {
  park(1, {7}, milliseconds(100));
  park(2, {}, milliseconds(50));
  park(3, {7}, milliseconds(0));
  EXPECT_EQ(ended_, Ends({{3, WakeReason::deadline}}));
  scheduler_.run_for(milliseconds(99));
  EXPECT_EQ(ended_, Ends({{3, WakeReason::deadline}, {2, WakeReason::deadline}}));
  scheduler_.run_for(milliseconds(1));
  EXPECT_EQ(ended_.size(), 3u);
  ready_ = {1, 2, 3};
  purgatory_.wake(7);
  scheduler_.run_for(milliseconds(1000));
  EXPECT_EQ(ended_.size(), 3u);
  EXPECT_EQ(purgatory_.expired().value(), 3u);
  EXPECT_EQ(loop_->timers(), 0u);
}

TEST_P(PurgatoryTest, what_a_wake_on_another_loop_ends_is_finished_on_its_own) {
  bool finished = false;
  purgatory_.park({loop_.get(), [this] { return ready_.contains(1); },
                   [&](WakeReason) {
                     EXPECT_TRUE(loop_->is_current());
                     EXPECT_FALSE(other_loop_->is_current());
                     finished = true;
                   }},
                  std::array{WatchKey{7}}, clock_.now() + milliseconds(100));
  ready_ = {1};
  other_loop_->post([this] { purgatory_.wake(7); });
  EXPECT_TRUE(scheduler_.run_until([&] { return finished; }));
  EXPECT_EQ(loop_->timers(), 0u) << "the timer of an operation that ended is cancelled";
}

TEST_P(PurgatoryTest, a_thousand_that_wait_for_one_partition_cost_one_append_a_thousand_steps) {
  constexpr int kMany = 1000;
  uint64_t asked = 0;
  bool appended = false;
  std::vector<int> order;
  for (int i = 0; i < kMany; ++i) {
    purgatory_.park({loop_.get(), [&] { return ++asked, appended; }, [&, i](WakeReason) { order.push_back(i); }},
                    std::array{WatchKey{7}}, clock_.now() + milliseconds(100));
  }
  EXPECT_EQ(asked, kMany);
  EXPECT_EQ(purgatory_.visited().value(), 0u);
  purgatory_.wake(7);  // not enough for anyone: each is asked once
  EXPECT_EQ(asked, 2 * kMany);
  EXPECT_EQ(purgatory_.visited().value(), kMany);
  appended = true;
  purgatory_.wake(7);
  EXPECT_EQ(asked, 3 * kMany);
  EXPECT_EQ(purgatory_.visited().value(), 3 * kMany) << "each is asked and leaves the list, without a look at others";
  EXPECT_EQ(order.size(), kMany);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << "who waited longest is answered first";
  purgatory_.wake(7);
  EXPECT_EQ(purgatory_.visited().value(), 3 * kMany);
}

TEST_P(PurgatoryTest, those_that_leave_in_any_order_leave_the_others_waiting) {
  for (int i = 0; i < 50; ++i) park(i, {7, static_cast<WatchKey>(100 + i % 3), 7}, milliseconds(100));
  std::set<int> ended;
  while (ended.size() < 50) {
    const int next = static_cast<int>(scheduler_.random().below(50));
    ended.insert(next);
    ready_ = {next};
    ended_.clear();
    purgatory_.wake(scheduler_.random().chance(2) ? 7 : static_cast<WatchKey>(100 + next % 3));
    EXPECT_LE(ended_.size(), 1u);
    EXPECT_EQ(purgatory_.parked(), static_cast<int64_t>(50 - ended.size()));
  }
  EXPECT_EQ(loop_->timers(), 0u);
}

TEST_P(PurgatoryTest, shutting_down_ends_all_and_what_comes_later) {
  park(1, {7}, milliseconds(100));
  park(2, {}, milliseconds(100));
  purgatory_.shut_down();
  park(3, {7}, milliseconds(100));
  EXPECT_EQ(ended_.size(), 3u);
  for (const auto& [number, reason] : ended_) EXPECT_EQ(reason, WakeReason::shutting_down);
  scheduler_.run_for(milliseconds(1000));
  EXPECT_EQ(ended_.size(), 3u);
}

class Inline final : public io::EventLoop {  // runs at once, whoever calls
 public:
  void post(std::function<void()> task) override { task(); }
  bool is_current() const override { return true; }
  io::TimerId run_after(Duration, std::function<void()>) override { return 0; }
  void cancel(io::TimerId) override {}
};

// Threads that make operations ready and wake them race with their deadlines.
TEST(PurgatoryThreads, each_operation_ends_exactly_once_whoever_comes_first) {
  io::sim::SimClock clock;
  Inline loop;
  Purgatory purgatory(clock);
  constexpr int kRounds = 3000;
  constexpr int kWakers = 3;
  std::vector<std::atomic<int>> value(kRounds), ends(kRounds), asking(kRounds);
  std::atomic<int> parked{0};
  std::vector<std::thread> wakers;
  for (int waker = 0; waker < kWakers; ++waker) {
    wakers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        while (parked.load() < round) {
        }
        value[static_cast<size_t>(round)].fetch_add(1);
        purgatory.wake(static_cast<WatchKey>(round));
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    parked.store(round);
    const auto i = static_cast<size_t>(round);
    purgatory.park({&loop,
                    [&, i] {
                      EXPECT_EQ(asking[i].fetch_add(1), 0) << "asked by two threads at a time";
                      const bool ready = value[i].load() == kWakers;
                      std::this_thread::yield();  // so that the last wake often comes while an old answer is on its way
                      asking[i].fetch_sub(1);
                      return ready;
                    },
                    [&, i](WakeReason) { ends[i].fetch_add(1); }},
                   std::array{static_cast<WatchKey>(round)}, clock.now() + milliseconds(100));
  }
  parked.store(kRounds);
  for (std::thread& waker : wakers) waker.join();
  for (const std::atomic<int>& count : ends) EXPECT_EQ(count.load(), 1) << "a wake was lost or came twice";
  EXPECT_EQ(purgatory.parked(), 0);
}

// A wake of the first key comes while park() still names the others.
TEST(PurgatoryThreads, an_operation_that_is_woken_while_it_is_parked_ends_once_and_leaves_every_key) {
  io::sim::SimClock clock;
  Inline loop;
  Purgatory purgatory(clock);
  constexpr int kRounds = 2000;
  constexpr size_t kKeys = 30;
  std::atomic<bool> stop{false};
  std::thread waker([&] {
    while (!stop.load()) purgatory.wake(1);
  });
  std::vector<WatchKey> keys;
  for (size_t i = 1; i <= kKeys; ++i) keys.push_back(i);
  std::atomic<int> ends{0};
  for (int round = 0; round < kRounds; ++round) {
    purgatory.park({&loop, [] { return true; }, [&](WakeReason) { ends.fetch_add(1); }}, keys,
                   clock.now() + milliseconds(100));
  }
  stop.store(true);
  waker.join();
  EXPECT_EQ(ends.load(), kRounds);
  EXPECT_EQ(purgatory.parked(), 0);
  const uint64_t visited = purgatory.visited().value();
  purgatory.park({&loop, nullptr, [](WakeReason) {}}, {}, clock.now() + milliseconds(100));  // so that wakes look
  for (const WatchKey key : keys) purgatory.wake(key);
  EXPECT_EQ(purgatory.visited().value(), visited) << "a finished operation is still listed";
  purgatory.shut_down();
}

}  // namespace
}  // namespace millrace::server
