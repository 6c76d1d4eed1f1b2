#include "broker/replication/refused_batches.h"

#include <algorithm>

#include "broker/storage/producer_state.h"

namespace millrace::replication {

namespace {

// Sequences wrap from INT32_MAX to 0: of two, the one less than half of the way round ahead is the later one.
bool is_behind(Sequence first, Sequence second) {
  constexpr uint32_t kModulus = uint32_t{1} << 31;
  const uint32_t ahead =
      (static_cast<uint32_t>(second.value()) - static_cast<uint32_t>(first.value())) & (kModulus - 1);
  return ahead != 0 && ahead < kModulus / 2;
}

}  // namespace

// What is of no use any more goes: too old, or of an epoch that is over, or the log has what was refused, by another
// way.
std::vector<RefusedBatches::Refused>::iterator RefusedBatches::find(const protocol::BatchHeader& batch,
                                                                    std::optional<Sequence> next, TimePoint now) {
  std::erase_if(refused_, [&](const Refused& one) {
    if (now - one.at >= kKept) return true;
    return one.producer == batch.producer_id && (one.epoch < batch.producer_epoch || (next && *next != one.first));
  });
  return std::find_if(refused_.begin(), refused_.end(), [&](const Refused& one) {
    return one.producer == batch.producer_id && one.epoch == batch.producer_epoch;
  });
}

void RefusedBatches::add(const protocol::BatchHeader& refused, Errc reason, std::optional<Sequence> next,
                         TimePoint now) {
  if (!storage::is_idempotent(refused)) return;
  const auto earlier = find(refused, next, now);
  if (earlier != refused_.end()) {
    if (is_behind(earlier->first, refused.base_sequence)) return;
    refused_.erase(earlier);
  }
  if (refused_.size() == kProducersMax) refused_.erase(refused_.begin());
  refused_.push_back({refused.producer_id, refused.producer_epoch, refused.base_sequence, reason, now});
}

std::optional<Errc> RefusedBatches::reason_before(const protocol::BatchHeader& batch, std::optional<Sequence> next,
                                                  TimePoint now) {
  if (!storage::is_idempotent(batch)) return std::nullopt;
  const auto earlier = find(batch, next, now);
  if (earlier == refused_.end()) return std::nullopt;
  if (is_behind(earlier->first, batch.base_sequence)) return earlier->reason;
  if (earlier->first == batch.base_sequence) refused_.erase(earlier);  // here it is again
  return std::nullopt;
}

}  // namespace millrace::replication
