#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/kube/client.h"

// What people want to know of objects, read from them; no output here.
namespace millrace::cli {

struct ConditionView {
  std::string type;
  std::string status;
  std::string reason;
  std::string message;
  std::string since;
};

struct BrokerView {
  std::string cluster;
  int64_t id = 0;
  std::string pod;
  int64_t pid = 0;    // 0: none
  std::string kafka;  // "127.0.0.1:9092" of the first listener, "" while there is none
  std::string rpc;
  std::string http;
  bool is_ready = false;
  int64_t restarts = 0;
};

struct TopicView {
  std::string name;   // of the object
  std::string topic;  // in Kafka
  std::string cluster;
  bool is_ready = false;
  std::string reason;
  std::string message;
  std::optional<int64_t> partitions;
  std::optional<int64_t> replicas;
};

struct ClusterView {
  std::string name;
  bool is_ready = false;
  std::string reason;
  std::string message;
  int64_t wanted = 0;
  int64_t ready = 0;
  std::string bootstrap;
  std::vector<BrokerView> brokers;
  std::vector<TopicView> topics;
};

std::vector<ConditionView> conditions_of(const kube::Object& object);
// The one named Ready, if it is about the newest specification.
std::optional<ConditionView> ready_of(const kube::Object& object);

// `is_running`: false when the processes of the local cluster are stopped; what the objects say of them is old then.
Result<std::vector<ClusterView>> view_clusters(kube::Client& kube, const std::string& name_space, bool is_running);
Result<std::vector<TopicView>> view_topics(kube::Client& kube, const std::string& name_space, bool is_running);

// {"clusters":[…]} as scripts rely on it.
kube::Json status_json(const std::vector<ClusterView>& clusters);

}  // namespace millrace::cli
