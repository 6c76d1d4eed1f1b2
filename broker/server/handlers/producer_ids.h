#pragma once

#include <deque>
#include <functional>

#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/metadata/controller.h"

namespace millrace::server {

// Producer ids that nobody else gets: taken from blocks that the controller hands to this broker, so that most cost
// nothing. What is left of a block at a restart is lost, never given out twice. Thread-safe; calls back without its
// lock.
class ProducerIds {
 public:
  using Taken = std::function<void(Result<ProducerId>)>;
  static constexpr size_t kWaitingMax = 100'000;

  ProducerIds(metadata::Controller& controller, BrokerId self) : controller_(controller), self_(self) {}

  // At once while a block lasts, else when the controller has answered, on its thread. overloaded when too many wait.
  void take(Taken taken);

 private:
  void got_block(Result<metadata::ProducerIdBlock> block);

  metadata::Controller& controller_;
  const BrokerId self_;
  Mutex mutex_;
  metadata::ProducerIdBlock block_ GUARDED_BY(mutex_);
  std::deque<Taken> waiting_ GUARDED_BY(mutex_);
  bool asked_ GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::server
