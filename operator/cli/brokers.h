#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/admin/cluster_admin.h"
#include "operator/cli/views.h"

// What the brokers of a cluster say, asked now, beside what the objects say of their pods.
namespace millrace::cli {

struct BrokerRow {
  BrokerView pod;  // pod.pod is "" for a broker that is registered and has none
  // stopped, down (no process), starting (not let in yet), fenced (counts as gone), stopping, serving, gone (no pod any
  // more), or unknown: nobody could be asked.
  std::string state;
  std::optional<bool> votes;               // on metadata
  std::optional<admin::BrokerState> said;  // by the controller; nothing: it does not know the broker, or nobody answers
};

// `connector` is asked only while the cluster runs. In the order of ids.
std::vector<BrokerRow> broker_rows(const ClusterView& cluster, admin::ClusterAdminConnector& connector,
                                   bool is_running);
kube::Json to_json(const BrokerRow& row);

// Why the brokers of a running cluster have no controller, and since when.
struct QuorumTrouble {
  std::string rule;  // QuorumLost, NoController, NobodyAnswers
  std::string why;   // names the voters that do not answer
  Timestamp since_ms = kNoTimestamp;
};
std::optional<QuorumTrouble> quorum_trouble(const ClusterView& cluster, admin::ClusterAdminConnector& connector);

// "3 left, 2 move, about 40 s"; "" when it has none.
std::string progress_words(const std::optional<admin::Decommission>& decommission);

}  // namespace millrace::cli
