#pragma once

#include <memory>
#include <set>

#include "broker/base/strong_id.h"
#include "broker/control/controller_host.h"
#include "broker/io/network.h"
#include "broker/metadata/image_store.h"

namespace millrace::control {

// All of it is borrowed and outlives the watch.
struct GoneWatchOptions {
  io::Network* network = nullptr;
  io::EventLoop* loop = nullptr;
  const metadata::ImageStore* images = nullptr;
  ControllerHost* host = nullptr;
};

// Finds out, where this broker is the controller, that another one's process has died while its machine lives: the
// connection to it broke, and where it had registered to listen nobody does. The controller is told at once instead of
// waiting for the end of a session. A machine that says nothing any more, or a network that loses what is sent, tells
// nothing: then the session decides. On the loop.
class GoneWatch {
 public:
  static constexpr std::chrono::milliseconds kConnectTimeout{500};

  explicit GoneWatch(GoneWatchOptions options) : options_(options) {}
  ~GoneWatch() { *alive_ = false; }
  GoneWatch(const GoneWatch&) = delete;
  GoneWatch& operator=(const GoneWatch&) = delete;

  // May come again and again while the broker cannot be reached; one attempt to connect to it is under way at a time.
  void connection_broke(BrokerId broker);

 private:
  const GoneWatchOptions options_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::set<BrokerId> asked_;  // whose address is being tried
};

}  // namespace millrace::control
