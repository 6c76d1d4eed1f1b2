#include "tests/sim/truth.h"

#include <cstdlib>

#include "broker/protocol/batch_header.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::sim {

std::string to_string(const Place& place) { return place.first + "-" + std::to_string(place.second); }

std::vector<Stored> stored_in(const Bytes& batches) {
  std::vector<Stored> all;
  for (size_t at = 0; batches.size() - at >= protocol::kBatchHeaderBytes;) {
    const auto header = protocol::BatchHeader::decode(batches.data() + at);
    if (header.total_bytes() > batches.size() - at) break;  // a client's limit cut it
    const auto values = replication::testing::values_of(batches.slice(at, header.total_bytes()));
    for (size_t i = 0; i < values.size(); ++i) {
      all.push_back({header.base_offset.value() + static_cast<int64_t>(i), values[i], header.leader_epoch.value()});
    }
    at += header.total_bytes();
  }
  return all;
}

Value Value::parse(const std::string& text) {
  char* rest = nullptr;
  Value value;
  value.producer = std::strtoll(text.c_str(), &rest, 10);
  value.number = std::strtoll(*rest == ':' ? rest + 1 : rest, nullptr, 10);
  return value;
}

void Truth::note(const Place& place, int64_t offset, const std::string& value, const std::string& where) {
  const auto [at, is_new] = values_.try_emplace({place, offset}, value);
  const std::string here = to_string(place) + " offset " + std::to_string(offset);
  if (at->second != value) {
    trace_.violation("one value per offset", where + ": " + here + " was " + at->second + ", is " + value);
  }
  if (!is_new) return;
  const Value parsed = Value::parse(value);
  const auto [mine, is_first] = offsets_.try_emplace({place, parsed}, offset);
  if (!is_first) {
    return trace_.violation("no duplicates",
                            where + ": " + here + " holds " + value + ", as does " + std::to_string(mine->second));
  }
  const auto same = [&](const auto& entry) {
    return entry.first.first == place && entry.first.second.producer == parsed.producer;
  };
  const auto next = std::next(mine);
  const bool after = next != offsets_.end() && same(*next) && next->second < offset;
  const bool before = mine != offsets_.begin() && same(*std::prev(mine)) && std::prev(mine)->second > offset;
  if (after || before) {
    const auto& other = after ? *next : *std::prev(mine);
    trace_.violation("order per producer", where + ": " + here + " holds " + value + ", but " +
                                               other.first.second.to_string() + " is at " +
                                               std::to_string(other.second));
  }
}

void Truth::acknowledged(const Place& place, int64_t offset, const Value& value) {
  acked_[{place, value}] = offset;
  note(place, offset, value.to_string(), "acknowledgement");
}

void Truth::expect_all_acknowledged_in(const Place& place, const std::map<int64_t, Stored>& content,
                                       const std::string& where) {
  for (auto at = acked_.lower_bound({place, {INT64_MIN, INT64_MIN}}); at != acked_.end() && at->first.first == place;
       ++at) {
    const auto found = content.find(at->second);
    if (found != content.end() && found->second.value == at->first.second.to_string()) continue;
    return trace_.violation("no acknowledged record is lost", where + ": " + to_string(place) + " offset " +
                                                                  std::to_string(at->second) + " lacks " +
                                                                  at->first.second.to_string());
  }
}

}  // namespace millrace::sim
