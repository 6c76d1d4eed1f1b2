#include "broker/metadata/partition_rules.h"

#include <algorithm>

namespace millrace::metadata {
namespace {

using Ids = std::vector<BrokerId>;

template <class Keep>
Ids filtered(const Ids& ids, Keep keep) {
  Ids kept;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(kept), keep);
  return kept;
}

bool same_members(const Ids& a, const Ids& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](BrokerId id) { return holds(b, id); });
}

// The first of `candidates`, in the order of `replicas`, that `may`.
template <class May>
BrokerId first_of(const Ids& replicas, const Ids& candidates, May may) {
  const auto found =
      std::find_if(replicas.begin(), replicas.end(), [&](BrokerId id) { return holds(candidates, id) && may(id); });
  return found == replicas.end() ? kNoBroker : *found;
}

// One that leads, rather without a stop permit.
BrokerId first_leader(const Ids& replicas, const Ids& candidates, const Standing& brokers) {
  const BrokerId remains = first_of(replicas, candidates, [&](BrokerId id) { return brokers.remains(id); });
  if (remains != kNoBroker) return remains;
  return first_of(replicas, candidates, [&](BrokerId id) { return brokers.leads(id); });
}

// The in-sync members who count, in replica order; empty when none is up.
Ids live_in_sync(const PartitionImage& state, const Standing& brokers) {
  const auto in_order = [&](auto may) {
    return filtered(state.replicas, [&](BrokerId id) { return holds(state.isr, id) && may(id); });
  };
  Ids live = in_order([&](BrokerId id) { return brokers.leads(id); });
  return live.empty() ? in_order([&](BrokerId id) { return brokers.serves(id); }) : live;
}

void complete_reassignment(PartitionImage& state, const PartitionRules& rules) {
  if (!state.reassigning()) return;
  const Ids target = filtered(state.replicas, [&](BrokerId id) { return !holds(state.removing, id); });
  Ids in_sync = filtered(state.isr, [&](BrokerId id) { return holds(target, id) && rules.brokers->leads(id); });
  if (!std::all_of(state.adding.begin(), state.adding.end(), [&](BrokerId id) { return holds(in_sync, id); })) return;
  if (in_sync.empty()) return;
  // Who has a stop permit will be gone: without those that go, too few would be left.
  const auto remaining = static_cast<size_t>(
      std::count_if(in_sync.begin(), in_sync.end(), [&](BrokerId id) { return rules.brokers->remains(id); }));
  if (remaining < in_sync_needed(rules, target.size()) && in_sync.size() < state.isr.size()) return;
  state.replicas = target;
  state.isr = std::move(in_sync);
  state.elr = filtered(state.elr.get(), [&](BrokerId id) { return holds(target, id); });
  state.adding = {};
  state.removing = {};
}

// Answers whether the election was unclean.
bool elect(PartitionImage& state, const PartitionRules& rules, bool in_sync_is_live, const SettleOptions& options) {
  const Standing& brokers = *rules.brokers;
  if (in_sync_is_live) {
    const BrokerId preferred = state.replicas.front();
    if (options.prefer_first && holds(state.isr, preferred) && brokers.leads(preferred)) {
      state.leader = preferred;
    } else if (!holds(state.isr, state.leader)) {
      const BrokerId next = first_leader(state.replicas, state.isr, brokers);
      state.leader = next != kNoBroker ? next : state.isr.front();  // all of them shut down
    } else if (options.leaves != kNoBroker && state.leader == options.leaves) {
      const BrokerId next =
          first_of(state.replicas, state.isr, [&](BrokerId id) { return id != options.leaves && brokers.remains(id); });
      if (next != kNoBroker) state.leader = next;
    }
    return false;
  }
  state.leader = first_leader(state.replicas, state.elr.get(), brokers);
  const bool unclean = state.leader == kNoBroker && (rules.unclean_election || options.unclean);
  if (unclean) {  // rather one that has something than one that is only being added
    const auto is_new = [&](BrokerId id) { return holds(state.adding, id); };
    const Ids old = filtered(state.replicas, [&](BrokerId id) { return !is_new(id); });
    state.leader = first_leader(state.replicas, old, brokers);
    if (state.leader == kNoBroker) state.leader = first_leader(state.replicas, state.adding.get(), brokers);
  }
  if (state.leader != kNoBroker) state.isr = {state.leader};
  return unclean && state.leader != kNoBroker;
}

void find_eligible(const PartitionImage& before, PartitionImage& state, const PartitionRules& rules, BrokerId lost) {
  if (state.isr.size() >= in_sync_needed(rules, state.replicas.size())) {
    state.elr = {};
    state.last_known_elr = {};
    return;
  }
  const auto held_before = [&](BrokerId id) { return holds(before.isr, id) || holds(before.elr, id); };
  const Ids outside = filtered(state.replicas, [&](BrokerId id) { return !holds(state.isr, id); });
  state.elr = filtered(outside, [&](BrokerId id) { return held_before(id) && id != lost; });
  state.last_known_elr = filtered(outside, [&](BrokerId id) {
    return !holds(state.elr, id) && (held_before(id) || holds(before.last_known_elr, id));
  });
}

}  // namespace

Standing::Standing(const ClusterImage& image, Timestamp now_ms) {
  for (const auto& [id, broker] : image.brokers) {
    const auto permit = image.permits.find(id);
    const bool may_stop = permit != image.permits.end() && permit->second.expires_ms > now_ms;
    brokers_[id] = {.serves = !broker.fenced,
                    .leads = broker.takes_leadership(),
                    .remains = broker.takes_leadership() && !may_stop};
  }
}

bool holds(const Ids& ids, BrokerId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

Ids without(const Ids& ids, BrokerId id) {
  return filtered(ids, [&](BrokerId each) { return each != id; });
}

size_t in_sync_needed(const PartitionRules& rules, size_t replicas) {
  return std::min(static_cast<size_t>(std::max(rules.min_insync, 1)), replicas);
}

void remove_lost(PartitionImage& state, BrokerId id) {
  state.elr = without(state.elr.get(), id);
  if (!holds(state.isr, id)) return;
  Ids others = without(state.isr, id);
  if (others.empty() && state.elr.empty()) return;
  // The eligible ones are as good, and a set without members would say that nobody has the records.
  if (others.empty()) others = std::exchange(state.elr, {}).get();
  state.isr = std::move(others);
}

std::optional<PartitionImage> settle(const PartitionImage& before, PartitionImage wanted, const PartitionRules& rules,
                                     SettleOptions options) {
  PartitionImage state = std::move(wanted);
  Ids live = live_in_sync(state, *rules.brokers);
  const bool in_sync_is_live = !live.empty();
  if (in_sync_is_live) {
    if (!same_members(live, state.isr)) state.isr = std::move(live);
    complete_reassignment(state, rules);
  }
  const bool unclean = elect(state, rules, in_sync_is_live, options);
  find_eligible(before, state, rules, options.lost);
  if (unclean) {  // what the new leader has is what counts now: nobody else holds all of it
    state.elr = {};
    state.last_known_elr = {};
  }
  if (same_members(state.isr, before.isr)) {
    state.isr = before.isr;
  } else {
    state.isr_since_ms = rules.now_ms;
  }
  if (state == before) return std::nullopt;
  ++state.partition_epoch;
  const bool removed = !std::all_of(before.replicas.begin(), before.replicas.end(),
                                    [&](BrokerId id) { return holds(state.replicas, id); });
  if (state.leader != before.leader || removed) state.leader_epoch = before.leader_epoch.next();
  return state;
}

}  // namespace millrace::metadata
