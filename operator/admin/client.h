#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"

namespace millrace::admin {

struct PartitionDescription {
  PartitionIndex index{};
  BrokerId leader = kNoBroker;
  std::vector<BrokerId> replicas;
  std::vector<BrokerId> in_sync;
};

struct TopicDescription {
  std::string name;
  Uuid id;
  std::vector<PartitionDescription> partitions;  // ascending by index
  bool is_internal = false;

  int32_t partition_count() const { return static_cast<int32_t>(partitions.size()); }
  // The replica count of all partitions; nothing when they differ.
  std::optional<int32_t> replica_count() const;
};

struct NewTopic {
  std::string name;
  int32_t partitions = 0;
  int32_t replicas = 0;
  std::map<std::string, std::string> config;
};

// A topic's configuration as set on the topic itself; what it takes from the broker or from defaults is not in it.
using TopicConfig = std::map<std::string, std::string>;

// One key of an incremental change: a value sets it, none removes it, so that the broker's default holds again.
struct ConfigChange {
  std::string key;
  std::optional<std::string> value;

  friend bool operator==(const ConfigChange&, const ConfigChange&) = default;
};

// One that has the metadata log: a broker with its data directory.
struct QuorumMember {
  BrokerId id = kNoBroker;
  Uuid directory;
  int64_t log_end = -1;  // -1: not known
};
struct QuorumDescription {
  int64_t high_watermark = -1;
  std::vector<QuorumMember> voters;
  std::vector<QuorumMember> observers;
};
struct NewVoter {
  BrokerId id = kNoBroker;
  Uuid directory;
  std::string host;  // where other brokers reach it
  uint16_t port = 0;
};

// What the operator asks of one Kafka cluster. Synchronous; every call ends within the deadline that the implementation
// was made with. One caller at a time per client. Errors:
//   connection_refused, timed_out, connection_closed, io   the cluster could not be reached: the same call may work
//     later
//   not_found             no such host
//   not_controller        the cluster has no controller now, or its brokers do not agree on one
//   unsupported_version   the broker serves no version of the API that we know
//   malformed             the answer could not be read
//   the others            the broker's refusal; context holds its message
class Client {
 public:
  virtual ~Client() = default;

  // All of them. Costs what the metadata of all topics does.
  virtual Result<std::vector<TopicDescription>> describe_topics() = 0;
  // Nothing when the topic does not exist.
  virtual Result<std::optional<TopicDescription>> describe_topic(const std::string& name) = 0;
  // unknown_topic_or_partition when it does not exist.
  virtual Result<TopicConfig> describe_topic_config(const std::string& name) = 0;

  // topic_already_exists; invalid_topic, invalid_partitions, invalid_replication_factor, invalid_config.
  virtual Status create_topic(const NewTopic& topic) = 0;
  // `count` is the new total. invalid_partitions when that is not more than there are.
  virtual Status grow_topic(const std::string& name, int32_t count) = 0;
  virtual Status alter_topic_config(const std::string& name, const std::vector<ConfigChange>& changes) = 0;
  // unknown_topic_or_partition when it does not exist.
  virtual Status delete_topic(const std::string& name) = 0;

  // Who votes on the metadata log, and who follows it.
  virtual Result<QuorumDescription> describe_quorum() = 0;
  // Returns when the broker votes; it needs all of the log first: timed_out when that takes longer than the client's
  // deadline allows, and then it does not vote. duplicate_voter.
  virtual Status add_voter(const NewVoter& voter) = 0;
  // voter_not_found.
  virtual Status remove_voter(BrokerId id, const Uuid& directory) = 0;
};

// Makes clients. The controller holds one; tests hand it a FakeCluster's.
class Connector {
 public:
  virtual ~Connector() = default;
  // `bootstrap` is "host:port[,host:port…]", as Kafka clients take it. Errors: invalid_argument. Nothing is connected
  // yet: the first call does.
  virtual Result<std::unique_ptr<Client>> connect(const std::string& bootstrap) = 0;
};

// Whether the error says that the cluster could not be asked, rather than that it refused.
bool is_unreachable(Errc code);

}  // namespace millrace::admin
