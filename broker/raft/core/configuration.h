#pragma once

#include <string>
#include <vector>

#include "broker/base/result.h"
#include "broker/raft/core/types.h"

namespace millrace::raft {

inline constexpr size_t kMembersMax = 64;  // voters and learners of one configuration
inline constexpr size_t kClusterBytesMax = 256;

// Who takes part, as an entry of the log says. Voters elect and count; learners receive everything and do neither.
// Both lists are sorted and have no member in common.
struct Configuration {
  std::string cluster;  // id of the cluster, carried from the first entry on
  std::vector<Member> voters;
  std::vector<Member> learners;

  bool has_voter(const Member& member) const;
  bool has_learner(const Member& member) const;
  bool has(const Member& member) const { return has_voter(member) || has_learner(member); }
  // The member of that node, voter or learner; null without one.
  const Member* find(NodeId node) const;

  // Big-endian: version 0 (int16), length of the cluster id (uint16) and its bytes, then voters and learners: count
  // (uint16), and for each its node (int32) and directory (16 bytes).
  Bytes encode() const;
  static Result<Configuration> decode(BytesView bytes);  // malformed, unsupported_version

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

// What a snapshot covers: the last entry in it, and the configuration in force there.
struct SnapshotMeta {
  Position last;
  Index configuration_at;  // index of the entry that made the configuration
  Configuration configuration;
  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};

// The configurations of a log by index, oldest first: the first is the one in force where the log begins. The newest
// one is used, committed or not; truncation rolls back along the list.
class ConfigurationList {
 public:
  struct At {
    Index index;
    Configuration configuration;
  };

  ConfigurationList() : list_{At{}} {}
  explicit ConfigurationList(const SnapshotMeta& snapshot)
      : list_{At{snapshot.configuration_at, snapshot.configuration}} {}

  const Configuration& newest() const { return list_.back().configuration; }
  Index newest_index() const { return list_.back().index; }
  // The one in force at `index`, which must not lie before the log.
  const At& at(Index index) const;
  // Whether some configuration from the one in force at `index` on satisfies has_voter(member).
  bool has_voter_since(Index index, const Member& member) const;

  void append(Index index, Configuration configuration);
  void truncate_from(Index index);  // forgets those at and after `index`
  void compact_to(Index index);     // forgets those before the one in force at `index`

 private:
  std::vector<At> list_;  // never empty; at most one uncommitted one beside those of entries that are not compacted
};

}  // namespace millrace::raft
