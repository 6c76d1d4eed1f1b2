// How a broker's process ends: as broker/app/node_stop.cc does it, in steps instead of waits, or by a crash.
#include "tests/sim/broker_run.h"

namespace millrace::sim {
namespace {

constexpr Duration kStopGrace = std::chrono::seconds(5);
constexpr Duration kHandOverMax = std::chrono::seconds(2);
constexpr std::chrono::seconds kControlledShutdown{30};

}  // namespace

BrokerRun::~BrokerRun() { *alive_ = false; }

void BrokerRun::stop(std::function<void()> done) {
  stopped_ = std::move(done);
  const auto next = [this, alive = alive_](void (BrokerRun::*step)()) {
    return [this, alive, step] {
      if (*alive) (this->*step)();
    };
  };
  if (!is_serving_ || images_.load()->brokers.size() < 2) return stop_serving();
  lifecycle_->shut_down(kControlledShutdown, [this, alive = alive_, next](const std::string& words) {
    world_.trace.line("broker " + std::to_string(machine_.id.value()) + " has handed over " +
                      (words.empty() ? "all" : "but for " + words));
    // Whichever comes first.
    auto once = std::make_shared<bool>(false);
    const auto over = [this, alive, once, step = next(&BrokerRun::stop_serving)] {
      if (*alive && !std::exchange(*once, true)) world_.later({}, step);
    };
    quorum_->node().transfer_leadership(std::nullopt, [over](raft::Outcome) { over(); });
    world_.later(kHandOverMax, over);
  });
}

void BrokerRun::stop_serving() {
  is_stopping_ = true;
  lifecycle_->stop();
  // Partitions that are being opened are open before they are closed.
  if (serving_ == Serving::opens) {
    return world_.later(std::chrono::milliseconds(1), [this, alive = alive_] {
      if (*alive) stop_serving();
    });
  }
  purgatory_->shut_down();
  if (groups_) groups_->stop();
  reactor_->inner().pause_until({});
  server_->stop(kStopGrace, [this, alive = alive_] {
    world_.later({}, [this, alive] {
      if (*alive) stop_cluster();
    });
  });
}

void BrokerRun::stop_cluster() {
  peer_transport_.set_acceptor(nullptr);
  if (replicator_) replicator_->stop_accepting();
  is_quorum_stopped_ = true;
  quorum_->stop([this, alive = alive_] {
    world_.later({}, [this, alive] {
      if (*alive) close_logs();
    });
  });
}

void BrokerRun::close_logs() {
  world_.links.close(machine_.id);
  for (NodeLoop* loop : loops()) loop->inner().stop();
  replicator_.reset();
  if (partitions_) {
    const Status closed = partitions_->close(lifecycle_->epoch());
    if (!closed) world_.trace.line("closing failed: " + closed.error().to_string());
  }
  flusher_->stop();
  destroy();
  std::exchange(stopped_, nullptr)();
}

void BrokerRun::crash() {
  *alive_ = false;
  world_.links.close(machine_.id);
  raft_link_.cut();
  controller_link_.cut();
  if (lifecycle_) lifecycle_->stop();
  for (NodeLoop* loop : loops()) loop->inner().pause_until({});
  // Nobody gets what is owed; but a reply that is dropped without a word is a bug elsewhere, so all are let go in
  // order.
  if (quorum_) {
    if (!is_quorum_stopped_) quorum_->node().stop([] {});
    quorum_loop_->inner().run_pending();
    quorum_apply_->inner().run_pending();
    quorum_->host().stop();
  }
  for (NodeLoop* loop : loops()) {
    if (loop != reactor_.get()) loop->inner().stop();
  }
  if (purgatory_) purgatory_->shut_down();
  if (groups_) groups_->stop();
  if (server_) {
    bool drained = false;
    server_->stop({}, [&drained] { drained = true; });
    reactor_->inner().run_pending();
    ENSURE(drained);
  }
  reactor_->inner().stop();
  peer_transport_.set_acceptor(nullptr);
  destroy();
}

void BrokerRun::destroy() {
  replicator_.reset();
  server_.reset();
  groups_.reset();
  partitions_.reset();
  isr_keeper_.reset();
  isr_changer_.reset();
  lifecycle_.reset();
  producer_ids_.reset();
  controller_.reset();
  controller_client_.reset();
  quorum_.reset();
  flusher_.reset();
  dir_.reset();  // gives the lock back
  for (auto* loop : {&background_, &quorum_loop_, &quorum_disk_, &quorum_apply_, &control_loop_, &replication_loop_,
                     &reactor_, &flush_loop_}) {
    world_.former_loops.push_back(std::move(*loop));
  }
}

}  // namespace millrace::sim
