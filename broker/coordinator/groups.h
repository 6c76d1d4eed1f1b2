#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "broker/coordinator/coordinator_config.h"
#include "broker/coordinator/group.h"
#include "broker/coordinator/offsets.h"
#include "broker/coordinator/records.h"
#include "broker/machine/record.h"

namespace millrace::coordinator {

// State of the groups whose records are in one partition of __consumer_offsets: what the log says, and what is kept in
// memory only (who waits for what, since when). Decisions (decisions.h) read it; apply() changes what is logged, the
// other writers what is not. A value; not thread-safe.
//
//   Groups groups(config);  for (record : log) groups.apply(offset, record);  groups.start(now);
class Groups {
 public:
  explicit Groups(GroupConfig config = {}) : config_(config) {}

  // Cannot fail: a record that cannot be read, or is not ours, is counted and changes nothing.
  void apply(Offset offset, const machine::Record& record);
  // After replay: the sessions of all members begin anew.
  void start(TimePoint now);

  // What is kept in memory only.
  void install(Group group);
  void hear(std::string_view group, std::string_view member, TimePoint now);  // nothing when they are gone

  const GroupConfig& config() const { return config_; }
  const Group* find(std::string_view id) const;
  const GroupOffsets* offsets(std::string_view id) const;  // null when it has none
  const CommittedOffset* offset(std::string_view id, std::string_view topic, PartitionIndex partition) const;
  const std::map<std::string, Group, std::less<>>& all() const { return groups_; }  // each with offsets is in it
  // The group that is to be looked at first, and when: no later than its earliest deadline.
  std::optional<std::pair<TimePoint, std::string>> next_alarm() const;
  std::optional<std::pair<TimePoint, std::string>> alarm_after(const std::pair<TimePoint, std::string>& alarm) const;
  size_t unreadable_records() const { return unreadable_; }
  size_t live_records() const;  // a log of only the newest records of what exists would hold

  // Everything that the log gives back.
  friend bool same_logged_state(const Groups& a, const Groups& b);

 private:
  void set_alarm(const Group& group);
  void erase(std::string_view id);

  GroupConfig config_;
  std::map<std::string, Group, std::less<>> groups_;
  std::map<std::string, GroupOffsets, std::less<>> offsets_;
  std::map<std::string, TimePoint, std::less<>> alarm_of_;
  std::set<std::pair<TimePoint, std::string>> alarms_;
  size_t unreadable_ = 0;
};

bool same_logged_state(const Groups& a, const Groups& b);

}  // namespace millrace::coordinator
