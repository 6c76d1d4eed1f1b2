#pragma once

#include <set>
#include <string_view>

#include "broker/metadata/cluster_image.h"
#include "broker/metadata/image_store.h"
#include "broker/server/handlers/partition_lookup.h"
#include "broker/server/services.h"

namespace millrace::server {

// Names the leaders of partitions that a client asked in vain here (KIP-951), and how to reach them by the listener it
// came in on. One object per reply; looks at the image only when there is something to name.
class LeaderHints {
 public:
  LeaderHints(const Services& services, const RequestContext& context) : services_(services), context_(context) {}

  template <class LeaderIdAndEpoch>
  void fill(std::string_view topic, const Uuid& topic_id, PartitionIndex partition, LeaderIdAndEpoch& into) {
    if (image_ == nullptr) image_ = services_.images->load();
    const LeaderHint hint = leader_hint(*image_, topic, topic_id, partition);
    into.leader_id = hint.leader.value();
    into.leader_epoch = hint.epoch.value();
    if (hint.leader != kNoBroker) named_.insert(hint.leader);
  }

  template <class NodeEndpoints>
  void add_endpoints(NodeEndpoints& into) const {
    for (const BrokerId id : named_) {
      const metadata::BrokerImage* broker = image_->find_broker(id);
      const metadata::ListenerEndpoint* endpoint =
          broker == nullptr ? nullptr : broker->endpoint(context_.connection->listener);
      if (endpoint == nullptr) continue;
      auto& node = into.emplace_back();
      node.node_id = id.value();
      node.host = endpoint->host;
      node.port = endpoint->port;
      if (!broker->rack.empty()) node.rack = broker->rack;
    }
  }

 private:
  const Services& services_;
  const RequestContext& context_;
  metadata::ImagePointer image_;
  std::set<BrokerId> named_;
};

}  // namespace millrace::server
