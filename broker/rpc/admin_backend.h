#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/control/controller_calls.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metadata/cluster_report.h"

namespace millrace::rpc {

// A broker's own part of the metadata quorum.
struct QuorumSelf {
  enum class Role : uint8_t { follower, candidate, leader };
  Role role = Role::follower;
  BrokerId leader = kNoBroker;  // none: it knows none
  int64_t term = 0;
  int64_t committed = 0;  // entries of the metadata log
  int64_t last = 0;
  std::vector<metadata::VoterImage> voters;  // host "": where it is is not known here
};

// What a broker knows itself, asked of nobody.
struct BrokerSelf {
  BrokerId id;
  std::string cluster_id;
  std::string version;                         // of the product
  std::string waits_for;                       // why it does not serve clients; "": it does
  bool fenced = true;                          // as the controller last said
  bool isolated = true;                        // no controller has answered it for a session
  Timestamp isolated_since_ms = kNoTimestamp;  // by its own clock
  QuorumSelf quorum;
  uint64_t log_bytes = 0;  // of its partitions
  Timestamp now_ms = kNoTimestamp;
};

// What the admin service needs of its broker. Any thread; none may block.
class AdminBackend {
 public:
  virtual ~AdminBackend() = default;
  // At any time after the server was opened, whatever the broker has got to.
  virtual BrokerSelf self() const = 0;
  // The cluster as this broker last saw it, without what only a controller knows.
  virtual metadata::ClusterReport last_seen() const = 0;
  // Asks whoever is the controller. `done` once, on any thread, within `timeout`; destroyed instead if nothing can come
  // any more. timed_out: no controller has answered.
  virtual void ask(control::ControllerCall call, Duration timeout, control::ControllerDone done) = 0;
};

}  // namespace millrace::rpc
