#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/coordinator/commands.h"
#include "broker/coordinator/groups.h"
#include "broker/machine/decision.h"

namespace millrace::coordinator {

// What a decision means for others than its caller.
struct Effects {
  std::vector<std::pair<ReplyToken, JoinReply>> joins;  // waiting replies that are to be given now
  std::vector<std::pair<ReplyToken, SyncReply>> syncs;
  std::optional<TimePoint> alarm;  // decide_alarm() is to be asked no later than then
  uint32_t members_expired = 0;
  uint32_t rebalances_completed = 0;
};

// A caller's own answer and the effects. Joins and syncs are answered through the effects, at once or later.
template <class Reply>
struct Outcome {
  Reply reply;
  Effects effects;
};
template <class Reply>
using GroupDecision = machine::Decision<Outcome<Reply>, Groups>;

// The rules of classic consumer groups (kept by Kafka's clients; static members: KIP-345, initial delay: KIP-134, ids
// given out before the first join: KIP-394, skipped assignments: KIP-814). Pure: they read the state, and what they
// decide is in the records and in Decision::also. Each is one file, decide_<verb>.cc.
GroupDecision<Unit> decide_join(const Groups& groups, const JoinCommand& command, machine::Now now);
GroupDecision<Unit> decide_sync(const Groups& groups, const SyncCommand& command, machine::Now now);
// The leader's assignment makes a record larger than the log takes: everybody who waits for it is told so, and the
// group joins anew.
GroupDecision<Unit> decide_too_large_sync(const Groups& groups, const SyncCommand& command, machine::Now now);
GroupDecision<GroupErrc> decide_heartbeat(const Groups& groups, const HeartbeatCommand& command, machine::Now now);
GroupDecision<LeaveReply> decide_leave(const Groups& groups, const LeaveCommand& command, machine::Now now);

GroupDecision<CommitReply> decide_commit(const Groups& groups, const CommitCommand& command, machine::Now now);
GroupDecision<FetchOffsetsReply> decide_fetch_offsets(const Groups& groups, const FetchOffsetsCommand& command);

GroupDecision<ListReply> decide_list(const Groups& groups, const ListCommand& command);
GroupDecision<GroupDescription> decide_describe(const Groups& groups, const std::string& group);
GroupDecision<DeleteStep> decide_delete(const Groups& groups, const std::string& group);

// Time has passed: looks at the one group whose alarm is first, if that is due. Effects::alarm says when to ask again
// (already in the past when more are due).
GroupDecision<Unit> decide_alarm(const Groups& groups, machine::Now now);

// Looks for expired offsets, and groups that have nothing left, beginning with the group after `after`. Takes a bounded
// number of steps; `next` says where to go on.
struct ExpiryStep {
  std::optional<std::string> next;
  uint32_t offsets = 0;
  uint32_t groups = 0;
};
GroupDecision<ExpiryStep> decide_expiry(const Groups& groups, const std::optional<std::string>& after,
                                        machine::Now now);

}  // namespace millrace::coordinator
