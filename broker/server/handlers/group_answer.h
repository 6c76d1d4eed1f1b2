#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/coordinator/group_errc.h"
#include "broker/metadata/cluster_image.h"
#include "broker/server/reply.h"

namespace millrace::server::handlers {

// What the handlers of groups and offsets share.

inline int16_t wire(coordinator::GroupErrc error) { return static_cast<int16_t>(error); }

// Errors of the coordinator rather than of the one it was asked about.
inline bool is_coordinator_error(coordinator::GroupErrc error) {
  using coordinator::GroupErrc;
  return error == GroupErrc::coordinator_load_in_progress || error == GroupErrc::coordinator_not_available ||
         error == GroupErrc::not_coordinator || error == GroupErrc::invalid_group_id;
}

// Replies are completed by callbacks that are copied.
template <class Response>
std::shared_ptr<Reply<Response>> share(Reply<Response> reply) {
  return std::make_shared<Reply<Response>>(std::move(reply));
}

// Collects `count` answers that come on any threads and in any order, and passes them on, in the order asked, when the
// last one has come.
template <class Answer>
class Gather : public std::enable_shared_from_this<Gather<Answer>> {
 public:
  using Whole = std::function<void(std::vector<Answer>)>;
  static void run(size_t count, const std::function<void(size_t index, std::function<void(Answer)> done)>& ask,
                  Whole whole) {
    if (count == 0) return whole({});
    auto gather = std::make_shared<Gather>(count, std::move(whole));
    for (size_t i = 0; i < count; ++i) {
      ask(i, [gather, i](Answer answer) { gather->add(i, std::move(answer)); });
    }
  }
  Gather(size_t count, Whole whole) : whole_(std::move(whole)), answers_(count), missing_(count) {}

 private:
  void add(size_t index, Answer answer) {
    std::vector<Answer> answers;
    {
      MutexLock lock(mutex_);
      answers_[index] = std::move(answer);
      if (--missing_ > 0) return;
      answers = std::move(answers_);
    }
    whole_(std::move(answers));
  }

  const Whole whole_;
  Mutex mutex_;  // nothing is called with it held
  std::vector<Answer> answers_ GUARDED_BY(mutex_);
  size_t missing_ GUARDED_BY(mutex_);
};

}  // namespace millrace::server::handlers
