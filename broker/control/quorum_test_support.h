#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "broker/control/metadata_machine.h"
#include "broker/control/quorum.h"

namespace millrace::control {

// A quorum of one in memory: what is proposed is committed when the test says so, applied to a machine, then answered.
class MemoryQuorum final : public Quorum {
 public:
  void propose(raft::Tenure tenure, Bytes payload, std::function<void(Status)> done) override {
    if (refuses) return later.push_back([done = std::move(done)] { done(Error{Errc::overloaded, {}}); });
    tenures.push_back(tenure);
    proposed.emplace_back(std::move(payload), std::move(done));
  }
  metadata::QuorumView view() const override { return {}; }
  BrokerId leader() const override { return leads; }

  bool commit_one() {
    if (proposed.empty()) return false;
    auto [payload, done] = std::move(proposed.front());
    proposed.pop_front();
    ENSURE(machine.apply(payload));
    machine.publish();
    entries.push_back(payload);
    done(ok());
    return true;
  }
  void commit_all() {
    while (commit_one()) {
    }
  }
  // Leadership is lost: nobody knows what becomes of what was proposed.
  void lose() {
    for (auto& [payload, done] : std::exchange(proposed, {})) done(Error{Errc::outcome_unknown, "leadership was lost"});
  }
  void answer_refused() {
    const auto answer = std::move(later.front());
    later.pop_front();
    answer();
  }

  bool refuses = false;
  std::deque<std::function<void()>> later;  // refusals
  std::vector<raft::Tenure> tenures;        // of what was proposed

  BrokerId leads{1};
  metadata::ImageStore images;
  MetadataMachine machine{images};
  std::vector<Bytes> entries;  // committed
  std::deque<std::pair<Bytes, std::function<void(Status)>>> proposed;
};

}  // namespace millrace::control
