#include "operator/controller/topic_index.h"

#include <algorithm>
#include <iterator>

namespace millrace::controller {

TopicIndex::Group TopicIndex::group_of(const kube::Object& topic) {
  const std::string given = topic.text_at({"spec", "topicName"});
  return {topic.name_space(), topic.text_at({"spec", "clusterRef", "name"}), given.empty() ? topic.name() : given};
}

void TopicIndex::put(const kube::Object& topic) {
  Claim claim{topic.text_at({"metadata", "creationTimestamp"}), topic.uid(), topic.name()};
  const MutexLock lock(mutex_);
  const auto known = names_.find({topic.name_space(), topic.name()});
  if (known != names_.end()) {
    if (known->second.claim == claim) {
      known->second.put_in = lists_;
      return;
    }
    erase(known);  // a new life of the name
  }
  Group group = group_of(topic);
  groups_[group].insert(claim);
  names_.insert_or_assign({topic.name_space(), topic.name()}, Known{std::move(group), std::move(claim), lists_});
}

void TopicIndex::forget(const std::string& name_space, const std::string& name, const std::string& uid) {
  const MutexLock lock(mutex_);
  const auto known = names_.find({name_space, name});
  if (known != names_.end() && (uid.empty() || known->second.claim.uid == uid)) erase(known);
}

TopicIndex::Names::iterator TopicIndex::erase(Names::iterator known) {
  const auto group = groups_.find(known->second.group);
  group->second.erase(known->second.claim);
  if (group->second.empty()) groups_.erase(group);
  return names_.erase(known);
}

uint64_t TopicIndex::begin_list() {
  const MutexLock lock(mutex_);
  return ++lists_;
}

void TopicIndex::end_list(const std::string& name_space, uint64_t begun) {
  const MutexLock lock(mutex_);
  listed_.insert(name_space);
  const auto is_meant = [&](const auto& one) { return name_space.empty() || one.first.first == name_space; };
  for (auto it = names_.lower_bound({name_space, ""}); it != names_.end() && is_meant(*it);) {
    it = it->second.put_in < begun ? erase(it) : std::next(it);
  }
}

bool TopicIndex::is_listed(const std::string& name_space) const {
  const MutexLock lock(mutex_);
  return listed_.contains("") || listed_.contains(name_space);
}

std::optional<std::string> TopicIndex::older_than(const api::KafkaTopic& topic, size_t rank) const {
  const MutexLock lock(mutex_);
  const auto group = groups_.find({topic.name_space, topic.cluster, topic.topic});
  if (group == groups_.end() || rank >= group->second.size()) return std::nullopt;
  const Claim& claim = *std::next(group->second.begin(), static_cast<std::ptrdiff_t>(rank));
  if (std::tie(claim.created, claim.uid) >= std::tie(topic.created, topic.uid)) return std::nullopt;
  return claim.name;
}

std::vector<kube::ObjectKey> TopicIndex::claims_like(const kube::Object& topic) const {
  const MutexLock lock(mutex_);
  std::vector<kube::ObjectKey> result;
  const auto group = groups_.find(group_of(topic));
  if (group == groups_.end()) return result;
  for (const Claim& claim : group->second) result.push_back({"KafkaTopic", topic.name_space(), claim.name});
  return result;
}

std::vector<kube::ObjectKey> TopicIndex::topics_of(const std::string& name_space, const std::string& cluster) const {
  const MutexLock lock(mutex_);
  std::vector<kube::ObjectKey> result;
  for (auto it = groups_.lower_bound({name_space, cluster, ""});
       it != groups_.end() && std::get<0>(it->first) == name_space && std::get<1>(it->first) == cluster; ++it) {
    for (const Claim& claim : it->second) result.push_back({"KafkaTopic", name_space, claim.name});
  }
  return result;
}

}  // namespace millrace::controller
