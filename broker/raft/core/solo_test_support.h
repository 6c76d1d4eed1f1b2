#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/raft/core/world_test_support.h"

namespace millrace::raft::testing {

// Node 0 of a quorum whose other members are the test. Its disk is instant unless held; what it applies likewise.
class Solo {
 public:
  // `terms`: of the entries in its log; the first one is the configuration. A vote is never on the disk.
  explicit Solo(const std::vector<int>& terms, int voters = 3, std::function<void(Options&)> tune = {}) {
    options_.self = member(0);
    if (tune) tune(options_);
    const Configuration configuration{"test", members(voters), {}};
    for (const int term : terms) {
      const bool first = disk_.entries.empty();
      disk_.entries.push_back({Term{term}, first ? EntryKind::configuration : EntryKind::payload,
                               first ? configuration.encode() : Bytes::copy_of("old")});
    }
    disk_.hard.term = Term{terms.back()};
    restart();
  }
  const Core* operator->() const { return core_.get(); }
  void restart() { core_ = std::make_unique<Core>(options_, disk_.restored(), now_); }

  Solo& feed(decltype(Event::what) what) {
    Output output = core_->step({now_, std::move(what)});
    if (output.state) states_.push_back(*output.state);
    for (Message& message : output.messages) messages_.push_back(std::move(message));
    for (const Answer& answer : output.answers) answers_.insert_or_assign(answer.request, answer);
    for (const LogRead& read : output.reads) reads_.push_back(read);
    if (output.hard_state) hard_.push_back(*output.hard_state);
    for (LogWrite& write : output.writes) {
      newest_write_ = write.sequence;
      writes_.push_back(std::move(write));
    }
    if (output.snapshot_write) snapshot_writes_.push_back(std::move(*output.snapshot_write));
    if (output.install) installs_.push_back(std::move(*output.install));
    if (output.apply) to_apply_ = output.apply->last;
    if (!disk_held_) release_hard_state();
    if (!disk_held_ && newest_write_ > durable_write_) release_disk();
    if (!apply_held_) release_apply();
    return *this;
  }
  void hold_disk() { disk_held_ = true; }
  void release_hard_state() {
    if (hard_.empty()) return;
    const HardStateWrite newest = hard_.back();
    hard_.clear();
    disk_.hard = newest.state;
    feed(HardStateDurable{newest.sequence});
  }
  void release_disk() {
    for (const LogWrite& write : writes_) {
      if (write.sequence <= durable_write_) continue;
      disk_.entries.resize(static_cast<size_t>(write.keeps.value()));
      disk_.entries.insert(disk_.entries.end(), write.entries.begin(), write.entries.end());
    }
    durable_write_ = newest_write_;
    feed(LogDurable{newest_write_});
  }
  void hold_apply() { apply_held_ = true; }
  void release_apply() {
    if (to_apply_) feed(Applied{*std::exchange(to_apply_, std::nullopt)});
  }
  void tick() { feed(Tick{}); }
  void pass(milliseconds time) {
    for (; time > milliseconds(0); time -= milliseconds(1)) {
      now_ += milliseconds(1);
      tick();
    }
  }
  void pass_until_pre_candidate() {
    for (int waited = 0; core_->state().role != Role::pre_candidate; ++waited) {
      ASSERT_LT(waited, 5000) << "it does not stand for election";
      pass(milliseconds(1));
    }
  }
  // Others vote for it until it leads.
  void become_leader() {
    pass_until_pre_candidate();
    for (int node = 1; core_->state().role != Role::leader; ++node) {
      ASSERT_LT(node, 10) << "it does not win";
      vote_reply(node, true);
      if (core_->state().role == Role::candidate) vote_reply(node, false);
    }
  }
  Solo& receive_as(const Member& to, int from, int term, MessageBody body) {
    return feed(Received{{member(from), to, Term{term}, std::move(body)}});
  }
  Solo& receive(int from, Term term, MessageBody body) {
    return receive_as(member(0), from, static_cast<int>(term.value()), std::move(body));
  }
  struct At {
    int index;
    int term;
    Position position() const { return {Index{index}, Term{term}}; }
  };
  Solo& append(int from, int term, At previous, const std::vector<int>& terms, int commit) {
    messages_.clear();
    AppendRequest request{previous.position(), {}, Index{commit}, {}};
    for (const int of : terms) request.entries.push_back({Term{of}, EntryKind::payload, Bytes::copy_of("new")});
    return receive(from, Term{term}, std::move(request));
  }
  void append_reply(int from, int verified, int durable, int term = 0) {
    receive(from, term == 0 ? core_->hard_state().term : Term{term},
            AppendReply{.success = true, .verified = Index{verified}, .durable = Index{durable}});
  }
  void reject(int from, int rejected, At conflict, int first) {
    messages_.clear();
    receive(from, core_->hard_state().term,
            AppendReply{.rejected = Index{rejected}, .conflict = conflict.position(), .conflict_first = Index{first}});
  }
  std::optional<VoteReply> vote(int from, int term, At last, bool transfer = false) {
    messages_.clear();
    receive(from, Term{term}, VoteRequest{Term{term}, last.position(), false, transfer});
    return last_vote_reply();
  }
  std::optional<VoteReply> pre_vote(int from, int election, At last) {
    messages_.clear();
    receive(from, Term{election - 1}, VoteRequest{Term{election}, last.position(), true, false});
    return last_vote_reply();
  }
  void vote_reply(int from, bool pre) {
    const Term term = core_->hard_state().term;
    receive(from, term, VoteReply{pre ? term.next() : term, pre, true});
  }
  template <class... Payloads>
  RequestId propose(const Payloads&... payloads) {
    const RequestId request{++requests_};
    feed(Propose{request, {Bytes::copy_of(std::string_view(payloads))...}});
    return request;
  }
  const std::vector<Message>& messages() const { return messages_; }
  const std::vector<RoleState>& states() const { return states_; }
  const std::vector<LogWrite>& writes() const { return writes_; }
  const std::vector<LogRead>& reads() const { return reads_; }
  const std::vector<SnapshotWrite>& snapshot_writes() const { return snapshot_writes_; }
  const std::vector<SnapshotInstall>& installs() const { return installs_; }
  bool has_entries_to_apply() const { return to_apply_.has_value(); }
  const HardState& hard_on_disk() const { return disk_.hard; }
  void clear() { messages_.clear(); }
  template <class Body>
  std::vector<Body> sent(int to = -1) const {
    std::vector<Body> result;
    for (const Message& message : messages_) {
      const auto* body = std::get_if<Body>(&message.body);
      if (body != nullptr && (to < 0 || message.to == member(to))) result.push_back(*body);
    }
    return result;
  }
  bool replied() const { return !sent<AppendReply>().empty(); }
  AppendReply reply() const { return sent<AppendReply>().at(sent<AppendReply>().size() - 1); }
  std::vector<AppendRequest> sent_appends(int to) const { return sent<AppendRequest>(to); }
  AppendRequest sent_append(int to) const { return sent_appends(to).at(sent_appends(to).size() - 1); }
  VoteRequest sent_vote_request(int to) const { return sent<VoteRequest>(to).back(); }
  bool sent_any_vote_request() const {
    const auto requests = sent<VoteRequest>();
    return std::any_of(requests.begin(), requests.end(), [](const VoteRequest& request) { return !request.pre; });
  }
  std::optional<VoteReply> last_vote_reply() const {
    const auto replies = sent<VoteReply>();
    return replies.empty() ? std::nullopt : std::optional(replies.back());
  }
  std::optional<Answer> answer(RequestId request) const {
    const auto found = answers_.find(request);
    return found == answers_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  Options options_;
  Disk disk_;
  TimePoint now_{milliseconds(1)};
  std::unique_ptr<Core> core_;
  std::vector<Message> messages_;
  std::vector<RoleState> states_;
  std::vector<LogWrite> writes_;
  std::vector<LogRead> reads_;
  std::vector<SnapshotWrite> snapshot_writes_;
  std::vector<SnapshotInstall> installs_;
  std::vector<HardStateWrite> hard_;
  std::map<RequestId, Answer> answers_;
  std::optional<Index> to_apply_;
  WriteSequence newest_write_, durable_write_;
  bool disk_held_ = false, apply_held_ = false;
  uint64_t requests_ = 0;
};

}  // namespace millrace::raft::testing
