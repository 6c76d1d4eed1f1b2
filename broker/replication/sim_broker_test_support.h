#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/io/sim/sim_file_system.h"
#include "broker/replication/replication_config.h"
#include "broker/replication/replication_test_support.h"
#include "broker/replication/replicator.h"
#include "broker/replication/sim_peer_network_test_support.h"
#include "broker/replication/toy_controller_test_support.h"

namespace millrace::replication::testing {

inline constexpr Duration kHeartbeat = std::chrono::milliseconds(100);
inline constexpr Duration kIsolatedAfter = std::chrono::milliseconds(1800);  // session of ToyController's users: 2 s

// A broker's disk, and while it runs its partitions and their replication. Starts fenced from nothing but its disk and
// the newest image that it had.
class SimBroker {
 public:
  SimBroker(io::sim::SimScheduler& scheduler, SimPeerNetwork& network, ToyController& controller, BrokerId id,
            uint64_t seed)
      : scheduler_(scheduler), controller_(controller), id_(id), fs_(seed), random_(seed), transport_(network, id) {
    ENSURE(fs_.create_directories("/data"));
    static_values_["replica.lag.time.max.ms"] = "3000";
  }
  ~SimBroker() { crash(); }

  void start(bool lost = false) {
    run_ = std::make_unique<Run>(*this);
    Run& run = *run_;
    run.keeper.set_broker_epoch(controller_.start(id_, lost));
    run.replicator->apply(image_);
    run.replicator->start();
    run.flush_soon();
    run.beat();
    controller_.set_sink(id_, [this, run = &run](metadata::ImagePointer image) {
      run->control->post([this, run, image] {
        if (run_.get() != run || image->applied < image_->applied) return;
        image_ = image;
        run->manager->apply(image);
        run->replicator->apply(image);
      });
    });
  }
  void crash() {
    controller_.set_sink(id_, nullptr);
    run_.reset();
    fs_.restart();
  }
  void lose_power() {
    controller_.set_sink(id_, nullptr);
    run_.reset();
    fs_.lose_power();
  }
  void stop_cleanly() {
    controller_.set_sink(id_, nullptr);
    run_->replicator.reset();
    ENSURE(run_->manager->close());
    run_.reset();
  }

  bool is_running() const { return run_ != nullptr; }
  BrokerId id() const { return id_; }
  std::shared_ptr<Partition> find(const std::string& topic, int32_t index = 0) const {
    return run_ == nullptr ? nullptr : run_->manager->find(topic, PartitionIndex{index});
  }
  PartitionManager& manager() { return *run_->manager; }
  ReplicationMetrics& metrics() { return metrics_; }
  io::sim::SimFileSystem& fs() { return fs_; }
  ConfigValues& static_values() { return static_values_; }
  void set_flush_interval(Duration interval) { flush_interval_ = interval; }
  uint64_t incarnation() const { return incarnation_; }

 private:
  class Changes final : public IsrChanges {
   public:
    Changes(ToyController& controller, BrokerId self) : controller_(controller), self_(self) {}
    void propose(IsrChange change, std::function<void(IsrOutcome)> done) override {
      controller_.propose(self_, std::move(change), std::move(done));
    }

   private:
    ToyController& controller_;
    const BrokerId self_;
  };

  struct Run {
    explicit Run(SimBroker& broker)
        : owner(broker),
          control(broker.scheduler_.make_loop()),
          links_a(broker.scheduler_.make_loop()),
          links_b(broker.scheduler_.make_loop()),
          files(broker.fs_, 100),
          flusher(broker.fs_, broker.scheduler_.clock(), 0),
          changes(broker.controller_, broker.id_),
          keeper({.loop = links_a.get(),
                  .clock = &broker.scheduler_.clock(),
                  .changes = &changes,
                  .metrics = &broker.metrics_,
                  .limits = LagLimits::from(broker.static_values_, std::chrono::seconds(2))}) {
      ++broker.incarnation_;
      auto opened_dir =
          storage::LogDir::open(broker.fs_, broker.random_, {.path = "/data", .cluster_id = "c", .node = broker.id_});
      ENSURE(opened_dir);
      dir = std::move(*opened_dir);
      auto opened =
          PartitionManager::open({.fs = &broker.fs_,
                                  .clock = &broker.scheduler_.clock(),
                                  .background = control.get(),
                                  .random = &broker.random_,
                                  .dir = dir.get(),
                                  .flusher = &flusher,
                                  .files = &files,
                                  .metrics = &broker.storage_metrics_,
                                  .config = {.keys = {}, .static_values = &broker.static_values_, .self = broker.id_},
                                  .isr_watch = &keeper,
                                  .threads = 1},
                                 broker.image_);
      ENSURE(opened);
      manager = std::move(*opened);
      manager->start();
      replicator = std::make_unique<Replicator>(
          ReplicatorOptions{.partitions = manager.get(),
                            .isr_keeper = &keeper,
                            .transport = &broker.transport_,
                            .loops = {links_a.get(), links_b.get()},
                            .clock = &broker.scheduler_.clock(),
                            .random = &broker.random_,
                            .metrics = &broker.metrics_,
                            .config = {.keys = {}, .static_values = &broker.static_values_, .self = broker.id_},
                            .cluster_id = "c",
                            .self = broker.id_,
                            .incarnation = broker.random_.uuid()});
    }
    ~Run() {
      for (auto* loop : {control.get(), links_a.get(), links_b.get()}) loop->stop();
      replicator.reset();
      // Clients and proposals may hold partitions for longer than the process lives.
      for (const auto& partition : manager->all()) partition->abandon();
    }
    void flush_soon() {
      control->run_after(owner.flush_interval_, [this] {
        flusher.run_due();
        flush_soon();
      });
    }

    // Heartbeats. A broker knows before the controller does that it may be fenced.
    void beat() {
      const TimePoint now = owner.scheduler_.clock().now();
      if (owner.controller_.is_reachable(owner.id_)) answered = now;
      replicator->set_isolated(now - answered >= kIsolatedAfter);
      control->run_after(kHeartbeat, [this] { beat(); });
    }

    SimBroker& owner;
    TimePoint answered{};
    std::unique_ptr<io::sim::SimEventLoop> control, links_a, links_b;
    storage::FileCache files;
    storage::Flusher flusher;
    Changes changes;
    IsrKeeper keeper;
    std::unique_ptr<storage::LogDir> dir;
    std::unique_ptr<PartitionManager> manager;
    std::unique_ptr<Replicator> replicator;
  };

  io::sim::SimScheduler& scheduler_;
  ToyController& controller_;
  const BrokerId id_;
  io::sim::SimFileSystem fs_;
  io::sim::SimRandom random_;
  SimPeerTransport transport_;
  ConfigValues static_values_;
  storage::StorageMetrics storage_metrics_;
  ReplicationMetrics metrics_;
  metadata::ImagePointer image_ = std::make_shared<const metadata::ClusterImage>();
  Duration flush_interval_ = std::chrono::milliseconds(2);
  uint64_t incarnation_ = 0;
  std::unique_ptr<Run> run_;
};

}  // namespace millrace::replication::testing
