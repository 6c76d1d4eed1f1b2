#pragma once

#include "tests/sim/links.h"
#include "tests/sim/trace.h"

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_event_loop.h"
#include "broker/io/sim/sim_network.h"
#include "broker/io/sim/sim_random.h"
#include "broker/replication/sim_peer_network_test_support.h"

namespace millrace::sim {

// What all machines of a run share: time, the order of events, the networks, and the record of what happened.
struct World {
  World(uint64_t seed, bool print)
      : random(seed * 16 + 1),
        scheduler(clock, seed * 16 + 2),
        links(scheduler, seed * 16 + 3),
        peers(scheduler, seed * 16 + 4),
        trace(clock, print),
        timers(scheduler.make_loop()) {}

  io::sim::SimClock clock;
  io::sim::SimRandom random;  // of faults and clients
  io::sim::SimScheduler scheduler;
  // Of processes that are gone: clients' streams still name them.
  std::vector<std::unique_ptr<io::EventLoop>> former_loops;
  io::sim::SimNetwork clients{scheduler};  // between clients and brokers
  Links links;
  replication::testing::SimPeerNetwork peers;
  Trace trace;
  std::unique_ptr<io::sim::SimEventLoop> timers;  // of what belongs to no machine

  // Between two steps, when nothing of any broker runs: brokers start, stop and crash there. May be called anywhere.
  void later(Duration delay, std::function<void()> action) {
    timers->post([this, delay, action = std::move(action)] {
      timers->run_after(delay, [this, action] { between.push_back(action); });
    });
  }
  std::vector<std::function<void()>> between;
};

}  // namespace millrace::sim
