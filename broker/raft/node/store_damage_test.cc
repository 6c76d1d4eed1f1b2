// Files that were cut or damaged: a tail that a crash may have torn goes, anything else is refused.
#include "broker/raft/node/store_test_support.h"

namespace millrace::raft::testing {
namespace {

class StoreDamageTest : public StoreTest {
 protected:
  // Groups of entries that were flushed one after another.
  void fill(int groups, int of_each = 3) {
    open();
    bootstrap();
    for (int group = 0; group < groups; ++group) {
      std::vector<Entry> entries;
      for (int i = 0; i < of_each; ++i) entries.push_back(entry(1 + group, "group" + std::to_string(group)));
      append(entries);
      flush();
      if (group == 0) first_group_ends_ = log_bytes();
      if (group + 1 < groups) last_group_begins_ = log_bytes();
    }
    all_ = entries_from(Index{1});
    store_.reset();
  }
  std::string log_file() { return path("00000000000000000000.log"); }
  uint64_t log_bytes() { return *(*disk_->open(log_file(), io::OpenMode::read))->size(); }
  // What is there is the front of what was written.
  void expect_front(size_t at_least, const std::string& what) {
    const std::vector<Entry> found = entries_from(Index{1});
    ASSERT_LE(found.size(), all_.size()) << what;
    EXPECT_GE(found.size(), at_least) << what;
    EXPECT_TRUE(std::equal(found.begin(), found.end(), all_.begin())) << what;
  }

  std::vector<Entry> all_;
  uint64_t first_group_ends_ = 0;
  uint64_t last_group_begins_ = 0;
};

TEST_F(StoreDamageTest, a_log_cut_at_any_byte_keeps_the_entries_before) {
  fill(3);
  const uint64_t bytes = log_bytes();
  for (uint64_t size = 0; size <= bytes; ++size) {
    fresh_disk();
    fill(3);
    ASSERT_TRUE((*disk_->open(log_file(), io::OpenMode::read_write))->truncate(size));
    const auto opened = try_open();
    if (!opened) {
      // The quorum state knows of the first entry.
      EXPECT_EQ(opened.error().code, Errc::corrupt);
      EXPECT_LT(size, first_group_ends_);
      continue;
    }
    expect_front(1, "cut at byte " + std::to_string(size));
    if (size == bytes) {
      EXPECT_EQ(restored_.last, Index{10});
    }
    // And the log goes on where it was cut.
    append({entry(9, "on")});
    flush();
    const Index end = store_->last();
    lose_power_and_open();
    EXPECT_EQ(store_->last(), end);
  }
}

TEST_F(StoreDamageTest, a_log_that_was_closed_may_not_be_shorter) {
  fill(3);
  const uint64_t bytes = log_bytes();
  for (uint64_t size = 0; size < bytes; size += 7) {
    fresh_disk();
    fill(3);
    open();
    ASSERT_TRUE(store_->close());
    store_.reset();
    ASSERT_TRUE((*disk_->open(log_file(), io::OpenMode::read_write))->truncate(size));
    const auto opened = try_open();
    ASSERT_FALSE(opened) << "cut at byte " << size;
    EXPECT_EQ(opened.error().code, Errc::corrupt);
  }
}

TEST_F(StoreDamageTest, any_bit_that_flips_in_the_log_is_seen) {
  fill(3);
  const uint64_t bits = log_bytes() * 8;
  size_t refused = 0;
  for (uint64_t bit = 0; bit < bits; ++bit) {
    fresh_disk();
    fill(3);
    disk_->flip_bit(log_file(), bit);
    const auto opened = try_open();
    if (bit / 8 < last_group_begins_) {
      ASSERT_FALSE(opened) << "bit " << bit << " of entries that were confirmed";
      EXPECT_NE(opened.error().context.find(log_file()), std::string::npos) << opened.error().context;
      ++refused;
      continue;
    }
    // Of the last flush nobody can tell damage from a tail that was torn; what it leaves is right.
    if (opened) expect_front(7, "bit " + std::to_string(bit));
  }
  EXPECT_EQ(refused, last_group_begins_ * 8);
}

TEST_F(StoreDamageTest, any_bit_that_flips_in_quorum_state_or_snapshot_is_refused) {
  for (const char* name : {"quorum-state", "snapshot"}) {
    uint64_t bits = 1;
    for (uint64_t bit = 0; bit < bits; ++bit) {
      fresh_disk();
      fill(2);
      open();
      ASSERT_TRUE(take_snapshot(meta({Index{3}, Term{1}}), "image"));
      bits = *(*disk_->open(path(name), io::OpenMode::read))->size() * 8;
      store_.reset();
      disk_->flip_bit(path(name), bit);
      EXPECT_FALSE(try_open()) << name << " bit " << bit;
    }
  }
}

TEST_F(StoreDamageTest, other_files_may_be_damaged_or_lost) {
  for (const char* name : {"leader-epoch-checkpoint", "00000000000000000000.index", "00000000000000000000.timeindex"}) {
    for (uint64_t bit = 0; bit < 400; ++bit) {
      fresh_disk();
      fill(3);
      if (!*disk_->exists(path(name))) break;
      if (bit == 0) {
        ASSERT_TRUE(disk_->remove(path(name)));
      }
      if (bit != 0) disk_->flip_bit(path(name), bit - 1);
      open();
      expect_front(all_.size(), name);
      append({entry(9, "on")});
    }
  }
}

TEST_F(StoreDamageTest, a_missing_segment_is_refused) {
  segment_bytes_ = 300;
  fill(20, 1);
  std::vector<std::string> segments;
  for (const std::string& file : disk_->files()) {
    if (file.ends_with(".log")) segments.push_back(file);
  }
  ASSERT_GT(segments.size(), 5u);
  for (size_t gone = 0; gone + 1 < segments.size(); ++gone) {
    fresh_disk();
    fill(20, 1);
    ASSERT_TRUE(disk_->remove(segments[gone]));
    const auto opened = try_open();
    ASSERT_FALSE(opened) << segments[gone];
    EXPECT_EQ(opened.error().code, Errc::corrupt);
  }
}

TEST_F(StoreDamageTest, a_log_that_begins_after_the_snapshot_is_refused) {
  segment_bytes_ = 300;
  fill(20, 1);
  open();
  ASSERT_TRUE(take_snapshot(meta({Index{15}, Term{15}}), "image"));
  ASSERT_TRUE(store_->compact({Index{15}, Term{15}}));
  ASSERT_TRUE(store_->close());
  store_.reset();
  ASSERT_TRUE(disk_->remove(path("snapshot")));
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::corrupt);
}

TEST_F(StoreDamageTest, damage_is_seen_in_every_segment) {
  segment_bytes_ = 300;
  fill(20, 1);
  std::vector<std::string> segments;
  for (const std::string& file : disk_->files()) {
    if (file.ends_with(".log")) segments.push_back(file);
  }
  for (size_t which = 0; which + 1 < segments.size(); ++which) {
    fresh_disk();
    fill(20, 1);
    disk_->flip_bit(segments[which], uint64_t{8} * 40);
    const auto opened = try_open();
    ASSERT_FALSE(opened) << segments[which];
    EXPECT_NE(opened.error().context.find(segments[which]), std::string::npos) << opened.error().context;
  }
}

TEST_F(StoreDamageTest, a_read_that_fails_is_no_damage) {
  segment_bytes_ = 300;
  fill(20, 1);
  const std::vector<std::string> files = disk_->files();
  bool failed = true;
  for (uint64_t n = 0; failed; ++n) {
    disk_->fail_read(n);
    const auto opened = try_open();
    failed = !opened;
    if (failed) {
      EXPECT_NE(opened.error().code, Errc::corrupt) << n << ": " << opened.error().context;
    }
    disk_->restart();
  }
  open();
  expect_front(all_.size(), "after failed reads");
}

}  // namespace
}  // namespace millrace::raft::testing
