#include "broker/rpc/queue_event_loop.h"

#include <future>

#include <gtest/gtest.h>

#include "broker/io/posix/real_clock.h"
#include "broker/rpc/rpc_server.h"

namespace millrace::rpc {
namespace {

using std::chrono::milliseconds;

class QueueEventLoopTest : public ::testing::Test {
 protected:
  void on_loop(const std::function<void()>& what) {
    std::promise<void> ran;
    loop_->post([&] {
      what();
      ran.set_value();
    });
    ran.get_future().wait();
  }

  io::posix::RealClock clock_;
  RpcLoops loops_;
  std::unique_ptr<QueueEventLoop> loop_ = loops_.start("test", clock_).value();
};

TEST_F(QueueEventLoopTest, tasks_of_many_threads_run_each_once_and_those_of_one_in_their_order) {
  constexpr int kThreads = 4, kTasks = 5'000;
  std::vector<std::vector<int>> ran(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        loop_->post([&ran, t, i] { ran[t].push_back(i); });
        if (i % 7 == 0) std::this_thread::yield();  // so that the loop falls asleep now and then
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  on_loop([] {});
  for (const std::vector<int>& order : ran) {
    ASSERT_EQ(order.size(), size_t{kTasks});
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  }
}

TEST_F(QueueEventLoopTest, a_task_that_a_task_posts_runs_after_it_without_a_wake_up) {
  std::string order;
  std::promise<void> ran;
  loop_->post([&] {
    EXPECT_TRUE(loop_->is_current());
    loop_->post([&] {
      order += "b";
      ran.set_value();
    });
    order += "a";
  });
  ran.get_future().wait();
  EXPECT_EQ(order, "ab");
  EXPECT_FALSE(loop_->is_current());
}

TEST_F(QueueEventLoopTest, timers_run_in_the_order_of_their_deadlines_and_never_early_and_cancelled_ones_do_not) {
  std::string order;
  std::promise<void> last;
  const TimePoint begin = clock_.now();
  on_loop([&] {
    loop_->run_after(milliseconds(20), [&] {
      EXPECT_GE(clock_.now() - begin, milliseconds(20));
      order += "c";
      last.set_value();
    });
    loop_->run_after(milliseconds(5), [&] { order += "b"; });
    loop_->cancel(loop_->run_after(milliseconds(10), [&] { order += "x"; }));
    loop_->run_after(milliseconds(-1), [&] { order += "a"; });
  });
  last.get_future().wait();
  EXPECT_EQ(order, "abc");
}

TEST_F(QueueEventLoopTest, timers_run_although_tasks_never_end) {
  std::atomic<bool> done{false};
  std::function<void()> again = [&] {
    if (!done) loop_->post(again);
  };
  std::promise<void> ran;
  on_loop([&] {
    again();
    loop_->run_after(milliseconds(2), [&] { ran.set_value(); });
  });
  ran.get_future().wait();
  done = true;
  on_loop([] {});
}

// Completes, as soon as it is set, on a loop's queue.
struct Alarm final : QueueTag {
  Alarm(QueueEventLoop& loop, gpr_timespec at, std::function<void(bool)> what) : then(std::move(what)) {
    alarm.Set(loop.queue(), at, tag());
  }
  void on_complete(bool ok) override { then(ok); }
  std::function<void(bool)> then;
  grpc::Alarm alarm;
};

TEST_F(QueueEventLoopTest, operations_end_on_the_thread_although_tasks_never_end) {
  std::atomic<bool> done{false};
  std::function<void()> again = [&] {
    if (!done) loop_->post(again);
  };
  loop_->post(again);
  std::promise<bool> current;
  Alarm alarm(*loop_, gpr_time_0(GPR_CLOCK_MONOTONIC), [&](bool) { current.set_value(loop_->is_current()); });
  EXPECT_TRUE(current.get_future().get());
  done = true;
  on_loop([] {});
}

TEST_F(QueueEventLoopTest, tasks_run_although_operations_never_end) {
  std::atomic<bool> done{false};
  std::vector<std::unique_ptr<Alarm>> alarms;
  std::function<void(bool)> again = [&](bool) {
    if (!done) alarms.push_back(std::make_unique<Alarm>(*loop_, gpr_time_0(GPR_CLOCK_MONOTONIC), again));
  };
  on_loop([&] { again(true); });
  for (int i = 0; i < 100; ++i) on_loop([] {});
  done = true;
  loop_->stop();
  EXPECT_GE(alarms.size(), 2u);
}

TEST_F(QueueEventLoopTest, what_was_not_run_when_the_loop_stops_is_destroyed_by_who_stops_it) {
  std::promise<void> entered, leave;
  loop_->post([&] {
    entered.set_value();
    leave.get_future().wait();
  });
  entered.get_future().wait();
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  bool destroyed_as_current = false;
  struct Last {
    QueueEventLoop& loop;
    bool& current;
    ~Last() {
      current = loop.is_current();
      loop.post([] { ADD_FAILURE() << "posted after the end"; });
    }
  };
  auto last = std::make_shared<Last>(Last{*loop_, destroyed_as_current});
  loop_->post([held = std::move(held), last = std::move(last)] { ADD_FAILURE() << "ran after the end"; });
  std::thread opener([&] {
    while (!loop_->is_stopping()) std::this_thread::yield();
    leave.set_value();
  });
  loop_->stop();
  opener.join();
  EXPECT_TRUE(watched.expired());
  EXPECT_TRUE(destroyed_as_current);
  auto dropped = std::make_shared<int>(2);
  const std::weak_ptr<int> gone = dropped;
  loop_->post([dropped = std::move(dropped)] { ADD_FAILURE(); });
  EXPECT_TRUE(gone.expired());
  loop_->stop();
}

TEST_F(QueueEventLoopTest, a_stop_has_guests_cancel_and_waits_for_the_ends_of_their_operations) {
  struct Guest final : QueueGuest {
    explicit Guest(QueueEventLoop& at) : loop(at) { loop.enter(*this); }
    void abandon() override { alarm->alarm.Cancel(); }
    QueueEventLoop& loop;
    std::unique_ptr<Alarm> alarm;
    bool ended = false;
  };
  std::unique_ptr<Guest> guest;
  on_loop([&] {
    guest = std::make_unique<Guest>(*loop_);
    guest->alarm = std::make_unique<Alarm>(*loop_, gpr_inf_future(GPR_CLOCK_MONOTONIC), [&](bool ok) {
      EXPECT_FALSE(ok);
      EXPECT_TRUE(loop_->is_current());
      guest->ended = true;
      loop_->leave(*guest);
    });
  });
  loop_->stop();
  EXPECT_TRUE(guest->ended);
}

TEST_F(QueueEventLoopTest, an_idle_loop_is_stopped_by_any_thread) {
  std::thread([this] { loop_->stop(); }).join();
}

}  // namespace
}  // namespace millrace::rpc
