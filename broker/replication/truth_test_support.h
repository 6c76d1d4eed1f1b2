#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/protocol/batch_header.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::replication::testing {

struct Stored {
  int64_t offset;
  std::string value;
  int32_t epoch;
};

inline std::vector<Stored> stored_in(const Bytes& batches) {
  std::vector<Stored> all;
  for (size_t at = 0; at < batches.size();) {
    const auto header = protocol::BatchHeader::decode(batches.data() + at);
    const auto values = values_of(batches.slice(at, header.total_bytes()));
    for (size_t i = 0; i < values.size(); ++i) {
      all.push_back({header.base_offset.value() + static_cast<int64_t>(i), values[i], header.leader_epoch.value()});
    }
    at += header.total_bytes();
  }
  return all;
}

// What was read or acknowledged, by whomever and whenever: each offset has one value for ever, and each value that is
// not marked as repeatable has one offset.
class Truth {
 public:
  static bool is_repeatable(const std::string& value) { return value.find("/-1/") != std::string::npos; }

  void note(int32_t partition, int64_t offset, const std::string& value) {
    const auto [at, is_new] = values_.try_emplace({partition, offset}, value);
    EXPECT_EQ(at->second, value) << "two values at partition " << partition << " offset " << offset;
    if (!is_new || is_repeatable(value)) return;
    const auto [where, is_first] = offsets_.try_emplace({partition, value}, offset);
    EXPECT_TRUE(is_first) << value << " is at offsets " << where->second << " and " << offset;
  }
  void acknowledged(int32_t partition, int64_t offset, const std::string& value) {
    acked_[{partition, value}] = offset;
    note(partition, offset, value);
  }
  size_t acked() const { return acked_.size(); }

  // `content` is all of a replica: value by offset.
  void expect_all_acknowledged_in(const std::map<int64_t, Stored>& content, int32_t partition) const {
    for (const auto& [key, offset] : acked_) {
      if (key.first != partition) continue;
      const auto found = content.find(offset);
      EXPECT_TRUE(found != content.end() && found->second.value == key.second)
          << key.second << " was acknowledged at offset " << offset << " of partition " << partition << " and is lost";
    }
  }

 private:
  std::map<std::pair<int32_t, int64_t>, std::string> values_;
  std::map<std::pair<int32_t, std::string>, int64_t> offsets_;
  std::map<std::pair<int32_t, std::string>, int64_t> acked_;
};

}  // namespace millrace::replication::testing
