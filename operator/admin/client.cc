#include "operator/admin/client.h"

namespace millrace::admin {

std::optional<int32_t> TopicDescription::replica_count() const {
  if (partitions.empty()) return std::nullopt;
  const size_t count = partitions.front().replicas.size();
  for (const PartitionDescription& partition : partitions) {
    if (partition.replicas.size() != count) return std::nullopt;
  }
  return static_cast<int32_t>(count);
}

bool is_unreachable(Errc code) {
  return code == Errc::connection_refused || code == Errc::timed_out || code == Errc::connection_closed ||
         code == Errc::io || code == Errc::not_found || code == Errc::shutting_down || code == Errc::not_controller;
}

}  // namespace millrace::admin
