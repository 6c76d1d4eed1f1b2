#pragma once

#include <map>
#include <optional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/strong_id.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

// How brokers stand in one decision: as the image has them, but for what the decision itself changes.
class Standing {
 public:
  Standing(const ClusterImage& image, Timestamp now_ms);
  void take_away(BrokerId id) { brokers_[id] = {}; }  // is fenced, or as good as
  void bring(BrokerId id) { brokers_[id] = {.serves = true, .leads = true, .remains = true}; }
  void dismiss(BrokerId id) { brokers_[id] = {.serves = true, .leads = false, .remains = false}; }  // shuts down

  bool serves(BrokerId id) const { return of(id).serves; }    // not fenced: may go on leading
  bool leads(BrokerId id) const { return of(id).leads; }      // and not shutting down: may be elected, may be in sync
  bool remains(BrokerId id) const { return of(id).remains; }  // and has no stop permit

 private:
  struct State {
    bool serves = false;
    bool leads = false;
    bool remains = false;
  };
  State of(BrokerId id) const {
    const auto found = brokers_.find(id);
    return found == brokers_.end() ? State{} : found->second;
  }
  std::map<BrokerId, State> brokers_;
};

// What holds of a topic's partitions.
struct PartitionRules {
  const Standing* brokers = nullptr;
  int32_t min_insync = 1;         // effective min.insync.replicas
  bool unclean_election = false;  // effective unclean.leader.election.enable, or asked for
  Timestamp now_ms = kNoTimestamp;
};

struct SettleOptions {
  bool prefer_first = false;    // the preferred leader leads if it can
  bool unclean = false;         // an unclean election was asked for, whatever the topic says
  BrokerId leaves = kNoBroker;  // gives leadership up, if another one that remains is in sync
  BrokerId lost = kNoBroker;    // restarted after a crash and may lack the end of its log: remove_lost() was called
};

bool holds(const std::vector<BrokerId>& ids, BrokerId id);
inline bool holds(const RareBrokers& ids, BrokerId id) { return holds(ids.get(), id); }
std::vector<BrokerId> without(const std::vector<BrokerId>& ids, BrokerId id);

// Members that must be in sync for writes with acks=all, as far as there are that many replicas.
size_t in_sync_needed(const PartitionRules& rules, size_t replicas);

// A partition as the rules want it. `wanted` is `before` with what the decision changed (in-sync set, replicas,
// reassignment); the rest follows, and nothing is answered when nothing differs:
// - In sync are those who lead or could. Without any, those who shut down; without any, the set stays as it is: each of
//   its members holds everything committed and may lead when it returns. It is never empty.
// - A reassignment is complete when all that are added are in sync and enough remain in sync without those that go.
// - The leader stays if it can. Otherwise: of the in-sync replicas the first in their order, rather one without a stop
//   permit; then the first eligible one (it alone is in sync then); then, if unclean elections are allowed, the first
//   that is alive, those that are being added last; then none.
// - Eligible (KIP-966) are those who left the in-sync set since it fell below min.insync.replicas, but for lost ones.
// - Epochs: the partition's counts every change; the leader's a change of leader, and the removal of a replica, so that
//   who is removed cannot follow any more.
std::optional<PartitionImage> settle(const PartitionImage& before, PartitionImage wanted, const PartitionRules& rules,
                                     SettleOptions options = {});

// `id` may have lost records: it leaves the in-sync and eligible sets, unless nobody else is in them, for then it is
// the last that was known to have everything.
void remove_lost(PartitionImage& state, BrokerId id);

}  // namespace millrace::metadata
