#include "broker/io/sim/sim_file_system.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_random.h"

namespace millrace::io::sim {
namespace {

class SimFileSystemTest : public testing::Test {
 protected:
  SimFileSystemTest() { EXPECT_TRUE(fs_.create_directories("/d") && fs_.flush_directory("/")); }

  std::unique_ptr<File> open(const std::string& path) { return fs_.open(path, OpenMode::create).value(); }
  static Status write(File& file, uint64_t at, std::string_view text) {
    const std::array<BytesView, 1> pieces{as_bytes(text)};
    return file.write_at(at, pieces);
  }
  // A durable file with this content.
  void put(const std::string& path, std::string_view text) { ASSERT_TRUE(write_file_atomically(fs_, path, text)); }
  std::string content(const std::string& path) { return read_small_file(fs_, path).value_or("<none>"); }

  SimFileSystem fs_;
};

TEST_F(SimFileSystemTest, behaves_like_a_disk_without_faults) {
  auto file = open("/d/a");
  ASSERT_TRUE(write(*file, 0, "hello world"));
  ASSERT_TRUE(write(*file, 6, "W"));
  EXPECT_EQ(content("/d/a"), "hello World");
  ASSERT_TRUE(file->truncate(5));
  EXPECT_EQ(content("/d//a"), "hello");
  EXPECT_EQ(fs_.open("/none/a", OpenMode::create).error().code, Errc::not_found);
  EXPECT_EQ(fs_.open("/d/a", OpenMode::create_new).error().code, Errc::already_exists);
  EXPECT_EQ(fs_.list("/d").value().size(), 1u);
  ASSERT_TRUE(fs_.rename("/d", "/e"));
  EXPECT_EQ(content("/e/a"), "hello");
  EXPECT_FALSE(fs_.remove("/e"));
  EXPECT_TRUE(fs_.remove_all("/e"));
  EXPECT_FALSE(fs_.exists("/e/a").value());
}

TEST_F(SimFileSystemTest, flushed_bytes_under_a_flushed_name_survive_every_power_loss) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimFileSystem fs(seed);
    ASSERT_TRUE(write_file_atomically(fs, "/a", "kept"));
    auto file = fs.open("/a", OpenMode::read_write).value();
    ASSERT_TRUE(write(*file, 4, "maybe"));
    fs.lose_power();
    const std::string left = read_small_file(fs, "/a").value();
    EXPECT_TRUE(left.starts_with("kept")) << "seed " << seed << ": " << left;
    EXPECT_FALSE(write(*file, 0, "late")) << "a handle of before must be dead";
  }
}

TEST_F(SimFileSystemTest, unflushed_bytes_are_lost_kept_torn_or_reordered_by_seed) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimFileSystem fs(seed);
    ASSERT_TRUE(write_file_atomically(fs, "/a", ""));
    auto file = fs.open("/a", OpenMode::read_write).value();
    ASSERT_TRUE(write(*file, 0, std::string(4096, 'a')));
    ASSERT_TRUE(write(*file, 4096, std::string(10, 'b')));
    fs.lose_power();
    const std::string left = read_small_file(fs, "/a").value();
    outcomes.insert(left.empty()                                            ? "lost"
                    : left.size() < 4096                                    ? "torn"
                    : left[0] == '\0'                                       ? "reordered"
                    : left == std::string(4096, 'a') + std::string(10, 'b') ? "kept"
                                                                            : "other");
  }
  for (const char* outcome : {"lost", "torn", "reordered", "kept"}) EXPECT_TRUE(outcomes.contains(outcome)) << outcome;
}

TEST_F(SimFileSystemTest, names_that_were_not_flushed_may_be_lost) {
  std::set<bool> exists;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimFileSystem fs(seed);
    auto file = fs.open("/a", OpenMode::create).value();
    ASSERT_TRUE(file->flush());
    fs.lose_power();
    exists.insert(fs.exists("/a").value());
  }
  EXPECT_EQ(exists.size(), 2u);
}

TEST_F(SimFileSystemTest, what_waits_in_a_directory_that_is_renamed_goes_along_and_never_into_its_successor) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimFileSystem fs(seed);
    ASSERT_TRUE(fs.create_directories("/d"));
    ASSERT_TRUE(fs.flush_directory("/"));
    ASSERT_TRUE(fs.open("/d/old", OpenMode::create));
    ASSERT_TRUE(fs.rename("/d", "/gone"));
    ASSERT_TRUE(fs.create_directories("/d"));
    ASSERT_TRUE(fs.open("/d/new", OpenMode::create));
    ASSERT_TRUE(fs.flush_directory("/d"));
    const bool is_flushed = seed % 2 == 0;
    if (is_flushed) {
      ASSERT_TRUE(fs.flush_directory("/gone"));
    }
    fs.lose_power();
    EXPECT_TRUE(fs.exists("/d/new").value());
    EXPECT_FALSE(fs.exists("/d/old").value());
    EXPECT_TRUE(!is_flushed || fs.exists("/gone/old").value());
  }
}

TEST_F(SimFileSystemTest, a_failed_flush_never_becomes_durable_by_trying_again) {
  put("/d/a", "old");
  auto file = open("/d/a");
  ASSERT_TRUE(write(*file, 0, "new"));
  fs_.fail_call(0);
  EXPECT_FALSE(file->flush());
  EXPECT_TRUE(file->flush());
  EXPECT_EQ(content("/d/a"), "new");
  fs_.lose_power();
  EXPECT_EQ(content("/d/a"), "old");
}

TEST_F(SimFileSystemTest, a_dead_process_changes_nothing_more_and_restart_keeps_what_it_wrote) {
  auto file = open("/d/a");
  ASSERT_TRUE(write(*file, 0, "abc"));
  fs_.die_at_call(1);
  ASSERT_TRUE(write(*file, 3, "d"));
  EXPECT_FALSE(write(*file, 4, "efg"));
  EXPECT_FALSE(fs_.rename("/d/a", "/d/b"));
  EXPECT_FALSE(fs_.open("/d/a", OpenMode::read));
  fs_.restart();
  EXPECT_TRUE(content("/d/a").starts_with("abcd"));
}

TEST_F(SimFileSystemTest, a_full_disk_takes_what_fits_and_recovers_with_space) {
  fs_.set_capacity(5);
  auto file = open("/d/a");
  EXPECT_EQ(write(*file, 0, "1234567").error().code, Errc::disk_full);
  EXPECT_EQ(content("/d/a"), "12345");
  EXPECT_TRUE(write(*file, 0, "x"));  // no growth
  fs_.set_capacity(100);
  EXPECT_TRUE(write(*file, 5, "67"));
  EXPECT_EQ(fs_.disk_space("/").value().usable_bytes, 93u);
}

TEST_F(SimFileSystemTest, bits_flip_reads_fail_and_the_disk_is_slow_when_told) {
  put("/d/a", "A");
  fs_.flip_bit("/d/a", 1);
  EXPECT_EQ(content("/d/a"), "C");
  fs_.fail_read(0);
  EXPECT_EQ(content("/d/a"), "<none>");
  EXPECT_EQ(content("/d/a"), "C");
  SimClock clock;
  fs_.slow_down(clock, std::chrono::milliseconds(2), std::chrono::milliseconds(50));
  auto file = open("/d/a");
  const TimePoint before = clock.now();
  ASSERT_TRUE(write(*file, 0, "x") && file->flush());
  EXPECT_EQ(clock.now() - before, std::chrono::milliseconds(52));
}

TEST_F(SimFileSystemTest, locks_end_with_their_holder_or_its_process) {
  auto held = fs_.lock("/d/.lock").value();
  EXPECT_EQ(fs_.lock("/d/.lock").error().code, Errc::in_use);
  fs_.restart();
  auto next = fs_.lock("/d/.lock").value();
  held.reset();  // the dead holder frees nothing
  EXPECT_EQ(fs_.lock("/d/.lock").error().code, Errc::in_use);
}

TEST(SimRandom, same_seed_same_words) {
  SimRandom a(7), b(7), c(8);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
}

}  // namespace
}  // namespace millrace::io::sim
