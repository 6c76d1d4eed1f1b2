#include "broker/control/isr_changer.h"

#include <utility>

namespace millrace::control {

using replication::IsrOutcome;

IsrOutcome isr_outcome(const Status& answer) {
  if (answer) return IsrOutcome::committed;
  switch (answer.error().code) {
    case Errc::unknown_topic_id:
    case Errc::unknown_topic_or_partition:
    case Errc::fenced_leader_epoch:
    case Errc::invalid_update_version:
    case Errc::new_leader_elected:
      return IsrOutcome::stale;
    case Errc::ineligible_replica:
    case Errc::invalid_argument:
      return IsrOutcome::refused;
    default:
      return IsrOutcome::unknown;
  }
}

void IsrChanger::propose(replication::IsrChange change, std::function<void(IsrOutcome)> done) {
  {
    MutexLock lock(mutex_);
    waiting_.push_back({std::move(change), std::move(done)});
    if (std::exchange(calling_, true)) return;
  }
  loop_.post([this] { send_next(); });
}

void IsrChanger::send_next() {
  std::vector<Proposal> proposals;
  {
    MutexLock lock(mutex_);
    if (waiting_.empty()) {
      calling_ = false;
      return;
    }
    if (waiting_.size() <= kIsrChangesPerCallMax) {
      proposals.swap(waiting_);
    } else {
      const auto end = waiting_.begin() + kIsrChangesPerCallMax;
      proposals.assign(std::move_iterator(waiting_.begin()), std::move_iterator(end));
      waiting_.erase(waiting_.begin(), end);
    }
  }
  metadata::AlterPartition call;
  std::tie(call.leader, call.epoch) = registration_();
  for (const Proposal& proposal : proposals) {
    metadata::AlterPartition::Item& item = call.partitions.emplace_back();
    item.topic = proposal.change.topic_id;
    item.partition = proposal.change.partition;
    item.leader_epoch = proposal.change.leader_epoch;
    item.partition_epoch = proposal.change.partition_epoch;
    for (const auto& member : proposal.change.isr) item.isr.push_back({member.broker, member.broker_epoch});
  }
  auto sent = std::make_shared<std::vector<Proposal>>(std::move(proposals));
  client_.call(std::move(call), kIsrCallTimeout, [this, sent](const Result<ControllerAnswer>& answer) {
    settle(std::move(*sent), answer);
    send_next();
  });
}

void IsrChanger::settle(std::vector<Proposal> proposals, const Result<ControllerAnswer>& answer) {
  const auto* reply = answer ? std::get_if<metadata::AlterPartitionReply>(&*answer) : nullptr;
  const bool fits = reply != nullptr && reply->partitions.size() == proposals.size();
  for (size_t i = 0; i < proposals.size(); ++i) {
    proposals[i].done(fits ? isr_outcome(reply->partitions[i].outcome) : IsrOutcome::unknown);
  }
}

}  // namespace millrace::control
