#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "broker/base/mutex.h"
#include "broker/control/control_metrics.h"
#include "broker/control/quorum.h"
#include "broker/io/event_loop.h"
#include "broker/machine/log_writer.h"
#include "broker/metadata/controller.h"

namespace millrace::control {

// All of it is borrowed and outlives the host.
struct ControllerHostOptions {
  Clock* clock = nullptr;
  io::EventLoop* loop = nullptr;  // where the controller's clock ticks
  Quorum* quorum = nullptr;
  metadata::BrokerConfigView config;
  std::function<Uuid()> new_uuid;
  std::string cluster_id;  // written by the first leader of a new log, with the levels of what it knows
  metadata::FeatureRanges features{};
  // The controller of that tenure cannot go on, because the quorum refused something of it, and all that it proposed
  // has an outcome: lead() with the next attempt, if this broker still leads. Any thread. May be empty.
  std::function<void(raft::Tenure)> on_failed;
  ControlMetrics* metrics = nullptr;  // may be null
};

// Runs the cluster's controller while this broker leads the metadata quorum: begins on the committed image, ends when
// leadership does, and then answers not_controller. Thread-safe, but for lead() and follow(), which come from the
// quorum's apply loop.
class ControllerHost final : public ControllerServer {
 public:
  explicit ControllerHost(ControllerHostOptions options);
  ~ControllerHost() override;

  // This broker leads from now on; `image` holds everything that was committed before the tenure. Until then calls are
  // answered not_controller.
  void lead(metadata::ImagePointer image, raft::Tenure tenure);
  void follow();  // no longer, or not at all
  void stop() { follow(); }

  bool is_active() const { return active_flag_.load(std::memory_order_acquire); }
  // Null unless it is active. What is asked of it later than follow() ends with not_controller or an unknown outcome.
  std::shared_ptr<metadata::LocalController> controller() const EXCLUDES(mutex_);

  void serve(BrokerId caller, ControllerCall call, ControllerDone done) override;

  // That process of the broker has died (GoneWatch); for nothing where this broker is not the controller.
  void note_gone(metadata::BrokerGone gone);

  // A client's request that another broker forwarded; to be set before the first call comes.
  std::function<void(ForwardedRequest, ControllerDone)> serve_forwarded;

 private:
  class Writer;
  struct Active;
  void tick(std::weak_ptr<Active> active);

  const ControllerHostOptions options_;
  mutable Mutex mutex_;
  std::shared_ptr<Active> active_ GUARDED_BY(mutex_);
  std::atomic<bool> active_flag_{false};
};

}  // namespace millrace::control
