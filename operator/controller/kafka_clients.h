#pragma once

#include <map>
#include <memory>
#include <string>

#include "operator/admin/client.h"
#include "operator/kube/object.h"

namespace millrace::controller {

// One admin client per cluster, kept while its address stays the same. One thread.
class KafkaClients {
 public:
  static constexpr size_t kClientsMax = 1000;

  explicit KafkaClients(admin::Connector& connector) : connector_(connector) {}
  // Valid until the next call.
  Result<admin::Client*> of(const kube::ObjectKey& cluster, const std::string& bootstrap);
  void forget(const kube::ObjectKey& cluster) { clients_.erase(cluster); }

 private:
  struct Kept {
    std::string bootstrap;
    std::unique_ptr<admin::Client> client;
  };
  admin::Connector& connector_;
  std::map<kube::ObjectKey, Kept> clients_;
};

}  // namespace millrace::controller
