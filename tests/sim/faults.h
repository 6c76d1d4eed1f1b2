#pragma once

#include <cstdint>

#include "tests/sim/truth.h"
#include "tests/sim/world.h"

namespace millrace::sim {

class Cluster;
class SimNode;

// What goes wrong, and what operators do meanwhile. Between two steps.
class Faults {
 public:
  explicit Faults(Cluster& cluster) : cluster_(cluster) {}

  void begin();  // one after another, until end()
  void end();    // everything is repaired, for good

 private:
  enum class How : uint8_t { power, killed, in_a_call, asked };
  void next();
  void knock();
  void tell_who_is_gone();
  void one();
  bool may_go_down(How how, const SimNode& node);
  void go_down(SimNode& node);
  void come_back(SimNode& node, Duration after);
  void block(SimNode& from, SimNode& to, bool both);
  void bad_weather();
  void slow_disk(SimNode& node);
  void full_disk(SimNode& node);
  void turn_clock(SimNode& node);
  void cut_clients(SimNode& node);
  void move_leaders();
  void reassign();
  void change_voters();
  void make_or_delete_topic();
  void start_again();

  Cluster& cluster_;
  bool ended_ = false;
};

}  // namespace millrace::sim
