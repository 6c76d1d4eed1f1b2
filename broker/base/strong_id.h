#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace millrace {

// An integer that cannot be mixed with another kind of integer: `using Offset = StrongId<struct OffsetTag, int64_t>;`.
// Differences and sums are taken through value(), except that an id may be advanced by a count.
template <class Tag, class Int>
class StrongId {
 public:
  using value_type = Int;
  constexpr StrongId() = default;
  constexpr explicit StrongId(Int value) : value_(value) {}

  constexpr Int value() const { return value_; }
  constexpr StrongId next(Int count = 1) const { return StrongId(static_cast<Int>(value_ + count)); }
  constexpr StrongId previous(Int count = 1) const { return StrongId(static_cast<Int>(value_ - count)); }

  friend constexpr auto operator<=>(StrongId, StrongId) = default;

 private:
  Int value_{};
};

// Kafka's vocabulary. Kafka writes "none" as -1 in all of these.
using BrokerId = StrongId<struct BrokerIdTag, int32_t>;
using PartitionIndex = StrongId<struct PartitionIndexTag, int32_t>;
using Offset = StrongId<struct OffsetTag, int64_t>;            // position of a record in a partition
using LeaderEpoch = StrongId<struct LeaderEpochTag, int32_t>;  // term of a partition's leader
using ProducerId = StrongId<struct ProducerIdTag, int64_t>;
using ProducerEpoch = StrongId<struct ProducerEpochTag, int16_t>;
using Sequence =
    StrongId<struct SequenceTag, int32_t>;  // of an idempotent producer's records; wraps from INT32_MAX to 0

inline constexpr BrokerId kNoBroker{-1};
inline constexpr Offset kNoOffset{-1};
inline constexpr LeaderEpoch kNoLeaderEpoch{-1};
inline constexpr ProducerId kNoProducerId{-1};
inline constexpr ProducerEpoch kNoProducerEpoch{-1};
inline constexpr Sequence kNoSequence{-1};

}  // namespace millrace

template <class Tag, class Int>
struct std::hash<millrace::StrongId<Tag, Int>> {
  size_t operator()(millrace::StrongId<Tag, Int> id) const noexcept { return std::hash<Int>{}(id.value()); }
};
