#include "broker/raft/node/introductions.h"

#include <algorithm>

namespace millrace::raft {

Introductions::Introductions(std::string cluster, std::vector<NodeId> voters, Member self)
    : cluster_(std::move(cluster)), voters_(std::move(voters)), self_(self) {
  std::sort(voters_.begin(), voters_.end());
  begins_ = !voters_.empty() && voters_.front() == self_.node;
}

std::vector<Introduction> Introductions::questions() const {
  std::vector<Introduction> questions;
  for (const NodeId voter : voters_) {
    if (voter == self_.node || empty_.contains(voter)) continue;
    questions.push_back({cluster_, voters_, self_, {voter, {}}, true, true});
  }
  return questions;
}

std::optional<Introduction> Introductions::on_received(const Introduction& introduction, bool empty) {
  if (introduction.cluster != cluster_ || introduction.voters != voters_) {
    if (!complained_) {
      complained_ = true;
      complaint_ = "node " + std::to_string(introduction.from.node.value()) + " is configured for cluster " +
                   introduction.cluster + " and its voters, this node for cluster " + cluster_ + " and others";
    }
    return std::nullopt;
  }
  if (introduction.asks) {
    if (introduction.to.node != self_.node) return std::nullopt;
    return Introduction{cluster_, voters_, self_, introduction.from, false, empty};
  }
  if (!begins_ || introduction.to != self_) return std::nullopt;
  if (!introduction.empty) {
    give_up();
  } else if (std::binary_search(voters_.begin(), voters_.end(), introduction.from.node)) {
    empty_[introduction.from.node] = introduction.from;
  }
  return std::nullopt;
}

std::optional<Configuration> Introductions::ready() const {
  if (!begins_ || empty_.size() + 1 < voters_.size()) return std::nullopt;
  Configuration configuration{cluster_, {self_}, {}};
  for (const auto& [node, member] : empty_) configuration.voters.push_back(member);
  std::sort(configuration.voters.begin(), configuration.voters.end());
  return configuration;
}

}  // namespace millrace::raft
