#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "operator/kube/object.h"

// What was seen, as values: plans are made from these and the specification alone.
namespace millrace::plan {

struct PodFacts {
  std::string name;
  std::string uid;
  int32_t ordinal = 0;
  std::string template_hash;  // of the template it was made from
  bool is_ready = false;
  bool is_deleting = false;
  int64_t restarts = 0;
  std::string trouble;  // why it is not ready, in the words of whoever runs it; "" when nothing is known
  // Ports of 127.0.0.1 by port name, where pods are processes of this machine.
  std::map<std::string, int32_t> local_ports;
  int64_t local_pid = 0;
};

struct BrokerFacts {
  int32_t id = 0;
  std::string rack;
  int32_t leaders = 0;      // partitions that it leads
  int32_t partitions = 0;   // replicas that it has
  int32_t out_of_sync = 0;  // of these
};

// What the cluster said of itself over the Kafka protocol.
struct KafkaFacts {
  bool is_reachable = false;
  std::string error;  // when it is not
  std::string cluster_id;
  std::vector<BrokerFacts> brokers;
};

struct ClusterObserved {
  std::vector<kube::Object> owned;  // of the kinds that desired/ makes
  std::vector<PodFacts> pods;       // ascending by ordinal
  KafkaFacts kafka;
  std::string claimed_id;  // the cluster id that a claim of these brokers' data names, "" when none does
};

struct TopicFacts {
  std::string id;
  int32_t partitions = 0;
  std::optional<int32_t> replicas;  // none when partitions differ
  int32_t leaderless = 0;           // partitions that nobody serves now
  std::map<std::string, std::string> config;
};

enum class ClusterState : uint8_t { absent, deleting, unreachable, reachable };

struct TopicObserved {
  ClusterState cluster = ClusterState::absent;
  std::string cluster_trouble;  // when unreachable: why
  int32_t brokers = 0;          // of the cluster's specification, when there is one
  int32_t ready_brokers = 0;
  std::optional<TopicFacts> topic;
  std::string rival;  // the older KafkaTopic that describes the same topic, "" when this one is alone or the oldest
};

}  // namespace millrace::plan
