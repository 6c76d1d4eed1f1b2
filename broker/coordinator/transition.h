#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/coordinator/decisions.h"

namespace millrace::coordinator {

// One group on its way from what it is to what a decision makes of it: works on a copy, collects records and replies,
// and turns into a Decision. The phases change here and nowhere else:
//
//   empty ──join──► preparing ──all joined or timeout──► completing ──leader's assignment──► stable
//                     ▲  │ nobody left: empty                 │                                │
//                     └──┴──── a member comes, changes, leaves or expires ◄───────────────────┘
class Transition {
 public:
  Transition(const Groups& groups, const std::string& group, machine::Now now);

  Group& group() { return group_; }

  void answer_join(ReplyToken token, JoinReply reply) { effects_.joins.emplace_back(token, std::move(reply)); }
  void answer_sync(ReplyToken token, SyncReply reply) { effects_.syncs.emplace_back(token, std::move(reply)); }
  // What a member learns of the current generation: the leader also who is in it.
  JoinReply current_generation(const Member& member, bool with_members) const;

  // Adds a member, or takes over what it says now; it waits in the join phase under the command's token.
  void add_member(const JoinCommand& command, const std::string& id);
  void update_member(const JoinCommand& command, const std::string& id);
  // The instance runs under a new member id from now on; who waits under the old one is fenced.
  void replace_static_member(const std::string& instance, const std::string& old_id, const std::string& new_id);
  // Whoever waits under it gets unknown_member_id.
  void remove_member(const std::string& id);
  void count_expired() { ++effects_.members_expired; }

  void rebalance();                                   // begins one, or sees whether the one that runs is complete
  void check_joined();                                // ends the join phase when everybody is there
  void complete_join();                               // ends it with who is there
  void store_assignment(const SyncCommand& command);  // of the leader
  void refuse_syncs(GroupErrc error);                 // whoever waits for its assignment gets the error
  void log_group();                                   // as a record
  void extend_initial_delay_or_complete();

  template <class Reply>
  GroupDecision<Reply> finish(Reply reply) {
    effects_.alarm = group_.earliest_deadline();
    return {.records = std::move(records_),
            .reply = {std::move(reply), std::move(effects_)},
            .also = [group = std::make_shared<Group>(std::move(group_))](Groups& groups) {
              groups.install(std::move(*group));
            }};
  }

 private:
  void enter(GroupPhase phase);
  void prepare_rebalance();
  bool elect_joined_leader();
  void release(Member& member, GroupErrc error);  // answers what waits under it

  const GroupConfig& config_;
  const machine::Now now_;
  Group group_;
  std::vector<machine::Record> records_;
  Effects effects_;
};

// A decision that leaves everything as it is.
template <class Reply>
GroupDecision<Reply> just(Reply reply) {
  return {.records = {}, .reply = {std::move(reply), {}}, .also = {}};
}

}  // namespace millrace::coordinator
