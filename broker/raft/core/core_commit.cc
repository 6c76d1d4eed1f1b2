#include <algorithm>

#include "broker/raft/core/core.h"
#include "broker/raft/core/quorum.h"

namespace millrace::raft {

// The place that a majority has durably, this node's own disk counted like any other; it counts only if its entry is of
// this term, and takes everything before it along.
void Core::advance_commit() {
  const Leader& self = *leader();
  std::vector<Index> ends;
  for (const Member& voter : configurations_.newest().voters) {
    const auto found = self.followers.find(voter);
    ends.push_back(is_self(voter) ? durable_.index() : found == self.followers.end() ? Index{} : found->second.match);
  }
  const Index reached = reached_by_quorum(std::move(ends), Index{});
  if (reached <= commit_ || log_.term_at(reached) != hard_.term) return;
  commit_to(reached);
  send_to_all();
  start_reads();
  leave_if_removed();
}

void Core::commit_to(Index index) { commit_ = std::max(commit_, index); }

// One batch at a time: what is committed meanwhile goes out together afterwards.
void Core::hand_out_entries() {
  if (handed_out_ != applied_ || handed_out_ == commit_ || installing()) return;
  const Index first = handed_out_.next();
  Apply apply{first, commit_, {}};
  if (first >= log_.cached_from()) {
    apply.entries = log_.slice(first, commit_, options_.apply_bytes_max, options_.apply_entries_max);
    apply.last = handed_out_.next(static_cast<int64_t>(apply.entries.size()));
  } else {
    // What has left memory is durable.
    const Index end = std::min(commit_, log_.cached_from().previous());
    apply.last = std::min(end, handed_out_.next(static_cast<int64_t>(options_.apply_entries_max)));
  }
  handed_out_ = apply.last;
  out_.apply = std::move(apply);
}

void Core::on(Applied event) {
  ENSURE(event.index <= handed_out_);
  applied_ = std::max(applied_, event.index);
  answer_applied();
  answer_reads();
}

void Core::answer_applied() {
  for (; !proposals_.empty() && proposals_.front().last <= applied_; proposals_.pop_front()) {
    answer(proposals_.front().request, Outcome::done, proposals_.front().last);
    proposal_bytes_ -= proposals_.front().bytes;
  }
}

// What is committed will be applied and answered; of the rest nobody knows.
void Core::lose_proposals() {
  for (; !proposals_.empty() && proposals_.back().last > commit_; proposals_.pop_back()) {
    answer(proposals_.back().request, Outcome::unknown);
    proposal_bytes_ -= proposals_.back().bytes;
  }
}

}  // namespace millrace::raft
