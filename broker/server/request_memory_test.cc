#include "broker/server/request_memory.h"

#include <semaphore>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

TEST(RequestMemory, one_request_of_any_size_is_let_in_as_long_as_there_is_memory) {
  RequestMemory memory(100);
  EXPECT_TRUE(memory.try_charge(99));
  EXPECT_TRUE(memory.try_charge(1000));
  EXPECT_FALSE(memory.try_charge(1));
  memory.release(1000);
  EXPECT_TRUE(memory.try_charge(1));
  EXPECT_FALSE(memory.try_charge(1));
  memory.release(100);
  EXPECT_EQ(memory.used(), 0);
}

TEST(RequestMemory, the_line_is_served_in_its_order_and_nobody_overtakes_it) {
  RequestMemory memory(100);
  std::vector<int> granted;
  ASSERT_TRUE(memory.try_charge(100));
  for (int i = 0; i < 4; ++i) {
    ASSERT_FALSE(memory.try_charge(60));
    EXPECT_NE(memory.wait(60, [&granted, i] { granted.push_back(i); }), 0u);
  }
  memory.release(10);
  EXPECT_EQ(granted, std::vector<int>({0}));
  EXPECT_EQ(memory.used(), 150);
  memory.release(50);
  EXPECT_EQ(granted.size(), 1u);
  EXPECT_FALSE(memory.try_charge(1));
  memory.release(100);
  EXPECT_EQ(granted, std::vector<int>({0, 1, 2}));
  memory.adjust(500);
  memory.adjust(-500);
  EXPECT_EQ(granted.size(), 3u);
  memory.release(120);
  EXPECT_EQ(granted.size(), 4u);
  memory.release(60);
  EXPECT_EQ(memory.used(), 0);
}

TEST(RequestMemory, who_leaves_the_line_is_not_granted_and_who_was_granted_cannot_leave) {
  RequestMemory memory(100);
  std::vector<int> granted;
  ASSERT_TRUE(memory.try_charge(100));
  const uint64_t first = memory.wait(10, [&] { granted.push_back(1); });
  const uint64_t second = memory.wait(20, [&] { granted.push_back(2); });
  EXPECT_TRUE(memory.stop_waiting(first));
  EXPECT_FALSE(memory.stop_waiting(first));
  memory.release(100);
  EXPECT_EQ(granted, std::vector<int>({2}));
  EXPECT_FALSE(memory.stop_waiting(second)) << "the bytes are charged already";
  EXPECT_EQ(memory.used(), 20);
  EXPECT_FALSE(memory.is_waited_for());
}

TEST(RequestMemory, memory_that_came_back_meanwhile_is_given_at_once) {
  RequestMemory memory(100);
  ASSERT_TRUE(memory.try_charge(100));
  ASSERT_FALSE(memory.try_charge(10));
  memory.release(100);
  EXPECT_EQ(memory.wait(10, [] { FAIL(); }), 0u);
  EXPECT_EQ(memory.used(), 10);
}

// Every thread is always either served at once or in line; a wake-up that is lost would leave it there for ever.
TEST(RequestMemoryThreads, nobody_is_forgotten_in_line) {
  RequestMemory memory(100);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&memory, thread] {
      std::binary_semaphore turn(0);
      for (int i = 0; i < 20'000; ++i) {
        const int64_t bytes = 1 + (i * 7 + thread * 13) % 150;
        if (!memory.try_charge(bytes)) {
          const uint64_t place = memory.wait(bytes, [&turn] { turn.release(); });
          if (place != 0) {
            if (i % 5 == 0 && memory.stop_waiting(place)) continue;
            ASSERT_TRUE(turn.try_acquire_for(std::chrono::seconds(60))) << "a wake-up was lost";
          }
        }
        memory.release(bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory.used(), 0);
  EXPECT_FALSE(memory.is_waited_for());
}

}  // namespace
}  // namespace millrace::server
