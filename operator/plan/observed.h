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

// How far a broker is that gives its replicas away.
struct DecommissionFacts {
  int32_t left = 0;  // partitions that have a replica on it
  int32_t moving = 0;
  int32_t stuck = 0;        // that no other broker may take
  std::string first_stuck;  // "payments-4"
};

// A broker as the controller of its cluster sees it.
struct BrokerFacts {
  int32_t id = 0;
  std::string rack;
  int32_t leaders = 0;        // partitions that it leads
  int32_t partitions = 0;     // replicas that it has
  int32_t out_of_sync = 0;    // of these
  bool is_fenced = false;     // counts as gone
  std::string permit_holder;  // who may stop it now, "" when nobody may
  std::optional<DecommissionFacts> decommission;
  std::string directory;  // the id of its data directory
  std::string rpc_host;   // where other brokers reach it
  uint16_t rpc_port = 0;
};

// One that has the metadata log.
struct QuorumMemberFacts {
  int32_t id = 0;
  std::string directory;
  bool is_caught_up = false;
};
struct QuorumFacts {
  std::vector<QuorumMemberFacts> voters;
  std::vector<QuorumMemberFacts> observers;
};

// The topic that needs the most brokers; "" and 0 when there is none.
struct WidestTopic {
  std::string name;
  int32_t replicas = 0;
};

// What is kept of a broker whose pod is gone.
struct ClaimFacts {
  std::string name;
  std::string uid;
  int32_t ordinal = 0;
};

// What the brokers said of their cluster.
struct KafkaFacts {
  bool is_reachable = false;
  std::string error;  // when it is not
  std::string cluster_id;
  std::string no_controller;  // why the rest is what a broker saw last, "" when it is the controller's word
  int32_t controller = -1;
  std::vector<BrokerFacts> brokers;  // that are registered
  std::vector<int32_t> voters;       // on metadata, by id

  // Whether the controller itself spoke; why not, otherwise.
  bool is_certain() const { return is_reachable && no_controller.empty(); }
  const std::string& trouble() const { return is_reachable ? no_controller : error; }
  const BrokerFacts* find(int32_t id) const {
    for (const BrokerFacts& broker : brokers) {
      if (broker.id == id) return &broker;
    }
    return nullptr;
  }
};

// Why a broker may not stop, in the controller's words.
struct Refusal {
  std::string rule;       // "MinInsync", …
  std::string partition;  // "" when it is not about one
  std::string words;
  int64_t since_ms = -1;  // -1: not known
};

// To be asked between observing and planning anew, because the answer is a decision of the brokers' controller.
struct Question {
  // may_stop: a granted permit is the operator's until it ends it. rebalance: some moves begin.
  enum class Kind : uint8_t { may_stop, rebalance };
  Kind kind = Kind::may_stop;
  int32_t broker = 0;
  friend bool operator==(const Question&, const Question&) = default;
};
struct Answer {
  Question question;
  std::string error;  // nobody answered, or refused to
  bool is_granted = false;
  std::vector<Refusal> refusals;  // the first of `refusals_total`
  int32_t refusals_total = 0;
  int32_t moves = 0;       // of a rebalance: under way
  int32_t moves_left = 0;  // and to follow
};

struct ClusterObserved {
  std::vector<kube::Object> owned;  // of the kinds that desired/ makes
  std::vector<PodFacts> pods;       // ascending by ordinal
  KafkaFacts kafka;
  std::optional<Answer> answer;       // to what the plan made of all else asks
  std::optional<WidestTopic> widest;  // looked at when Wishes say so, as is the next; none: nobody answered
  std::optional<QuorumFacts> quorum;
  std::vector<ClaimFacts> spare_claims;  // of ordinals that the set does not have, when they go with their broker
  std::string claimed_id;                // the cluster id that a claim of these brokers' data names, "" when none does

  const PodFacts* find_pod(int32_t ordinal) const {
    for (const PodFacts& pod : pods) {
      if (pod.ordinal == ordinal) return &pod;
    }
    return nullptr;
  }
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
