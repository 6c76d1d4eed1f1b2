#include "broker/app/node.h"

#include <future>
#include <optional>
#include <thread>

#include "broker/app/app_config.h"
#include "broker/app/app_metrics.h"
#include "broker/app/group_host.h"
#include "broker/app/http_endpoints.h"
#include "broker/app/metadata_service.h"
#include "broker/base/logger.h"
#include "broker/io/posix/epoll_event_loop.h"
#include "broker/io/posix/epoll_network.h"
#include "broker/io/posix/kernel_random.h"
#include "broker/io/posix/posix_file_system.h"
#include "broker/io/posix/real_clock.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image_store.h"
#include "broker/replication/partition_manager.h"
#include "broker/server/handlers/fetch_session.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/producer_ids.h"
#include "broker/server/purgatory.h"
#include "broker/server/server.h"
#include "broker/server/services.h"
#include "broker/storage/file_cache.h"
#include "broker/storage/flusher.h"
#include "broker/storage/log_dir.h"
#include "broker/storage/storage_config.h"

namespace millrace::app {
namespace {

const Logger kLog("app");

constexpr std::string_view kMetadataDirectory = "__cluster_metadata-0";
constexpr Duration kStopGrace = std::chrono::seconds(5);  // for replies that are owed; what waits is answered at once

// Wakes what waits for a partition.
class Progress final : public replication::PartitionListener {
 public:
  void on_progress(const replication::Partition& partition) override {
    if (purgatory) purgatory->wake(server::watch_key(&partition));
    if (groups) groups->progress(partition);
  }
  server::Purgatory* purgatory = nullptr;
  GroupHost* groups = nullptr;
};

// Keeps a loop from running anything until it is opened: the kernel holds connections meanwhile.
class Gate {
 public:
  explicit Gate(io::EventLoop& loop) {
    loop.post([opened = opened_.get_future().share()] { opened.wait(); });
  }
  ~Gate() { open(); }
  void open() {
    if (!std::exchange(is_open_, true)) opened_.set_value();
  }

 private:
  std::promise<void> opened_;
  bool is_open_ = false;
};

}  // namespace

struct Node::State {
  State(NodeConfig node_config, std::function<void(const Error&)> when_fatal)
      : config(std::move(node_config)),
        on_fatal(std::move(when_fatal)),
        server_config(server::ServerConfig::from(config.values)) {}

  Status open_storage();
  Status start_controller();
  Status open_partitions();
  Status register_broker();
  Status open_server();
  Status open_http();
  std::string metrics() const;
  std::string readiness_note() const;
  Status stop();

  const NodeConfig config;
  const std::function<void(const Error&)> on_fatal;
  const server::ServerConfig server_config;
  metadata::BrokerConfigView view;

  io::posix::RealClock clock;
  io::posix::KernelRandom random;
  io::posix::PosixFileSystem fs;
  io::posix::EpollNetwork network;

  std::unique_ptr<storage::LogDir> dir;
  storage::StorageMetrics storage_metrics;
  std::unique_ptr<storage::FileCache> files;
  std::unique_ptr<storage::Flusher> flusher;

  std::unique_ptr<io::posix::EpollEventLoop> background;  // retention, compaction, group loading and timers
  std::unique_ptr<server::Purgatory> purgatory;
  Progress progress;

  std::unique_ptr<replication::PartitionManager> partitions;
  coordinator::CoordinatorMetrics coordinator_metrics;
  std::unique_ptr<GroupHost> groups;
  std::unique_ptr<MetadataService> metadata;

  std::unique_ptr<server::FetchSessionCache> sessions;
  std::unique_ptr<server::ProducerIds> producer_ids;
  server::Services services;
  std::vector<std::unique_ptr<io::posix::EpollEventLoop>> reactors;
  std::unique_ptr<server::Server> server;
  std::optional<Gate> accepting;  // of the loop that accepts
  std::unique_ptr<HttpEndpoints> http;
  bool stopped = false;
};

Status Node::State::open_storage() {
  TRY_ASSIGN(dir, storage::LogDir::open(fs, random,
                                        {.path = config.data_dir, .cluster_id = config.cluster_id, .node = config.id}));
  files =
      std::make_unique<storage::FileCache>(fs, static_cast<size_t>(config_int(config.values, storage::kOpenFilesMax)));
  flusher = std::make_unique<storage::Flusher>(fs, clock);
  TRY_ASSIGN(background, io::posix::EpollEventLoop::start("background"));
  purgatory = std::make_unique<server::Purgatory>(clock);
  progress.purgatory = purgatory.get();
  return ok();
}

Status Node::State::start_controller() {
  view = {.keys = all_config_keys(), .static_values = &config.values, .self = config.id};
  TRY_ASSIGN(metadata,
             MetadataService::open(
                 {.log = {.fs = &fs, .clock = &clock, .directory = io::join_path(config.data_dir, kMetadataDirectory)},
                  .random = &random,
                  .config = view,
                  .on_fatal = on_fatal}));
  metadata->images().subscribe([this](const metadata::ImagePointer&, const metadata::ImagePointer& now) {
    if (!partitions) return;  // the image that start-up itself reads
    partitions->apply(now);
    groups->apply(*now);
  });
  metadata->start();
  return ok();
}

Status Node::State::open_partitions() {
  TRY_ASSIGN(partitions, replication::PartitionManager::open({.fs = &fs,
                                                              .clock = &clock,
                                                              .background = background.get(),
                                                              .random = &random,
                                                              .dir = dir.get(),
                                                              .flusher = flusher.get(),
                                                              .files = files.get(),
                                                              .metrics = &storage_metrics,
                                                              .config = view,
                                                              .listener = &progress},
                                                             metadata->images().load()));
  groups = std::make_unique<GroupHost>(GroupHostOptions{.clock = &clock,
                                                        .partitions = partitions.get(),
                                                        .loop = background.get(),
                                                        .config = coordinator::GroupConfig::from(config.values),
                                                        .metrics = &coordinator_metrics,
                                                        .new_uuid = [this] { return random.uuid(); },
                                                        .self = config.id});
  progress.groups = groups.get();
  return ok();
}

// The advertised addresses are known once the listeners are bound.
Status Node::State::register_broker() {
  metadata::RegisterBroker command{.id = config.id,
                                   .incarnation = random.uuid(),
                                   .directory_id = dir->meta().directory_id,
                                   .listeners = config.advertised,
                                   .rack = config.rack,
                                   .clean_start = dir->was_clean()};
  const std::vector<server::ListenerOptions> bound = server->listeners();
  for (size_t i = 0; i < command.listeners.size(); ++i) {
    if (command.listeners[i].port == 0) command.listeners[i].port = bound[i].at.port;
  }
  TRY(metadata->initialize_and_register(dir->meta().cluster_id, std::move(command)));
  partitions->start();
  accepting->open();
  return ok();
}

Status Node::State::open_server() {
  sessions = std::make_unique<server::FetchSessionCache>(
      server::FetchSessionLimits{.slots = static_cast<size_t>(server_config.fetch_sessions_max)}, clock, random);
  producer_ids = std::make_unique<server::ProducerIds>(metadata->controller(), config.id);
  services = {.handlers = server::handlers::table(),
              .clock = &clock,
              .random = &random,
              .config = &server_config,
              .purgatory = purgatory.get(),
              .partitions = partitions.get(),
              .images = &metadata->images(),
              .fetch_sessions = sessions.get(),
              .producer_ids = producer_ids.get(),
              .controller = &metadata->controller(),
              .broker = &view,
              .groups = &groups->coordinator()};
  const size_t count = server_config.reactors > 0 ? static_cast<size_t>(server_config.reactors)
                                                  : std::max(1u, std::thread::hardware_concurrency());
  std::vector<io::EventLoop*> loops;
  for (size_t i = 0; i < count; ++i) {
    TRY_ASSIGN(auto loop, io::posix::EpollEventLoop::start("reactor-" + std::to_string(i)));
    loops.push_back(loop.get());
    reactors.push_back(std::move(loop));
  }
  accepting.emplace(*reactors.front());
  TRY_ASSIGN(server, server::Server::open({.network = &network,
                                           .loops = std::move(loops),
                                           .listeners = config.listeners,
                                           .config = server_config,
                                           .handlers = services.handlers,
                                           .services = &services}));
  return ok();
}

Status Node::State::open_http() {
  TRY_ASSIGN(http, HttpEndpoints::open({.at = config.http,
                                        .metrics = [this] { return metrics(); },
                                        .not_ready = [] { return std::string(); },  // opened last: all else serves
                                        .note = [this] { return readiness_note(); },
                                        .version = kBuildVersion}));
  return ok();
}

std::string Node::State::readiness_note() const {
  size_t offline = 0;
  for (const auto& partition : partitions->all()) offline += partition->is_offline();
  if (offline == 0) return {};
  return std::to_string(offline) + " partitions are offline: check the disk, then restart the broker";
}

std::string Node::State::metrics() const {
  MetricSources sources{.storage = &storage_metrics,
                        .coordinator = &coordinator_metrics,
                        .server = &server->metrics(),
                        .handlers = services.handlers,
                        .purgatory = purgatory.get(),
                        .version = kBuildVersion};
  sources.topics = static_cast<int64_t>(metadata->images().load()->topics().size());
  for (const auto& partition : partitions->all()) {
    ++sources.partitions;
    sources.log_bytes += static_cast<int64_t>(partition->size_bytes());
    sources.offline_partitions += partition->is_offline();
  }
  return metrics_page(sources);
}

Status Node::State::stop() {
  if (stopped) return ok();
  stopped = true;
  http.reset();
  accepting.reset();
  if (server) {
    // Members and fetches that wait are answered now; every reply that is owed leaves before its connection closes.
    purgatory->shut_down();
    groups->stop();
    std::promise<void> drained;
    auto all = drained.get_future();
    server->stop(kStopGrace, [&drained] { drained.set_value(); });
    all.wait();
  } else if (purgatory) {
    purgatory->shut_down();
  }
  if (groups) groups->stop();
  for (auto& loop : reactors) loop->stop();
  Status outcome = ok();
  if (metadata) outcome = metadata->stop();
  if (background) background->stop();
  if (partitions) {
    Status closed = partitions->close();
    if (outcome) outcome = std::move(closed);
  }
  if (flusher) flusher->stop();
  // Reactors and the background loop own tasks that refer to what follows, so the order of destruction is stated
  // here.
  server.reset();
  progress.groups = nullptr;
  groups.reset();
  partitions.reset();
  return outcome;
}

Node::Node(std::unique_ptr<State> state) : state_(std::move(state)) {}

Node::~Node() {
  const Status stopped = state_->stop();
  if (!stopped) kLog.error("the broker did not stop cleanly", {{"error", stopped.error().to_string()}});
}

Result<std::unique_ptr<Node>> Node::open(NodeConfig config, std::function<void(const Error&)> on_fatal) {
  // Made first: when a step fails, its destructor stops what the steps before it started.
  std::unique_ptr<Node> node(new Node(std::make_unique<State>(std::move(config), std::move(on_fatal))));
  State& state = *node->state_;
  TRY(state.open_storage());
  TRY(state.start_controller());
  TRY(state.open_partitions());
  TRY(state.open_server());
  TRY(state.register_broker());
  TRY(state.open_http());
  return node;
}

std::vector<server::ListenerOptions> Node::listeners() const { return state_->server->listeners(); }

io::Endpoint Node::http() const { return state_->http->at(); }

Status Node::stop() { return state_->stop(); }

const char* const kBuildVersion = MILLRACE_VERSION;

}  // namespace millrace::app
