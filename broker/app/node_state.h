#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/app/app_config.h"
#include "broker/app/group_host.h"
#include "broker/app/http_endpoints.h"
#include "broker/app/node.h"
#include "broker/control/broker_lifecycle.h"
#include "broker/control/controller_proxy.h"
#include "broker/control/gone_watch.h"
#include "broker/control/isr_changer.h"
#include "broker/control/metadata_quorum.h"
#include "broker/control/quorum_contacts.h"
#include "broker/io/posix/epoll_event_loop.h"
#include "broker/io/posix/epoll_network.h"
#include "broker/io/posix/kernel_random.h"
#include "broker/io/posix/posix_file_system.h"
#include "broker/io/posix/real_clock.h"
#include "broker/metadata/controller_state.h"
#include "broker/metadata/image_store.h"
#include "broker/replication/partition_manager.h"
#include "broker/replication/replicator.h"
#include "broker/rpc/admin_service.h"
#include "broker/rpc/controller_channel.h"
#include "broker/rpc/peer_transport.h"
#include "broker/rpc/raft_transport.h"
#include "broker/rpc/rpc_server.h"
#include "broker/server/controller_route.h"
#include "broker/server/forwarded_requests.h"
#include "broker/server/handlers/fetch_session.h"
#include "broker/server/handlers/producer_ids.h"
#include "broker/server/purgatory.h"
#include "broker/server/server.h"
#include "broker/server/services.h"
#include "broker/storage/file_cache.h"
#include "broker/storage/flusher.h"
#include "broker/storage/log_dir.h"

namespace millrace::app {

// Wakes what waits for a partition.
class Progress final : public replication::PartitionListener {
 public:
  void on_progress(const replication::Partition& partition) override;
  void on_opened() override;
  server::Purgatory* purgatory = nullptr;
  std::atomic<GroupHost*> groups{nullptr};
};

// Keeps a loop from running anything until it is opened: the kernel holds connections meanwhile.
class Gate {
 public:
  explicit Gate(io::EventLoop& loop) {
    loop.post([opened = opened_.get_future().share()] { opened.wait(); });
  }
  ~Gate() { open(); }
  bool open() {  // false when it was open
    if (is_open_.exchange(true)) return false;
    opened_.set_value();
    return true;
  }

 private:
  std::promise<void> opened_;
  std::atomic<bool> is_open_{false};
};

// Everything a running broker consists of, in the order in which it is made. node.cc makes what stands alone,
// node_join.cc makes it a member of the cluster, node_stop.cc takes it apart. node_admin.cc: what operators are told.
struct Node::State final : control::BrokerLifecycleEvents, server::ControllerRoute, rpc::AdminBackend {
  State(NodeConfig node_config, NodeEvents node_events);
  ~State() override;

  // node.cc
  Status open_storage();
  Status open_server();
  Status open_http();
  std::string metrics() const;
  std::string not_ready() const;
  std::string readiness_note() const;

  // node_join.cc
  Status open_rpc();
  Status open_rpc_server(size_t message_bytes_max);
  Status join();
  Status admit(const rpc::Identity& caller) const;
  void begin_to_serve();
  void open_partitions(const metadata::ImagePointer& image);
  void on_image(const metadata::ImagePointer& now);
  Duration session() const;    // broker.session.timeout.ms
  void say(std::string what);  // what a start waits for
  void on_registered(int64_t epoch) override;
  void on_state(bool fenced, bool isolated) override;
  void on_refused(const Error& why) override;
  bool is_here() const override { return quorum->host().is_active(); }
  void forward(Bytes frame, const server::RequestContext& context, Done done) override;

  // node_admin.cc
  rpc::BrokerSelf self() const override;
  metadata::ClusterReport last_seen() const override EXCLUDES(seen_mutex);
  void ask(control::ControllerCall call, Duration timeout, control::ControllerDone done) override;

  // node_stop.cc
  Status stop();
  void leave();
  void end_join();
  void stop_serving();
  void stop_cluster();

  const NodeConfig config;
  const NodeEvents events;
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
  metadata::ImageStore images;

  // The way to other brokers.
  rpc::Identity identity;
  std::unique_ptr<control::QuorumContacts> contacts;
  std::unique_ptr<rpc::Channels> channels;
  rpc::RpcLoops rpc_loops;
  std::unique_ptr<rpc::QueueEventLoop> replication_loop, quorum_loop, control_loop;
  std::unique_ptr<io::posix::EpollEventLoop> quorum_disk, quorum_apply;
  std::unique_ptr<rpc::GrpcRaftTransport> raft_transport;
  std::unique_ptr<rpc::GrpcPeerTransport> peer_transport;
  std::unique_ptr<rpc::GrpcControllerChannel> controller_channel;
  std::unique_ptr<rpc::UnaryService> controller_service, admin_service;
  std::unique_ptr<rpc::RpcServer> rpc_server;

  // The cluster.
  std::atomic<raft::Node*> raft_node{nullptr};  // once messages may come and connections may break
  std::unique_ptr<control::MetadataQuorum> quorum;
  std::unique_ptr<control::GoneWatch> gone_watch;
  std::unique_ptr<control::ControllerClient> controller_client;
  std::unique_ptr<control::ControllerProxy> controller;
  std::unique_ptr<control::IsrChanger> isr_changer;
  std::unique_ptr<control::BrokerLifecycle> lifecycle;
  control::ControlMetrics control_metrics;
  replication::ReplicationMetrics replication_metrics;
  std::unique_ptr<replication::IsrKeeper> isr_keeper;
  std::unique_ptr<server::ForwardedRequests> forwarded;

  // Made once this broker is registered and has the image of its registration.
  std::unique_ptr<replication::PartitionManager> partitions;
  std::unique_ptr<replication::Replicator> replicator;
  coordinator::CoordinatorMetrics coordinator_metrics;
  std::unique_ptr<GroupHost> groups;

  std::unique_ptr<server::FetchSessionCache> sessions;
  std::unique_ptr<server::ProducerIds> producer_ids;
  server::FollowerReadMetrics follower_reads;
  server::Services services;
  std::vector<std::unique_ptr<io::posix::EpollEventLoop>> reactors;
  std::unique_ptr<server::Server> server;
  std::optional<Gate> accepting;  // of the loop that accepts
  std::unique_ptr<HttpEndpoints> http;

  enum class Serving : uint8_t { waits, opens, serves };
  Serving serving = Serving::waits;      // the apply loop's
  bool has_heard = false;                // on_state() was told; the control loop's
  std::atomic<bool> is_stopping{false};  // nothing is begun any more
  std::atomic<bool> is_serving{false};   // partitions and groups are there
  std::atomic<bool> is_fenced{true};
  std::atomic<bool> is_isolated{true};
  std::atomic<Timestamp> isolated_since_ms{clock.wall_ms()};
  mutable Mutex mutex;
  std::string waits_for GUARDED_BY(mutex);  // why it does not serve yet
  bool stopped = false;

  // The image that last_seen() was asked about last, indexed: without a controller it is the same again and again.
  mutable Mutex seen_mutex;
  mutable metadata::ImagePointer seen_image GUARDED_BY(seen_mutex);
  mutable std::shared_ptr<const metadata::ControllerState> seen_state GUARDED_BY(seen_mutex);
};

}  // namespace millrace::app
