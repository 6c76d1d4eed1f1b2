#pragma once

#include <span>
#include <string>
#include <string_view>

#include "broker/control/control_metrics.h"
#include "broker/coordinator/coordinator_metrics.h"
#include "broker/metadata/cluster_image.h"
#include "broker/raft/node/node.h"
#include "broker/replication/partition_types.h"
#include "broker/replication/replication_metrics.h"
#include "broker/server/handler.h"
#include "broker/server/purgatory.h"
#include "broker/server/server_metrics.h"
#include "broker/storage/storage_metrics.h"

namespace millrace::app {

// Sums over the replicas on this broker.
struct PartitionCounts {
  int64_t replicas = 0;
  int64_t offline = 0;  // their logs failed
  int64_t led = 0;
  int64_t under_replicated = 0;  // led here, as the rest
  int64_t under_min_isr = 0;
  uint64_t bytes = 0;
  uint64_t uncommitted_bytes_max = 0;
  int64_t lag_records_max = 0;

  void add(const replication::PartitionSummary& one);
};

// Where the numbers of /metrics come from. Borrowed.
struct MetricSources {
  const storage::StorageMetrics* storage = nullptr;
  const coordinator::CoordinatorMetrics* coordinator = nullptr;
  const server::ServerMetrics* server = nullptr;
  const server::FollowerReadMetrics* follower_reads = nullptr;
  std::span<const server::Handler> handlers;  // names the rows of ServerMetrics::apis
  const server::Purgatory* purgatory = nullptr;
  const control::ControlMetrics* control = nullptr;
  const replication::ReplicationMetrics* replication = nullptr;
  const raft::NodeMetrics* raft = nullptr;
  raft::NodeStatus quorum;
  metadata::ImagePointer image;
  PartitionCounts partitions;
  size_t tail_bytes = 0;
  bool is_controller = false;
  bool is_isolated = false;
  std::string version;
};

class Page;

// What a broker is in its cluster: app_metrics_cluster.cc.
void add_raft(Page& page, const MetricSources& sources);
void add_control(Page& page, const MetricSources& sources);
void add_replication(Page& page, const MetricSources& sources);

// Prometheus' text format; every name of the broker is stated here, once.
std::string metrics_page(const MetricSources& sources);

}  // namespace millrace::app
