#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/app/node_config.h"
#include "broker/base/result.h"

namespace millrace::app {

// Told of what happens to a running node, on any thread.
struct NodeEvents {
  // Clients are served from now on. Once.
  std::function<void()> on_serving;
  // The disk failed in a way that only a new start can help against: nothing that the broker does from then on lasts.
  // Once; may be empty.
  std::function<void(const Error&)> on_fatal;
  // The cluster has no place for this process: one sentence. Once; may be empty.
  std::function<void(const Error&)> on_refused;
};

// One running broker: construction order, wiring, and its end. open(), stop() and the destructor on the owner's thread.
//
// Order: data directory → listeners → the port for other brokers → the metadata quorum → registration → partitions,
// once the image is as new as the registration → connections. Ports are bound before the cluster is told of them, and
// nobody is answered before this broker is part of what it answers. Each part is stopped before what it stands on.
class Node {
 public:
  // Returns once everything of its own is there; what needs other brokers goes on by itself (NodeEvents, /readyz).
  // Errors, each saying what and what to do: those of LogDir::open, of the metadata log, of binding a listener.
  static Result<std::unique_ptr<Node>> open(NodeConfig config, NodeEvents events = {});
  ~Node();  // stop(), unless it was called

  // With the ports that were chosen.
  std::vector<server::ListenerOptions> listeners() const;
  io::Endpoint http() const;
  io::Endpoint rpc() const;

  // Hands over what it leads, answers what is owed, flushes and closes every log, leaves the marker of a clean stop. An
  // error: the disk failed, and the next start recovers.
  Status stop();

 private:
  struct State;
  explicit Node(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Of this build, such as "0.1.0".
extern const char* const kBuildVersion;

}  // namespace millrace::app
