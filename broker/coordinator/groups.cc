#include "broker/coordinator/groups.h"

#include <algorithm>

namespace millrace::coordinator {

void Groups::apply(Offset, const machine::Record& record) {
  Result<GroupLogRecord> read = read_record(record);
  if (!read || std::holds_alternative<OtherRecord>(*read)) {
    ++unreadable_;
    return;
  }
  if (auto* group = std::get_if<GroupRecord>(&*read)) {
    if (group->value) {
      groups_[group->group] = std::move(*group->value);
    } else {
      erase(group->group);
    }
    return;
  }
  auto& change = std::get<OffsetRecord>(*read);
  if (change.value) {
    // Offsets alone make a group: a simple one.
    auto [at, is_new] = groups_.try_emplace(change.group);
    if (is_new) at->second.id = change.group;
    offsets_[change.group][change.topic].insert_or_assign(change.partition, std::move(*change.value));
    return;
  }
  auto group = offsets_.find(change.group);
  if (group == offsets_.end()) return;
  auto topic = group->second.find(change.topic);
  if (topic == group->second.end()) return;
  topic->second.erase(change.partition);
  if (topic->second.empty()) group->second.erase(topic);
  if (group->second.empty()) offsets_.erase(group);
}

void Groups::erase(std::string_view id) {
  // Offsets that outlive their group's tombstone keep it, as a simple group.
  auto at = groups_.find(id);
  if (at == groups_.end()) return;
  Group bare;
  bare.id = at->second.id;
  groups_.erase(at);
  set_alarm(bare);
  if (offsets_.contains(bare.id)) groups_.emplace(bare.id, std::move(bare));
}

void Groups::start(TimePoint now) {
  for (auto& [id, group] : groups_) {
    std::vector<std::string> members;
    for (const auto& [member, value] : group.members) members.push_back(member);
    for (const std::string& member : members) group.edit(member).heard = now;
    set_alarm(group);
  }
}

void Groups::install(Group group) {
  set_alarm(group);
  std::string id = group.id;
  // A group of which nothing was logged and that nobody waits in is forgotten.
  const bool is_nothing = group.members.empty() && group.pending.empty() && !group.protocol_type &&
                          group.phase == GroupPhase::empty && !offsets_.contains(id);
  if (is_nothing) {
    groups_.erase(id);
  } else {
    groups_.insert_or_assign(std::move(id), std::move(group));
  }
}

void Groups::hear(std::string_view group, std::string_view member, TimePoint now) {
  auto at = groups_.find(group);
  // The alarm stays: it finds out that the deadline has moved when it rings.
  if (at != groups_.end() && at->second.find(member) != nullptr) at->second.edit(member).heard = now;
}

const Group* Groups::find(std::string_view id) const {
  auto at = groups_.find(id);
  return at == groups_.end() ? nullptr : &at->second;
}

const GroupOffsets* Groups::offsets(std::string_view id) const {
  auto at = offsets_.find(id);
  return at == offsets_.end() ? nullptr : &at->second;
}

const CommittedOffset* Groups::offset(std::string_view id, std::string_view topic, PartitionIndex partition) const {
  const GroupOffsets* offsets = this->offsets(id);
  if (offsets == nullptr) return nullptr;
  auto of_topic = offsets->find(topic);
  if (of_topic == offsets->end()) return nullptr;
  auto at = of_topic->second.find(partition);
  return at == of_topic->second.end() ? nullptr : &at->second;
}

std::optional<std::pair<TimePoint, std::string>> Groups::next_alarm() const {
  if (alarms_.empty()) return std::nullopt;
  return *alarms_.begin();
}

std::optional<std::pair<TimePoint, std::string>> Groups::alarm_after(
    const std::pair<TimePoint, std::string>& alarm) const {
  auto next = alarms_.upper_bound(alarm);
  if (next == alarms_.end()) return std::nullopt;
  return *next;
}

void Groups::set_alarm(const Group& group) {
  auto at = alarm_of_.find(group.id);
  if (at != alarm_of_.end()) {
    alarms_.erase({at->second, group.id});
    alarm_of_.erase(at);
  }
  if (const std::optional<TimePoint> next = group.earliest_deadline()) {
    alarm_of_[group.id] = *next;
    alarms_.emplace(*next, group.id);
  }
}

size_t Groups::live_records() const {
  size_t records = groups_.size();
  for (const auto& [group, topics] : offsets_) {
    for (const auto& [topic, partitions] : topics) records += partitions.size();
  }
  return records;
}

bool same_logged_state(const Groups& a, const Groups& b) {
  if (a.offsets_ != b.offsets_) return false;
  return std::equal(a.groups_.begin(), a.groups_.end(), b.groups_.begin(), b.groups_.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && group_record(x.second).value == group_record(y.second).value;
                    });
}

}  // namespace millrace::coordinator
