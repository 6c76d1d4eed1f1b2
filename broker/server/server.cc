#include "broker/server/server.h"

#include <algorithm>

#include "broker/base/ensure.h"
#include "broker/server/connection.h"
#include "broker/server/dispatch.h"
#include "broker/server/services.h"

namespace millrace::server {

// What the network calls when a connection comes. A connection that was taken while the server went away finds nobody.
struct Server::Door {
  Mutex mutex;  // before all others: held while a connection is taken in
  Server* server GUARDED_BY(mutex) = nullptr;
  io::EventLoop* any_loop = nullptr;

  io::EventLoop& choose_loop() {
    MutexLock lock(mutex);
    return server != nullptr ? server->choose_loop() : *any_loop;
  }
  void accepted(std::unique_ptr<io::Stream> stream, const std::string& listener) {
    MutexLock lock(mutex);
    if (server != nullptr) server->accepted(std::move(stream), listener);
  }
  void close() {
    MutexLock lock(mutex);
    server = nullptr;
  }
};

Result<std::unique_ptr<Server>> Server::open(ServerOptions options) {
  ENSURE(!options.loops.empty() && options.services != nullptr && options.services->clock != nullptr);
  std::unique_ptr<Server> server(new Server(std::move(options)));
  Server& self = *server;
  self.door_->any_loop = self.options_.loops.front();
  {
    MutexLock lock(self.door_->mutex);
    self.door_->server = &self;
  }
  for (const ListenerOptions& listener : self.options_.listeners) {
    Result<std::unique_ptr<io::Listener>> bound = self.options_.network->listen(
        *self.options_.loops.front(), listener.at,
        [door = self.door_]() -> io::EventLoop& { return door->choose_loop(); },
        [door = self.door_, name = listener.name](std::unique_ptr<io::Stream> stream) {
          door->accepted(std::move(stream), name);
        });
    if (!bound) {
      Error error = std::move(bound).error();
      error.context = "listener " + listener.name + ": " + error.context;
      return error;
    }
    self.listeners_.push_back(std::move(*bound));
  }
  return server;
}

Server::Server(ServerOptions options)
    : options_(std::move(options)),
      shared_(options_.config, *options_.services->clock),
      door_(std::make_shared<Door>()),
      dispatcher_(std::make_unique<Dispatcher>(options_.handlers, *options_.services, shared_.metrics)) {
  shared_.dispatcher = dispatcher_.get();
  for (io::EventLoop* loop : options_.loops) reactors_.push_back(std::make_unique<Reactor>(shared_, *loop));
}

Server::~Server() {
  door_->close();
  for (const std::unique_ptr<Reactor>& reactor : reactors_) ENSURE(reactor->load() == 0);
}

std::vector<ListenerOptions> Server::listeners() const {
  std::vector<ListenerOptions> bound = options_.listeners;
  for (size_t i = 0; i < listeners_.size(); ++i) bound[i].at = listeners_[i]->local();
  return bound;
}

io::EventLoop& Server::choose_loop() {
  const auto least = std::min_element(reactors_.begin(), reactors_.end(),
                                      [](const auto& a, const auto& b) { return a->load() < b->load(); });
  (*least)->count_in_advance();
  return (*least)->loop();
}

void Server::accepted(std::unique_ptr<io::Stream> stream, const std::string& listener) {
  const auto found = std::find_if(reactors_.begin(), reactors_.end(),
                                  [](const auto& reactor) { return reactor->loop().is_current(); });
  ENSURE(found != reactors_.end());
  Reactor& reactor = **found;
  shared_.metrics.accepted.add();
  if (const std::string_view why = shared_.limits.add(stream->peer().host); !why.empty()) {
    shared_.metrics.closed[static_cast<size_t>(CloseReason::limit)].add();
    shared_.refused.warn("connection refused", stream->peer().to_string(), why);
    reactor.uncount();
    return;
  }
  auto info = std::make_shared<ConnectionInfo>();
  info->id = last_id_.fetch_add(1) + 1;
  info->peer = stream->peer();
  info->local = stream->local();
  info->listener = listener;
  info->loop = &reactor.loop();
  reactor.add(std::make_shared<Connection>(shared_, reactor, std::move(stream), std::move(info)));
}

void Server::stop(Duration grace, std::function<void()> done) {
  listeners_.clear();
  // The reactors report one by one; the last one ends it.
  struct Stopping {
    std::atomic<size_t> left;
    std::function<void()> done;
  };
  auto stopping = std::make_shared<Stopping>();
  stopping->left = reactors_.size();
  stopping->done = std::move(done);
  // By way of the accepting loop: connections that it gave away before reach their reactors before this does.
  options_.loops.front()->post([this, stopping, grace] {
    for (const std::unique_ptr<Reactor>& reactor : reactors_) {
      reactor->loop().post([raw = reactor.get(), stopping, grace] {
        const io::TimerId timer = raw->loop().run_after(grace, [raw] { raw->close_all(); });
        raw->drain([raw, stopping, timer] {
          raw->loop().cancel(timer);
          if (stopping->left.fetch_sub(1) == 1) stopping->done();
        });
      });
    }
  });
}

}  // namespace millrace::server
