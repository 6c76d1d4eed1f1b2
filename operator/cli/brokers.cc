#include "operator/cli/brokers.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "operator/controller/status.h"

namespace millrace::cli {

using kube::Json;

namespace {

// Whoever looks does not want to wait.
constexpr std::chrono::milliseconds kTimeout{3'000};
constexpr std::chrono::milliseconds kAttemptTimeout{1'000};

std::string name_of(BrokerId id) { return "broker " + std::to_string(id.value()); }

std::optional<io::Endpoint> endpoint_of(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  io::Endpoint result{.host = address.substr(0, colon)};
  const char* const end = address.data() + address.size();
  const auto read = std::from_chars(address.data() + colon + 1, end, result.port);
  return read.ec == std::errc() && read.ptr == end ? std::optional(result) : std::nullopt;
}

// The brokers that may be asked: those that have a port. Ready ones first, so that nothing that hangs is waited for.
struct Askable {
  std::vector<BrokerId> ids;
  std::vector<io::Endpoint> addresses;  // as many
};
Askable askable(const ClusterView& cluster) {
  Askable result;
  for (const bool ready : {true, false}) {
    for (const BrokerView& broker : cluster.brokers) {
      const std::optional<io::Endpoint> at = endpoint_of(broker.rpc);
      if (broker.is_ready != ready || !at) continue;
      result.ids.emplace_back(static_cast<int32_t>(broker.id));
      result.addresses.push_back(*at);
    }
  }
  return result;
}

Result<std::unique_ptr<admin::ClusterAdmin>> connect(const ClusterView& cluster,
                                                     admin::ClusterAdminConnector& connector) {
  Askable whom = askable(cluster);
  if (whom.addresses.empty()) return Error{Errc::connection_refused, "no broker has been started yet"};
  return connector.connect(
      {.brokers = std::move(whom.addresses), .timeout = kTimeout, .attempt_timeout = kAttemptTimeout});
}

std::string state_of(const BrokerRow& row, bool was_told, bool is_running) {
  if (!is_running) return "stopped";
  if (row.pod.pod.empty()) return "gone";
  if (row.pod.pid == 0) return "down";
  if (!was_told) return row.pod.is_ready ? "unknown" : "starting";
  if (!row.said) return "starting";
  if (row.said->shutting_down) return "stopping";
  if (row.said->fenced) return row.pod.is_ready ? "fenced" : "starting";
  return "serving";
}

}  // namespace

std::vector<BrokerRow> broker_rows(const ClusterView& cluster, admin::ClusterAdminConnector& connector,
                                   bool is_running) {
  std::map<int64_t, BrokerRow> rows;
  for (const BrokerView& pod : cluster.brokers) rows[pod.id].pod = pod;
  Result<admin::ClusterState> told = Error{Errc::connection_refused, ""};
  if (is_running) {
    if (const auto client = connect(cluster, connector)) told = (*client)->describe();
  }
  const bool is_certain = told && told->no_controller.empty();
  if (told) {
    for (const admin::BrokerState& one : told->brokers) {
      BrokerRow& row = rows[one.id.value()];
      row.said = one;
      row.pod.cluster = cluster.name;
      row.pod.id = one.id.value();
    }
  }
  std::set<int64_t> voters;
  if (is_certain) {
    for (const admin::VoterState& voter : told->voters) voters.insert(voter.id.value());
  }
  std::vector<BrokerRow> result;
  for (auto& [id, row] : rows) {
    row.state = state_of(row, is_certain, is_running);
    if (is_certain) row.votes = voters.contains(id);
    result.push_back(std::move(row));
  }
  return result;
}

std::string progress_words(const std::optional<admin::Decommission>& decommission) {
  if (!decommission) return "";
  if (decommission->left == 0) return "nothing left";
  std::string words = std::to_string(decommission->left) + " left, " + std::to_string(decommission->moving) + " move";
  if (decommission->stuck > 0) words += ", " + std::to_string(decommission->stuck) + " stuck";
  if (decommission->first_stuck) words += " (" + decommission->first_stuck->to_string() + ")";
  if (decommission->remaining) words += ", about " + std::to_string(decommission->remaining->count() / 1000) + " s";
  return words;
}

Json to_json(const BrokerRow& row) {
  const auto text = [](const std::string& value) { return value.empty() ? Json(nullptr) : Json(value); };
  Json result{{"cluster", row.pod.cluster},
              {"id", row.pod.id},
              {"state", row.state},
              {"pod", text(row.pod.pod)},
              {"pid", row.pod.pid == 0 ? Json(nullptr) : Json(row.pod.pid)},
              {"kafka", text(row.pod.kafka)},
              {"rpc", text(row.pod.rpc)},
              {"http", text(row.pod.http)},
              {"ready", row.pod.is_ready},
              {"restarts", row.pod.restarts}};
  if (row.votes) result["votes"] = *row.votes;
  if (!row.said) return result;
  const admin::BrokerState& said = *row.said;
  result["leaders"] = said.leaders;
  result["partitions"] = said.replicas;
  result["inSync"] = said.in_sync;
  result["rack"] = text(said.rack);
  result["heardAgoMs"] = said.heard_ago ? Json(said.heard_ago->count()) : Json(nullptr);
  result["permit"] = nullptr;
  if (said.permit) {
    result["permit"] = {{"holder", said.permit->holder},
                        {"granted", controller::time_text(said.permit->granted_ms)},
                        {"expires", controller::time_text(said.permit->expires_ms)}};
  }
  result["decommission"] = nullptr;
  if (const auto& leaves = said.decommission) {
    result["decommission"] = {{"since", controller::time_text(leaves->since_ms)},
                              {"left", leaves->left},
                              {"moving", leaves->moving},
                              {"stuck", leaves->stuck},
                              {"remainingMs", leaves->remaining ? Json(leaves->remaining->count()) : Json(nullptr)}};
    if (leaves->first_stuck) result["decommission"]["firstStuck"] = leaves->first_stuck->to_string();
  }
  return result;
}

std::optional<QuorumTrouble> quorum_trouble(const ClusterView& cluster, admin::ClusterAdminConnector& connector) {
  const auto client = connect(cluster, connector);
  if (!client) return std::nullopt;  // none has been started yet
  const Result<admin::ClusterState> told = (*client)->describe();
  if (told && told->no_controller.empty()) return std::nullopt;

  const std::vector<BrokerId> ids = askable(cluster).ids;
  const std::vector<Result<admin::BrokerSelf>> each = (*client)->ask_each();
  std::set<BrokerId> answered;
  std::map<BrokerId, std::string> silent;
  const admin::QuorumSelf* newest = nullptr;
  Timestamp since = kNoTimestamp;
  for (size_t i = 0; i < each.size(); ++i) {
    if (!each[i]) {
      silent[ids[i]] = each[i].error().to_string();
      continue;
    }
    answered.insert(each[i]->id);
    const admin::QuorumSelf& quorum = each[i]->quorum;
    if (newest == nullptr || quorum.last > newest->last) newest = &quorum;
    const Timestamp lost = each[i]->isolated ? each[i]->isolated_since_ms : kNoTimestamp;
    if (lost != kNoTimestamp && (since == kNoTimestamp || lost < since)) since = lost;
  }
  if (newest == nullptr) {
    std::string words = "no broker answers";
    for (const auto& [id, why] : silent) words += "; " + name_of(id) + ": " + why;
    return QuorumTrouble{"NobodyAnswers", words, since};
  }
  std::string missing;
  size_t there = 0;
  for (const admin::QuorumVoter& voter : newest->voters) {
    if (answered.contains(voter.id)) {
      ++there;
      continue;
    }
    const auto why = silent.find(voter.id);
    missing += (missing.empty() ? "" : "; ") + name_of(voter.id) +
               (why == silent.end() ? ": it has no pod" : ": " + why->second);
  }
  const size_t voters = newest->voters.size();
  if (voters > 0 && there < voters / 2 + 1) {
    return QuorumTrouble{"QuorumLost",
                         "the metadata quorum needs " + std::to_string(voters / 2 + 1) + " of its " +
                             std::to_string(voters) + " voters and " + std::to_string(there) +
                             (there == 1 ? " answers" : " answer") + "; missing are " + missing,
                         since};
  }
  return QuorumTrouble{"NoController", told ? told->no_controller : told.error().to_string(), since};
}

}  // namespace millrace::cli
