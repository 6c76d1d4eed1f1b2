#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

namespace millrace::raft {

inline constexpr size_t quorum_of(size_t voters) { return voters / 2 + 1; }

// The largest value that a majority of the voters has reached, given one value for each voter; `none` without voters.
template <class T>
T reached_by_quorum(std::vector<T> values, T none) {
  if (values.empty()) return none;
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(quorum_of(values.size()) - 1);
  std::nth_element(values.begin(), place, values.end(), std::greater<>());
  return *place;
}

}  // namespace millrace::raft
