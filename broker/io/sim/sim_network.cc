#include "broker/io/sim/sim_network.h"

#include <algorithm>
#include <deque>

#include "broker/base/ensure.h"

namespace millrace::io::sim {

// One direction of a connection. Shared by its two ends.
struct SimPipe {
  std::deque<std::byte> arrived;
  struct Part {
    std::vector<std::byte> bytes;
    bool end = false;
  };
  std::deque<Part> parts;  // on the way; the next to arrive first, whatever the reader's clock makes of the times
  size_t on_the_way = 0;
  TimePoint last_arrival{};  // bytes do not overtake
  bool ended = false;        // the writer closed: readers see it after `arrived`
  bool reset = false;
  bool cut = false;  // nothing passes any more
  std::function<void()> wake_reader;
  std::function<void()> wake_writer;
  size_t held() const { return arrived.size() + on_the_way; }
};

namespace {

class SimStream final : public Stream {
 public:
  struct Ends {
    EventLoop* own;
    EventLoop* other;
    std::shared_ptr<SimPipe> in;
    std::shared_ptr<SimPipe> out;
  };
  SimStream(SimScheduler& scheduler, const SimNetworkOptions& options, Ends ends, Endpoint local, Endpoint peer)
      : scheduler_(scheduler),
        options_(options),
        ends_(std::move(ends)),
        local_(std::move(local)),
        peer_(std::move(peer)) {
    ends_.in->wake_reader = [this] { look_soon(); };
    ends_.out->wake_writer = [this] { look_soon(); };
  }
  ~SimStream() override { close(); }

  Result<size_t> read_some(std::span<std::byte> into) override {
    ENSURE(ends_.own->is_current() && !into.empty());
    SimPipe& in = *ends_.in;
    if (closed_ || in.reset) return Error{Errc::connection_closed, peer_.to_string()};
    if (in.arrived.empty()) {
      if (in.ended) return Error{Errc::connection_closed, peer_.to_string()};
      return Errc::would_block;
    }
    const size_t count = some_of(std::min(into.size(), in.arrived.size()));
    std::copy_n(in.arrived.begin(), count, into.begin());
    in.arrived.erase(in.arrived.begin(), in.arrived.begin() + static_cast<std::ptrdiff_t>(count));
    // As TCP does, not for each byte: a writer would move the stream in crumbs.
    if (in.wake_writer && !in.cut && has_room(in)) in.wake_writer();
    return count;
  }

  Result<size_t> write_some(OutputChain& chain) override {
    ENSURE(ends_.own->is_current() && !chain.empty());
    SimPipe& out = *ends_.out;
    if (closed_ || out.reset || ends_.in->reset) return Error{Errc::connection_closed, peer_.to_string()};
    if (out.held() >= options_.window_bytes) return Errc::would_block;
    const size_t count = some_of(std::min(chain.size(), options_.window_bytes - out.held()));
    std::vector<std::byte> bytes = take(chain, count);
    send(std::move(bytes), false);
    return count;
  }

  void when_readable(std::function<void()> callback) override {
    ENSURE(!on_readable_);
    on_readable_ = std::move(callback);
    if (is_readable()) look_soon();
  }
  void when_writable(std::function<void()> callback) override {
    ENSURE(!on_writable_);
    on_writable_ = std::move(callback);
    if (is_writable()) look_soon();
  }

  void close() override {
    if (closed_) return;
    closed_ = true;
    *self_ = nullptr;
    ends_.in->wake_reader = nullptr;
    ends_.out->wake_writer = nullptr;
    // Bytes that were never read make the other side's connection break, as TCP does.
    if (!ends_.in->arrived.empty()) return reset();
    send({}, true);
  }
  void reset() {
    for (SimPipe* pipe : {ends_.in.get(), ends_.out.get()}) {
      pipe->reset = true;
      pipe->arrived.clear();
      if (pipe->cut) continue;
      if (pipe->wake_reader) pipe->wake_reader();
      if (pipe->wake_writer) pipe->wake_writer();
    }
  }
  void cut_cable() { ends_.in->cut = ends_.out->cut = true; }

  const Endpoint& peer() const override { return peer_; }
  const Endpoint& local() const override { return local_; }

 private:
  bool has_room(const SimPipe& pipe) const { return pipe.held() <= options_.window_bytes / 2; }
  size_t some_of(size_t most) {
    if (!options_.cut_anywhere || most <= 1 || scheduler_.random().chance(2)) return most;
    return 1 + scheduler_.random().below(most);
  }
  static std::vector<std::byte> take(OutputChain& chain, size_t count) {
    std::vector<std::byte> bytes;
    while (bytes.size() < count) {
      const OutputChain::Piece& piece = chain.pieces().front();
      const size_t part = std::min(count - bytes.size(), OutputChain::piece_size(piece));
      const size_t at = bytes.size();
      bytes.resize(at + part);
      if (const auto* memory = std::get_if<Bytes>(&piece)) {
        std::copy_n(memory->data(), part, bytes.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        const auto& range = std::get<SourceRange>(piece);
        const Result<size_t> got = range.source->read_at(range.position, std::span(bytes).subspan(at));
        ENSURE(got.has_value() && *got == part);
      }
      chain.remove_front(part);
    }
    return bytes;
  }
  // The bytes, or the end, reach the other side's loop later, after what was sent before.
  void send(std::vector<std::byte> bytes, bool end) {
    const std::shared_ptr<SimPipe> pipe = ends_.out;
    pipe->on_the_way += bytes.size();
    const Duration delay =
        options_.delay_min + Duration(static_cast<int64_t>(scheduler_.random().below(
                                 static_cast<uint64_t>((options_.delay_max - options_.delay_min).count()) + 1)));
    pipe->last_arrival = std::max(pipe->last_arrival, scheduler_.clock().now() + delay) + Duration(1);
    const TimePoint at = pipe->last_arrival;
    pipe->parts.push_back({std::move(bytes), end});
    auto arrive = [pipe] {
      if (pipe->cut || pipe->reset) return;
      const SimPipe::Part part = std::move(pipe->parts.front());
      pipe->parts.pop_front();
      pipe->on_the_way -= part.bytes.size();
      pipe->arrived.insert(pipe->arrived.end(), part.bytes.begin(), part.bytes.end());
      if (part.end) pipe->ended = true;
      if (pipe->wake_reader) pipe->wake_reader();
    };
    ends_.other->post([loop = ends_.other, at, &scheduler = scheduler_, arrive = std::move(arrive)]() mutable {
      loop->run_after(at - scheduler.clock().now(), std::move(arrive));
    });
  }
  bool is_readable() const { return !ends_.in->arrived.empty() || ends_.in->ended || ends_.in->reset; }
  bool is_writable() const { return has_room(*ends_.out) || ends_.out->reset || ends_.in->reset; }
  // Posts at most one look at a time at whether a callback is due.
  void look_soon() {
    if (std::exchange(look_posted_, true)) return;
    ends_.own->post([self = self_] {
      if (*self == nullptr) return;
      SimStream& stream = **self;
      stream.look_posted_ = false;
      if (stream.on_readable_ && stream.is_readable()) std::exchange(stream.on_readable_, nullptr)();
      if (*self == nullptr) return;
      if (stream.on_writable_ && stream.is_writable()) std::exchange(stream.on_writable_, nullptr)();
    });
  }

  SimScheduler& scheduler_;
  const SimNetworkOptions options_;
  Ends ends_;
  const Endpoint local_;
  const Endpoint peer_;
  bool closed_ = false;
  bool look_posted_ = false;
  std::function<void()> on_readable_;
  std::function<void()> on_writable_;
  std::shared_ptr<SimStream*> self_ = std::make_shared<SimStream*>(this);
};

}  // namespace

class SimListener final : public Listener {
 public:
  SimListener(SimNetwork& network, Endpoint local) : network_(network), local_(std::move(local)) {}
  ~SimListener() override { network_.ports_.erase(local_.port); }
  const Endpoint& local() const override { return local_; }

 private:
  SimNetwork& network_;
  const Endpoint local_;
};

void SimNetwork::reset(Stream& stream) { static_cast<SimStream&>(stream).reset(); }
void SimNetwork::cut_cable(Stream& stream) { static_cast<SimStream&>(stream).cut_cable(); }

Duration SimNetwork::some_delay() {
  const auto spread = static_cast<uint64_t>((options_.delay_max - options_.delay_min).count()) + 1;
  return options_.delay_min + Duration(static_cast<int64_t>(scheduler_.random().below(spread)));
}

Result<std::unique_ptr<Listener>> SimNetwork::listen(EventLoop& accept_loop, const Endpoint& at,
                                                     std::function<EventLoop&()> choose_loop,
                                                     std::function<void(std::unique_ptr<Stream>)> accepted) {
  Endpoint local = at;
  if (local.port == 0) local.port = ++last_port_;
  if (ports_.contains(local.port)) return Error{Errc::in_use, "listen on " + local.to_string()};
  ports_[local.port] = std::make_shared<Port>(Port{&accept_loop, std::move(choose_loop), std::move(accepted)});
  return std::unique_ptr<Listener>(std::make_unique<SimListener>(*this, local));
}

void SimNetwork::connect(EventLoop& loop, const Endpoint& to, Duration timeout,
                         std::function<void(Result<std::unique_ptr<Stream>>)> connected) {
  (void)timeout;  // a simulated connection is made or refused in less
  loop.post([this, &loop, to, connected = std::move(connected)] {
    loop.run_after(some_delay(), [this, &loop, to, connected] {
      if (to.host == "nowhere") return connected(Error{Errc::not_found, "host " + to.host});
      const auto found = ports_.find(to.port);
      if (refuse_ || found == ports_.end()) return connected(Error{Errc::connection_refused, to.to_string()});
      const std::shared_ptr<Port> port = found->second;
      const Endpoint client{client_host_, ++last_port_};
      auto up = std::make_shared<SimPipe>();
      auto down = std::make_shared<SimPipe>();
      EventLoop& owner = port->choose_loop();
      owner.post([this, port, &owner, &loop, client, to, up, down] {
        port->accepted(
            std::make_unique<SimStream>(scheduler_, options_, SimStream::Ends{&owner, &loop, up, down}, to, client));
      });
      connected(std::unique_ptr<Stream>(
          std::make_unique<SimStream>(scheduler_, options_, SimStream::Ends{&loop, &owner, down, up}, client, to)));
    });
  });
}

}  // namespace millrace::io::sim
