#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "broker/control/controller_client.h"
#include "broker/io/sim/sim_event_loop.h"

namespace millrace::control {

// A controller that a test plays: every call is kept with whom it was made to, until the test answers it.
class PlayedController final : public ControllerChannel, public ControllerServer {
 public:
  struct Call {
    BrokerId at;
    ControllerCall call;
    Duration timeout{};
    ControllerDone done;
  };
  void call(BrokerId controller, ControllerCall call, Duration timeout, ControllerDone done) override {
    calls.push_back({controller, std::move(call), timeout, std::move(done)});
    if (on_call) on_call();
  }
  void serve(BrokerId, ControllerCall call, ControllerDone done) override {
    calls.push_back({kNoBroker, std::move(call), {}, std::move(done)});
    if (on_call) on_call();
  }
  Call take() {
    ENSURE(!calls.empty());
    Call call = std::move(calls.front());
    calls.pop_front();
    return call;
  }
  std::deque<Call> calls;
  std::function<void()> on_call;
};

// One broker's loop in virtual time, and a client of the controller on it.
struct ControlFixture {
  io::sim::SimClock clock;
  io::sim::SimScheduler scheduler{clock, 1};
  std::unique_ptr<io::sim::SimEventLoop> loop = scheduler.make_loop();
  PlayedController controller;
  BrokerId leader{2};
  ControllerClient client{{.self = BrokerId{1},
                           .loop = loop.get(),
                           .clock = &clock,
                           .channel = &controller,
                           .local = &controller,
                           .leader = [this] { return leader; }}};

  void run_for(std::chrono::milliseconds time) { scheduler.run_for(time); }
  PlayedController::Call next_call() {
    ENSURE(scheduler.run_until([this] { return !controller.calls.empty(); }, std::chrono::minutes(1)));
    return controller.take();
  }
};

}  // namespace millrace::control
