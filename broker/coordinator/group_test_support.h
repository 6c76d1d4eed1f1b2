#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/memory_log_test_support.h"
#include "broker/io/sim/sim_clock.h"

namespace millrace::coordinator {

// A little language over a coordinator with one partition and virtual time.
class GroupTest : public testing::Test {
 protected:
  static constexpr auto kG = "g";
  using Millis = std::chrono::milliseconds;
  io::sim::SimClock clock;
  TestTimers timers;
  CoordinatorMetrics metrics;
  GroupConfig config;
  std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  std::unique_ptr<GroupCoordinator> groups;
  std::vector<Errc> failures;
  uint64_t uuids = 0;
  void SetUp() override { open(); }
  void TearDown() override {
    if (groups) groups->stop();
  }
  void open() {
    groups = std::make_unique<GroupCoordinator>(GroupCoordinatorOptions{
        .clock = &clock,
        .timers = &timers,
        .metrics = &metrics,
        .config = config,
        .new_uuid = [this] { return Uuid::from_random(1, ++uuids); },
        .on_failed = [this](PartitionIndex, const Error& error) { failures.push_back(error.code); }});
    groups->set_partitions(1);
    load();
  }
  void load() {
    groups->begin_load(PartitionIndex{0});
    groups->finish_load(PartitionIndex{0}, log->replay(config), log->end(), log);
  }
  void restart() {
    groups->stop();
    open();
  }
  void advance(Millis by) {
    const TimePoint until = clock.now() + by;
    for (auto next = timers.next(); next && *next <= until; next = timers.next()) {
      if (*next > clock.now()) clock.advance(*next - clock.now());
      timers.run_due(clock.now());
    }
    clock.advance(until - clock.now());
  }

  struct JoinAs {
    std::string member_id;
    std::optional<std::string> instance;
    std::vector<std::pair<std::string, std::string>> protocols{{"range", "m"}};
    std::string type = "consumer";
    Millis session{10'000};
    Millis rebalance{60'000};
    bool v4 = false;  // needs a known id
    bool v9 = false;
    std::string client = "c";
    std::string group = kG;
  };
  Pending<JoinReply> join(JoinAs as) {
    JoinCommand command{.group = as.group,
                        .member_id = as.member_id,
                        .instance_id = as.instance,
                        .protocol_type = as.type,
                        .protocols = {},
                        .rebalance_timeout_ms = static_cast<int32_t>(as.rebalance.count()),
                        .session_timeout_ms = static_cast<int32_t>(as.session.count()),
                        .client_id = as.client,
                        .client_host = "h",
                        .needs_known_id = as.v4,
                        .can_skip_assignment = as.v9,
                        .new_member_id = {},
                        .token = 0};
    for (const auto& [name, metadata] : as.protocols) command.protocols.push_back({name, Bytes::copy_of(metadata)});
    return ask<JoinReply>([&](auto done) { groups->join(std::move(command), done); });
  }
  using Assignments = std::vector<std::pair<std::string, std::string>>;
  Pending<SyncReply> sync(const JoinReply& as, Assignments assignments = {}, std::optional<std::string> instance = {}) {
    SyncCommand command{.group = kG,
                        .member_id = as.member_id,
                        .instance_id = instance,
                        .generation = as.generation,
                        .protocol_type = {},
                        .protocol = {},
                        .assignments = {},
                        .token = 0};
    for (const auto& [id, bytes] : assignments) command.assignments.emplace_back(id, Bytes::copy_of(bytes));
    return ask<SyncReply>([&](auto done) { groups->sync(std::move(command), done); });
  }
  GroupErrc heartbeat(const std::string& member, int32_t generation, std::optional<std::string> instance = {}) {
    return now(ask<GroupErrc>([&](auto done) {
      groups->heartbeat(
          {.group = kG, .member_id = member, .instance_id = instance, .generation = Generation{generation}}, done);
    }));
  }
  std::vector<GroupErrc> leave(std::vector<LeavingMember> members) {
    return now(ask<LeaveReply>([&](auto done) { groups->leave({.group = kG, .members = std::move(members)}, done); }))
        .members;
  }
  GroupErrc leave(const std::string& member) { return leave({LeavingMember{member, std::nullopt}}).at(0); }
  GroupDescription describe(const std::string& group = kG) {
    return now(ask<GroupDescription>([&](auto done) { groups->describe(group, done); }));
  }
  std::string state() { return describe().state; }
  std::vector<GroupErrc> commit(CommitCommand command) {
    return now(ask<CommitReply>([&](auto done) { groups->commit_offsets(std::move(command), done); })).items;
  }
  GroupErrc commit(const std::string& topic, int64_t offset, const std::string& member = "", int32_t generation = -1) {
    CommitCommand command;
    command.group = kG;
    command.member_id = member;
    command.generation = Generation{generation};
    command.items.push_back({topic, PartitionIndex{0}, Offset{offset}, LeaderEpoch{3}, "note"});
    return commit(std::move(command)).at(0);
  }
  FetchOffsetsReply fetch_all(const std::string& group = kG) {
    return now(ask<FetchOffsetsReply>([&](auto done) { groups->fetch_offsets({group, std::nullopt}, done); }));
  }
  int64_t committed(const std::string& topic) {
    FetchOffsetsCommand command{kG, {{{topic, {PartitionIndex{0}}}}}};
    return now(ask<FetchOffsetsReply>([&](auto done) { groups->fetch_offsets(std::move(command), done); }))
        .topics.at(0)
        .second.at(0)
        .second.offset.value();
  }
  GroupErrc remove(const std::string& group = kG) {
    return now(ask<GroupErrc>([&](auto done) { groups->remove(group, done); }));
  }
  std::vector<std::string> list(ListCommand command = {}) {
    std::vector<std::string> names;
    for (const GroupListing& g :
         now(ask<ListReply>([&](auto done) { groups->list(std::move(command), done); })).groups) {
      names.push_back(g.id);
    }
    return names;
  }

  template <class Reply>
  Reply now(const Pending<Reply>& pending) {
    if (!*pending) {
      ADD_FAILURE() << "no reply yet";
      return Reply{};
    }
    return **pending;
  }
  template <class Reply>
  static bool waits(const Pending<Reply>& pending) {
    return !pending->has_value();
  }

  // A stable group of `count` members with assignments "a0", "a1", …
  std::vector<JoinReply> stable(size_t count) {
    std::vector<Pending<JoinReply>> joins;
    for (size_t i = 0; i < count; ++i) joins.push_back(join({.client = "m" + std::to_string(i)}));
    advance(config.initial_rebalance_delay * 4);
    return settle(joins);
  }
  // Joins that have been answered: the leader assigns "a0", "a1", … in order of `joins`.
  std::vector<JoinReply> settle(const std::vector<Pending<JoinReply>>& joins) {
    std::vector<JoinReply> members;
    Assignments assignments;
    for (const auto& pending : joins) {
      members.push_back(now(pending));
      assignments.emplace_back(members.back().member_id, "a" + std::to_string(assignments.size()));
    }
    for (const JoinReply& member : members)
      sync(member, member.leader == member.member_id ? assignments : Assignments{});
    EXPECT_EQ(state(), "Stable");
    return members;
  }

 private:
  template <class Reply, class Ask>
  Pending<Reply> ask(Ask ask_with) {
    auto pending = std::make_shared<std::optional<Reply>>();
    ask_with([pending](Reply reply) {
      EXPECT_FALSE(pending->has_value()) << "answered twice";
      *pending = std::move(reply);
    });
    return pending;
  }
};

}  // namespace millrace::coordinator
