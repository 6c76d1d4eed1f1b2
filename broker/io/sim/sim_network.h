#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "broker/io/network.h"
#include "broker/io/sim/sim_event_loop.h"

namespace millrace::io::sim {

struct SimNetworkOptions {
  Duration delay_min = std::chrono::microseconds(20);
  Duration delay_max = std::chrono::milliseconds(2);
  size_t window_bytes = 64 << 10;  // written and not yet read, per direction: then a writer must wait
  bool cut_anywhere = true;        // reads and writes move a random part of what they could
};

struct SimPipe;

// Connections between loops of one SimScheduler: bytes arrive in order, late, and in pieces that the seed cuts. Hosts
// are names without meaning, except "nowhere", which does not exist.
class SimNetwork final : public Network {
 public:
  SimNetwork(SimScheduler& scheduler, SimNetworkOptions options) : scheduler_(scheduler), options_(options) {}
  explicit SimNetwork(SimScheduler& scheduler) : SimNetwork(scheduler, SimNetworkOptions{}) {}

  Result<std::unique_ptr<Listener>> listen(EventLoop& accept_loop, const Endpoint& at,
                                           std::function<EventLoop&()> choose_loop,
                                           std::function<void(std::unique_ptr<Stream>)> accepted) override;
  void connect(EventLoop& loop, const Endpoint& to, Duration timeout,
               std::function<void(Result<std::unique_ptr<Stream>>)> connected) override;

  // Connections refused from now on although the port is listened on: a full backlog, a firewall.
  void refuse_connections(bool refuse) { refuse_ = refuse; }
  // Where the client's side of the next connections seems to come from.
  void set_client_host(std::string host) { client_host_ = std::move(host); }
  // Breaks an open stream of either side: both see connection_closed at once, and bytes on the way are lost.
  static void reset(Stream& stream);
  // The peer of this stream vanishes without a word: nothing arrives any more in either direction.
  static void cut_cable(Stream& stream);

 private:
  friend class SimListener;
  struct Port {
    EventLoop* accept_loop;
    std::function<EventLoop&()> choose_loop;
    std::function<void(std::unique_ptr<Stream>)> accepted;
  };
  Duration some_delay();

  SimScheduler& scheduler_;
  SimNetworkOptions options_;
  bool refuse_ = false;
  std::string client_host_ = "10.0.0.1";
  uint16_t last_port_ = 40'000;
  std::map<uint16_t, std::shared_ptr<Port>> ports_;
};

}  // namespace millrace::io::sim
