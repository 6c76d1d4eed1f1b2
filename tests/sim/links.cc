#include "tests/sim/links.h"

#include <algorithm>

namespace millrace::sim {

bool Links::is_lost() {
  if (lost_ == 0 || !random_.chance(lost_)) return false;
  ++lost_count_;
  return true;
}

void Links::send(BrokerId from, BrokerId to, const std::function<void()>& arrive) {
  if (is_lost()) return;
  if (doubled_ != 0 && random_.chance(doubled_)) {
    ++doubled_count_;
    send_once(from, to, arrive);
  }
  send_once(from, to, arrive);
}

void Links::send_call(BrokerId from, BrokerId to, std::function<void()> arrive, std::function<void()> broken) {
  const bool breaks = is_lost();
  if (breaks) send_once(from, from, std::move(broken));
  if (!breaks || random_.chance(2)) send_once(from, to, std::move(arrive));
}

void Links::send_once(BrokerId from, BrokerId to, std::function<void()> arrive) {
  const TimePoint now = scheduler_.clock().now();
  TimePoint at = now + Duration(static_cast<int64_t>(random_.below(static_cast<uint64_t>(delay_max_.count()))));
  if (unordered_ == 0 || !random_.chance(unordered_)) {
    TimePoint& last = last_[{from, to}];
    at = last = std::max(at, last + Duration(1));
  }
  wire_->post([this, from, to, at, arrive = std::move(arrive)] {
    wire_->run_after(at - scheduler_.clock().now(), [this, from, to, arrive] {
      if (blocked_.contains({from, to})) {
        ++lost_count_;
        return;
      }
      arrive();
    });
  });
}

void ControllerLink::settle(const std::weak_ptr<Waiting>& waiting, uint64_t number,
                            Result<control::ControllerAnswer> answer) {
  const std::shared_ptr<Waiting> held = waiting.lock();
  if (held == nullptr) return;
  auto found = held->extract(number);
  if (found) found.mapped()(std::move(answer));
}

void ControllerLink::call(BrokerId controller, control::ControllerCall call, Duration timeout,
                          control::ControllerDone done) {
  const uint64_t number = ++last_;
  waiting_->emplace(number, std::move(done));
  const std::weak_ptr<Waiting> waiting = waiting_;
  Links& links = links_;
  links.wire().post([&links, waiting, number, timeout] {
    links.wire().run_after(timeout, [waiting, number] {
      settle(waiting, number, Error{Errc::timed_out, "the controller does not answer"});
    });
  });
  const auto broken = [waiting, number] { settle(waiting, number, Error{Errc::connection_closed, "the network"}); };
  const auto arrive = [&links, waiting, number, controller, broken, self = self_, call = std::move(call)] {
    control::ControllerServer* server = links.door(controller).controller;
    const auto reply = [&links, waiting, number, controller, self,
                        broken](const Result<control::ControllerAnswer>& answer) {
      links.send_call(
          controller, self, [waiting, number, answer] { settle(waiting, number, answer); }, broken);
    };
    if (server == nullptr) return reply(Error{Errc::connection_refused, "no broker there"});
    server->serve(self, call, reply);
  };
  links.send_call(self_, controller, arrive, broken);
}

}  // namespace millrace::sim
