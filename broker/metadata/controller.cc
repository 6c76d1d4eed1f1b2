#include "broker/metadata/controller.h"

#include <utility>

#include "broker/machine/runner.h"
#include "broker/metadata/decisions.h"

namespace millrace::metadata {
namespace {

// Records of the largest command (10,000 partitions of many replicas) fit one batch.
constexpr machine::RunnerLimits kLimits{.commands_max = 10'000, .batch_bytes_max = 8u << 20};

struct State {
  ImageBuilder builder;
  void apply(Offset offset, const machine::Record& record) { builder.apply(offset, record); }
};

class MachineController final : public LocalController {
 public:
  explicit MachineController(ControllerOptions options)
      : context_{.config = options.config, .new_uuid = std::move(options.new_uuid)}, images_(*options.images) {
    options.recovered.set_controller(context_.config.self);
    images_.publish(options.recovered.image());
    const Offset next = options.recovered.current().applied.next();
    machine_ = std::make_unique<machine::Runner<State>>(
        machine::RunnerOptions<State>{.log = options.log,
                                      .clock = options.clock,
                                      .limits = kLimits,
                                      .state = State{std::move(options.recovered)},
                                      .next = next,
                                      .publication = [this](State& state) -> std::function<void()> {
                                        return [this, image = state.builder.image()] { images_.publish(image); };
                                      },
                                      .on_failed = std::move(options.on_failed)});
  }

  void create_topics(CreateTopics command, Done<CreateTopicsReply> done) override {
    submit_with_context(std::move(command), std::move(done));
  }
  void delete_topics(DeleteTopics command, Done<DeleteTopicsReply> done) override {
    submit_with_context(std::move(command), std::move(done));
  }
  void create_partitions(CreatePartitions command, Done<CreatePartitionsReply> done) override {
    submit_with_context(std::move(command), std::move(done));
  }
  void alter_configs(AlterConfigs command, Done<AlterConfigsReply> done) override {
    submit_with_context(std::move(command), std::move(done));
  }
  void register_broker(RegisterBroker command, Done<RegisterBrokerReply> done) override {
    submit_flat<RegisterBrokerReply>(
        [command = std::move(command)](const ClusterImage& image) { return decide(image, command); }, std::move(done));
  }
  void set_fenced(SetFenced command, Done<Unit> done) override {
    submit_flat<Unit>([command](const ClusterImage& image) { return decide(image, command); }, std::move(done));
  }
  void unregister_broker(UnregisterBroker command, Done<Unit> done) override {
    submit_flat<Unit>([command](const ClusterImage& image) { return decide(image, command); }, std::move(done));
  }
  void allocate_producer_ids(AllocateProducerIds command, Done<ProducerIdBlock> done) override {
    submit_flat<ProducerIdBlock>([command](const ClusterImage& image) { return decide(image, command); },
                                 std::move(done));
  }
  void ensure_offsets_topic(Done<int32_t> done) override {
    submit_flat<int32_t>([this](const ClusterImage& image) { return decide_offsets_topic(image, context_); },
                         std::move(done));
  }
  void initialize(std::string cluster_id, Done<Unit> done) override {
    submit_flat<Unit>([cluster_id = std::move(cluster_id)](
                          const ClusterImage& image) { return decide_initialization(image, cluster_id); },
                      std::move(done));
  }

  void restart(ImageBuilder recovered) override {
    recovered.set_controller(context_.config.self);
    const Offset next = recovered.current().applied.next();
    images_.publish(recovered.image());  // a command whose outcome was unknown may be in it; the machine stands still
    machine_->restart(State{std::move(recovered)}, next);
  }
  void stop() override { machine_->stop(); }

 private:
  template <class Command, class Reply>
  void submit_with_context(Command command, Done<Reply> done) {
    machine_->submit(
        [this, command = std::move(command)](const State& state, machine::Now) {
          return decide(state.builder.current(), command, context_);
        },
        std::move(done));
  }
  // For decisions whose reply is itself a Result: one level is enough for the caller.
  template <class Reply, class Decide>
  void submit_flat(Decide decide_on, Done<Reply> done) {
    machine_->submit([decide_on = std::move(decide_on)](const State& state,
                                                        machine::Now) { return decide_on(state.builder.current()); },
                     [done = std::move(done)](Result<Result<Reply>> answer) {
                       if (answer) {
                         done(std::move(*answer));
                       } else {
                         done(std::move(answer).error());
                       }
                     });
  }

  const DecisionContext context_;
  ImageStore& images_;
  std::unique_ptr<machine::Runner<State>> machine_;
};

}  // namespace

std::unique_ptr<LocalController> LocalController::start(ControllerOptions options) {
  return std::make_unique<MachineController>(std::move(options));
}

}  // namespace millrace::metadata
