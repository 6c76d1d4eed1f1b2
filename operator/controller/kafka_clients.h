#pragma once

#include <map>
#include <memory>
#include <string>

#include "operator/admin/client.h"
#include "operator/admin/cluster_admin.h"
#include "operator/kube/object.h"

namespace millrace::controller {

// Two clients per cluster, one for Kafka's protocol and one for what is asked of brokers beyond it, each kept while
// its addresses stay the same. One thread.
class KafkaClients {
 public:
  static constexpr size_t kClientsMax = 1000;  // of each kind

  // Both outlive this.
  KafkaClients(admin::Connector& kafka, admin::ClusterAdminConnector& brokers) : kafka_(kafka), brokers_(brokers) {}
  // Valid until the next call of the same.
  Result<admin::Client*> of(const kube::ObjectKey& cluster, const std::string& bootstrap);
  Result<admin::ClusterAdmin*> brokers_of(const kube::ObjectKey& cluster, const admin::ClusterAdminOptions& options);
  void forget(const kube::ObjectKey& cluster);

 private:
  template <class Client>
  struct Kept {
    std::string addresses;
    std::unique_ptr<Client> client;
  };
  template <class Client>
  using ByCluster = std::map<kube::ObjectKey, Kept<Client>>;

  admin::Connector& kafka_;
  admin::ClusterAdminConnector& brokers_;
  ByCluster<admin::Client> kafka_clients_;
  ByCluster<admin::ClusterAdmin> broker_clients_;
};

}  // namespace millrace::controller
