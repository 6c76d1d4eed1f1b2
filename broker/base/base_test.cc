#include <vector>

#include <gtest/gtest.h>

#include "broker/base/bytes.h"
#include "broker/base/config_table.h"
#include "broker/base/crc32c.h"
#include "broker/base/endian.h"
#include "broker/base/logger.h"
#include "broker/base/metrics.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"

namespace millrace {
namespace {

TEST(Crc32c, gives_the_published_check_value_by_both_ways) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c_portable(as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, hardware_and_table_agree_at_every_length_and_continue_each_other) {
  std::vector<std::byte> data(300);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 131 + 7);
  for (size_t length = 0; length <= data.size(); ++length) {
    const BytesView view(data.data(), length);
    ASSERT_EQ(crc32c(view), crc32c_portable(view)) << "length " << length;
    const size_t cut = length / 3;
    ASSERT_EQ(crc32c(view.subspan(cut), crc32c(view.first(cut))), crc32c(view)) << "length " << length;
  }
}

TEST(Bytes, a_slice_shares_the_block_and_outlives_the_whole) {
  Bytes slice;
  {
    const Bytes whole = Bytes::copy_of("hello, world");
    slice = whole.slice(7, 5);
    EXPECT_EQ(slice.data(), whole.data() + 7);
  }
  EXPECT_EQ(slice.text(), "world");
}

TEST(Bytes, a_slice_beyond_the_end_is_a_bug) {
  const Bytes whole = Bytes::copy_of("abc");
  EXPECT_DEATH(static_cast<void>(whole.slice(2, 2)), "ENSURE");
}

TEST(Endian, numbers_are_stored_with_the_most_significant_byte_first) {
  std::byte raw[8];
  store_big_endian<int32_t>(raw, 0x01020304);
  EXPECT_EQ(raw[0], std::byte{1});
  EXPECT_EQ(load_big_endian<int32_t>(raw), 0x01020304);
  store_big_endian<int64_t>(raw, -2);
  EXPECT_EQ(load_big_endian<int64_t>(raw), -2);
}

TEST(Uuid, text_and_bytes_convert_both_ways) {
  const Uuid id = Uuid::from_random(0x0123456789abcdef, 0xfedcba9876543210);
  const auto again = Uuid::parse(id.to_string());
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, id);
  EXPECT_EQ(id.to_string().size(), 22u);
  EXPECT_EQ(Uuid{}.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
}

TEST(Uuid, refuses_text_of_another_length_or_alphabet) {
  EXPECT_FALSE(Uuid::parse("AAAA"));
  EXPECT_FALSE(Uuid::parse("AAAAAAAAAAAAAAAAAAAAA+"));
}

TEST(Uuid, a_random_one_never_begins_with_a_dash) {
  EXPECT_NE(Uuid::from_random(~uint64_t{0} << 59, 1).to_string().front(), '-');
}

TEST(DurationHistogram, a_duration_falls_into_the_bucket_whose_bound_holds_it) {
  DurationHistogram histogram;
  histogram.record(std::chrono::microseconds(1));
  histogram.record(std::chrono::microseconds(3));
  histogram.record(std::chrono::microseconds(4));
  histogram.record(std::chrono::hours(1));
  EXPECT_EQ(histogram.bucket(0), 1u);
  EXPECT_EQ(histogram.bucket(2), 2u);
  EXPECT_EQ(histogram.bucket(DurationHistogram::kBucketCount - 1), 1u);
}

constexpr ConfigKey kKeys[] = {
    {.name = "log.segment.bytes", .type = ConfigType::int32, .fallback = "1073741824", .min = 14},
    {.name = "cleanup.policy", .type = ConfigType::list, .fallback = "delete", .valid = "delete,compact"},
    {.name = "auto.create.topics.enable", .type = ConfigType::boolean, .fallback = "true"},
};

TEST(ConfigTable, refuses_what_is_out_of_range_or_of_the_wrong_type_naming_key_and_value) {
  EXPECT_EQ(normalize_config(kKeys[0], "13").error().context,
            "value '13' of log.segment.bytes is outside 14 to 2147483647");
  EXPECT_FALSE(normalize_config(kKeys[0], "many"));
  EXPECT_FALSE(normalize_config(kKeys[1], "delete,burn"));
  EXPECT_FALSE(normalize_config(kKeys[2], "yes"));
  EXPECT_EQ(*normalize_config(kKeys[1], " compact , delete "), "compact,delete");
}

TEST(ConfigTable, names_the_nearest_key_for_a_misspelt_one_and_none_for_a_stranger) {
  EXPECT_EQ(nearest_config_name(kKeys, "log.segment.byte"), "log.segment.bytes");
  EXPECT_EQ(nearest_config_name(kKeys, "zookeeper.connect"), "");
}

TEST(ConfigTable, reads_the_default_when_nothing_is_set) {
  EXPECT_EQ(config_int({}, kKeys[0]), 1073741824);
  EXPECT_EQ(config_int({{"log.segment.bytes", "20"}}, kKeys[0]), 20);
  EXPECT_EQ(config_list({}, kKeys[1]), std::vector<std::string>{"delete"});
}

TEST(Logger, writes_json_that_escapes_what_users_send) {
  std::string line;
  Logger::configure(LogLevel::info, LogFormat::json);
  Logger::redirect([&](std::string_view text) { line = text; });
  Logger("test").info("topic refused", {{"name", "a\"b\n"}, {"offset", Offset(7)}, {"internal", true}});
  Logger("test").debug("not shown");
  Logger::redirect({});
  Logger::configure(LogLevel::info, LogFormat::text);
  EXPECT_NE(line.find(R"("message":"topic refused","name":"a\"b\n","offset":7,"internal":true})"), std::string::npos)
      << line;
}

}  // namespace
}  // namespace millrace
