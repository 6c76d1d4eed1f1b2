#include "broker/control/voter_changes.h"

#include "broker/control/metadata_quorum_test_support.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using Answer = std::shared_ptr<std::optional<Errc>>;  // none yet; Errc::io stands for success here
constexpr Errc kDone = Errc::io;

class VoterChangesTest : public QuorumTest {
 protected:
  Answer ask_add(int at, int id, Duration timeout = seconds(10)) {
    auto answer = std::make_shared<std::optional<Errc>>();
    members_[at].quorum->add_voter({BrokerId{id}, directory_of(id)}, timeout,
                                   [answer](const Result<Unit>& done) { *answer = done ? kDone : done.error().code; });
    return answer;
  }
  Answer ask_remove(int at, const QuorumMemberName& name, Duration timeout = seconds(10)) {
    auto answer = std::make_shared<std::optional<Errc>>();
    members_[at].quorum->remove_voter(
        name, timeout, [answer](const Result<Unit>& done) { *answer = done ? kDone : done.error().code; });
    return answer;
  }
  Errc wait(const Answer& answer) {
    EXPECT_TRUE(until([&] { return answer->has_value(); }));
    return answer->value_or(Errc::timed_out);
  }
  Errc add(int id) { return wait(ask_add(lead(), id)); }
  Errc remove(int id) { return wait(ask_remove(lead(), {BrokerId{id}, directory_of(id)})); }
  int lead() {
    EXPECT_TRUE(until([this] { return active() >= 0; }));
    return active();
  }
  // The voters as the metadata names them on every broker that is up.
  bool voters_are(const std::vector<int>& ids) {
    return until([&] {
      return std::all_of(members_.begin(), members_.end(), [&](const auto& one) {
        if (!one.second.quorum) return true;
        std::vector<metadata::VoterImage> expected;
        for (const int id : ids) {
          expected.push_back(
              {BrokerId{id}, directory_of(id), {"host" + std::to_string(id), static_cast<uint16_t>(9000 + id)}});
        }
        return one.second.images->load()->voters == expected;
      });
    });
  }
  void follow(int id) {
    start(id, {1}, false);
    register_broker(id);
  }
  using Kind = QuorumReplica::Kind;
  std::map<int, Kind> kinds() {
    std::map<int, Kind> seen;
    const Result<QuorumDescription> description = members_[lead()].quorum->describe();
    if (!description) return seen;
    for (const QuorumReplica& replica : description->replicas) seen.emplace(replica.name.id.value(), replica.kind);
    return seen;
  }
};
INSTANTIATE_TEST_SUITE_P(seeds, VoterChangesTest, testing::Range<uint64_t>(1, 7));

TEST_P(VoterChangesTest, the_metadata_names_the_voters_and_their_addresses) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  for (const int id : {1, 2, 3}) register_broker(id);
  EXPECT_TRUE(voters_are({1, 2, 3}));
}

TEST_P(VoterChangesTest, a_quorum_grows_from_one_to_five_and_shrinks_again) {
  start(1, {1});
  register_broker(1);
  EXPECT_TRUE(voters_are({1}));
  std::vector<int> ids{1};
  for (const int id : {2, 3, 4, 5}) {
    follow(id);
    EXPECT_EQ(add(id), kDone);
    ids.push_back(id);
    EXPECT_TRUE(voters_are(ids)) << id;
    register_broker(100 + id);  // the log takes entries
  }
  for (const int id : {1, 2, 3, 4}) {
    EXPECT_EQ(remove(id), kDone) << "the leader too, when it is its turn";
    ids.erase(ids.begin());
    EXPECT_TRUE(voters_are(ids)) << id;
    register_broker(200 + id);
  }
  EXPECT_EQ(lead(), 5);
  ASSERT_TRUE(until([this] { return same_images(); })) << "who was removed follows the log";
  const std::map<int, Kind> all{
      {1, Kind::observer}, {2, Kind::observer}, {3, Kind::observer}, {4, Kind::observer}, {5, Kind::voter}};
  EXPECT_TRUE(until([&] { return kinds() == all; }));
}

TEST_P(VoterChangesTest, a_voter_that_lost_its_disk_is_replaced_under_its_own_id) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  for (const int id : {1, 2, 3}) register_broker(id);
  const QuorumMemberName old{BrokerId{3}, directory_of(3)};
  lose_disk(3);
  EXPECT_EQ(wait(ask_remove(lead(), old)), kDone);
  const int leader = lead();
  EXPECT_EQ(wait(ask_add(leader, 3)), Errc::broker_not_registered) << "the old directory is registered";
  auto gone = std::make_shared<bool>(false);
  EXPECT_TRUE(voters_are({1, 2}));
  members_[lead()].quorum->host().controller()->unregister_broker(
      {BrokerId{3}}, [gone](const Result<Unit>& done) { *gone = done.has_value(); });
  ASSERT_TRUE(until([&] { return *gone; }));
  follow(3);
  EXPECT_EQ(add(3), kDone);
  EXPECT_TRUE(voters_are({1, 2, 3}));
  const int other = lead() == 1 ? 2 : 1;
  kill(other);
  register_broker(9);  // takes a majority: its vote counts
}

TEST_P(VoterChangesTest, what_makes_no_sense_is_refused_by_name) {
  start(1, {1});
  register_broker(1);
  follow(2);
  const auto answer = [&](const QuorumMemberName& name) {
    auto code = std::make_shared<std::optional<Errc>>();
    members_[1].quorum->add_voter(name, seconds(1),
                                  [code](const Result<Unit>& done) { *code = done ? kDone : done.error().code; });
    return wait(code);
  };
  EXPECT_EQ(answer({BrokerId{-1}, directory_of(2)}), Errc::invalid_argument);
  EXPECT_EQ(answer({BrokerId{2}, {}}), Errc::invalid_argument);
  EXPECT_EQ(answer({BrokerId{1}, directory_of(1)}), Errc::duplicate_voter);
  EXPECT_EQ(answer({BrokerId{1}, directory_of(9)}), Errc::duplicate_voter);
  EXPECT_EQ(answer({BrokerId{9}, directory_of(9)}), Errc::broker_not_registered);
  EXPECT_EQ(answer({BrokerId{2}, directory_of(9)}), Errc::broker_not_registered);
  EXPECT_EQ(wait(ask_remove(1, {BrokerId{2}, directory_of(2)})), Errc::voter_not_found);
  EXPECT_EQ(wait(ask_remove(1, {BrokerId{1}, directory_of(9)})), Errc::voter_not_found);
  EXPECT_EQ(wait(ask_remove(1, {BrokerId{1}, directory_of(1)})), Errc::invalid_argument) << "the only one";
  EXPECT_EQ(wait(ask_add(2, 2)), Errc::not_controller);
  EXPECT_FALSE(members_[2].quorum->describe());
}

TEST_P(VoterChangesTest, a_broker_that_does_not_catch_up_in_time_leaves_nothing_behind) {
  start(1, {1});
  register_broker(1);
  follow(2);
  network_.cut(BrokerId{2}, true);
  ASSERT_TRUE(make_topic("t"));
  EXPECT_EQ(wait(ask_add(1, 2, seconds(2))), Errc::timed_out);
  EXPECT_TRUE(until([this] { return members_[1].quorum->node().status().configuration.learners.empty(); }));

  network_.cut(BrokerId{2}, false);
  EXPECT_EQ(add(2), kDone);
}

TEST_P(VoterChangesTest, a_voter_that_the_others_need_stays) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  for (const int id : {1, 2, 3}) register_broker(id);
  const int leader = lead();
  const int dead = leader == 3 ? 2 : 3;
  const int alive = 6 - leader - dead;
  kill(dead);
  scheduler_.run_for(seconds(3));
  EXPECT_EQ(wait(ask_remove(leader, {BrokerId{alive}, directory_of(alive)})), Errc::policy_violation);
  EXPECT_EQ(wait(ask_remove(leader, {BrokerId{dead}, directory_of(dead)})), kDone);
}

TEST_P(VoterChangesTest, changes_that_come_together_are_made_one_after_another) {
  start(1, {1});
  register_broker(1);
  for (const int id : {2, 3, 4, 5}) follow(id);
  std::vector<Answer> answers;
  for (const int id : {2, 3, 4, 5}) answers.push_back(ask_add(1, id));
  for (const Answer& answer : answers) EXPECT_EQ(wait(answer), kDone);
  EXPECT_TRUE(voters_are({1, 2, 3, 4, 5}));
}

TEST_P(VoterChangesTest, too_many_at_once_are_refused) {
  start(1, {1});
  register_broker(1);
  follow(2);
  network_.cut(BrokerId{2}, true);
  std::vector<Answer> answers;
  for (size_t i = 0; i <= kVoterChangesMax; ++i) answers.push_back(ask_add(1, 2, seconds(5)));
  EXPECT_EQ(wait(answers.back()), Errc::overloaded);
  network_.cut(BrokerId{2}, false);
  answers.pop_back();
  const auto done =
      std::count_if(answers.begin(), answers.end(), [&](const Answer& one) { return wait(one) == kDone; });
  EXPECT_EQ(done, 1) << "for all others it votes already";
}

TEST_P(VoterChangesTest, a_stop_answers_who_waits) {
  start(1, {1});
  register_broker(1);
  follow(2);
  network_.cut(BrokerId{2}, true);
  const Answer answer = ask_add(1, 2);
  scheduler_.run_for(milliseconds(300));
  auto stopped = std::make_shared<bool>(false);
  members_[1].quorum->stop([stopped] { *stopped = true; });
  ASSERT_TRUE(until([&] { return *stopped; }));
  EXPECT_EQ(wait(answer), Errc::shutting_down);
  EXPECT_EQ(wait(ask_add(1, 2)), Errc::shutting_down);
}

TEST_P(VoterChangesTest, the_leader_describes_who_receives_the_log_and_how_far_each_is) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  for (const int id : {1, 2, 3}) register_broker(id);
  follow(4);
  ASSERT_TRUE(make_topic("t"));
  scheduler_.run_for(milliseconds(500));
  const int leader = lead();
  const raft::NodeStatus status = members_[leader].quorum->node().status();
  const Result<QuorumDescription> seen = members_[leader].quorum->describe();
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->leader, BrokerId{leader});
  EXPECT_EQ(seen->epoch, status.state.term.value());
  EXPECT_EQ(seen->high_watermark, Offset{status.commit.value()});
  ASSERT_EQ(seen->replicas.size(), 4u);
  for (int at = 0; at < 4; ++at) {
    const QuorumReplica& replica = seen->replicas[static_cast<size_t>(at)];
    EXPECT_EQ(replica.name, (QuorumMemberName{BrokerId{at + 1}, directory_of(at + 1)}));
    EXPECT_EQ(replica.kind, at < 3 ? Kind::voter : Kind::observer);
    EXPECT_EQ(replica.rpc, (metadata::RpcEndpoint{"host" + std::to_string(at + 1), static_cast<uint16_t>(9001 + at)}));
    EXPECT_EQ(replica.log_end, Offset{status.last.value()});
    EXPECT_LE(clock_.wall_ms() - replica.heard_ms, 120);
    EXPECT_LE(clock_.wall_ms() - replica.caught_up_ms, 120);
  }
}

}  // namespace
}  // namespace millrace::control
