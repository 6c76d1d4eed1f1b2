#include "broker/raft/node/introductions.h"

#include <algorithm>

namespace millrace::raft {

Introductions::Introductions(std::string cluster, std::vector<NodeId> voters, const std::vector<NodeId>& witnesses,
                             Member self)
    : cluster_(std::move(cluster)),
      voters_(std::move(voters)),
      asked_(witnesses.begin(), witnesses.end()),
      self_(self) {
  std::sort(voters_.begin(), voters_.end());
  begins_ = !voters_.empty() && voters_.front() == self_.node;
  asked_.insert(voters_.begin(), voters_.end());
  asked_.erase(self_.node);
}

std::vector<Introduction> Introductions::questions() const {
  std::vector<Introduction> questions;
  for (const NodeId node : asked_) {
    if (!empty_.contains(node)) questions.push_back({cluster_, voters_, self_, {node, {}}, true, true});
  }
  return questions;
}

void Introductions::complain(const Introduction& introduction) {
  if (std::exchange(complained_, true)) return;
  complaint_ = "node " + std::to_string(introduction.from.node.value()) + " is configured for cluster " +
               introduction.cluster + " and its voters, this node for cluster " + cluster_ + " and others";
}

std::optional<Introduction> Introductions::on_received(const Introduction& introduction, bool empty) {
  if (introduction.cluster != cluster_) {
    complain(introduction);
    return std::nullopt;
  }
  if (introduction.asks) {
    if (introduction.to.node != self_.node) return std::nullopt;
    return Introduction{cluster_, voters_, self_, introduction.from, false, empty};
  }
  if (!begins_ || introduction.to != self_) return std::nullopt;
  // Whoever has state ends it, whatever it was configured for.
  if (!introduction.empty) {
    give_up();
    return std::nullopt;
  }
  const bool votes = std::binary_search(voters_.begin(), voters_.end(), introduction.from.node);
  if (introduction.voters != voters_ && (votes || !introduction.voters.empty())) {
    complain(introduction);
  } else if (asked_.contains(introduction.from.node)) {
    empty_[introduction.from.node] = introduction.from;
  }
  return std::nullopt;
}

std::optional<Configuration> Introductions::ready() const {
  if (!begins_ || empty_.size() < asked_.size()) return std::nullopt;
  Configuration configuration{cluster_, {self_}, {}};
  for (const NodeId voter : voters_) {
    if (voter != self_.node) configuration.voters.push_back(empty_.at(voter));
  }
  std::sort(configuration.voters.begin(), configuration.voters.end());
  return configuration;
}

}  // namespace millrace::raft
