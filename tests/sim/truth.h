#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/trace.h"

#include "broker/base/bytes.h"

namespace millrace::sim {

// One partition of a topic, by name.
using Place = std::pair<std::string, int32_t>;
std::string to_string(const Place& place);

struct Stored {
  int64_t offset = 0;
  std::string value;
  int32_t epoch = 0;
};
std::vector<Stored> stored_in(const Bytes& batches);

// A record as producers here write it: whose, and the how many-th of that producer.
struct Value {
  int64_t producer = 0;
  int64_t number = 0;
  std::string to_string() const { return std::to_string(producer) + ":" + std::to_string(number); }
  static Value parse(const std::string& text);
  friend auto operator<=>(const Value&, const Value&) = default;
};

// What was read or acknowledged, by whomever and whenever: an offset has one value for ever, a value one offset, a
// producer's values are in the order in which it wrote them, and what was acknowledged by all stays.
class Truth {
 public:
  explicit Truth(Trace& trace) : trace_(trace) {}

  void note(const Place& place, int64_t offset, const std::string& value, const std::string& where);
  void acknowledged(const Place& place, int64_t offset, const Value& value);
  size_t acked() const { return acked_.size(); }
  // `content` is all of a replica, from its beginning.
  void expect_all_acknowledged_in(const Place& place, const std::map<int64_t, Stored>& content,
                                  const std::string& where);

 private:
  Trace& trace_;
  std::map<std::pair<Place, int64_t>, std::string> values_;
  std::map<std::pair<Place, Value>, int64_t> offsets_;
  std::map<std::pair<Place, Value>, int64_t> acked_;
};

}  // namespace millrace::sim
