#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/node_time.h"
#include "tests/sim/world.h"

#include "broker/app/group_host.h"
#include "broker/control/broker_lifecycle.h"
#include "broker/control/controller_proxy.h"
#include "broker/control/isr_changer.h"
#include "broker/control/metadata_quorum.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/metadata/image_store.h"
#include "broker/replication/partition_manager.h"
#include "broker/replication/replicator.h"
#include "broker/server/controller_route.h"
#include "broker/server/forwarded_requests.h"
#include "broker/server/handlers/fetch_session.h"
#include "broker/server/handlers/producer_ids.h"
#include "broker/server/purgatory.h"
#include "broker/server/server.h"
#include "broker/server/services.h"
#include "broker/storage/file_cache.h"
#include "broker/storage/flusher.h"

namespace millrace::sim {

inline constexpr uint16_t kClientPort = 9000;  // and the broker's id

// The machine that a process runs on; it outlives the process.
struct Machine {
  BrokerId id;
  std::vector<BrokerId> voters;  // that begin the cluster
  ConfigValues values;
  io::sim::SimFileSystem* fs = nullptr;
  NodeClock* clock = nullptr;
  io::sim::SimRandom* random = nullptr;
  std::string boot_id;  // another one after a loss of power
  NodeLoop::Around around;
};

// One process of a broker, from its start to its stop or crash, composed as broker/app composes it: all of it is
// product code but for the disk, the clocks and the networks. Every call between two steps.
class BrokerRun final : public control::BrokerLifecycleEvents,
                        public server::ControllerRoute,
                        public replication::PartitionListener {
 public:
  struct Events {
    std::function<void(const metadata::ImagePointer&)> on_image;  // within a step
    std::function<void(const Error&)> on_end;                     // it cannot go on; within a step, perhaps repeatedly
  };
  BrokerRun(World& world, const Machine& machine, Events events);
  ~BrokerRun() override;  // after crash() or once stop() is done

  Status start();
  // Hands over what it leads, answers what is owed, closes every log; then calls `done` between two steps.
  void stop(std::function<void()> done);
  // Nothing of it runs any more, and nothing that it does on the way is seen by anybody. The disk is dead already.
  void crash();

  void suspend(TimePoint until);
  bool is_serving() const { return is_serving_; }
  bool is_stopping() const { return is_stopping_; }
  control::MetadataQuorum* quorum() { return quorum_.get(); }
  metadata::ImagePointer image() const { return images_.load(); }
  const Uuid& incarnation() const { return incarnation_; }
  replication::PartitionManager* partitions() { return is_serving_ ? partitions_.get() : nullptr; }
  const replication::ReplicationMetrics& replication_metrics() const { return replication_metrics_; }

 private:
  std::vector<NodeLoop*> loops() const;
  Status open_quorum();
  void join();
  void on_image(const metadata::ImagePointer& now);
  void begin_to_serve();
  void open_partitions(const metadata::ImagePointer& image);
  void flush_soon();
  void stop_serving();
  void stop_cluster();
  void close_logs();
  void destroy();

  void on_registered(int64_t epoch) override;
  void on_state(bool fenced, bool isolated) override;
  void on_refused(const Error& why) override;
  bool is_here() const override { return quorum_->host().is_active(); }
  void forward(Bytes frame, const server::RequestContext& context, Done done) override;
  void on_progress(const replication::Partition& partition) override;
  void on_opened() override { purgatory_->wake(server::kPartitionsOpened); }

  World& world_;
  const Machine& machine_;
  const Events events_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  const metadata::BrokerConfigView view_;
  const server::ServerConfig server_config_;

  std::unique_ptr<NodeLoop> background_, quorum_loop_, quorum_disk_, quorum_apply_, control_loop_, replication_loop_,
      reactor_, flush_loop_;
  std::unique_ptr<storage::LogDir> dir_;
  storage::StorageMetrics storage_metrics_;
  std::unique_ptr<storage::FileCache> files_;
  std::unique_ptr<storage::Flusher> flusher_;
  std::unique_ptr<server::Purgatory> purgatory_;
  metadata::ImageStore images_;
  Uuid incarnation_;

  RaftLink raft_link_;
  ControllerLink controller_link_;
  replication::testing::SimPeerTransport peer_transport_;
  std::unique_ptr<control::MetadataQuorum> quorum_;
  std::unique_ptr<control::ControllerClient> controller_client_;
  std::unique_ptr<control::ControllerProxy> controller_;
  std::unique_ptr<control::IsrChanger> isr_changer_;
  std::unique_ptr<control::BrokerLifecycle> lifecycle_;
  replication::ReplicationMetrics replication_metrics_;
  std::unique_ptr<replication::IsrKeeper> isr_keeper_;
  std::unique_ptr<server::ForwardedRequests> forwarded_;

  std::unique_ptr<replication::PartitionManager> partitions_;
  std::unique_ptr<replication::Replicator> replicator_;
  coordinator::CoordinatorMetrics coordinator_metrics_;
  std::unique_ptr<app::GroupHost> groups_;
  std::unique_ptr<server::FetchSessionCache> sessions_;
  std::unique_ptr<server::ProducerIds> producer_ids_;
  server::Services services_;
  std::unique_ptr<server::Server> server_;

  enum class Serving : uint8_t { waits, opens, serves };
  Serving serving_ = Serving::waits;
  bool has_heard_ = false, is_fenced_ = true, is_isolated_ = true, is_open_ = false;
  bool is_stopping_ = false, is_serving_ = false;
  bool is_quorum_stopped_ = false;  // or is being stopped
  std::function<void()> stopped_;
};

}  // namespace millrace::sim
