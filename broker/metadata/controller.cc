#include "broker/metadata/controller.h"

#include <utility>

#include "broker/machine/runner.h"
#include "broker/metadata/controller_state.h"
#include "broker/metadata/decisions.h"
#include "broker/metadata/moves.h"

namespace millrace::metadata {
namespace {

// Records of the largest command (10,000 partitions of many replicas) fit one batch.
constexpr machine::RunnerLimits kLimits{.commands_max = 10'000, .batch_bytes_max = 8u << 20};

Decision<Result<MovePlan>> decide_plan(const ControllerState& state, std::optional<BrokerId> decommission) {
  Decision<Result<MovePlan>> decision{.records = {}, .reply = MovePlan{}, .also = {}};
  if (!decommission) {
    decision.reply = plan_rebalance(state.image(), kPlannedMovesMax);
  } else if (state.image().find_broker(*decommission) == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, "broker " + std::to_string(decommission->value())};
  } else {
    decision.reply = plan_decommission(state, *decommission, kPlannedMovesMax);
  }
  return decision;
}

class MachineController final : public LocalController {
 public:
  explicit MachineController(ControllerOptions options)
      : config_(options.config),
        new_uuid_(std::move(options.new_uuid)),
        quorum_(std::move(options.quorum)),
        clock_(*options.clock) {
    options.recovered.set_controller(config_.self);
    const Offset next = options.recovered.current().applied.next();
    machine_ = std::make_unique<machine::Runner<ControllerState>>(
        machine::RunnerOptions<ControllerState>{.log = options.log,
                                                .clock = options.clock,
                                                .limits = kLimits,
                                                .state = ControllerState(std::move(options.recovered), clock_.now()),
                                                .next = next,
                                                .on_failed = std::move(options.on_failed)});
  }

  void create_topics(CreateTopics command, Done<CreateTopicsReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void delete_topics(DeleteTopics command, Done<DeleteTopicsReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void create_partitions(CreatePartitions command, Done<CreatePartitionsReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void alter_configs(AlterConfigs command, Done<AlterConfigsReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void register_broker(RegisterBroker command, Done<RegisterBrokerReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void set_fenced(SetFenced command, Done<Unit> done) override { submit(command, std::move(done)); }
  void note_gone(BrokerGone command, Done<Unit> done) override { submit(command, std::move(done)); }
  void unregister_broker(UnregisterBroker command, Done<Unit> done) override { submit(command, std::move(done)); }
  void broker_heartbeat(BrokerHeartbeat command, Done<BrokerHeartbeatReply> done) override {
    submit(command, std::move(done));
  }
  void alter_partition(AlterPartition command, Done<AlterPartitionReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void elect_leaders(ElectLeaders command, Done<ElectLeadersReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void alter_reassignments(AlterReassignments command, Done<AlterReassignmentsReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void update_features(UpdateFeatures command, Done<UpdateFeaturesReply> done) override {
    submit(std::move(command), std::move(done));
  }
  void may_stop(MayStop command, Done<MayStopReply> done) override { submit(std::move(command), std::move(done)); }
  void release_permit(ReleasePermit command, Done<Unit> done) override { submit(std::move(command), std::move(done)); }
  void decommission(Decommission command, Done<Unit> done) override { submit(command, std::move(done)); }
  void cancel_decommission(CancelDecommission command, Done<Unit> done) override { submit(command, std::move(done)); }
  void drain_leadership(DrainLeadership command, Done<DrainLeadershipReply> done) override {
    submit(command, std::move(done));
  }
  void rebalance(Rebalance command, Done<MovePlan> done) override { submit(command, std::move(done)); }
  void plan_moves(std::optional<BrokerId> decommission, Done<MovePlan> done) override {
    submit_with([decommission](const ControllerState& state, machine::Now) { return decide_plan(state, decommission); },
                std::move(done));
  }
  void describe_cluster(Done<ClusterReport> done) override {
    machine_->submit(
        [this](const ControllerState& state, machine::Now now) {
          return Decision<ClusterReport>{
              .records = {}, .reply = report_of(state, now, quorum_of(context_at(now))), .also = {}};
        },
        std::move(done));
  }
  void set_voters(SetVoters command, Done<Unit> done) override { submit(std::move(command), std::move(done)); }
  void allocate_producer_ids(AllocateProducerIds command, Done<ProducerIdBlock> done) override {
    submit(command, std::move(done));
  }
  void tick(Done<TickReply> done) override { submit(Tick{}, std::move(done)); }
  void decommission_progress(BrokerId node, Done<DecommissionProgress> done) override {
    machine_->submit(
        [node](const ControllerState& state, machine::Now now) {
          return Decision<DecommissionProgress>{
              .records = {}, .reply = metadata::decommission_progress(state, node, now.monotonic), .also = {}};
        },
        std::move(done));
  }
  void ensure_offsets_topic(Done<int32_t> done) override {
    submit_with([this](const ControllerState& state,
                       machine::Now now) { return decide_offsets_topic(state.image(), context_at(now)); },
                std::move(done));
  }
  void initialize(std::string cluster_id, FeatureRanges features, Done<Unit> done) override {
    submit_with([cluster_id = std::move(cluster_id), features = std::move(features)](
                    const ControllerState& state,
                    machine::Now) { return decide_initialization(state.image(), cluster_id, features); },
                std::move(done));
  }

  void stop() override { machine_->stop(); }

 private:
  DecisionContext context_at(machine::Now now) const {
    return {.config = config_, .new_uuid = new_uuid_, .now = now, .quorum = quorum_};
  }
  // Each command's decision takes what it needs.
  template <class Command, class Reply>
  void submit(Command command, Done<Reply> done) {
    submit_with(
        [this, command = std::move(command)](const ControllerState& state, machine::Now now) {
          [[maybe_unused]] const DecisionContext context = context_at(now);
          if constexpr (requires { decide(state, command, context); }) {
            return decide(state, command, context);
          } else if constexpr (requires { decide(state.image(), command, context); }) {
            return decide(state.image(), command, context);
          } else {
            return decide(state.image(), command);
          }
        },
        std::move(done));
  }
  // A reply that is itself a Result is answered as one: one level is enough for the caller.
  template <class Decide, class Reply>
  void submit_with(Decide decide_on, Done<Reply> done) {
    using Decided = decltype(std::invoke_result_t<Decide&, const ControllerState&, machine::Now>::reply);
    if constexpr (std::is_same_v<Decided, Reply>) {
      machine_->submit(std::move(decide_on), std::move(done));
    } else {
      machine_->submit(std::move(decide_on), [done = std::move(done)](Result<Decided> answer) {
        if (answer) {
          done(std::move(*answer));
        } else {
          done(std::move(answer).error());
        }
      });
    }
  }

  const BrokerConfigView config_;
  const std::function<Uuid()> new_uuid_;
  const std::function<QuorumView()> quorum_;
  const Clock& clock_;
  std::unique_ptr<machine::Runner<ControllerState>> machine_;
};

}  // namespace

std::unique_ptr<LocalController> LocalController::start(ControllerOptions options) {
  return std::make_unique<MachineController>(std::move(options));
}

}  // namespace millrace::metadata
