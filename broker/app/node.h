#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/app/node_config.h"
#include "broker/base/result.h"

namespace millrace::app {

// One running broker: construction order, wiring, and its end. open(), stop() and the destructor on the owner's thread.
//
// Order: data directory → metadata log → controller → partitions → coordinators → reactors → listeners → registration →
// connections → HTTP: ports are bound before the cluster is told of them, and nobody is answered before this broker is
// part of what it answers. Each part is stopped before what it stands on.
class Node {
 public:
  // Errors, each saying what and what to do: those of LogDir::open, of the metadata log, of binding a listener.
  // `on_fatal` is called at most once, on any thread, when the disk fails in a way that only a new start can help
  // against (MetadataLog::fatal): nothing that the broker does from then on lasts.
  static Result<std::unique_ptr<Node>> open(NodeConfig config, std::function<void(const Error&)> on_fatal = {});
  ~Node();  // stop(), unless it was called

  // With the ports that were chosen.
  std::vector<server::ListenerOptions> listeners() const;
  io::Endpoint http() const;

  // Answers what is owed, flushes and closes every log, leaves the marker of a clean stop. An error: the disk failed,
  // and the next start recovers.
  Status stop();

 private:
  struct State;
  explicit Node(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Of this build, such as "0.1.0".
extern const char* const kBuildVersion;

}  // namespace millrace::app
