#include "broker/control/controller_client.h"

#include <algorithm>
#include <utility>

namespace millrace::control {
namespace {

// Whether the call may be made again although it may have happened. A client's request is the client's to repeat, and a
// broker that is forgotten twice would be answered as one that never was.
bool is_repeatable(const ControllerCall& call) {
  return !std::holds_alternative<ForwardedRequest>(call) && !std::holds_alternative<metadata::UnregisterBroker>(call);
}

CallOutcome outcome_of(const Result<ControllerAnswer>& answer, bool nobody_answered) {
  if (answer) return CallOutcome::answered;
  return nobody_answered || answer.error().code == Errc::timed_out ? CallOutcome::timed_out : CallOutcome::refused;
}

bool nothing_happened(Errc code) { return code == Errc::not_controller || code == Errc::not_found; }

bool outcome_unknown(Errc code) {
  return code == Errc::connection_refused || code == Errc::connection_closed || code == Errc::timed_out ||
         code == Errc::outcome_unknown;
}

}  // namespace

struct ControllerClient::Attempt {
  ControllerCall call;
  ControllerDone done;
  TimePoint deadline;
  std::chrono::milliseconds pause = kRetryMin;
};

ControllerClient::ControllerClient(ControllerClientOptions options) : options_(std::move(options)) {}

void ControllerClient::call(ControllerCall call, Duration timeout, ControllerDone done) {
  auto first = std::make_shared<Attempt>();
  first->call = std::move(call);
  first->done = std::move(done);
  first->deadline = options_.clock->now() + timeout;
  options_.loop->post([this, first] { attempt(first); });
}

void ControllerClient::attempt(std::shared_ptr<Attempt> attempt) {
  const Duration left = attempt->deadline - options_.clock->now();
  const BrokerId leader = options_.leader();
  if (leader == kNoBroker) {
    settle(attempt, Error{Errc::not_controller, "no broker leads the metadata quorum"});
    return;
  }
  if (leader == options_.self) return attempt_here(attempt, left);
  ControllerDone answered = [this, attempt](Result<ControllerAnswer> answer) {
    options_.loop->post([this, attempt, answer = std::move(answer)]() mutable { settle(attempt, std::move(answer)); });
  };
  options_.channel->call(leader, attempt->call, std::max<Duration>(left, std::chrono::milliseconds(1)),
                         std::move(answered));
}

// A channel keeps to its time; the controller here answers when its log does, which may be never.
void ControllerClient::attempt_here(const std::shared_ptr<Attempt>& attempt, Duration left) {
  auto is_settled = std::make_shared<bool>(false);
  const io::TimerId timer = options_.loop->run_after(std::max(left, Duration::zero()), [this, attempt, is_settled] {
    *is_settled = true;
    settle(attempt, Error{Errc::timed_out, "the one on this broker has not answered"});
  });
  options_.local->serve(options_.self, attempt->call, [this, attempt, is_settled, timer](Result<ControllerAnswer> got) {
    options_.loop->post([this, attempt, is_settled, timer, answer = std::move(got)]() mutable {
      if (*is_settled) return;
      options_.loop->cancel(timer);
      settle(attempt, std::move(answer));
    });
  });
}

void ControllerClient::settle(const std::shared_ptr<Attempt>& attempt, Result<ControllerAnswer> answer) {
  const bool again = !answer && (nothing_happened(answer.error().code) ||
                                 (outcome_unknown(answer.error().code) && is_repeatable(attempt->call)));
  const TimePoint next = options_.clock->now() + attempt->pause;
  if (again && next < attempt->deadline) {
    options_.loop->run_after(attempt->pause, [this, attempt] { this->attempt(attempt); });
    attempt->pause = std::min(attempt->pause * 2, kRetryMax);
    if (options_.metrics != nullptr) options_.metrics->call_retries.add();
    return;
  }
  if (options_.metrics != nullptr) options_.metrics->calls[static_cast<size_t>(outcome_of(answer, again))].add();
  if (again) answer = Error{Errc::timed_out, "controller: " + answer.error().to_string()};
  attempt->done(std::move(answer));
}

}  // namespace millrace::control
