#include "broker/app/metadata_snapshot.h"

#include <gtest/gtest.h>

#include "broker/base/crc32c.h"
#include "broker/base/endian.h"
#include "broker/io/sim/sim_file_system.h"

namespace millrace::app {
namespace {

struct MetadataSnapshotTest : testing::Test {
  io::sim::SimFileSystem fs;
  static constexpr auto kPath = "/data/snapshot";
  MetadataSnapshotTest() { ENSURE(fs.create_directories("/data")); }
  static metadata::ImagePointer image(size_t value_bytes = 10) {
    metadata::ImageBuilder builder;
    builder.apply(Offset{0}, metadata::ClusterRecord{"c"});
    builder.apply(Offset{1}, metadata::ConfigRecord{4, "", "key", std::string(value_bytes, 'v')});
    builder.apply(Offset{2}, metadata::ConfigRecord{4, "", "key2", "w"});
    return builder.image();
  }
  std::string content() { return *io::read_small_file(fs, kPath); }
  Errc load_of(std::string text) {
    ENSURE(io::write_file_atomically(fs, kPath, text));
    const auto loaded = load_snapshot(fs, kPath);
    return loaded ? Errc::conflict : loaded.error().code;
  }
  static std::string with_crc(std::string text) {
    text.resize(text.size() - 4);
    std::byte crc[4];
    store_big_endian(crc, crc32c(as_bytes(text)));
    return text.append(reinterpret_cast<const char*>(crc), 4);
  }
};

TEST_F(MetadataSnapshotTest, what_is_saved_is_loaded_and_outlasts_a_power_loss) {
  ASSERT_TRUE(save_snapshot(fs, kPath, *image()));
  fs.lose_power();
  const auto loaded = load_snapshot(fs, kPath);
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_TRUE(loaded->current() == *image());
  EXPECT_EQ(loaded->current().applied, Offset{2});
}

TEST_F(MetadataSnapshotTest, its_bytes_are_those_of_the_architecture_page) {
  ASSERT_TRUE(save_snapshot(fs, kPath, *image()));
  const std::string text = content();
  EXPECT_EQ(text.substr(0, 6), std::string("MRSN\0\0", 6));
  EXPECT_EQ(load_big_endian<int64_t>(as_bytes(text).data() + 6), 2);
  EXPECT_EQ(load_big_endian<uint32_t>(as_bytes(text).data() + 14), snapshot_of(*image()).size());
}

TEST_F(MetadataSnapshotTest, damage_anywhere_is_found) {
  ASSERT_TRUE(save_snapshot(fs, kPath, *image()));
  const std::string good = content();
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_EQ(load_of(bad), Errc::corrupt) << at;
    EXPECT_EQ(load_of(good.substr(0, at)), Errc::corrupt) << at;
  }
}

TEST_F(MetadataSnapshotTest, lengths_that_do_not_fit_are_found_though_the_checksum_is_right) {
  ASSERT_TRUE(save_snapshot(fs, kPath, *image()));
  const std::string good = content();
  for (const size_t at : {14, 17, 18, 21}) {  // count and the first length
    for (const int change : {1, -1, 100}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] + change);
      const Errc code = load_of(with_crc(bad));
      EXPECT_TRUE(code == Errc::corrupt || code == Errc::malformed) << at << " " << change << " " << to_string(code);
    }
  }
  std::string longer = good;
  longer.insert(good.size() - 4, 3, '\0');
  EXPECT_EQ(load_of(with_crc(longer)), Errc::corrupt);
}

TEST_F(MetadataSnapshotTest, a_newer_format_another_file_and_none_are_told_apart) {
  EXPECT_EQ(load_snapshot(fs, kPath).error().code, Errc::not_found);
  ASSERT_TRUE(save_snapshot(fs, kPath, *image()));
  std::string newer = content();
  newer[5] = 1;
  EXPECT_EQ(load_of(with_crc(newer)), Errc::unsupported_version);
  std::string other = content();
  other[0] = 'X';
  EXPECT_EQ(load_of(with_crc(other)), Errc::corrupt);
}

TEST_F(MetadataSnapshotTest, a_state_that_is_too_large_is_refused_and_the_old_snapshot_stays) {
  ASSERT_TRUE(save_snapshot(fs, kPath, *image()));
  const std::string old = content();
  EXPECT_EQ(save_snapshot(fs, kPath, *image(io::kSmallFileBytesMax)).error().code, Errc::overloaded);
  EXPECT_EQ(content(), old);
}

}  // namespace
}  // namespace millrace::app
