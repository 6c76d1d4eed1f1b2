#pragma once

#include <map>
#include <optional>

#include "broker/base/clock.h"
#include "broker/base/strong_id.h"
#include "broker/machine/record.h"
#include "broker/metadata/image_builder.h"
#include "broker/metadata/replica_index.h"

namespace millrace::metadata {

// What this controller has heard from the brokers. In memory only: a new controller has heard nothing and gives
// everyone a whole session from its beginning.
class Liveness {
 public:
  struct Contact {
    TimePoint heard{};
    Offset metadata_offset{-1};               // that the broker had applied
    std::optional<Offset> handed_over;        // shutting down: of the metadata log, when nothing was left to be moved
    bool is_gone = false;                     // its process, as was found out since it was heard of (BrokerGone)
    std::optional<TimePoint> was_not_gone{};  // when that last turned out to be wrong
  };

  explicit Liveness(TimePoint began = {}) : began_(began) {}
  Contact& of(BrokerId id) { return contacts_[id]; }
  bool is_gone(BrokerId id) const {
    const Contact* contact = find(id);
    return contact != nullptr && contact->is_gone;
  }
  const Contact* find(BrokerId id) const {
    const auto found = contacts_.find(id);
    return found == contacts_.end() ? nullptr : &found->second;
  }
  void forget(BrokerId id) { contacts_.erase(id); }
  void begin(TimePoint now) { began_ = now; }  // everyone gets a whole session again
  TimePoint last_heard(BrokerId id) const {
    const Contact* contact = find(id);
    return contact == nullptr ? began_ : std::max(began_, contact->heard);
  }

 private:
  TimePoint began_;
  std::map<BrokerId, Contact> contacts_;
};

// How fast replicas move off a broker that is decommissioned, as this controller has seen it. In memory only.
struct DrainPace {
  TimePoint since{};
  int32_t left = 0;  // partitions with a replica on it, then
};

// The machine that a controller runs: the image with what is kept beside it. Decisions read it; the log's records, and
// for what is in memory only a decision's `also`, change it. A value with one owner at a time.
struct ControllerState {
  ControllerState() = default;
  ControllerState(ImageBuilder recovered, TimePoint began)
      : builder(std::move(recovered)), index(builder.current()), liveness(began), balanced_at(began) {}

  const ClusterImage& image() const { return builder.current(); }
  void apply(Offset offset, const machine::Record& record);
  void apply(Offset offset, const MetadataRecord& record);

  ImageBuilder builder;
  ReplicaIndex index;
  Liveness liveness;
  uint64_t elections_tried = 0;  // ReplicaIndex::election_causes() as of the last look at partitions without leader
  TimePoint balanced_at{};       // last look at preferred leaders
  std::optional<TimePoint> ticked_at;
  std::map<BrokerId, DrainPace> pace;  // of brokers that are decommissioned
};

}  // namespace millrace::metadata
