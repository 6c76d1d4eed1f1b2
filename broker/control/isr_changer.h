#pragma once

#include <functional>
#include <map>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/control/controller_client.h"
#include "broker/replication/isr_changes.h"

namespace millrace::control {

inline constexpr size_t kIsrChangesPerCallMax = 5000;  // fits a message between brokers many times
// Then the outcome is unknown, and the leader asks again. A controller answers in milliseconds, or it is none.
inline constexpr std::chrono::seconds kIsrCallTimeout{3};

// Brings leaders' wishes to change in-sync sets to the controller: one call at a time, and all that came meanwhile goes
// with the next one, so that a broker whose thousand partitions lose a follower makes few calls. Thread-safe.
class IsrChanger final : public replication::IsrChanges {
 public:
  // `registration` is this broker's id and the epoch of its registration, read for each call.
  IsrChanger(ControllerClient& client, io::EventLoop& loop, std::function<std::pair<BrokerId, int64_t>()> registration)
      : client_(client), loop_(loop), registration_(std::move(registration)) {}

  void propose(replication::IsrChange change, std::function<void(replication::IsrOutcome)> done) override
      EXCLUDES(mutex_);

 private:
  struct Proposal {
    replication::IsrChange change;
    std::function<void(replication::IsrOutcome)> done;
  };
  void send_next() EXCLUDES(mutex_);
  static void settle(std::vector<Proposal> proposals, const Result<ControllerAnswer>& answer);

  ControllerClient& client_;
  io::EventLoop& loop_;
  const std::function<std::pair<BrokerId, int64_t>()> registration_;
  Mutex mutex_;
  std::vector<Proposal> waiting_ GUARDED_BY(mutex_);  // at most one for each partition that this broker leads
  bool calling_ GUARDED_BY(mutex_) = false;
};

// What the controller's answer for one partition means to its leader.
replication::IsrOutcome isr_outcome(const Status& answer);

}  // namespace millrace::control
