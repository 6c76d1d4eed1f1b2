#include "broker/replication/isr_keeper.h"

#include <algorithm>
#include <utility>

#include "broker/replication/partition.h"

namespace millrace::replication {

IsrKeeper::IsrKeeper(IsrKeeperOptions options) : options_(options) {
  MutexLock lock(door_->mutex);
  door_->loop = options_.loop;
}

IsrKeeper::~IsrKeeper() {
  {
    MutexLock lock(door_->mutex);
    door_->loop = nullptr;
  }
  options_.loop->cancel(sweep_timer_);
  options_.loop->cancel(again_timer_);
}

void IsrKeeper::apply(metadata::ImagePointer image) {
  MutexLock lock(mutex_);
  image_ = std::move(image);
}

bool IsrKeeper::is_eligible(BrokerId broker, int64_t broker_epoch) const {
  MutexLock lock(mutex_);
  if (image_ == nullptr) return false;
  const metadata::BrokerImage* known = image_->find_broker(broker);
  return known != nullptr && known->takes_leadership() && known->epoch == broker_epoch;
}

void IsrKeeper::Door::post(std::function<void()> task) {
  MutexLock lock(mutex);
  if (loop != nullptr) loop->post(std::move(task));
}

bool IsrKeeper::Door::is_open() {
  MutexLock lock(mutex);
  return loop != nullptr;
}

void IsrKeeper::post(void (IsrKeeper::*run)()) {
  door_->post([this, door = door_, run] {
    if (door->is_open()) (this->*run)();
  });
}

void IsrKeeper::watch(std::shared_ptr<Partition> partition) {
  {
    MutexLock lock(mutex_);
    new_watched_.push_back(std::move(partition));
    if (new_watched_.size() > 1) return;
  }
  post(&IsrKeeper::begin_sweep);
}

void IsrKeeper::look_soon(std::shared_ptr<Partition> partition) {
  {
    MutexLock lock(mutex_);
    asked_.push_back(std::move(partition));
    if (asked_.size() > 1) return;
  }
  post(&IsrKeeper::look_at_asked);
}

void IsrKeeper::begin_sweep() {
  const Duration pause = std::min(options_.limits.following, options_.limits.not_following) / 2;
  if (sweep_timer_ == 0) sweep_timer_ = options_.loop->run_after(pause, [this] { sweep(); });
}

void IsrKeeper::sweep() {
  sweep_timer_ = 0;
  {
    MutexLock lock(mutex_);
    for (auto& partition : std::exchange(new_watched_, {})) watched_.push_back(std::move(partition));
  }
  // One that lost its leadership and got it again is there twice.
  std::sort(watched_.begin(), watched_.end());
  watched_.erase(std::unique(watched_.begin(), watched_.end()), watched_.end());
  for (const auto& partition : watched_) look(partition);
  std::erase_if(watched_, [](const auto& partition) { return !partition->keep_watching(); });
  if (!watched_.empty()) begin_sweep();
}

void IsrKeeper::look_at_asked() {
  Partitions asked;
  {
    MutexLock lock(mutex_);
    asked.swap(asked_);
  }
  for (const auto& partition : asked) look(partition);
}

void IsrKeeper::look(const std::shared_ptr<Partition>& partition) {
  const int64_t own_epoch = broker_epoch_.load(std::memory_order_relaxed);
  const auto is_eligible = [this, own_epoch](BrokerId broker, int64_t epoch) {
    return own_epoch >= 0 && this->is_eligible(broker, epoch);
  };
  const IsrLook outcome = partition->look_at_isr(own_epoch, options_.limits, is_eligible);
  if (outcome.look_again) look_again(partition);
  if (!outcome.change) return;
  const IsrChange& change = *outcome.change;
  const bool shrinks = outcome.shrinks, expands = outcome.expands;
  options_.changes->propose(change, [this, door = door_, partition, change, shrinks, expands](IsrOutcome answer) {
    door->post([this, door, partition, change, answer, shrinks, expands] {
      if (!door->is_open()) return;
      if (answer == IsrOutcome::committed && shrinks) options_.metrics->isr_shrinks.add();
      if (answer == IsrOutcome::committed && expands) options_.metrics->isr_expands.add();
      partition->isr_answered(change, answer);
      if (answer == IsrOutcome::refused || answer == IsrOutcome::unknown) look_again(partition);
    });
  });
}

void IsrKeeper::look_again(std::shared_ptr<Partition> partition) {
  again_.push_back(std::move(partition));
  if (again_timer_ != 0) return;
  again_timer_ = options_.loop->run_after(kIsrRetry, [this] {
    again_timer_ = 0;
    for (const auto& each : std::exchange(again_, {})) look(each);
  });
}

}  // namespace millrace::replication
