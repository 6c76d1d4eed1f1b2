#include "broker/server/handlers/producer_ids.h"

#include <optional>
#include <utility>

namespace millrace::server {

void ProducerIds::take(Taken taken) {
  std::optional<Result<ProducerId>> at_once;
  bool ask = false;
  {
    MutexLock lock(mutex_);
    if (waiting_.empty() && block_.count > 0) {
      at_once = block_.first;
      block_.first = block_.first.next();
      --block_.count;
    } else if (waiting_.size() >= kWaitingMax) {
      at_once = Error{Errc::overloaded, "producer ids asked for"};
    } else {
      waiting_.push_back(std::move(taken));
      ask = !std::exchange(asked_, true);
    }
  }
  // NOLINTNEXTLINE(bugprone-use-after-move): it was moved only where at_once is empty
  if (at_once) return taken(std::move(*at_once));
  if (!ask) return;
  controller_.allocate_producer_ids({.broker = self_},
                                    [this](Result<metadata::ProducerIdBlock> block) { got_block(std::move(block)); });
}

void ProducerIds::got_block(Result<metadata::ProducerIdBlock> block) {
  std::deque<std::pair<Taken, Result<ProducerId>>> answers;
  bool ask = false;
  {
    MutexLock lock(mutex_);
    if (block) block_ = *block;
    while (!waiting_.empty() && (!block || block_.count > 0)) {
      Result<ProducerId> answer = block ? Result<ProducerId>(block_.first) : Result<ProducerId>(block.error());
      if (block) {
        block_.first = block_.first.next();
        --block_.count;
      }
      answers.emplace_back(std::move(waiting_.front()), std::move(answer));
      waiting_.pop_front();
    }
    ask = asked_ = !waiting_.empty();
  }
  for (auto& [taken, answer] : answers) taken(std::move(answer));
  if (ask) {
    controller_.allocate_producer_ids({.broker = self_},
                                      [this](Result<metadata::ProducerIdBlock> next) { got_block(std::move(next)); });
  }
}

}  // namespace millrace::server
