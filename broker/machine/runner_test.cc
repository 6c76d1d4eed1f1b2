#include "broker/machine/runner.h"

#include <deque>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::machine {
namespace {

struct StillClock final : Clock {
  TimePoint now() const override { return TimePoint{}; }
  Timestamp wall_ms() const override { return 1000; }
};

// The toy machine: a running total of the numbers in its log.
struct Total {
  int64_t sum = 0;
  int64_t heard = 0;  // volatile
  Offset applied{-1};
  void apply(Offset offset, const Record& record) {
    EXPECT_EQ(offset, applied.next()) << "applied in order, none left out";
    applied = offset;
    sum += std::stoll(std::string(record.value->text()));
  }
};

Record number(int64_t value) { return Record{.key = {}, .value = Bytes::copy_of(std::to_string(value))}; }

// A log in memory whose commits come inline or when told, and whose appends fail when told.
class ToyLog final : public LogWriter {
 public:
  bool inline_commit = true;
  bool broken = false;
  std::vector<std::vector<Record>> batches;  // durable ones
  size_t appends = 0;
  size_t bytes_max = SIZE_MAX;

  size_t batch_bytes_max() const override { return bytes_max; }
  void append(std::vector<Record> records, Committed committed) override {
    ++appends;
    if (inline_commit) return settle(std::move(records), committed);
    pending_.push_back({std::move(records), std::move(committed)});
  }
  void commit_one() {
    auto [records, committed] = std::move(pending_.front());
    pending_.pop_front();
    settle(std::move(records), committed);
  }
  void commit_all() {
    while (!pending_.empty()) commit_one();
  }
  size_t pending() const { return pending_.size(); }
  int64_t end() const {
    int64_t count = 0;
    for (const auto& batch : batches) count += static_cast<int64_t>(batch.size());
    return count;
  }
  Total replay() const {
    Total state;
    for (const auto& batch : batches) {
      for (const Record& record : batch) state.apply(state.applied.next(), record);
    }
    return state;
  }

 private:
  void settle(std::vector<Record> records, const Committed& committed) {
    if (broken) return committed(Error{Errc::io, "toy log"});
    batches.push_back(std::move(records));
    committed(Offset{end() - 1});
  }
  std::deque<std::pair<std::vector<Record>, Committed>> pending_;
};

struct RunnerTest : testing::Test {
  StillClock clock;
  ToyLog log;
  std::vector<std::string> events;  // replies and failures in the order seen
  RunnerLimits limits;
  std::unique_ptr<Runner<Total>> machine;

  void open() {
    Total state = log.replay();
    machine = std::make_unique<Runner<Total>>(RunnerOptions<Total>{
        .log = &log,
        .clock = &clock,
        .limits = limits,
        .state = state,
        .next = state.applied.next(),
        .on_failed = [this](const Error& error) { events.push_back("failed: " + error.to_string()); }});
  }
  // Adds numbers as one decision and answers the total after them.
  void add(std::vector<int64_t> values) {
    machine->submit(
        [values](const Total& state, Now) {
          Decision<int64_t, Total> decision{.records = {}, .reply = state.sum, .also = {}};
          for (int64_t value : values) {
            decision.records.push_back(number(value));
            decision.reply += value;
          }
          decision.also = [](Total& total) { ++total.heard; };
          return decision;
        },
        [this](Result<int64_t> total) {
          events.push_back(total ? "total " + std::to_string(*total) : "error: " + total.error().to_string());
        });
  }
  void read() { add({}); }
  std::vector<std::string> seen() { return std::exchange(events, {}); }
};
using Events = std::vector<std::string>;

TEST_F(RunnerTest, a_command_is_answered_after_its_commit) {
  open();
  add({5});
  EXPECT_EQ(seen(), Events({"total 5"}));
  log.inline_commit = false;
  add({2, 3});
  EXPECT_EQ(seen(), Events{});
  log.commit_all();
  EXPECT_EQ(seen(), Events({"total 10"}));
}

TEST_F(RunnerTest, a_read_that_saw_uncommitted_state_waits_for_that_commit) {
  log.inline_commit = false;
  open();
  read();
  EXPECT_EQ(seen(), Events{"total 0"}) << "nothing to wait for";
  add({7});
  read();
  EXPECT_EQ(seen(), Events{});
  log.commit_all();
  EXPECT_EQ(seen(), Events({"total 7", "total 7"}));
}

TEST_F(RunnerTest, replies_come_in_the_order_of_commands) {
  log.inline_commit = false;
  open();
  add({1});
  add({2});
  add({3});
  log.commit_one();
  EXPECT_EQ(seen(), Events({"total 1"}));
  log.commit_all();
  EXPECT_EQ(seen(), Events({"total 3", "total 6"}));
}

TEST_F(RunnerTest, a_failed_append_fails_everything_that_waits_and_every_later_command) {
  log.inline_commit = false;
  open();
  add({1});
  log.commit_all();
  seen();
  add({2});
  add({3});
  read();
  log.broken = true;
  log.commit_all();
  EXPECT_EQ(seen(), Events({"error: toy log: input/output error", "error: toy log: input/output error",
                            "error: toy log: input/output error", "failed: toy log: input/output error"}));
  EXPECT_TRUE(machine->failed());
  read();
  EXPECT_EQ(seen(), Events{"error: toy log: input/output error"});
}

TEST_F(RunnerTest, a_commit_reported_after_the_failure_is_nobodys) {
  log.inline_commit = false;
  open();
  add({1});
  add({2});
  log.broken = true;
  log.commit_one();
  seen();
  log.broken = false;
  log.commit_one();  // a writer that breaks its contract
  EXPECT_EQ(seen(), Events{});
}

TEST_F(RunnerTest, an_offset_of_another_writer_is_a_failure) {
  open();
  log.batches.push_back({number(100)});
  add({1});
  EXPECT_EQ(seen(), Events({"error: the log has records of another writer at offset 1: the object has changed since it "
                            "was read",
                            "failed: the log has records of another writer at offset 1: the object has changed since "
                            "it was read"}));
}

TEST_F(RunnerTest, a_full_queue_refuses_and_recovers) {
  limits.commands_max = 2;
  log.inline_commit = false;
  open();
  add({1});
  add({2});
  add({3});
  EXPECT_EQ(seen(), Events{"error: too many commands wait: a limit was reached"});
  log.commit_all();
  seen();
  add({4});
  log.commit_all();
  EXPECT_EQ(seen(), Events({"total 7"}));
}

TEST_F(RunnerTest, a_decision_larger_than_a_batch_is_refused_and_changes_nothing) {
  limits.batch_bytes_max = 3;
  open();
  add({1000});
  EXPECT_EQ(seen(), Events{"error: records of one command: message too large"});
  add({1});
  EXPECT_EQ(seen(), Events({"total 1"}));
}

TEST_F(RunnerTest, a_decision_larger_than_the_log_takes_is_refused_until_it_takes_more) {
  open();
  log.bytes_max = 2 + LogWriter::kRecordOverheadMax;
  add({100});
  EXPECT_EQ(seen(), Events{"error: records of one command: message too large"});
  add({1, 2});
  EXPECT_EQ(seen(), Events{"error: records of one command: message too large"}) << "a record has a frame, too";
  add({10});
  EXPECT_EQ(seen(), Events({"total 10"}));
  log.bytes_max = 3 + LogWriter::kRecordOverheadMax;
  add({100});
  EXPECT_EQ(seen(), Events({"total 110"}));
}

TEST_F(RunnerTest, commands_submitted_while_the_machine_runs_are_appended_as_one_batch_within_the_byte_limit) {
  limits.batch_bytes_max = 4;
  open();
  machine->submit([](const Total&, Now) { return Decision<int>{.records = {number(1)}, .reply = 0, .also = {}}; },
                  [this](Result<int>) {  // runs in the machine, so these three queue up behind it
                    add({11});
                    add({22});
                    add({33});
                  });
  EXPECT_EQ(seen(), Events({"total 12", "total 34", "total 67"}));
  EXPECT_EQ(log.appends, 3u);
}

TEST_F(RunnerTest, stopping_answers_what_waits_and_refuses_what_comes) {
  log.inline_commit = false;
  open();
  add({1});
  machine->stop();
  EXPECT_EQ(seen(), Events{"error: shutting down"});
  add({2});
  EXPECT_EQ(seen(), Events{"error: too many commands wait: shutting down"});
  machine.reset();
  log.commit_all();  // the writer may outlive the machine
  EXPECT_EQ(seen(), Events{});
}

// Whatever fails and whenever the process dies: acknowledged numbers are in the log, once, in order.
TEST(RunnerSeeds, acknowledged_commands_survive_crashes_and_failures_and_replay_gives_the_same_state) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    StillClock clock;
    ToyLog log;
    int64_t acknowledged = 0;  // highest total answered
    int64_t submitted = 0;
    for (int life = 0; life < 4; ++life) {
      log.broken = false;
      log.inline_commit = random() % 2 == 0;
      Total state = log.replay();
      EXPECT_GE(state.sum, acknowledged) << "a restart lost acknowledged numbers";
      std::optional<Error> failure;
      Runner<Total> machine({.log = &log,
                             .clock = &clock,
                             .limits = {.commands_max = 8, .batch_bytes_max = 64},
                             .state = state,
                             .next = state.applied.next(),
                             .on_failed = [&](const Error& error) { failure = error; }});
      for (int step = 0; step < 60; ++step) {
        switch (random() % 8) {
          case 0:
            log.commit_all();
            break;
          case 1:
            if (log.pending() > 0) log.commit_one();
            break;
          case 2:
            if (random() % 8 == 0) log.broken = true;
            break;
          default: {
            const int64_t value = random() % 3 == 0 ? 0 : 1 + static_cast<int64_t>(random() % 9);
            ++submitted;
            machine.submit(
                [value](const Total& now, Now) {
                  Decision<int64_t> decision{.records = {}, .reply = now.sum + value, .also = {}};
                  if (value > 0) decision.records.push_back(number(value));
                  return decision;
                },
                [&](Result<int64_t> total) {
                  --submitted;
                  if (!total) return;
                  EXPECT_GE(*total, acknowledged) << "answers go back in time";
                  EXPECT_LE(*total, log.replay().sum) << "acknowledged before it was durable";
                  acknowledged = *total;
                });
          }
        }
      }
      log.broken = true;  // the crash: what is pending never reaches the log
      log.commit_all();
    }
    EXPECT_EQ(submitted, 0) << "every command is answered exactly once";
  }
}

TEST(RunnerThreads, commands_of_many_threads_are_all_applied_and_answered_once) {
  StillClock clock;
  ToyLog log;
  std::atomic<int> answered{0};
  {
    Runner<Total> machine(
        {.log = &log, .clock = &clock, .limits = {}, .state = {}, .next = Offset{0}, .on_failed = {}});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          machine.submit([](const Total& now,
                            Now) { return Decision<int64_t>{.records = {number(1)}, .reply = now.sum, .also = {}}; },
                         [&](Result<int64_t> before) {
                           EXPECT_TRUE(before.has_value());
                           ++answered;
                         });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(answered, 2000);
  EXPECT_EQ(log.replay().sum, 2000);
}

}  // namespace
}  // namespace millrace::machine
