#include "operator/controller/kafka_clients.h"

#include <utility>

namespace millrace::controller {

namespace {

template <class Map, class Connect>
auto kept(Map& clients, const kube::ObjectKey& cluster, const std::string& addresses, Connect connect)
    -> Result<decltype(clients.begin()->second.client.get())> {
  const auto found = clients.find(cluster);
  if (found != clients.end() && found->second.addresses == addresses) return found->second.client.get();
  TRY_ASSIGN(auto client, connect());
  if (clients.size() >= KafkaClients::kClientsMax) clients.clear();  // they are connected again when they are needed
  return clients.insert_or_assign(cluster, typename Map::mapped_type{addresses, std::move(client)})
      .first->second.client.get();
}

}  // namespace

Result<admin::Client*> KafkaClients::of(const kube::ObjectKey& cluster, const std::string& bootstrap) {
  return kept(kafka_clients_, cluster, bootstrap, [&] { return kafka_.connect(bootstrap); });
}

Result<admin::ClusterAdmin*> KafkaClients::brokers_of(const kube::ObjectKey& cluster,
                                                      const admin::ClusterAdminOptions& options) {
  std::string addresses = options.cluster_id;
  for (const io::Endpoint& broker : options.brokers) addresses += " " + broker.to_string();
  return kept(broker_clients_, cluster, addresses, [&] { return brokers_.connect(options); });
}

void KafkaClients::forget(const kube::ObjectKey& cluster) {
  kafka_clients_.erase(cluster);
  broker_clients_.erase(cluster);
}

}  // namespace millrace::controller
