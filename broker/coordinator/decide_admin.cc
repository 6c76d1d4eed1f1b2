#include <algorithm>
#include <cctype>

#include "broker/coordinator/transition.h"

namespace millrace::coordinator {
namespace {

// So that a step fits a batch of records, whatever the names are.
constexpr size_t kTombstonesPerStep = 2'000;
constexpr size_t kTombstoneBytesPerStep = 128 << 10;
constexpr size_t kGroupsPerStep = 1'000;  // looked at by one step of expiry

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  });
}

bool matches(const std::vector<std::string>& filter, std::string_view value) {
  return filter.empty() || std::any_of(filter.begin(), filter.end(),
                                       [&](const std::string& item) { return equal_ignoring_case(item, value); });
}

// The tombstones of one step.
class Burial {
 public:
  explicit Burial(std::vector<machine::Record>& records) : records_(records) {}
  bool is_full() const { return records_.size() >= kTombstonesPerStep || bytes_ >= kTombstoneBytesPerStep; }
  void add(machine::Record tombstone) {
    bytes_ += tombstone.key->size();
    records_.push_back(std::move(tombstone));
  }

 private:
  std::vector<machine::Record>& records_;
  size_t bytes_ = 0;
};

// Tombstones for the offsets of `group` that `is_gone` holds for; false when there are more than fit the step.
template <class IsGone>
bool bury_offsets(const Groups& groups, const std::string& group, Burial& burial, IsGone is_gone) {
  const GroupOffsets* offsets = groups.offsets(group);
  if (offsets == nullptr) return true;
  for (const auto& [topic, partitions] : *offsets) {
    for (const auto& [partition, offset] : partitions) {
      if (!is_gone(topic, offset)) continue;
      if (burial.is_full()) return false;
      burial.add(offset_tombstone(group, topic, partition));
    }
  }
  return true;
}

size_t count_offsets(const GroupOffsets* offsets) {
  size_t count = 0;
  if (offsets != nullptr) {
    for (const auto& [topic, partitions] : *offsets) count += partitions.size();
  }
  return count;
}

// KIP-211: since when an offset's retention runs, if it does.
struct Expiry {
  Timestamp now;
  int64_t retention_ms;
  bool counts_from_commit;  // otherwise from when the group became empty
  Timestamp empty_since;
  std::optional<std::vector<std::string>> subscribed;

  bool is_over(const std::string& topic, const CommittedOffset& offset) const {
    if (subscribed && std::find(subscribed->begin(), subscribed->end(), topic) != subscribed->end()) return false;
    if (offset.expires_at) return now >= *offset.expires_at;
    const Timestamp since = counts_from_commit ? offset.committed_at : empty_since;
    return now - since >= retention_ms;
  }
};

std::optional<Expiry> expiry_of(const Group& group, const GroupConfig& config, Timestamp now) {
  Expiry expiry{now, config.offsets_retention_ms, true, kNoTimestamp, std::nullopt};
  if (group.phase == GroupPhase::empty) {
    // Older records do not say since when the group has been empty; then commits count.
    expiry.counts_from_commit = !group.protocol_type || group.phase_since == kNoTimestamp;
    expiry.empty_since = group.phase_since;
    return expiry;
  }
  expiry.subscribed = group.subscribed_topics();
  if (!expiry.subscribed) return std::nullopt;
  return expiry;
}

}  // namespace

GroupDecision<ListReply> decide_list(const Groups& groups, const ListCommand& command) {
  ListReply reply;
  if (!matches(command.types, kClassicGroupType)) return just(std::move(reply));
  for (const auto& [id, group] : groups.all()) {
    if (!matches(command.states, to_string(group.phase))) continue;
    reply.groups.push_back({id, group.protocol_type.value_or(""), group.phase});
  }
  return just(std::move(reply));
}

GroupDecision<GroupDescription> decide_describe(const Groups& groups, const std::string& id) {
  GroupDescription description;
  description.id = id;
  const Group* group = groups.find(id);
  if (group == nullptr) {
    description.error = GroupErrc::group_id_not_found;
    description.state = kDeadPhase;
    return just(std::move(description));
  }
  description.state = to_string(group->phase);
  description.protocol_type = group->protocol_type.value_or("");
  const bool is_stable = group->phase == GroupPhase::stable;
  if (is_stable) description.protocol = group->protocol.value_or("");
  for (const auto& [member_id, member] : group->members) {
    DescribedMember described{member_id, member->instance_id, member->client_id, member->client_host, {}, {}};
    if (is_stable) {
      if (const Bytes* metadata = member->metadata(description.protocol)) described.metadata = *metadata;
      described.assignment = member->assignment;
    }
    description.members.push_back(std::move(described));
  }
  return just(std::move(description));
}

GroupDecision<DeleteStep> decide_delete(const Groups& groups, const std::string& id) {
  const Group* group = groups.find(id);
  if (group == nullptr) return just(DeleteStep{GroupErrc::group_id_not_found, false});
  if (group->phase != GroupPhase::empty) return just(DeleteStep{GroupErrc::non_empty_group, false});
  GroupDecision<DeleteStep> decision;
  Burial burial(decision.records);
  const bool is_last =
      bury_offsets(groups, id, burial, [](const std::string&, const CommittedOffset&) { return true; });
  if (is_last) decision.records.push_back(group_tombstone(id));
  decision.reply.reply = DeleteStep{GroupErrc::none, !is_last};
  return decision;
}

GroupDecision<ExpiryStep> decide_expiry(const Groups& groups, const std::optional<std::string>& after,
                                        machine::Now now) {
  GroupDecision<ExpiryStep> decision;
  Burial burial(decision.records);
  ExpiryStep& step = decision.reply.reply;
  auto at = after ? groups.all().upper_bound(*after) : groups.all().begin();
  std::optional<std::string> done = after;
  for (size_t looked_at = 0; at != groups.all().end(); ++at, ++looked_at) {
    if (looked_at >= kGroupsPerStep || burial.is_full()) {
      step.next = done;
      return decision;
    }
    const auto& [id, group] = *at;
    const size_t before = decision.records.size();
    bool is_complete = true;
    if (const std::optional<Expiry> expiry = expiry_of(group, groups.config(), now.wall_ms)) {
      is_complete = bury_offsets(groups, id, burial, [&](const std::string& topic, const CommittedOffset& offset) {
        return expiry->is_over(topic, offset);
      });
    }
    const size_t expired = decision.records.size() - before;
    step.offsets += static_cast<uint32_t>(expired);
    if (!is_complete) {
      // The rest of this group in the next step. `done` is absent when the very first group fills a step: begin anew.
      step.next = done.value_or(std::string());
      return decision;
    }
    const bool has_offsets = count_offsets(groups.offsets(id)) > expired;
    if (group.phase == GroupPhase::empty && group.pending.empty() && !has_offsets) {
      burial.add(group_tombstone(id));
      ++step.groups;
    }
    done = id;
  }
  return decision;
}

}  // namespace millrace::coordinator
