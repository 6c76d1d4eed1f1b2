#pragma once

#include <memory>
#include <span>

#include "broker/base/clock.h"
#include "broker/base/config_table.h"

namespace millrace::io {
class Random;
}
namespace millrace::replication {
class PartitionManager;
}
namespace millrace::metadata {
class ImageStore;
class Controller;
struct BrokerConfigView;
}  // namespace millrace::metadata
namespace millrace::control {
class QuorumMembership;
}
namespace millrace::coordinator {
class GroupCoordinator;
}

namespace millrace::server {

class ControllerRoute;
class FetchSessionCache;
class ProducerIds;
class Purgatory;
struct FollowerReadMetrics;
struct Handler;
struct ServerConfig;

// What handlers work with. app/ fills all of it before the first connection is accepted and outlives every request; a
// test fills what its handler uses. All of it may be called from any reactor.
struct Services {
  std::span<const Handler> handlers;  // what ApiVersions advertises
  Clock* clock = nullptr;
  io::Random* random = nullptr;
  const ServerConfig* config = nullptr;  // typed keys of this node, constant while it runs
  Purgatory* purgatory = nullptr;
  replication::PartitionManager* partitions = nullptr;
  metadata::ImageStore* images = nullptr;
  FetchSessionCache* fetch_sessions = nullptr;
  FollowerReadMetrics* follower_reads = nullptr;
  ProducerIds* producer_ids = nullptr;
  metadata::Controller* controller = nullptr;
  control::QuorumMembership* quorum = nullptr;
  ControllerRoute* route = nullptr;                    // null: this broker is the only one, and the controller
  const metadata::BrokerConfigView* broker = nullptr;  // this broker's id, all its keys and its static configuration
  coordinator::GroupCoordinator* groups = nullptr;
};

}  // namespace millrace::server
