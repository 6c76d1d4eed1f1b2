#include <algorithm>

#include "broker/coordinator/decisions.h"
#include "broker/coordinator/transition.h"

namespace millrace::coordinator {
namespace {

constexpr size_t kTextBytesMax = INT16_MAX;

// Whether the group takes commits from who asks; `is_member` when it is one, whose session goes on.
GroupErrc check(const Group* group, const CommitCommand& command, bool& is_member) {
  is_member = false;
  if (command.group.size() > kTextBytesMax) return GroupErrc::invalid_group_id;
  if (group == nullptr) {
    if (command.generation.value() < 0) return GroupErrc::none;  // a simple group begins
    return command.knows_group_not_found ? GroupErrc::group_id_not_found : GroupErrc::illegal_generation;
  }
  // Administrators and consumers that assign partitions themselves commit without a generation, while nobody is in it.
  if (command.generation.value() < 0 && group->phase == GroupPhase::empty) return GroupErrc::none;
  if (command.generation.value() < 0 && command.member_id.empty() && !command.instance_id) {
    return GroupErrc::unknown_member_id;
  }
  if (const GroupErrc error = group->check_member(command.member_id, command.instance_id); error != GroupErrc::none) {
    return error;
  }
  if (command.generation != group->generation) return GroupErrc::illegal_generation;
  is_member = true;
  if (group->phase == GroupPhase::completing_rebalance) return GroupErrc::rebalance_in_progress;
  return GroupErrc::none;
}

}  // namespace

GroupDecision<CommitReply> decide_commit(const Groups& groups, const CommitCommand& command, machine::Now now) {
  bool is_member = false;
  const GroupErrc error = check(groups.find(command.group), command, is_member);
  CommitReply reply;
  GroupDecision<CommitReply> decision;
  if (is_member) {
    decision.also = [id = command.group, member = command.member_id, at = now.monotonic](Groups& state) {
      state.hear(id, member, at);
    };
  }
  const auto metadata_max = static_cast<size_t>(groups.config().offset_metadata_bytes_max);
  for (const CommitItem& item : command.items) {
    if (error != GroupErrc::none) {
      reply.items.push_back(error);
    } else if (item.metadata.size() > metadata_max) {
      reply.items.push_back(GroupErrc::offset_metadata_too_large);
    } else if (item.topic.size() > kTextBytesMax) {
      reply.items.push_back(GroupErrc::unknown_topic_or_partition);
    } else {
      CommittedOffset offset{.offset = item.offset,
                             .leader_epoch = item.leader_epoch,
                             .metadata = item.metadata,
                             .committed_at = now.wall_ms,
                             .expires_at = {}};
      if (command.retention_ms) offset.expires_at = now.wall_ms + *command.retention_ms;
      decision.records.push_back(offset_record(command.group, item.topic, item.partition, offset));
      reply.items.push_back(GroupErrc::none);
    }
  }
  decision.reply.reply = std::move(reply);
  return decision;
}

GroupDecision<FetchOffsetsReply> decide_fetch_offsets(const Groups& groups, const FetchOffsetsCommand& command) {
  FetchOffsetsReply reply;
  if (command.topics) {
    for (const auto& [topic, partitions] : *command.topics) {
      auto& [name, answers] =
          reply.topics.emplace_back(topic, std::vector<std::pair<PartitionIndex, CommittedOffset>>());
      for (PartitionIndex partition : partitions) {
        const CommittedOffset* offset = groups.offset(command.group, topic, partition);
        answers.emplace_back(partition, offset != nullptr ? *offset : CommittedOffset());
      }
    }
    return just(std::move(reply));
  }
  if (const GroupOffsets* offsets = groups.offsets(command.group)) {
    for (const auto& [topic, partitions] : *offsets) {
      reply.topics.emplace_back(
          topic, std::vector<std::pair<PartitionIndex, CommittedOffset>>(partitions.begin(), partitions.end()));
    }
  }
  return just(std::move(reply));
}

}  // namespace millrace::coordinator
