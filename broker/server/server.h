#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/network.h"
#include "broker/server/handler.h"
#include "broker/server/reactor.h"

namespace millrace::server {

struct ListenerOptions {
  std::string name;  // such as PLAINTEXT
  io::Endpoint at;   // port 0: any free one
};

struct ServerOptions {
  io::Network* network = nullptr;
  std::vector<io::EventLoop*> loops;  // one reactor each; the first also accepts
  std::vector<ListenerOptions> listeners;
  ServerConfig config;
  std::span<const Handler> handlers;  // sorted by API key
  Services* services = nullptr;       // with a clock
};

// Accepts connections on the listeners and spreads them over the reactors. open(), stop() and the destructor on the
// owner's thread; metrics() on any. All that is borrowed outlives it, and the loops run until stop() is done.
class Server {
 public:
  // Binds the listeners; connections are accepted at once. Errors: those of Network::listen, naming the listener.
  static Result<std::unique_ptr<Server>> open(ServerOptions options);
  ~Server();  // after stop() is done

  // With the ports that were chosen, in the order of ServerOptions::listeners.
  std::vector<ListenerOptions> listeners() const;

  // Accepts nothing more, reads nothing more, sends the replies that are owed for `grace` at most, closes all. `done`
  // runs on a loop. Requests that wait in the purgatory are owed too: shut it down to end them at once.
  void stop(Duration grace, std::function<void()> done);

  const ServerMetrics& metrics() const { return shared_.metrics; }
  int64_t request_bytes() const { return shared_.memory.used(); }

 private:
  struct Door;
  explicit Server(ServerOptions options);
  io::EventLoop& choose_loop();
  void accepted(std::unique_ptr<io::Stream> stream, const std::string& listener);

  ServerOptions options_;
  Shared shared_;
  std::shared_ptr<Door> door_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::atomic<uint64_t> last_id_{0};
};

}  // namespace millrace::server
