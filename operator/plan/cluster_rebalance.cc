// Replicas go to brokers that have far fewer than others: those that have just been added.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

constexpr std::string_view kRebalancing = "Rebalancing";

// Moves go on until all is even, also by another operator: the status says so before the first of them begins.
bool has_begun(const api::KafkaCluster& cluster) {
  if (!cluster.object.has({"status", "conditions"})) return false;
  for (const kube::Json& condition : cluster.object.json()["status"]["conditions"]) {
    if (condition.value("type", "") == kProgressing) return condition.value("reason", "") == kRebalancing;
  }
  return false;
}

// Some broker has less than half of what brokers have on average.
bool is_lopsided(const ClusterObserved& observed) {
  int64_t total = 0;
  int64_t least = INT64_MAX;
  const auto count = static_cast<int64_t>(observed.kafka.brokers.size());
  for (const BrokerFacts& broker : observed.kafka.brokers) {
    if (broker.is_fenced) return false;
    total += broker.partitions;
    least = std::min<int64_t>(least, broker.partitions);
  }
  return count > 1 && 2 * least * count < total && total - least * count >= 2 * count;
}

}  // namespace

std::optional<Condition> plan_rebalance(const api::KafkaCluster& cluster, const ClusterObserved& observed, Plan& plan) {
  if (!observed.kafka.is_certain()) return std::nullopt;
  const auto rebalancing = [&](std::string words) {
    plan.check_again = std::min(plan.check_again, has_begun(cluster) ? kCheckMoves : kCheckSoon);
    return Condition{std::string(kProgressing), ConditionStatus::yes, std::string(kRebalancing), std::move(words)};
  };
  const std::string aim = "replicas move to brokers that have fewer: ";
  if (!has_begun(cluster)) {
    return is_lopsided(observed) ? std::optional(rebalancing(aim + "it begins")) : std::nullopt;
  }
  const Question question{Question::Kind::rebalance, 0};
  if (!observed.answer || observed.answer->question != question) {
    plan.ask = question;
    return std::nullopt;
  }
  const Answer& answer = *observed.answer;
  if (answer.error.empty() && answer.moves == 0 && answer.moves_left == 0) return std::nullopt;
  if (!answer.error.empty()) return rebalancing(aim + answer.error);
  return rebalancing(aim + std::to_string(answer.moves) + " move, " + std::to_string(answer.moves_left) + " will");
}

}  // namespace millrace::plan
