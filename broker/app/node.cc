#include "broker/app/node.h"

#include <thread>

#include "broker/app/app_metrics.h"
#include "broker/app/node_state.h"
#include "broker/base/logger.h"
#include "broker/io/posix/boot_id.h"
#include "broker/server/handlers/handlers.h"
#include "broker/storage/storage_config.h"

namespace millrace::app {
namespace {

const Logger kLog("app");

}  // namespace

void Progress::on_progress(const replication::Partition& partition) {
  if (purgatory) purgatory->wake(server::watch_key(&partition));
  if (GroupHost* host = groups.load(std::memory_order_acquire)) host->progress(partition);
}

void Progress::on_opened() {
  if (purgatory) purgatory->wake(server::kPartitionsOpened);
}

Node::State::State(NodeConfig node_config, NodeEvents node_events)
    : config(std::move(node_config)),
      events(std::move(node_events)),
      server_config(server::ServerConfig::from(config.values)),
      view{.keys = all_config_keys(), .static_values = &config.values, .self = config.id} {}

Node::State::~State() = default;

Status Node::State::open_storage() {
  const auto known = storage::LogDir::read_meta(fs, config.data_dir);
  const bool is_alone = config.voters.size() == 1 && config.voters.begin()->first == config.id;
  if (!is_alone && config.cluster_id.empty() && known && !*known) {
    return Error{Errc::invalid_config,
                 "millrace.cluster.id is not set: brokers of one cluster need the same, any 22 characters of base64"};
  }
  TRY_ASSIGN(dir, storage::LogDir::open(fs, random,
                                        {.path = config.data_dir,
                                         .cluster_id = config.cluster_id,
                                         .node = config.id,
                                         .boot_id = io::posix::boot_id()}));
  files =
      std::make_unique<storage::FileCache>(fs, static_cast<size_t>(config_int(config.values, storage::kOpenFilesMax)));
  flusher = std::make_unique<storage::Flusher>(fs, clock);
  TRY_ASSIGN(background, io::posix::EpollEventLoop::start("background"));
  purgatory = std::make_unique<server::Purgatory>(clock);
  progress.purgatory = purgatory.get();
  return ok();
}

// The listeners are bound and answer nobody yet.
Status Node::State::open_server() {
  sessions = std::make_unique<server::FetchSessionCache>(
      server::FetchSessionLimits{.slots = static_cast<size_t>(server_config.fetch_sessions_max)}, clock, random);
  services.handlers = server::handlers::table();
  services.clock = &clock;
  services.random = &random;
  services.config = &server_config;
  services.purgatory = purgatory.get();
  services.images = &images;
  services.fetch_sessions = sessions.get();
  services.follower_reads = &follower_reads;
  services.broker = &view;
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
                                        .not_ready = [this] { return not_ready(); },
                                        .note = [this] { return readiness_note(); },
                                        .version = kBuildVersion}));
  return ok();
}

std::string Node::State::not_ready() const {
  if (!is_serving.load(std::memory_order_acquire)) {
    MutexLock lock(mutex);
    return waits_for;
  }
  if (is_isolated.load(std::memory_order_relaxed)) {
    const int64_t refusing = replication_metrics.refusing_partitions.value();
    return "no controller answers" + (refusing == 0 ? std::string()
                                                    : "; " + std::to_string(refusing) +
                                                          " partitions that this broker led refuse writes until one "
                                                          "does, for replicas that are in sync do not follow");
  }
  if (is_fenced.load(std::memory_order_relaxed)) return "the controller has not let this broker in yet";
  return {};
}

std::string Node::State::readiness_note() const {
  if (!is_serving.load(std::memory_order_acquire)) return {};
  size_t offline = 0;
  for (const auto& partition : partitions->all()) offline += partition->is_offline();
  if (offline == 0) return {};
  return std::to_string(offline) + " partitions are offline: check the disk, then restart the broker";
}

std::string Node::State::metrics() const {
  MetricSources sources{.storage = &storage_metrics,
                        .coordinator = &coordinator_metrics,
                        .server = &server->metrics(),
                        .follower_reads = &follower_reads,
                        .handlers = services.handlers,
                        .purgatory = purgatory.get(),
                        .control = &control_metrics,
                        .replication = &replication_metrics,
                        .raft = &quorum->node().metrics(),
                        .quorum = quorum->node().status(),
                        .image = images.load(),
                        .partitions = {},
                        .version = kBuildVersion};
  sources.is_controller = quorum->host().is_active();
  if (is_serving.load(std::memory_order_acquire)) {
    sources.is_isolated = is_isolated.load(std::memory_order_relaxed);
    sources.tail_bytes = partitions->tail_bytes();
    for (const auto& partition : partitions->all()) sources.partitions.add(partition->summary());
  }
  return metrics_page(sources);
}

Node::Node(std::unique_ptr<State> state) : state_(std::move(state)) {}

Node::~Node() {
  const Status stopped = state_->stop();
  if (!stopped) kLog.error("the broker did not stop cleanly", {{"error", stopped.error().to_string()}});
}

Result<std::unique_ptr<Node>> Node::open(NodeConfig config, NodeEvents events) {
  // Made first: when a step fails, its destructor stops what the steps before it started.
  std::unique_ptr<Node> node(new Node(std::make_unique<State>(std::move(config), std::move(events))));
  State& state = *node->state_;
  state.say("starts");
  TRY(state.open_storage());
  TRY(state.open_server());
  TRY(state.open_rpc());
  TRY(state.open_http());
  TRY(state.join());
  return node;
}

std::vector<server::ListenerOptions> Node::listeners() const { return state_->server->listeners(); }

io::Endpoint Node::http() const { return state_->http->at(); }

io::Endpoint Node::rpc() const { return state_->rpc_server->at(); }

Status Node::stop() { return state_->stop(); }

const char* const kBuildVersion = MILLRACE_VERSION;

}  // namespace millrace::app
