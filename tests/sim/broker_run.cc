#include "tests/sim/broker_run.h"

#include "broker/app/app_config.h"
#include "broker/metadata/features.h"
#include "broker/metadata/metadata_config.h"
#include "broker/replication/replication_config.h"
#include "broker/server/handlers/handlers.h"
#include "broker/storage/log_dir.h"

namespace millrace::sim {
namespace {

const std::string kDataDirectory = "/data";
const std::string kClusterId = "cluster-of-simulation-";  // 22 characters, as a real one
constexpr std::chrono::seconds kForwardTimeout{30};
constexpr Duration kFlushInterval = std::chrono::milliseconds(1);

}  // namespace

BrokerRun::BrokerRun(World& world, const Machine& machine, Events events)
    : world_(world),
      machine_(machine),
      events_(std::move(events)),
      view_{.keys = app::all_config_keys(), .static_values = &machine.values, .self = machine.id},
      server_config_(server::ServerConfig::from(machine.values)),
      raft_link_(world.links, machine.id),
      controller_link_(world.links, machine.id),
      peer_transport_(world.peers, machine.id) {
  for (auto* loop : {&background_, &quorum_loop_, &quorum_disk_, &quorum_apply_, &control_loop_, &replication_loop_,
                     &reactor_, &flush_loop_}) {
    *loop = std::make_unique<NodeLoop>(world.scheduler, *machine.clock, machine.around);
  }
}

std::vector<NodeLoop*> BrokerRun::loops() const {
  return {background_.get(),   quorum_loop_.get(),      quorum_disk_.get(), quorum_apply_.get(),
          control_loop_.get(), replication_loop_.get(), reactor_.get(),     flush_loop_.get()};
}

void BrokerRun::suspend(TimePoint until) {
  for (NodeLoop* loop : loops()) {
    if (loop != reactor_.get() || is_open_) loop->inner().pause_until(until);
  }
}

Status BrokerRun::start() {
  TRY_ASSIGN(dir_,
             storage::LogDir::open(
                 *machine_.fs, *machine_.random,
                 {.path = kDataDirectory, .cluster_id = kClusterId, .node = machine_.id, .boot_id = machine_.boot_id}));
  files_ = std::make_unique<storage::FileCache>(*machine_.fs, 64);
  flusher_ = std::make_unique<storage::Flusher>(*machine_.fs, *machine_.clock, 0);
  purgatory_ = std::make_unique<server::Purgatory>(*machine_.clock);
  sessions_ = std::make_unique<server::FetchSessionCache>(
      server::FetchSessionLimits{.slots = static_cast<size_t>(server_config_.fetch_sessions_max)}, *machine_.clock,
      *machine_.random);
  services_.handlers = server::handlers::table();
  services_.clock = machine_.clock;
  services_.random = machine_.random;
  services_.config = &server_config_;
  services_.purgatory = purgatory_.get();
  services_.images = &images_;
  services_.fetch_sessions = sessions_.get();
  services_.broker = &view_;
  // Bound, but nobody is answered yet.
  reactor_->inner().pause_until(TimePoint::max());
  const auto port = static_cast<uint16_t>(kClientPort + machine_.id.value());
  TRY_ASSIGN(server_, server::Server::open({.network = &world_.clients,
                                            .loops = {reactor_.get()},
                                            .listeners = {{"PLAINTEXT", {"broker", port}}},
                                            .config = server_config_,
                                            .handlers = services_.handlers,
                                            .services = &services_}));
  TRY(open_quorum());
  join();
  flush_soon();
  return ok();
}

Status BrokerRun::open_quorum() {
  incarnation_ = machine_.random->uuid();
  raft::NodeOptions node;
  node.core.self = {machine_.id, dir_->meta().directory_id};
  node.core.seed = machine_.random->next();
  node.core.trailing_entries = 40;
  node.store = {.fs = machine_.fs, .clock = machine_.clock, .directory = kDataDirectory + "/__cluster_metadata-0"};
  node.cluster = kClusterId;
  node.core.contacts = machine_.voters;
  for (const BrokerId voter : machine_.voters) {
    if (voter == machine_.id) node.initial_voters = machine_.voters;
  }
  node.clock = machine_.clock;
  node.transport = &raft_link_;
  node.driver_loop = quorum_loop_.get();
  node.disk_loop = quorum_disk_.get();
  node.apply_loop = quorum_apply_.get();
  node.snapshot_entries = 60;
  images_.subscribe([this](const metadata::ImagePointer&, const metadata::ImagePointer& now) { on_image(now); });
  TRY_ASSIGN(quorum_, control::MetadataQuorum::open({.node = std::move(node),
                                                     .images = &images_,
                                                     .config = view_,
                                                     .control_loop = control_loop_.get(),
                                                     .new_uuid = [this] { return machine_.random->uuid(); },
                                                     .on_fatal = events_.on_end,
                                                     .features = metadata::own_features()}));
  forwarded_ = std::make_unique<server::ForwardedRequests>(services_.handlers, services_, *control_loop_);
  quorum_->host().serve_forwarded = [this](control::ForwardedRequest request, control::ControllerDone done) {
    forwarded_->serve(std::move(request.frame), std::move(request.client_host), std::move(request.listener),
                      [done = std::move(done)](Result<Bytes> reply) {
                        if (!reply) return done(reply.error());
                        done(control::ControllerAnswer(control::ForwardedReply{std::move(*reply)}));
                      });
  };
  world_.links.open(machine_.id, {.raft = &quorum_->node(), .controller = &quorum_->host()});
  return ok();
}

void BrokerRun::join() {
  const auto session = std::chrono::milliseconds(config_int(machine_.values, metadata::kBrokerSessionTimeoutMs));
  controller_client_ = std::make_unique<control::ControllerClient>(
      control::ControllerClientOptions{.self = machine_.id,
                                       .loop = control_loop_.get(),
                                       .clock = machine_.clock,
                                       .channel = &controller_link_,
                                       .local = &quorum_->host(),
                                       .leader = [this] { return quorum_->leader(); }});
  controller_ = std::make_unique<control::ControllerProxy>(quorum_->host(), *controller_client_);
  producer_ids_ = std::make_unique<server::ProducerIds>(*controller_, machine_.id);
  services_.controller = controller_.get();
  services_.route = this;
  services_.producer_ids = producer_ids_.get();
  metadata::RegisterBroker registration{.id = machine_.id,
                                        .incarnation = incarnation_,
                                        .directory_id = dir_->meta().directory_id,
                                        .cluster_id = kClusterId,
                                        .rpc = {"broker", 1},
                                        .features = metadata::own_features(),
                                        .clean_start = dir_->has_everything(),
                                        .previous_epoch = dir_->last_epoch(),
                                        .fenced = true};
  const server::ListenerOptions listener = server_->listeners().front();
  registration.listeners = {{.listener = listener.name, .host = "broker", .port = listener.at.port}};
  lifecycle_ = std::make_unique<control::BrokerLifecycle>(
      control::BrokerLifecycleOptions{
          .client = controller_client_.get(),
          .loop = control_loop_.get(),
          .clock = machine_.clock,
          .registration = std::move(registration),
          .metadata_offset = [this] { return is_serving_ ? images_.load()->applied : Offset{-1}; },
          .session = session,
          .heartbeat = std::chrono::milliseconds(config_int(machine_.values, metadata::kBrokerHeartbeatIntervalMs)),
          .failed_writes =
              [this] { return storage_metrics_.append_failures.value() + storage_metrics_.flush_failures.value(); }},
      *this);
  isr_changer_ = std::make_unique<control::IsrChanger>(*controller_client_, *control_loop_,
                                                       [this] { return std::pair(machine_.id, lifecycle_->epoch()); });
  isr_keeper_ = std::make_unique<replication::IsrKeeper>(
      replication::IsrKeeperOptions{.loop = replication_loop_.get(),
                                    .clock = machine_.clock,
                                    .changes = isr_changer_.get(),
                                    .metrics = &replication_metrics_,
                                    .limits = replication::LagLimits::from(machine_.values, session)});
  lifecycle_->start();
}

void BrokerRun::on_registered(int64_t epoch) {
  world_.trace.line("broker " + std::to_string(machine_.id.value()) + " is registered, epoch " + std::to_string(epoch));
  quorum_apply_->post([this] { begin_to_serve(); });
}

void BrokerRun::begin_to_serve() {
  const metadata::ImagePointer image = images_.load();
  const metadata::BrokerImage* self = image->find_broker(machine_.id);
  if (is_stopping_ || serving_ != Serving::waits || self == nullptr || self->incarnation != incarnation_) return;
  serving_ = Serving::opens;
  isr_keeper_->set_broker_epoch(self->epoch);
  background_->post([this, image] { open_partitions(image); });
}

void BrokerRun::open_partitions(const metadata::ImagePointer& image) {
  auto opened = replication::PartitionManager::open({.fs = machine_.fs,
                                                     .clock = machine_.clock,
                                                     .background = background_.get(),
                                                     .random = machine_.random,
                                                     .dir = dir_.get(),
                                                     .flusher = flusher_.get(),
                                                     .files = files_.get(),
                                                     .metrics = &storage_metrics_,
                                                     .config = view_,
                                                     .listener = this,
                                                     .isr_watch = isr_keeper_.get(),
                                                     .threads = 1},
                                                    image);
  if (!opened) return events_.on_end(opened.error());
  partitions_ = std::move(*opened);
  const auto session = std::chrono::milliseconds(config_int(machine_.values, metadata::kBrokerSessionTimeoutMs));
  replicator_ =
      std::make_unique<replication::Replicator>(replication::ReplicatorOptions{.partitions = partitions_.get(),
                                                                               .isr_keeper = isr_keeper_.get(),
                                                                               .transport = &peer_transport_,
                                                                               .loops = {replication_loop_.get()},
                                                                               .clock = machine_.clock,
                                                                               .random = machine_.random,
                                                                               .metrics = &replication_metrics_,
                                                                               .config = view_,
                                                                               .cluster_id = kClusterId,
                                                                               .self = machine_.id,
                                                                               .incarnation = incarnation_,
                                                                               .session = session});
  groups_ =
      std::make_unique<app::GroupHost>(app::GroupHostOptions{.clock = machine_.clock,
                                                             .partitions = partitions_.get(),
                                                             .loop = background_.get(),
                                                             .config = coordinator::GroupConfig::from(machine_.values),
                                                             .metrics = &coordinator_metrics_,
                                                             .new_uuid = [this] { return machine_.random->uuid(); },
                                                             .self = machine_.id});
  services_.partitions = partitions_.get();
  services_.groups = &groups_->coordinator();
  quorum_apply_->post([this] {
    serving_ = Serving::serves;
    on_image(images_.load());
    replicator_->start();
    partitions_->start();
    is_serving_ = true;
    control_loop_->post([this] {
      if (has_heard_) replicator_->set_isolated(is_isolated_);
    });
    lifecycle_->hurry();
  });
}

void BrokerRun::on_image(const metadata::ImagePointer& now) {
  if (serving_ == Serving::waits) begin_to_serve();
  if (serving_ == Serving::serves) {
    partitions_->apply(now);
    isr_keeper_->apply(now);
    replicator_->apply(now);
    groups_->apply(*now);
  }
  if (*alive_) events_.on_image(now);
}

void BrokerRun::on_state(bool fenced, bool isolated) {
  is_fenced_ = fenced, is_isolated_ = isolated;
  has_heard_ = true;
  if (!is_serving_) return;
  replicator_->set_isolated(isolated);
  if (fenced || isolated || std::exchange(is_open_, true)) return;
  world_.trace.line("broker " + std::to_string(machine_.id.value()) + " serves");
  reactor_->inner().pause_until({});
}

void BrokerRun::on_refused(const Error& why) { events_.on_end(why); }

void BrokerRun::forward(Bytes frame, const server::RequestContext& context, Done done) {
  controller_client_->call(
      control::ForwardedRequest{
          .frame = std::move(frame), .client_host = context.client_host(), .listener = context.connection->listener},
      kForwardTimeout, [done = std::move(done)](const Result<control::ControllerAnswer>& answer) {
        if (!answer) return done(answer.error());
        done(std::get<control::ForwardedReply>(*answer).frame);
      });
}

void BrokerRun::on_progress(const replication::Partition& partition) {
  purgatory_->wake(server::watch_key(&partition));
  if (groups_ && serving_ == Serving::serves) groups_->progress(partition);
}

// The flusher's threads.
void BrokerRun::flush_soon() {
  flusher_->run_due();
  flush_loop_->run_after(kFlushInterval, [this] { flush_soon(); });
}

}  // namespace millrace::sim
