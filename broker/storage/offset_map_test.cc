#include "broker/storage/offset_map.h"

#include <string>

#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

TEST(SipHash, gives_the_published_results) {
  const std::array<uint64_t, 2> key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(sip_hash_128({}, key), (std::array<uint64_t, 2>{0xe6a825ba047f81a3, 0x930255c71472f66d}));
  const std::byte zero{0};
  EXPECT_EQ(sip_hash_128({&zero, 1}, key), (std::array<uint64_t, 2>{0x44af996bd8c187da, 0x45fc229b11597634}));
}

TEST(OffsetMap, answers_the_newest_offset_of_each_key) {
  OffsetMap map(1 << 20, 1000, {3, 4});
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(map.put(as_bytes("key-" + std::to_string(i % 100)), Offset(i)));
  EXPECT_EQ(map.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(map.find(as_bytes("key-" + std::to_string(i))), Offset(900 + i));
  EXPECT_EQ(map.find(as_bytes("another")), kNoOffset);
}

TEST(OffsetMap, takes_no_more_than_its_bytes_and_says_when_it_is_full) {
  OffsetMap map(size_t{24} * 100, 1'000'000, {3, 4});
  EXPECT_LE(map.size_bytes(), 24u * 100);
  int64_t taken = 0;
  while (map.put(as_bytes(std::to_string(taken)), Offset(taken))) ++taken;
  EXPECT_EQ(static_cast<size_t>(taken), map.capacity());
  EXPECT_GE(taken, 75);
  EXPECT_TRUE(map.put(as_bytes("0"), Offset(500))) << "a key that is in it can always be renewed";
  EXPECT_EQ(map.find(as_bytes("0")), Offset(500));
  EXPECT_EQ(map.find(as_bytes(std::to_string(taken))), kNoOffset);
}

TEST(OffsetMap, is_no_larger_than_the_keys_need) {
  EXPECT_LT(OffsetMap(128u << 20, 1000, {}).size_bytes(), 40'000u);
  EXPECT_GE(OffsetMap(128u << 20, 1000, {}).capacity(), 1000u);
}

}  // namespace
}  // namespace millrace::storage
