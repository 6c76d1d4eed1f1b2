// What a node's user asks of its driver, and how it ends.
#include "broker/raft/node/node_parts.h"

namespace millrace::raft {
namespace {

Error error_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::unknown:
      return {Errc::outcome_unknown, "leadership of the metadata quorum was lost on the way"};
    case Outcome::not_leader:
    case Outcome::busy:  // about to hand over
      return {Errc::not_controller, "metadata quorum"};
    case Outcome::overloaded:
      return {Errc::overloaded, "metadata quorum"};
    case Outcome::too_large:
      return {Errc::message_too_large, "entry of the metadata log"};
    case Outcome::done:
    case Outcome::timed_out:
    case Outcome::already_member:
    case Outcome::unknown_member:
    case Outcome::not_caught_up:
    case Outcome::last_voter:
      break;
  }
  ENSURE(false);
  return {Errc::conflict, ""};
}

}  // namespace

RequestId Driver::next_request(Answered done) {
  last_request_ = last_request_.next();
  waiting_.emplace(last_request_, std::move(done));
  return last_request_;
}

void Driver::propose(Proposal proposal, bool admitted) {
  const auto refuse = [&](Errc code) {
    broken_ = std::max(broken_.value_or(Tenure{}), proposal.tenure);
    parts_.answer(proposal.done, Error{code, "metadata quorum"});
  };
  if (idle()) return refuse(Errc::shutting_down);
  if (!admitted) return refuse(Errc::overloaded);
  const RoleState& state = core_->state();
  if (state.role != Role::leader || state.term != proposal.tenure.term) return refuse(Errc::not_controller);
  if (broken_ && proposal.tenure <= *broken_) return refuse(Errc::conflict);
  const RequestId request = next_request([done = proposal.done](Outcome outcome, Index index) {
    done(outcome == Outcome::done ? Result<Index>(index) : Result<Index>(error_of(outcome)));
  });
  step(Propose{request, std::move(proposal.payloads)});
  // Accepted, it waits at least for the disk.
  if (!waiting_.contains(request)) broken_ = std::max(broken_.value_or(Tenure{}), proposal.tenure);
}

void Driver::read(Node::Done done, bool admitted) {
  if (idle() || !admitted) {
    return parts_.answer(std::move(done), Error{idle() ? Errc::shutting_down : Errc::overloaded, "metadata quorum"});
  }
  const RequestId request = next_request([done = std::move(done)](Outcome outcome, Index index) {
    done(outcome == Outcome::done ? Result<Index>(index) : Result<Index>(error_of(outcome)));
  });
  step(Read{request});
  if (forming_) answer({{request, Outcome::not_leader, {}}});
}

void Driver::transfer(std::optional<NodeId> target, Node::ChangeDone done) {
  const RequestId request = next_request([done = std::move(done)](Outcome outcome, Index) { done(outcome); });
  if (idle() || forming_) return answer({{request, Outcome::not_leader, {}}});
  step(TransferLeadership{request, target});
}

void Driver::change(ChangeMembers::Kind kind, const Member& member, Node::ChangeDone done) {
  const RequestId request = next_request([done = std::move(done)](Outcome outcome, Index) { done(outcome); });
  if (idle() || forming_) return answer({{request, Outcome::not_leader, {}}});
  step(ChangeMembers{request, kind, member});
}

// Whoever waits hears that nobody knows.
void Driver::refuse_all() {
  parts_.requests.fetch_sub(waiting_.size(), std::memory_order_relaxed);
  for (auto& [request, done] : std::exchange(waiting_, {})) {
    parts_.options.apply_loop->post([done = std::move(done)] { done(Outcome::unknown, Index{}); });
  }
}

void Driver::stop(std::function<void()> done) {
  ENSURE(!stopping_);
  stopping_ = true;
  stopped_ = std::move(done);
  if (timer_) parts_.options.driver_loop->cancel(*std::exchange(timer_, std::nullopt));
  refuse_all();
  elected_.reset();
  if (told_.role == Role::leader) {
    told_ = {Role::follower, told_.term, std::nullopt};
    parts_.to_machine([this, state = told_] { parts_.applier.lead(state); });
  }
  if (parts_.ended.load(std::memory_order_acquire)) return closed();
  parts_.disk.push(Disk::Write{Disk::Close{}});
}

void Driver::closed() {
  parts_.options.apply_loop->post([this, keep = parts_.shared_from_this(), done = std::move(stopped_)] {
    parts_.applier.stop();
    keep->ended.store(true, std::memory_order_release);
    done();
  });
}

// Followers take a while to list: at every tick, and whenever their list is another one.
void Driver::publish(bool followers) {
  const TimePoint now = parts_.options.clock->now();
  const bool leads = core_->state().role == Role::leader;
  {
    MutexLock lock(mutex_);
    followers =
        followers || status_.state != core_->state() || status_.configuration_at != core_->configuration_index();
  }
  std::vector<NodeStatus::Follower> list;
  if (followers && leads) {
    using Kind = NodeStatus::Follower::Kind;
    const Configuration& configuration = core_->configuration();
    std::map<Member, TimePoint> caught_up;  // without those that follow no more
    for (const auto& [member, progress] : *core_->followers()) {
      const TimePoint when = progress.match == core_->log().last() ? now : caught_up_[member];
      caught_up.emplace(member, when);
      const Kind in_configuration = configuration.has_voter(member) ? Kind::voter : Kind::learner;
      list.push_back({member, progress.observer ? Kind::observer : in_configuration, progress.match, progress.heard,
                      when, progress.mode});
    }
    caught_up_ = std::move(caught_up);
  }
  if (!leads) caught_up_.clear();
  MutexLock lock(mutex_);
  status_.state = core_->state();
  status_.commit = core_->commit();
  status_.applied = core_->applied();
  status_.last = core_->log().last();
  status_.snapshot = core_->snapshot().last.index;
  if (followers) {
    status_.configuration_at = core_->configuration_index();
    status_.configuration = core_->configuration();
  }
  if (!followers && leads) return;
  status_.followers = std::move(list);
  status_.as_of = now;
}

NodeStatus Driver::status() const {
  MutexLock lock(mutex_);
  NodeStatus status = status_;
  status.messages_dropped = parts_.dropped.load(std::memory_order_relaxed);
  return status;
}

}  // namespace millrace::raft
