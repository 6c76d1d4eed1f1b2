// What a store keeps, and how it begins, cuts, compacts and takes over snapshots.
#include "broker/protocol/record_batch.h"
#include "broker/raft/node/entry_codec.h"
#include "broker/raft/node/store_test_support.h"

namespace millrace::raft::testing {
namespace {

TEST(EntryCodec, writes_what_it_reads_and_what_any_reader_of_batches_reads) {
  const std::vector<Entry> entries{entry(1, "first", EntryKind::configuration), entry(1, ""),
                                   entry(7, "", EntryKind::no_op), entry(7, std::string(100'000, 'x'))};
  std::vector<std::byte> out;
  for (Index at{1}; const Entry& one : entries) {
    ASSERT_TRUE(encode_entry(out, one, at, 1234, at == Index{2} ? std::optional(Offset{17}) : std::nullopt));
    at = at.next();
  }
  const Bytes bytes = Bytes::adopt(std::move(out));
  size_t at = 0;
  for (Index index{1}; const Entry& one : entries) {
    size_t size = 0;
    const auto stored = decode_entry(bytes.slice(at, bytes.size() - at), size);
    ASSERT_TRUE(stored) << stored.error().to_string();
    EXPECT_EQ(stored->entry, one);
    EXPECT_EQ(stored->index, index);
    EXPECT_EQ(stored->flushed, index == Index{2} ? std::optional(Offset{17}) : std::nullopt);
    at += size;
    index = index.next();
  }
  EXPECT_EQ(at, bytes.size());
  const auto records = protocol::read_batches(bytes);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), entries.size());
  EXPECT_EQ(records->at(3).offset, Offset{3});
  EXPECT_EQ(records->at(3).value, entries[3].payload);
  EXPECT_EQ(records->at(3).key, std::nullopt);
  EXPECT_EQ(records->at(2).key, Bytes::copy_of(std::string_view("\1")));
}

TEST(EntryCodec, sees_a_term_that_was_changed_although_the_checksum_leaves_it_out) {
  std::vector<std::byte> out;
  ASSERT_TRUE(encode_entry(out, entry(5, "a"), Index{1}, 1, std::nullopt));
  out[protocol::kLeaderEpochAt + 3] ^= std::byte{1};
  size_t size = 0;
  EXPECT_FALSE(decode_entry(Bytes::adopt(std::move(out)), size));
  EXPECT_FALSE(encode_entry(out, entry(int64_t{INT32_MAX} + 1, "a"), Index{1}, 1, std::nullopt));
}

TEST_F(StoreTest, begins_empty_and_holds_one_entry_after_bootstrap) {
  EXPECT_TRUE(open().is_empty());
  EXPECT_EQ(restored_.last, Index{0});
  EXPECT_EQ(restored_.hard, HardState{});
  bootstrap();
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(store_->is_empty());
    EXPECT_EQ(restored_.hard, (HardState{Term{1}, std::nullopt}));
    EXPECT_EQ(restored_.last, Index{1});
    ASSERT_EQ(restored_.configurations.size(), 1u);
    EXPECT_EQ(restored_.configurations[0].second, configuration_of({self_}));
    lose_power_and_open();
  }
}

TEST_F(StoreTest, keeps_entries_and_the_newest_hard_state) {
  open();
  bootstrap();
  append({entry(1, "a"), entry(1, "b")});
  ASSERT_TRUE(store_->save({Term{2}, store_member(3)}));
  append({entry(2, "", EntryKind::no_op), entry(2, "c")});
  flush();
  lose_power_and_open();
  EXPECT_EQ(restored_.hard, (HardState{Term{2}, store_member(3)}));
  EXPECT_EQ(restored_.last, Index{5});
  EXPECT_EQ(restored_.terms, (std::vector<TermRange>{{Index{1}, Term{1}}, {Index{4}, Term{2}}}));
  EXPECT_EQ(entries_from(Index{2}),
            (std::vector<Entry>{entry(1, "a"), entry(1, "b"), entry(2, "", EntryKind::no_op), entry(2, "c")}));
  EXPECT_EQ(*store_->read(Index{2}, Index{3}, 1), (std::vector<Entry>{entry(1, "a")}));
  EXPECT_EQ(store_->read(Index{2}, Index{3}, 1000)->size(), 2u);
  EXPECT_TRUE(store_->read(Index{6}, Index{6}, 1000)->empty());
}

TEST_F(StoreTest, cuts_what_another_leader_replaces) {
  segment_bytes_ = 300;
  open();
  bootstrap();
  for (int i = 0; i < 20; ++i) append({entry(2, "old" + std::to_string(i))});
  flush();
  append(Index{3}, {entry(3, "new")});
  append(Index{3}, {entry(4, "newer"), entry(4, "newest")});
  flush();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(entries_from(Index{2}),
              (std::vector<Entry>{entry(2, "old0"), entry(2, "old1"), entry(4, "newer"), entry(4, "newest")}));
    lose_power_and_open();
  }
  EXPECT_EQ(restored_.terms.back(), (TermRange{Index{4}, Term{4}}));
}

TEST_F(StoreTest, a_compacted_log_begins_no_later_than_it_may_and_reads_nothing_from_before) {
  segment_bytes_ = 300;
  open();
  bootstrap();
  for (int i = 2; i <= 40; ++i) append({entry(1 + i / 10, std::to_string(i))});
  flush();
  ASSERT_TRUE(take_snapshot(meta({Index{30}, Term{4}}), "thirty"));
  const size_t files = disk_->files().size();
  ASSERT_TRUE(store_->compact({Index{25}, Term{3}}));
  EXPECT_LT(disk_->files().size(), files);
  EXPECT_TRUE(store_->read(Index{24}, Index{40}, 1000)->empty());
  EXPECT_EQ(store_->read(Index{26}, Index{26}, 1000)->at(0), entry(3, "26"));
  lose_power_and_open();
  EXPECT_LE(restored_.base.index, Index{25});
  EXPECT_GT(restored_.base.index, Index{10});
  EXPECT_EQ(restored_.base.term, Term{1 + restored_.base.index.value() / 10});
  EXPECT_EQ(restored_.snapshot, meta({Index{30}, Term{4}}));
  EXPECT_EQ(image(), "thirty");
  EXPECT_EQ(entries_from(Index{31}).size(), 10u);
}

TEST_F(StoreTest, a_snapshot_of_a_leader_replaces_a_log_that_is_behind_or_different) {
  open();
  bootstrap();
  append({entry(1, "a"), entry(9, "b"), entry(9, "c")});
  flush();
  // The terms of what goes are higher than those that come.
  ASSERT_TRUE(receive_and_install(meta({Index{50}, Term{5}}), "fifty", false));
  EXPECT_EQ(store_->last(), Index{50});
  append({entry(5, "d")});
  flush();
  for (int round = 0; round < 2; ++round) {
    lose_power_and_open();
    EXPECT_EQ(restored_.snapshot.last, (Position{Index{50}, Term{5}}));
    EXPECT_EQ(restored_.base, restored_.snapshot.last);
    EXPECT_EQ(restored_.last, Index{51});
    EXPECT_EQ(entries_from(Index{51}), (std::vector<Entry>{entry(5, "d")}));
    EXPECT_EQ(image(), "fifty");
  }
}

TEST_F(StoreTest, a_snapshot_of_a_leader_leaves_what_follows_it) {
  open();
  bootstrap();
  append({entry(1, "a"), entry(1, "b"), entry(2, "c")});
  flush();
  ASSERT_TRUE(receive_and_install(meta({Index{3}, Term{1}}), "three", true));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(entries_from(Index{4}), (std::vector<Entry>{entry(2, "c")}));
    EXPECT_EQ(image(), "three");
    lose_power_and_open();
  }
}

TEST_F(StoreTest, a_snapshot_that_was_not_received_whole_is_not_installed) {
  open();
  bootstrap();
  std::string file = file_of(meta({Index{50}, Term{5}}), "fifty");
  for (const size_t size : {file.size() - 1, file.size() / 2, size_t{1}}) {
    ASSERT_TRUE(store_->receive(0, as_bytes(std::string_view(file).substr(0, size))));
    EXPECT_EQ(store_->install(meta({Index{50}, Term{5}}), false).value(), false);
  }
  file[9] = static_cast<char>(file[9] ^ 1);
  ASSERT_TRUE(store_->receive(0, as_bytes(file)));
  EXPECT_EQ(store_->install(meta({Index{50}, Term{5}}), false).value(), false);
  EXPECT_EQ(store_->snapshot(), nullptr);
  EXPECT_EQ(store_->last(), Index{1});
}

TEST_F(StoreTest, a_snapshot_of_its_own_does_not_replace_a_newer_one) {
  open();
  bootstrap();
  append({entry(1, "a"), entry(1, "b")});
  flush();
  ASSERT_TRUE(store_->begin_snapshot());
  ASSERT_TRUE(store_->write_snapshot(as_bytes("mine")));
  ASSERT_TRUE(receive_and_install(meta({Index{3}, Term{1}}), "theirs", true));
  EXPECT_EQ(store_->finish_snapshot(meta({Index{2}, Term{1}})).value(), false);
  EXPECT_EQ(image(), "theirs");
  lose_power_and_open();
  EXPECT_EQ(image(), "theirs");
}

TEST_F(StoreTest, removes_what_an_unfinished_snapshot_left) {
  open();
  bootstrap();
  ASSERT_TRUE(store_->begin_snapshot());
  ASSERT_TRUE(store_->receive(0, as_bytes("half")));
  kill_and_open();
  for (const std::string& file : disk_->files()) EXPECT_EQ(file.find("snapshot."), std::string::npos) << file;
}

TEST_F(StoreTest, belongs_to_one_node_and_one_data_directory) {
  open();
  bootstrap();
  const Member self = self_;
  for (const Member& other : {store_member(2), store_member(1, 2)}) {
    self_ = other;
    EXPECT_EQ(try_open().error().code, Errc::cluster_mismatch);
  }
  self_ = self;
  EXPECT_TRUE(try_open());
}

TEST_F(StoreTest, does_not_begin_anew_beside_a_log_or_a_snapshot) {
  open();
  bootstrap();
  append({entry(1, "a")});
  flush();
  store_.reset();
  ASSERT_TRUE(disk_->remove(path("quorum-state")));
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::corrupt);
  EXPECT_NE(opened.error().context.find("add the node to the quorum again"), std::string::npos);
}

}  // namespace
}  // namespace millrace::raft::testing
