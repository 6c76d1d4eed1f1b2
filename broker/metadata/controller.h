#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/machine/log_writer.h"
#include "broker/metadata/cluster_report.h"
#include "broker/metadata/commands.h"
#include "broker/metadata/decisions.h"
#include "broker/metadata/image_builder.h"
#include "broker/metadata/topic_config.h"

namespace millrace::metadata {

// What handlers and the app ask of the controller. Every call returns at once; `done` is called exactly once, on the
// thread that committed the answer (a handler posts to its own loop). Thread-safe. Errors of the whole call:
// overloaded, message_too_large, shutting_down, or the metadata log's (storage_offline, io, disk_full: the outcome is
// unknown).
class Controller {
 public:
  template <class Reply>
  using Done = std::function<void(Result<Reply>)>;

  virtual ~Controller() = default;
  virtual void create_topics(CreateTopics command, Done<CreateTopicsReply> done) = 0;
  virtual void delete_topics(DeleteTopics command, Done<DeleteTopicsReply> done) = 0;
  virtual void create_partitions(CreatePartitions command, Done<CreatePartitionsReply> done) = 0;
  virtual void alter_configs(AlterConfigs command, Done<AlterConfigsReply> done) = 0;
  virtual void register_broker(RegisterBroker command, Done<RegisterBrokerReply> done) = 0;
  virtual void set_fenced(SetFenced command, Done<Unit> done) = 0;
  virtual void unregister_broker(UnregisterBroker command, Done<Unit> done) = 0;
  virtual void broker_heartbeat(BrokerHeartbeat command, Done<BrokerHeartbeatReply> done) = 0;
  virtual void alter_partition(AlterPartition command, Done<AlterPartitionReply> done) = 0;
  virtual void elect_leaders(ElectLeaders command, Done<ElectLeadersReply> done) = 0;
  virtual void alter_reassignments(AlterReassignments command, Done<AlterReassignmentsReply> done) = 0;
  virtual void update_features(UpdateFeatures command, Done<UpdateFeaturesReply> done) = 0;
  virtual void may_stop(MayStop command, Done<MayStopReply> done) = 0;
  virtual void release_permit(ReleasePermit command, Done<Unit> done) = 0;
  virtual void decommission(Decommission command, Done<Unit> done) = 0;
  virtual void cancel_decommission(CancelDecommission command, Done<Unit> done) = 0;
  virtual void decommission_progress(BrokerId node, Done<DecommissionProgress> done) = 0;
  virtual void allocate_producer_ids(AllocateProducerIds command, Done<ProducerIdBlock> done) = 0;
  // Makes __consumer_offsets as the offsets.topic.* keys say, unless it exists; answers its number of partitions.
  virtual void ensure_offsets_topic(Done<int32_t> done) = 0;
};

struct ControllerOptions {
  machine::LogWriter* log = nullptr;
  const Clock* clock = nullptr;
  BrokerConfigView config;
  std::function<Uuid()> new_uuid;      // random; called by decisions, so that replay never needs it
  std::function<QuorumView()> quorum;  // as it is now; called by few decisions, must not block. May be empty
  ImageBuilder recovered;              // the log's records applied
  // The log failed: commands are refused from now on. See machine::RunnerOptions.
  std::function<void(const Error&)> on_failed;
};

// The controller of a cluster whose metadata log this process writes. A new log must first get its cluster id:
// initialize().
class LocalController : public Controller {
 public:
  // Stops the machine; close the log writer before.
  virtual ~LocalController() = default;
  static std::unique_ptr<LocalController> start(ControllerOptions options);

  // Writes the cluster id, and levels of the features, unless the log has an id; cluster_mismatch when it is another.
  virtual void initialize(std::string cluster_id, FeatureRanges features, Done<Unit> done) = 0;
  // Every kTickInterval, and again at once when the answer says so: fences brokers that are silent, elects, expires
  // permits, moves replicas. Ticks farther apart than half a session fence nobody. A cluster of one needs none.
  virtual void tick(Done<TickReply> done) = 0;
  // conflict: it is not believed (BrokerGone).
  virtual void note_gone(BrokerGone command, Done<Unit> done) = 0;
  virtual void drain_leadership(DrainLeadership command, Done<DrainLeadershipReply> done) = 0;
  virtual void rebalance(Rebalance command, Done<MovePlan> done) = 0;
  // All that a decommission of the broker, or without one a rebalance, would move; kPlannedMovesMax of them are listed.
  virtual void plan_moves(std::optional<BrokerId> decommission, Done<MovePlan> done) = 0;
  virtual void describe_cluster(Done<ClusterReport> done) = 0;
  virtual void set_voters(SetVoters command, Done<Unit> done) = 0;  // after each change of the quorum
  virtual void stop() = 0;                                          // as machine::Runner::stop()
};

}  // namespace millrace::metadata
