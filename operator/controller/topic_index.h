#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "broker/base/mutex.h"
#include "operator/api/kafka_topic.h"
#include "operator/kube/object.h"

namespace millrace::controller {

// Which KafkaTopics describe which topic of which cluster, so that a look at one topic does not read all the others.
//
// A claim never changes in the life of an object (its cluster and topic name cannot), so that news may come in any
// order. What is here may already be gone: whoever acts on a claim asks the API server about it and forgets it if need
// be. What is there is here once its namespace was listed and its events are put in. Thread-safe.
class TopicIndex {
 public:
  void put(const kube::Object& topic);
  // `uid`: of the life that has ended; any when empty.
  void forget(const std::string& name_space, const std::string& name, const std::string& uid);

  // A list of a namespace, or of all when it is empty, is made between the two; end_list forgets what was here before
  // begin_list and was not put in since.
  uint64_t begin_list();
  void end_list(const std::string& name_space, uint64_t begun);
  bool is_listed(const std::string& name_space) const;

  // The object with the `rank`-th oldest claim to the topic, 0 the oldest, if that claim is older than `topic`'s.
  std::optional<std::string> older_than(const api::KafkaTopic& topic, size_t rank) const;
  // The objects that describe the same topic as `topic`, itself included.
  std::vector<kube::ObjectKey> claims_like(const kube::Object& topic) const;
  std::vector<kube::ObjectKey> topics_of(const std::string& name_space, const std::string& cluster) const;

 private:
  using Group = std::tuple<std::string, std::string, std::string>;  // namespace, cluster, topic in Kafka
  struct Claim {
    std::string created;
    std::string uid;
    std::string name;
    friend auto operator<=>(const Claim&, const Claim&) = default;
  };
  struct Known {
    Group group;
    Claim claim;
    uint64_t put_in = 0;
  };
  using Names = std::map<std::pair<std::string, std::string>, Known>;  // by namespace and name

  static Group group_of(const kube::Object& topic);
  Names::iterator erase(Names::iterator known) REQUIRES(mutex_);

  mutable Mutex mutex_;  // a leaf
  Names names_ GUARDED_BY(mutex_);
  std::map<Group, std::set<Claim>> groups_ GUARDED_BY(mutex_);
  std::set<std::string> listed_ GUARDED_BY(mutex_);
  uint64_t lists_ GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::controller
