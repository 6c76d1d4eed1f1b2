#include "broker/server/handlers/cluster_answer.h"

namespace millrace::server::handlers {
namespace {

bool is_alive(const metadata::ClusterImage& image, BrokerId id) {
  const metadata::BrokerImage* broker = image.find_broker(id);
  return broker != nullptr && !broker->fenced;
}

std::vector<int32_t> select(const metadata::ClusterImage& image, const std::vector<BrokerId>& brokers, bool alive) {
  std::vector<int32_t> ids;
  for (const BrokerId id : brokers) {
    if (is_alive(image, id) == alive) ids.push_back(id.value());
  }
  return ids;
}

}  // namespace

std::vector<BrokerAddress> brokers_on(const metadata::ClusterImage& image, std::string_view listener,
                                      bool include_fenced) {
  std::vector<BrokerAddress> addresses;
  for (const auto& [id, broker] : image.brokers) {
    if (broker.fenced && !include_fenced) continue;
    const metadata::ListenerEndpoint* endpoint = broker.endpoint(listener);
    if (endpoint != nullptr) addresses.push_back({&broker, endpoint});
  }
  return addresses;
}

LeaderAnswer leader_on(const metadata::ClusterImage& image, const metadata::PartitionImage& partition,
                       std::string_view listener) {
  if (!is_alive(image, partition.leader)) return {protocol::ErrorCode::leader_not_available, -1};
  if (image.find_broker(partition.leader)->endpoint(listener) == nullptr) {
    return {protocol::ErrorCode::listener_not_found, -1};
  }
  return {protocol::ErrorCode::none, partition.leader.value()};
}

std::vector<int32_t> ids_of(const std::vector<BrokerId>& brokers) {
  std::vector<int32_t> ids;
  ids.reserve(brokers.size());
  for (const BrokerId id : brokers) ids.push_back(id.value());
  return ids;
}

std::vector<int32_t> offline_of(const metadata::ClusterImage& image, const std::vector<BrokerId>& brokers) {
  return select(image, brokers, false);
}

std::vector<int32_t> online_of(const metadata::ClusterImage& image, const std::vector<BrokerId>& brokers) {
  return select(image, brokers, true);
}

int32_t controller_of(const metadata::ClusterImage& image) {
  if (is_alive(image, image.controller)) return image.controller.value();
  const std::vector<BrokerId> alive = image.alive_brokers();
  return alive.empty() ? -1 : alive.front().value();
}

}  // namespace millrace::server::handlers
