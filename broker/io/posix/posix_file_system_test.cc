#include "broker/io/posix/posix_file_system.h"

#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "broker/io/posix/kernel_random.h"
#include "broker/io/posix/real_clock.h"

namespace millrace::io::posix {
namespace {

class PosixFileSystemTest : public testing::Test {
 protected:
  PosixFileSystemTest() {
    std::string pattern = testing::TempDir() + "millrace-io-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~PosixFileSystemTest() override { EXPECT_TRUE(fs_.remove_all(directory_)); }

  std::string path(std::string_view name) const { return join_path(directory_, name); }
  std::unique_ptr<File> open(std::string_view name, OpenMode mode = OpenMode::create) {
    return fs_.open(path(name), mode).value();
  }
  static void write(File& file, uint64_t position, std::vector<std::string_view> texts) {
    std::vector<BytesView> pieces;
    for (std::string_view text : texts) pieces.push_back(as_bytes(text));
    ASSERT_TRUE(file.write_at(position, pieces));
  }
  std::string content(std::string_view name) { return read_small_file(fs_, path(name)).value(); }

  PosixFileSystem fs_;
  std::string directory_;
};

TEST_F(PosixFileSystemTest, writes_pieces_one_after_another_at_a_position) {
  auto file = open("a");
  write(*file, 0, {"hello ", "", "world"});
  write(*file, 6, {"W"});
  EXPECT_EQ(content("a"), "hello World");
  EXPECT_EQ(file->size().value(), 11u);
  EXPECT_TRUE(file->flush());
  ASSERT_TRUE(file->truncate(5));
  EXPECT_EQ(content("a"), "hello");
}

TEST_F(PosixFileSystemTest, writes_more_pieces_than_one_system_call_takes) {
  auto file = open("many");
  std::vector<std::string_view> texts(3000, "ab");
  write(*file, 0, texts);
  EXPECT_EQ(content("many").size(), 6000u);
}

TEST_F(PosixFileSystemTest, reads_stop_at_the_end_of_the_file) {
  auto file = open("a");
  write(*file, 0, {"abc"});
  std::array<std::byte, 8> into;
  EXPECT_EQ(file->read_at(1, into).value(), 2u);
  EXPECT_EQ(file->read_at(9, into).value(), 0u);
}

TEST_F(PosixFileSystemTest, open_modes_say_whether_the_file_must_exist) {
  EXPECT_EQ(fs_.open(path("x"), OpenMode::read).error().code, Errc::not_found);
  EXPECT_EQ(fs_.open(path("x"), OpenMode::read_write).error().code, Errc::not_found);
  EXPECT_TRUE(fs_.open(path("x"), OpenMode::create_new));
  EXPECT_EQ(fs_.open(path("x"), OpenMode::create_new).error().code, Errc::already_exists);
  EXPECT_NE(fs_.open(path("y"), OpenMode::read).error().context.find(path("y")), std::string::npos);
}

TEST_F(PosixFileSystemTest, atomic_write_replaces_the_content_and_leaves_no_temporary_file) {
  ASSERT_TRUE(write_file_atomically(fs_, path("p"), "first and longer"));
  ASSERT_TRUE(write_file_atomically(fs_, path("p"), "second"));
  EXPECT_EQ(content("p"), "second");
  EXPECT_EQ(fs_.list(directory_).value().size(), 1u);
}

TEST_F(PosixFileSystemTest, directories_are_made_listed_renamed_and_removed_whole) {
  ASSERT_TRUE(fs_.create_directories(path("a/b/c")));
  ASSERT_TRUE(fs_.create_directories(path("a/b/c")));
  open("a/b/file");
  auto entries = fs_.list(path("a/b")).value();
  ASSERT_EQ(entries.size(), 2u);
  for (const auto& entry : entries) EXPECT_EQ(entry.is_directory, entry.name == "c");
  ASSERT_TRUE(fs_.rename(path("a/b"), path("d")));
  EXPECT_TRUE(fs_.flush_directory(directory_));
  EXPECT_TRUE(fs_.exists(path("d/file")).value());
  EXPECT_FALSE(fs_.exists(path("a/b")).value());
  EXPECT_FALSE(fs_.remove(path("d")));  // not empty
  EXPECT_TRUE(fs_.remove_all(path("d")));
  EXPECT_TRUE(fs_.remove_all(path("d")));
  EXPECT_EQ(fs_.list(path("d")).error().code, Errc::not_found);
}

TEST_F(PosixFileSystemTest, a_lock_has_one_holder_and_ends_with_it) {
  auto held = fs_.lock(path(".lock"));
  ASSERT_TRUE(held);
  EXPECT_EQ(fs_.lock(path(".lock")).error().code, Errc::in_use);
  held.value().reset();
  EXPECT_TRUE(fs_.lock(path(".lock")));
}

TEST_F(PosixFileSystemTest, a_full_device_answers_disk_full) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "this machine has no /dev/full";
  auto file = fs_.open("/dev/full", OpenMode::read_write).value();
  const std::array<BytesView, 1> pieces{as_bytes("x")};
  EXPECT_EQ(file->write_at(0, pieces).error().code, Errc::disk_full);
}

TEST_F(PosixFileSystemTest, disk_space_is_that_of_the_volume) {
  const DiskSpace space = fs_.disk_space(directory_).value();
  EXPECT_GT(space.total_bytes, 0u);
  EXPECT_LE(space.usable_bytes, space.total_bytes);
  EXPECT_EQ(fs_.disk_space(path("none")).error().code, Errc::not_found);
}

TEST(Paths, join_and_parent) {
  EXPECT_EQ(join_path("/a", "b"), "/a/b");
  EXPECT_EQ(join_path("/a/", "b"), "/a/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(parent_path("/a/b"), "/a");
  EXPECT_EQ(parent_path("/a/b/"), "/a");
  EXPECT_EQ(parent_path("/a"), "/");
  EXPECT_EQ(parent_path("a"), ".");
}

TEST(RealClock, moves_forward_and_knows_the_date) {
  RealClock clock;
  const TimePoint before = clock.now();
  EXPECT_GE(clock.now(), before);
  EXPECT_GT(clock.wall_ms(), 1'700'000'000'000);
}

TEST(KernelRandom, words_differ_and_stay_below_a_bound) {
  KernelRandom random;
  std::set<uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(random.next());
  EXPECT_EQ(seen.size(), 100u);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(random.below(7), 7u);
}

}  // namespace
}  // namespace millrace::io::posix
