#pragma once

#include <span>
#include <string>
#include <string_view>

#include "broker/coordinator/coordinator_metrics.h"
#include "broker/server/handler.h"
#include "broker/server/purgatory.h"
#include "broker/server/server_metrics.h"
#include "broker/storage/storage_metrics.h"

namespace millrace::app {

// Where the numbers of /metrics come from. Borrowed.
struct MetricSources {
  const storage::StorageMetrics* storage = nullptr;
  const coordinator::CoordinatorMetrics* coordinator = nullptr;
  const server::ServerMetrics* server = nullptr;
  const server::FollowerReadMetrics* follower_reads = nullptr;
  std::span<const server::Handler> handlers;  // names the rows of ServerMetrics::apis
  const server::Purgatory* purgatory = nullptr;
  int64_t topics = 0;
  int64_t partitions = 0;  // replicas here
  int64_t log_bytes = 0;   // of all of them
  int64_t offline_partitions = 0;
  std::string version;
};

// Prometheus' text format; every name of the broker is stated here, once.
std::string metrics_page(const MetricSources& sources);

}  // namespace millrace::app
