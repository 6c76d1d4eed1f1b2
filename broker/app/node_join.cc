#include <utility>

#include "broker/app/node_state.h"
#include "broker/base/logger.h"
#include "broker/metadata/features.h"
#include "broker/metadata/metadata_config.h"
#include "broker/replication/replication_config.h"

namespace millrace::app {
namespace {

const Logger kLog("app");

constexpr std::string_view kMetadataDirectory = "__cluster_metadata-0";
constexpr std::string_view kContactsFile = "quorum-contacts";
constexpr size_t kMessageOverheadMax = size_t{1} << 20;  // of a message between brokers beside its largest batch
constexpr std::chrono::seconds kForwardTimeout{30};      // for a client's request; then its own broker answers

}  // namespace

void Node::State::say(std::string what) {
  MutexLock lock(mutex);
  waits_for = std::move(what);
}

// A copied or emptied data directory is another broker under a known name.
// Who is admitted may have moved, or be new: where it is reached is what it says.
Status Node::State::admit(const rpc::Identity& caller) const {
  const metadata::ImagePointer image = images.load();
  const metadata::BrokerImage* known = image->find_broker(caller.node);
  if (known == nullptr || known->directory_id == caller.directory_id) {
    contacts->heard(caller.node, caller.incarnation, caller.at);
    return ok();
  }
  return Error{Errc::cluster_mismatch, "broker " + std::to_string(caller.node.value()) +
                                           " is registered with data directory " + known->directory_id.to_string() +
                                           ", not " + caller.directory_id.to_string()};
}

Status Node::State::open_rpc() {
  identity = {.cluster_id = dir->meta().cluster_id,
              .node = config.id,
              .directory_id = dir->meta().directory_id,
              .incarnation = random.uuid(),
              .at = config.rpc_advertised};
  if (identity.at.port == 0) identity.at.port = config.rpc.port;  // still 0: any free one, which nobody is told
  contacts = control::QuorumContacts::open(
      {.fs = &fs, .clock = &clock, .path = io::join_path(config.data_dir, kContactsFile), .configured = config.voters});
  // A batch came in a client's request, and goes on in a message with a few words about it.
  const size_t message_bytes_max =
      std::min<size_t>(static_cast<size_t>(server_config.request_bytes_max) + kMessageOverheadMax, INT32_MAX);
  channels = std::make_unique<rpc::Channels>(
      rpc::ChannelsOptions{.self = identity,
                           .address_of = [this](BrokerId broker) { return contacts->address_of(broker); },
                           .message_bytes_max = message_bytes_max});
  // The busiest first. A heartbeat, of the quorum or of a broker, must not wait behind record data.
  TRY_ASSIGN(replication_loop, rpc_loops.start("replication", clock));
  TRY_ASSIGN(quorum_loop, rpc_loops.start("quorum", clock));
  TRY_ASSIGN(control_loop, rpc_loops.start("control", clock));
  TRY_ASSIGN(quorum_disk, io::posix::EpollEventLoop::start("quorum-disk"));
  TRY_ASSIGN(quorum_apply, io::posix::EpollEventLoop::start("metadata"));
  raft_transport = std::make_unique<rpc::GrpcRaftTransport>(
      *channels, *quorum_loop, clock,
      [this](rpc::RaftMessage message) {
        raft::Node* node = raft_node.load(std::memory_order_acquire);
        if (node == nullptr) return;  // not yet: lost, as a message may be
        std::visit([node](auto& either) { node->deliver(std::move(either)); }, message);
      },
      [this](BrokerId broker) {
        if (raft_node.load(std::memory_order_acquire) == nullptr) return;
        quorum_apply->post([this, broker] { gone_watch->connection_broke(broker); });
      });
  peer_transport = std::make_unique<rpc::GrpcPeerTransport>(*channels, *replication_loop);
  controller_channel = std::make_unique<rpc::GrpcControllerChannel>(*channels);

  raft::NodeOptions node;
  node.core.self = {config.id, dir->meta().directory_id};
  node.core.seed = random.next();
  node.store = {.fs = &fs, .clock = &clock, .directory = io::join_path(config.data_dir, kMetadataDirectory)};
  node.cluster = dir->meta().cluster_id;
  for (const auto& [id, at] : config.voters) {
    node.core.contacts.push_back(id);
    if (config.voters.contains(config.id)) node.initial_voters.push_back(id);
  }
  node.clock = &clock;
  node.transport = raft_transport.get();
  node.driver_loop = quorum_loop.get();
  node.disk_loop = quorum_disk.get();
  node.apply_loop = quorum_apply.get();
  images.subscribe([this](const metadata::ImagePointer&, const metadata::ImagePointer& now) { on_image(now); });
  TRY_ASSIGN(quorum, control::MetadataQuorum::open({.node = std::move(node),
                                                    .images = &images,
                                                    .config = view,
                                                    .control_loop = control_loop.get(),
                                                    .new_uuid = [this] { return random.uuid(); },
                                                    .on_fatal = events.on_fatal,
                                                    .features = metadata::own_features(),
                                                    .metrics = &control_metrics,
                                                    .on_applied = [this] { contacts->set_current(); }}));
  forwarded = std::make_unique<server::ForwardedRequests>(services.handlers, services, *control_loop);
  quorum->host().serve_forwarded = [this](control::ForwardedRequest request, control::ControllerDone done) {
    forwarded->serve(std::move(request.frame), std::move(request.client_host), std::move(request.listener),
                     [done = std::move(done)](Result<Bytes> reply) {
                       if (!reply) return done(reply.error());
                       done(control::ControllerAnswer(control::ForwardedReply{std::move(*reply)}));
                     });
  };
  gone_watch = std::make_unique<control::GoneWatch>(control::GoneWatchOptions{
      .network = &network, .loop = quorum_apply.get(), .images = &images, .host = &quorum->host()});
  TRY(open_rpc_server(message_bytes_max));
  raft_node.store(&quorum->node(), std::memory_order_release);
  return ok();
}

Status Node::State::open_rpc_server(size_t message_bytes_max) {
  const rpc::Admission admission = [this](const rpc::Identity& caller) { return admit(caller); };
  controller_service = rpc::make_controller_service(identity, admission, quorum->host());
  // Before anybody can ask for the controller.
  controller_client = std::make_unique<control::ControllerClient>(
      control::ControllerClientOptions{.self = config.id,
                                       .loop = control_loop.get(),
                                       .clock = &clock,
                                       .channel = controller_channel.get(),
                                       .local = &quorum->host(),
                                       .leader = [this] { return quorum->leader(); },
                                       .metrics = &control_metrics});
  admin_service = rpc::make_admin_service(identity, admission, *this);
  TRY_ASSIGN(rpc_server,
             rpc::RpcServer::open(rpc_loops, {.at = config.rpc,
                                              .self = identity,
                                              .admission = admission,
                                              .unary_loop = control_loop.get(),
                                              .services = {controller_service.get(), admin_service.get()},
                                              .streams = {{rpc::GrpcRaftTransport::kMethod, raft_transport.get()},
                                                          {rpc::GrpcPeerTransport::kMethod, peer_transport.get()}},
                                              .message_bytes_max = message_bytes_max}));
  return ok();
}

Duration Node::State::session() const {
  return std::chrono::milliseconds(config_int(config.values, metadata::kBrokerSessionTimeoutMs));
}

// Asks the cluster for a place; on_registered() goes on.
Status Node::State::join() {
  controller = std::make_unique<control::ControllerProxy>(quorum->host(), *controller_client);
  producer_ids = std::make_unique<server::ProducerIds>(*controller, config.id);
  services.controller = controller.get();
  services.quorum = quorum.get();
  services.route = this;
  services.producer_ids = producer_ids.get();
  metadata::RegisterBroker registration{.id = config.id,
                                        .incarnation = identity.incarnation,
                                        .directory_id = identity.directory_id,
                                        .cluster_id = identity.cluster_id,
                                        .listeners = config.advertised,
                                        .rpc = {config.rpc_advertised.host, config.rpc_advertised.port},
                                        .rack = config.rack,
                                        .features = metadata::own_features(),
                                        .clean_start = dir->has_everything(),
                                        .previous_epoch = dir->last_epoch(),
                                        .fenced = true};
  const std::vector<server::ListenerOptions> bound = server->listeners();
  for (size_t i = 0; i < registration.listeners.size(); ++i) {
    if (registration.listeners[i].port == 0) registration.listeners[i].port = bound[i].at.port;
  }
  if (registration.rpc.port == 0) registration.rpc.port = rpc_server->at().port;
  lifecycle = std::make_unique<control::BrokerLifecycle>(
      control::BrokerLifecycleOptions{
          .client = controller_client.get(),
          .loop = control_loop.get(),
          .clock = &clock,
          .registration = std::move(registration),
          // Until this broker serves, it has nothing that the controller could count on.
          .metadata_offset = [this] { return is_serving ? images.load()->applied : Offset{-1}; },
          .session = session(),
          .heartbeat = std::chrono::milliseconds(config_int(config.values, metadata::kBrokerHeartbeatIntervalMs)),
          .metrics = &control_metrics,
          .failed_writes =
              [this] { return storage_metrics.append_failures.value() + storage_metrics.flush_failures.value(); }},
      *this);
  isr_changer = std::make_unique<control::IsrChanger>(*controller_client, *control_loop,
                                                      [this] { return std::pair(config.id, lifecycle->epoch()); });
  isr_keeper = std::make_unique<replication::IsrKeeper>(
      replication::IsrKeeperOptions{.loop = replication_loop.get(),
                                    .clock = &clock,
                                    .changes = isr_changer.get(),
                                    .metrics = &replication_metrics,
                                    .limits = replication::LagLimits::from(config.values, session())});
  say("is not registered: no controller has answered yet");
  lifecycle->start();
  return ok();
}

void Node::State::on_registered(int64_t epoch) {
  kLog.info("registered", {{"broker", config.id}, {"epoch", epoch}});
  say("waits for the metadata of its registration");
  quorum_apply->post([this] { begin_to_serve(); });
}

// On the apply loop, at every image until it holds the registration of this process: what an older image does not name
// might be taken for a stranger's.
void Node::State::begin_to_serve() {
  const metadata::ImagePointer image = images.load();
  const metadata::BrokerImage* self = image->find_broker(config.id);
  if (is_stopping || serving != Serving::waits || self == nullptr || self->incarnation != identity.incarnation) return;
  serving = Serving::opens;
  // Before the first link to a leader is opened, which says it once. The answer to the registration may come later.
  isr_keeper->set_broker_epoch(self->epoch);
  say("opens its partitions");
  background->post([this, image] { open_partitions(image); });
}

// On the background loop: it takes as long as there is to recover.
void Node::State::open_partitions(const metadata::ImagePointer& image) {
  auto opened = replication::PartitionManager::open({.fs = &fs,
                                                     .clock = &clock,
                                                     .background = background.get(),
                                                     .random = &random,
                                                     .dir = dir.get(),
                                                     .flusher = flusher.get(),
                                                     .files = files.get(),
                                                     .metrics = &storage_metrics,
                                                     .config = view,
                                                     .listener = &progress,
                                                     .isr_watch = isr_keeper.get()},
                                                    image);
  if (!opened) {
    if (events.on_fatal) events.on_fatal(opened.error());
    return;
  }
  partitions = std::move(*opened);
  replicator =
      std::make_unique<replication::Replicator>(replication::ReplicatorOptions{.partitions = partitions.get(),
                                                                               .isr_keeper = isr_keeper.get(),
                                                                               .transport = peer_transport.get(),
                                                                               .loops = {replication_loop.get()},
                                                                               .clock = &clock,
                                                                               .random = &random,
                                                                               .metrics = &replication_metrics,
                                                                               .config = view,
                                                                               .cluster_id = identity.cluster_id,
                                                                               .self = config.id,
                                                                               .incarnation = identity.incarnation,
                                                                               .session = session()});
  groups = std::make_unique<GroupHost>(GroupHostOptions{.clock = &clock,
                                                        .partitions = partitions.get(),
                                                        .loop = background.get(),
                                                        .config = coordinator::GroupConfig::from(config.values),
                                                        .metrics = &coordinator_metrics,
                                                        .new_uuid = [this] { return random.uuid(); },
                                                        .self = config.id});
  services.partitions = partitions.get();
  services.groups = &groups->coordinator();
  quorum_apply->post([this] {
    serving = Serving::serves;
    progress.groups.store(groups.get(), std::memory_order_release);
    on_image(images.load());
    replicator->start();
    partitions->start();
    is_serving.store(true, std::memory_order_release);
    say({});
    control_loop->post([this] {
      if (has_heard) replicator->set_isolated(is_isolated);  // what on_state() was told before there were partitions
    });
    lifecycle->hurry();
  });
}

void Node::State::on_image(const metadata::ImagePointer& now) {
  contacts->apply(*now);
  if (serving == Serving::waits) return begin_to_serve();
  if (serving == Serving::opens) return;
  partitions->apply(now);
  isr_keeper->apply(now);
  replicator->apply(now);
  groups->apply(*now);
}

// Clients are let in when the controller lets this broker in for the first time.
void Node::State::on_state(bool fenced, bool isolated) {
  is_fenced.store(fenced, std::memory_order_relaxed);
  if (is_isolated.exchange(isolated, std::memory_order_relaxed) != isolated) {
    isolated_since_ms.store(isolated ? clock.wall_ms() : kNoTimestamp, std::memory_order_relaxed);
  }
  has_heard = true;
  if (!is_serving) return;
  replicator->set_isolated(isolated);
  if (fenced || isolated) return;
  if (!accepting->open()) return;
  if (events.on_serving) events.on_serving();
}

void Node::State::on_refused(const Error& why) {
  say(why.to_string());
  if (events.on_refused) events.on_refused(why);
}

void Node::State::forward(Bytes frame, const server::RequestContext& context, Done done) {
  controller_client->call(
      control::ForwardedRequest{
          .frame = std::move(frame), .client_host = context.client_host(), .listener = context.connection->listener},
      kForwardTimeout, [done = std::move(done)](const Result<control::ControllerAnswer>& answer) {
        if (!answer) return done(answer.error());
        done(std::get<control::ForwardedReply>(*answer).frame);
      });
}

}  // namespace millrace::app
