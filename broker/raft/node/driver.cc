#include "broker/raft/node/driver.h"

#include <algorithm>

#include "broker/base/logger.h"
#include "broker/raft/node/node_parts.h"

namespace millrace::raft {
namespace {

const Logger kLog("raft");

Options core_options(const NodeOptions& options) {
  Options core = options.core;
  for (const NodeId voter : options.initial_voters) {
    if (std::find(core.contacts.begin(), core.contacts.end(), voter) == core.contacts.end()) {
      core.contacts.push_back(voter);
    }
  }
  return core;
}

}  // namespace

Driver::Driver(NodeParts& parts, const Restored& restored)
    : parts_(parts),
      introductions_(parts.options.cluster, parts.options.initial_voters, parts.options.core.contacts,
                     parts.options.core.self) {
  core_.emplace(core_options(parts.options), restored, parts.options.clock->now());
  publish(true);
}

void Driver::start() {
  if (auto snapshot = parts_.store->snapshot()) {
    parts_.to_machine([this, snapshot = std::move(snapshot)] { parts_.applier.load(snapshot, false); });
  }
  if (!is_empty()) introductions_.give_up();
  introduce();
  step(Tick{});
}

// Nothing more is done: the node has ended, or will have when the disk is done.
bool Driver::idle() const { return stopping_ || parts_.ended.load(std::memory_order_acquire); }

bool Driver::is_empty() const {
  return !forming_ && core_->log().last() == Index{0} && core_->hard_state() == HardState{} &&
         core_->snapshot().last.index == Index{0};
}

void Driver::introduce() {
  if (!introductions_.begins() || forming_ || idle()) return;
  if (!is_empty()) return introductions_.give_up();
  if (auto configuration = introductions_.ready()) {
    forming_ = true;
    kLog.info("a new metadata quorum begins", {{"voters", configuration->voters.size()}});
    return parts_.disk.push(Disk::Write{Disk::Bootstrap{std::move(*configuration)}});
  }
  for (Introduction& question : introductions_.questions()) parts_.options.transport->send(std::move(question));
  parts_.options.driver_loop->run_after(parts_.options.introduction_interval, [this, keep = parts_.shared_from_this()] {
    if (!keep->ended.load(std::memory_order_acquire)) introduce();
  });
}

void Driver::receive(const Introduction& introduction) {
  if (idle()) return;
  const bool could_begin = introductions_.begins();
  if (auto reply = introductions_.on_received(introduction, is_empty())) {
    parts_.options.transport->send(std::move(*reply));
  }
  if (const auto complaint = introductions_.take_complaint()) {
    kLog.error("voters of a new cluster are not configured alike", {{"detail", *complaint}});
  }
  if (could_begin && !forming_ && introductions_.ready()) introduce();
}

void Driver::bootstrapped(const Restored& restored) {
  forming_ = false;
  introductions_.give_up();
  core_.emplace(core_options(parts_.options), restored, parts_.options.clock->now());
  step(Tick{});
}

void Driver::step(decltype(Event::what) what) {
  if (stopping_ || forming_) return;
  const bool ticks = std::holds_alternative<Tick>(what);
  if (std::holds_alternative<Applied>(what) || std::holds_alternative<SnapshotInstalled>(what)) applying_ = false;
  take(core_->step({parts_.options.clock->now(), std::move(what)}));
  publish(ticks);
}

void Driver::applied(Index last, uint64_t bytes) {
  applied_bytes_ += bytes;
  step(Applied{last});
}

// The order below is that of the machine: who waits hears of what was applied, the machine of its role, and a snapshot
// begins, before anything newer is applied.
void Driver::take(Output output) {
  give_to_disk(output);
  for (Message& message : output.messages) send(std::move(message));
  answer(output.answers);
  if (output.state) note_role(*output.state);
  tell_leadership();
  begin_snapshot_if_due();
  applying_ = applying_ || output.apply;
  if (auto& apply = output.apply; apply && apply->entries.empty()) {
    parts_.disk.push(Disk::Other{Disk::ApplyRead{apply->first, apply->last}});
  } else if (apply) {
    parts_.to_machine([this, first = apply->first, entries = std::move(apply->entries)] {
      parts_.applier.apply(first, entries, true);
    });
  }
  arm(output.next_tick);
}

void Driver::send(Message message) {
  if (!parts_.ended.load(std::memory_order_acquire)) parts_.options.transport->send(std::move(message));
}

void Driver::give_to_disk(Output& output) {
  Disk& disk = parts_.disk;
  if (output.hard_state) disk.push(Disk::Write{*output.hard_state});
  for (LogWrite& write : output.writes) disk.push(Disk::Write{std::move(write)});
  if (output.compaction) disk.push(Disk::Write{*output.compaction});
  if (output.install) disk.push(Disk::Write{std::move(*output.install)});
  for (LogRead& read : output.reads) disk.push(Disk::Other{read});
  for (SnapshotRead& read : output.snapshot_reads) disk.push(Disk::Other{read});
  if (output.snapshot_write) disk.push(Disk::Other{std::move(*output.snapshot_write)});
}

void Driver::answer(const std::vector<Answer>& answers) {
  if (answers.empty()) return;
  std::vector<std::pair<Answered, Answer>> ready;
  for (const Answer& one : answers) {
    auto found = waiting_.extract(one.request);
    if (!found.empty()) ready.emplace_back(std::move(found.mapped()), one);
  }
  parts_.requests.fetch_sub(ready.size(), std::memory_order_relaxed);
  parts_.to_machine([ready = std::move(ready)] {
    for (const auto& [done, what] : ready) done(what.outcome, what.index);
  });
}

void Driver::note_role(const RoleState& state) {
  if (state.role == Role::candidate) parts_.metrics.elections.add();
  if (state.role == Role::leader) parts_.metrics.elections_won.add();
  if (state.leader) {
    parts_.metrics.leader_changes.add();
    kLog.info("the metadata quorum has a leader", {{"term", state.term}, {"leader", state.leader->node}});
  }
  elected_.reset();
  if (state.role == Role::leader) {
    elected_ = Elected{state, core_->log().last()};
    return;
  }
  told_ = state;
  parts_.to_machine([this, state] { parts_.applier.lead(state); });
}

void Driver::tell_leadership() {
  if (!elected_ || core_->applied() < elected_->no_op) return;
  told_ = elected_->state;
  elected_.reset();
  parts_.to_machine([this, state = told_] { parts_.applier.lead(state); });
}

void Driver::begin_snapshot_if_due() {
  const Index applied = core_->applied();
  const int64_t since = applied.value() - core_->snapshot().last.index.value();
  const bool due = since >= parts_.options.snapshot_entries || applied_bytes_ >= parts_.options.snapshot_bytes;
  // What the machine has then is what the core knows to be applied.
  if (!due || since <= 0 || taking_ || applying_ || core_->installing()) return;
  taking_ = true;
  applied_bytes_ = 0;
  parts_.to_machine([this, meta = core_->describe(applied)] { parts_.applier.begin_snapshot(meta); });
}

void Driver::snapshot_ended(const SnapshotMeta& meta, bool taken) {
  taking_ = false;
  if (taken) step(SnapshotTaken{meta});
}

// A tick that comes early does no harm, so that a later deadline needs no other timer.
void Driver::arm(TimePoint due) {
  if (timer_ && timer_due_ <= due) return;
  io::EventLoop& loop = *parts_.options.driver_loop;
  if (timer_) loop.cancel(*timer_);
  timer_due_ = due;
  const Duration delay = std::max(Duration::zero(), Duration(due - parts_.options.clock->now()));
  timer_ = loop.run_after(delay, [this, keep = parts_.shared_from_this()] {
    timer_.reset();
    if (!keep->ended.load(std::memory_order_acquire)) step(Tick{});
  });
}

}  // namespace millrace::raft
