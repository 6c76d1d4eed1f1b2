#include <algorithm>

#include "broker/raft/core/core.h"

namespace millrace::raft {
namespace {

// What no leader of ours sends: terms that fall or that lie above the leader's own, configurations nobody can read.
bool plausible(const AppendRequest& request, Term term) {
  Term newest = request.previous.term;
  for (const Entry& entry : request.entries) {
    if (entry.term < newest) return false;
    newest = entry.term;
    if (entry.kind == EntryKind::configuration && !Configuration::decode(entry.payload.view())) return false;
  }
  return newest <= term && request.previous.index >= Index{0};
}

}  // namespace

void Core::on_append_request(const Member& from, AppendRequest& request) {
  if (!plausible(request, hard_.term)) return;
  hear_leader(from);
  const Index previous = request.previous.index;
  if (installing() && (previous > commit_ || !request.entries.empty())) return;
  // Up to the commit index every leader has the same entries, compacted ones included.
  if (previous > commit_ && !log_.holds(request.previous)) return reject_append(from, request);
  size_t bytes = 0;
  for (const Entry& entry : request.entries) bytes += size_of(entry);
  const bool slow = durable_.index() < log_.last() && log_.cached_bytes() > options_.cache_bytes_max;
  if (slow && bytes > 0) return;  // the leader will repeat it when the disk has caught up

  // Skip what is here already; a different entry ends what is kept.
  size_t same = 0;
  Index at = previous.next();
  const auto count = static_cast<int64_t>(request.entries.size());
  for (; same < request.entries.size(); ++same, at = at.next()) {
    if (at > commit_ && log_.term_at(at) != request.entries[same].term) break;
  }
  if (same < request.entries.size()) {
    const Index keeps = at.previous();
    ENSURE(keeps >= commit_);
    request.entries.erase(request.entries.begin(), request.entries.begin() + static_cast<std::ptrdiff_t>(same));
    append_entries(keeps, std::move(request.entries));
  }
  const Index compared = previous.next(count);
  auto& follower = std::get<Follower>(role_);
  const bool first = follower.verified == Index{};
  follower.verified = std::max(follower.verified, compared);
  commit_to(std::min(request.commit, compared));
  // What is new is confirmed when it is durable; a leader that looks for the place where the logs part, or that counts
  // who hears it, is answered at once.
  if (count == 0 || first || durable_.index() >= compared) confirm_append(from, request.round, compared);
}

void Core::reject_append(const Member& to, const AppendRequest& request) {
  AppendReply reply{.success = false, .round = request.round, .rejected = request.previous.index};
  reply.conflict.index = std::min(request.previous.index, log_.last());
  reply.conflict.term = *log_.term_at(reply.conflict.index);
  reply.conflict_first = log_.first_of_term_at(reply.conflict.index);
  send(to, reply);
}

// Says no more than what was compared with this leader's log, and no more than what is durable.
void Core::confirm_append(const Member& to, HeartbeatRound round, Index verified) {
  send(to, AppendReply{
               .success = true, .round = round, .verified = verified, .durable = std::min(verified, durable_.index())});
}

// On a follower and on a leader: the one place where the log grows or is cut.
void Core::append_entries(Index keeps, std::vector<Entry> entries) {
  if (keeps < log_.last()) {
    ENSURE(leader() == nullptr && keeps >= commit_);
    log_.truncate_from(keeps.next());
    configurations_.truncate_from(keeps.next());
  }
  for (const Entry& entry : entries) {
    log_.append(entry);
    if (entry.kind != EntryKind::configuration) continue;
    auto configuration = Configuration::decode(entry.payload.view());
    ENSURE(configuration.has_value());  // checked by whoever proposed it
    configurations_.append(log_.last(), std::move(*configuration));
  }
  log_issued_ = log_issued_.next();
  durable_.started(log_issued_, keeps, log_.last());
  out_.writes.push_back({log_issued_, keeps, std::move(entries)});
}

void Core::on(LogDurable event) {
  const Index before = durable_.index();
  if (!durable_.finished(event.sequence) || durable_.index() == before) return;
  if (leader() != nullptr) return advance_commit();
  // Only what this term's leader compared is its business: the write may have been started under another.
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || !follower->leader || follower->verified <= before) return;
  confirm_append(*follower->leader, {}, follower->verified);
}

}  // namespace millrace::raft
