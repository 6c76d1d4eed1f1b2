#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/uuid.h"
#include "broker/io/event_loop.h"
#include "broker/io/random.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/isr_keeper.h"
#include "broker/replication/partition_manager.h"
#include "broker/replication/peer_transport.h"
#include "broker/replication/replication_metrics.h"

namespace millrace::replication {

// All of it is borrowed and outlives the replicator.
struct ReplicatorOptions {
  PartitionManager* partitions = nullptr;
  IsrKeeper* isr_keeper = nullptr;  // the one that the partitions report to
  PeerTransport* transport = nullptr;
  std::vector<io::EventLoop*> loops;  // links are spread over them; they append and read logs
  Clock* clock = nullptr;
  io::Random* random = nullptr;
  ReplicationMetrics* metrics = nullptr;
  metadata::BrokerConfigView config;
  std::string cluster_id;
  BrokerId self;
  Uuid incarnation;
  Duration session = std::chrono::seconds(2);  // broker.session.timeout.ms
};

// Replication of this broker's partitions from and to other brokers. Made behind the PartitionManager; destroyed before
// it, once the loops have been stopped (or in the one thread that all of them run on).
class Replicator {
 public:
  explicit Replicator(ReplicatorOptions options);
  ~Replicator();

  // By the thread that publishes images, behind PartitionManager::apply() of the same one; also for the image that the
  // manager was opened with.
  void apply(metadata::ImagePointer image);
  // From now on links of other brokers are taken in.
  void start();
  // Whether no controller has answered for a session: see IsolationGuard. Any thread, in the order in which it is so.
  void set_isolated(bool isolated);
  // None is taken in any more; those that are open stay.
  void stop_accepting();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::replication
