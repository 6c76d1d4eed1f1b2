// The pure parts: quorum, configurations, the view of the log, what of it is durable.
#include <gtest/gtest.h>

#include "broker/raft/core/configuration.h"
#include "broker/raft/core/durable_end.h"
#include "broker/raft/core/log_view.h"
#include "broker/raft/core/quorum.h"
#include "broker/raft/core/restored.h"
#include "broker/raft/core/world_test_support.h"

namespace millrace::raft::testing {
namespace {

Entry entry(int term, const std::string& payload = "x") {
  return {Term{term}, EntryKind::payload, Bytes::copy_of(payload)};
}

LogView log_of(const std::vector<int>& terms) {
  LogView log({}, {}, Index{0});
  for (const int term : terms) log.append(entry(term));
  return log;
}

TEST(Quorum, is_the_largest_value_that_a_majority_has_reached) {
  EXPECT_EQ(reached_by_quorum(std::vector<int>{7}, 0), 7);
  EXPECT_EQ(reached_by_quorum(std::vector<int>{7, 3}, 0), 3);
  EXPECT_EQ(reached_by_quorum(std::vector<int>{7, 3, 5}, 0), 5);
  EXPECT_EQ(reached_by_quorum(std::vector<int>{7, 3, 5, 1}, 0), 3);
  EXPECT_EQ(reached_by_quorum(std::vector<int>{1, 9, 9, 2, 3}, 0), 3);
  EXPECT_EQ(reached_by_quorum(std::vector<int>{}, 0), 0);
}

TEST(ConfigurationTest, survives_its_encoding_and_refuses_any_cut) {
  const Configuration configuration{"cluster", {member(0), member(2)}, {member(1, 3)}};
  const Bytes bytes = configuration.encode();
  const auto decoded = Configuration::decode(bytes.view());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, configuration);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Configuration::decode(bytes.view().first(size))) << size;
  }
  Bytes other = Bytes::copy_of(bytes.view());
  other.mutable_data()[1] = std::byte{9};
  EXPECT_EQ(Configuration::decode(other.view()).error().code, Errc::unsupported_version);
}

TEST(ConfigurationTest, a_member_is_its_node_and_its_directory) {
  const Configuration configuration{"cluster", {member(0), member(2)}, {member(1)}};
  EXPECT_TRUE(configuration.has_voter(member(2)));
  EXPECT_FALSE(configuration.has_voter(member(2, 1)));
  EXPECT_TRUE(configuration.has_learner(member(1)));
  EXPECT_EQ(*configuration.find(NodeId{2}), member(2));
  EXPECT_EQ(configuration.find(NodeId{7}), nullptr);
}

TEST(ConfigurationListTest, rolls_back_along_the_list_and_keeps_what_is_in_force_where_it_begins) {
  ConfigurationList list;
  list.append(Index{1}, {"", {member(0)}, {}});
  list.append(Index{5}, {"", {member(0), member(1)}, {}});
  list.append(Index{9}, {"", {member(1)}, {}});
  EXPECT_EQ(list.newest_index(), Index{9});
  EXPECT_EQ(list.at(Index{8}).index, Index{5});
  EXPECT_TRUE(list.has_voter_since(Index{8}, member(0)));
  EXPECT_FALSE(list.has_voter_since(Index{9}, member(0)));
  list.compact_to(Index{7});
  EXPECT_EQ(list.at(Index{3}).index, Index{5});
  list.truncate_from(Index{9});
  EXPECT_EQ(list.newest_index(), Index{5});
  EXPECT_EQ(list.newest().voters.size(), 2u);
}

TEST(LogViewTest, knows_the_term_of_every_entry_by_ranges) {
  const LogView log = log_of({1, 1, 2, 2, 5});
  EXPECT_EQ(log.last_position(), (Position{Index{5}, Term{5}}));
  EXPECT_EQ(log.term_at(Index{0}), Term{0});
  EXPECT_EQ(log.term_at(Index{2}), Term{1});
  EXPECT_EQ(log.term_at(Index{4}), Term{2});
  EXPECT_EQ(log.term_at(Index{6}), std::nullopt);
  EXPECT_EQ(log.first_of_term_at(Index{4}), Index{3});
  EXPECT_EQ(log.newest_not_above(Index{5}, Term{3}), (Position{Index{4}, Term{2}}));
  EXPECT_EQ(log.newest_not_above(Index{3}, Term{9}), (Position{Index{3}, Term{2}}));
  EXPECT_EQ(log.newest_not_above(Index{5}, Term{0}), (Position{Index{0}, Term{0}}));
}

TEST(LogViewTest, truncates_through_terms_and_memory) {
  LogView log = log_of({1, 1, 2, 2, 5});
  log.evict(Index{5}, size_of(entry(1)));
  EXPECT_EQ(log.cached_from(), Index{5});
  log.truncate_from(Index{4});
  EXPECT_EQ(log.last_position(), (Position{Index{3}, Term{2}}));
  EXPECT_EQ(log.cached_from(), Index{4});
  EXPECT_EQ(log.cached_bytes(), 0u);
  log.append(entry(6));
  EXPECT_EQ(log.term_at(Index{4}), Term{6});
  EXPECT_EQ(log.slice(Index{4}, Index{4}, 1, 9).size(), 1u);
}

TEST(LogViewTest, compacts_in_the_middle_of_a_term_and_at_its_end) {
  LogView log = log_of({1, 1, 2, 2, 5});
  log.compact_to(Index{1});
  EXPECT_EQ(log.base(), (Position{Index{1}, Term{1}}));
  EXPECT_EQ(log.first_of_term_at(Index{2}), Index{2});
  log.compact_to(Index{4});
  EXPECT_EQ(log.term_at(Index{4}), Term{2});
  EXPECT_EQ(log.term_at(Index{5}), Term{5});
  EXPECT_EQ(log.term_at(Index{3}), std::nullopt);
  EXPECT_EQ(log.newest_not_above(Index{5}, Term{1}), std::nullopt);
  log.compact_to(Index{5});
  EXPECT_EQ(log.last_position(), (Position{Index{5}, Term{5}}));
  log.append(entry(7));
  EXPECT_EQ(log.term_at(Index{6}), Term{7});
}

TEST(LogViewTest, slices_by_bytes_and_count_but_gives_at_least_one) {
  LogView log({}, {}, Index{0});
  for (int i = 0; i < 5; ++i) log.append(entry(1, std::string(100, 'x')));
  const size_t one = 100 + kEntryOverhead;
  EXPECT_EQ(log.slice(Index{1}, Index{5}, 1, 9).size(), 1u);
  EXPECT_EQ(log.slice(Index{1}, Index{5}, 2 * one, 9).size(), 2u);
  EXPECT_EQ(log.slice(Index{1}, Index{5}, 2 * one - 1, 9).size(), 1u);
  EXPECT_EQ(log.slice(Index{1}, Index{5}, 99 * one, 3).size(), 3u);
  EXPECT_EQ(log.slice(Index{4}, Index{4}, 99 * one, 9).size(), 1u);
}

TEST(LogViewTest, keeps_in_memory_what_is_not_durable) {
  LogView log = log_of({1, 1, 1, 1});
  log.evict(Index{2}, 0);
  EXPECT_EQ(log.cached_from(), Index{3});
}

TEST(DurableEndTest, a_cut_under_way_counts_before_it_is_done) {
  DurableEnd end(Index{0});
  end.started(WriteSequence{1}, Index{0}, Index{10});
  EXPECT_EQ(end.index(), Index{0});
  end.finished(WriteSequence{1});
  EXPECT_EQ(end.index(), Index{10});
  end.started(WriteSequence{2}, Index{7}, Index{8});
  EXPECT_EQ(end.index(), Index{7});
  end.finished(WriteSequence{2});
  EXPECT_EQ(end.index(), Index{8});
}

TEST(DurableEndTest, the_same_entries_written_again_do_not_count_by_their_first_write) {
  DurableEnd end(Index{7});
  end.started(WriteSequence{1}, Index{7}, Index{10});  // entries of one leader,
  end.started(WriteSequence{2}, Index{7}, Index{8});   // replaced by another's,
  end.started(WriteSequence{3}, Index{7}, Index{10});  // and back again
  end.finished(WriteSequence{1});
  EXPECT_EQ(end.index(), Index{7});
  EXPECT_TRUE(end.finished(WriteSequence{3}));
  EXPECT_EQ(end.index(), Index{10});
  EXPECT_FALSE(end.finished(WriteSequence{2}));
}

}  // namespace
}  // namespace millrace::raft::testing
