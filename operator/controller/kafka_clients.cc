#include "operator/controller/kafka_clients.h"

#include <utility>

namespace millrace::controller {

Result<admin::Client*> KafkaClients::of(const kube::ObjectKey& cluster, const std::string& bootstrap) {
  const auto kept = clients_.find(cluster);
  if (kept != clients_.end() && kept->second.bootstrap == bootstrap) return kept->second.client.get();
  TRY_ASSIGN(std::unique_ptr<admin::Client> client, connector_.connect(bootstrap));
  if (clients_.size() >= kClientsMax) clients_.clear();  // they are connected again when they are needed
  return clients_.insert_or_assign(cluster, Kept{bootstrap, std::move(client)}).first->second.client.get();
}

}  // namespace millrace::controller
