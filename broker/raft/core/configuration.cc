#include "broker/raft/core/configuration.h"

#include <algorithm>

#include "broker/base/endian.h"

namespace millrace::raft {
namespace {

constexpr int16_t kVersion = 0;
constexpr size_t kMemberBytes = 4 + 16;

class Cursor {
 public:
  explicit Cursor(BytesView bytes) : rest_(bytes) {}
  // Null when fewer bytes are left.
  const std::byte* take(size_t size) {
    if (rest_.size() < size) return nullptr;
    const std::byte* data = rest_.data();
    rest_ = rest_.subspan(size);
    return data;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  BytesView rest_;
};

void put(std::vector<std::byte>& out, const std::vector<Member>& members) {
  const size_t start = out.size();
  out.resize(start + 2 + members.size() * kMemberBytes);
  std::byte* at = out.data() + start;
  store_big_endian(at, static_cast<uint16_t>(members.size()));
  at += 2;
  for (const Member& member : members) {
    store_big_endian(at, member.node.value());
    std::copy(member.directory.bytes.begin(), member.directory.bytes.end(), at + 4);
    at += kMemberBytes;
  }
}

bool take(Cursor& in, std::vector<Member>& members) {
  const std::byte* count_at = in.take(2);
  if (count_at == nullptr) return false;
  const auto count = load_big_endian<uint16_t>(count_at);
  if (count > kMembersMax) return false;
  for (size_t i = 0; i < count; ++i) {
    const std::byte* at = in.take(kMemberBytes);
    if (at == nullptr) return false;
    Member member{NodeId{load_big_endian<int32_t>(at)}, {}};
    std::copy(at + 4, at + kMemberBytes, member.directory.bytes.begin());
    members.push_back(member);
  }
  return std::is_sorted(members.begin(), members.end());
}

}  // namespace

bool Configuration::has_voter(const Member& member) const {
  return std::binary_search(voters.begin(), voters.end(), member);
}

bool Configuration::has_learner(const Member& member) const {
  return std::binary_search(learners.begin(), learners.end(), member);
}

const Member* Configuration::find(NodeId node) const {
  for (const auto* members : {&voters, &learners}) {
    for (const Member& member : *members) {
      if (member.node == node) return &member;
    }
  }
  return nullptr;
}

Bytes Configuration::encode() const {
  ENSURE(cluster.size() <= kClusterBytesMax && voters.size() + learners.size() <= kMembersMax);
  std::vector<std::byte> out(4);
  store_big_endian(out.data(), kVersion);
  store_big_endian(out.data() + 2, static_cast<uint16_t>(cluster.size()));
  const BytesView id = as_bytes(cluster);
  out.insert(out.end(), id.begin(), id.end());
  put(out, voters);
  put(out, learners);
  return Bytes::adopt(std::move(out));
}

Result<Configuration> Configuration::decode(BytesView bytes) {
  Cursor in(bytes);
  const std::byte* head = in.take(4);
  if (head == nullptr) return Error{Errc::malformed, "quorum configuration"};
  if (load_big_endian<int16_t>(head) != kVersion) return Error{Errc::unsupported_version, "quorum configuration"};
  const size_t length = load_big_endian<uint16_t>(head + 2);
  const std::byte* id = length <= kClusterBytesMax ? in.take(length) : nullptr;
  Configuration result;
  if (id == nullptr || !take(in, result.voters) || !take(in, result.learners) || !in.at_end()) {
    return Error{Errc::malformed, "quorum configuration"};
  }
  result.cluster = std::string(as_text(BytesView(id, length)));
  return result;
}

const ConfigurationList::At& ConfigurationList::at(Index index) const {
  for (auto it = list_.rbegin(); it != list_.rend(); ++it) {
    if (it->index <= index) return *it;
  }
  return list_.front();
}

bool ConfigurationList::has_voter_since(Index index, const Member& member) const {
  const Index from = at(index).index;
  return std::any_of(list_.begin(), list_.end(),
                     [&](const At& one) { return one.index >= from && one.configuration.has_voter(member); });
}

void ConfigurationList::append(Index index, Configuration configuration) {
  ENSURE(index > list_.back().index);
  list_.push_back({index, std::move(configuration)});
}

void ConfigurationList::truncate_from(Index index) {
  while (list_.size() > 1 && list_.back().index >= index) list_.pop_back();
  ENSURE(list_.back().index < index);  // what lies before the log is committed and is never truncated
}

void ConfigurationList::compact_to(Index index) {
  const Index from = at(index).index;
  std::erase_if(list_, [&](const At& one) { return one.index < from; });
}

}  // namespace millrace::raft
