#include <future>
#include <utility>

#include "broker/app/node_state.h"
#include "broker/base/logger.h"

namespace millrace::app {
namespace {

const Logger kLog("app");

constexpr Duration kStopGrace = std::chrono::seconds(5);  // for replies that are owed; what waits is answered at once
constexpr std::chrono::seconds kHandOverMax{2};           // for the quorum's leadership

// Runs `what` on the loop and waits for it.
void run_on(io::EventLoop& loop, const std::function<void()>& what) {
  std::promise<void> ran;
  loop.post([&] {
    what();
    ran.set_value();
  });
  ran.get_future().wait();
}

}  // namespace

// Nothing that a start set going is under way any more when this returns: the registration hears no answer, and
// partitions that were being opened are open.
void Node::State::end_join() {
  is_stopping.store(true, std::memory_order_release);
  if (lifecycle) run_on(*control_loop, [this] { lifecycle->stop(); });
  if (!quorum_apply || !background) return;
  run_on(*quorum_apply, [] {});  // who looked at is_stopping before has posted to
  run_on(*background, [] {});    // this one, which posts back to
  run_on(*quorum_apply, [] {});
}

// Others take over what this broker leads, while it still serves.
void Node::State::leave() {
  if (!is_serving || images.load()->brokers.size() < 2) return;
  auto left = std::make_shared<std::promise<std::string>>();
  auto answer = left->get_future();
  lifecycle->shut_down(std::chrono::milliseconds(config_int(config.values, kControlledShutdownMs)),
                       [left](std::string words) { left->set_value(std::move(words)); });
  const std::string words = answer.get();
  if (!words.empty()) kLog.warn("stops although not everything was handed over", {{"why", words}});
  auto handed = std::make_shared<std::promise<void>>();
  auto over = handed->get_future();
  quorum->node().transfer_leadership(std::nullopt, [handed](raft::Outcome) { handed->set_value(); });
  over.wait_for(kHandOverMax);
}

// Members and fetches that wait are answered now; every reply that is owed leaves before its connection closes.
void Node::State::stop_serving() {
  purgatory->shut_down();
  if (groups) groups->stop();
  accepting.reset();
  if (server) {
    std::promise<void> drained;
    auto all = drained.get_future();
    server->stop(kStopGrace, [&drained] { drained.set_value(); });
    all.wait();
  }
  if (groups) groups->stop();
  for (auto& loop : reactors) loop->stop();
}

void Node::State::stop_cluster() {
  if (peer_transport) peer_transport->set_acceptor(nullptr);
  if (replicator) replicator->stop_accepting();
  if (quorum) {
    std::promise<void> stopped_quorum;
    auto done = stopped_quorum.get_future();
    quorum->stop([&stopped_quorum] { stopped_quorum.set_value(); });
    done.wait();
  }
  if (raft_transport) run_on(*quorum_loop, [this] { raft_transport->stop(); });
  if (rpc_server) rpc_server->stop(Duration::zero());
  for (auto* loop : {&control_loop, &replication_loop, &quorum_loop}) {
    if (*loop) (*loop)->stop();
  }
  for (auto* loop : {&quorum_disk, &quorum_apply}) {
    if (*loop) (*loop)->stop();
  }
}

Status Node::State::stop() {
  if (stopped) return ok();
  stopped = true;
  if (lifecycle) leave();
  end_join();
  http.reset();
  if (purgatory) stop_serving();
  stop_cluster();
  if (background) background->stop();
  Status outcome = ok();
  replicator.reset();
  if (partitions) {
    outcome = partitions->close(lifecycle->epoch());
  } else if (dir && dir->was_clean() && serving == Serving::waits) {
    outcome = dir->mark_clean(dir->last_epoch());  // no log was touched: what was clean still is
  }
  if (flusher) flusher->stop();
  // Loops own tasks that refer to what follows, so the order of destruction is stated here.
  server.reset();
  progress.groups = nullptr;
  groups.reset();
  partitions.reset();
  isr_keeper.reset();
  isr_changer.reset();
  lifecycle.reset();
  producer_ids.reset();
  controller.reset();
  controller_client.reset();
  quorum.reset();
  rpc_server.reset();
  return outcome;
}

}  // namespace millrace::app
