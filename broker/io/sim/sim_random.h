#pragma once

#include <atomic>
#include <cstdint>

#include "broker/io/random.h"

namespace millrace::io::sim {

// The same words for the same seed (SplitMix64, public domain algorithm of S. Vigna). Thread-safe; with several threads
// the order is theirs.
class SimRandom final : public Random {
 public:
  explicit SimRandom(uint64_t seed) : state_(seed) {}

  uint64_t next() override {
    uint64_t z = state_.fetch_add(kStep, std::memory_order_relaxed) + kStep;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  bool chance(uint64_t one_in) { return below(one_in) == 0; }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;
  std::atomic<uint64_t> state_;
};

}  // namespace millrace::io::sim
