#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/raft/core/configuration.h"
#include "broker/raft/node/transport.h"

namespace millrace::raft {

// How the voters of a new cluster, of whom only the node ids are known beforehand, come to a first configuration that
// names their data directories. One of them, the one with the lowest id, asks all others who they are, and whomever
// else it may ask for a leader; when every one of them has said, to this very directory, that it has no state at all,
// it begins the log with the configuration of all voters, and elects itself with their votes. Why this is safe:
// README.md. A value, used by the driver.
class Introductions {
 public:
  // `voters` is empty when this node is no voter of a new cluster; `witnesses`, who are asked as well, may be among
  // them.
  Introductions(std::string cluster, std::vector<NodeId> voters, const std::vector<NodeId>& witnesses, Member self);

  // It is on this node to begin the log, as long as nobody says that there is one.
  bool begins() const { return begins_; }
  // Who has not answered yet, asked.
  std::vector<Introduction> questions() const;
  // What to answer, if anything. `empty`: this node has no state.
  std::optional<Introduction> on_received(const Introduction& introduction, bool empty);
  // Set once everybody has answered.
  std::optional<Configuration> ready() const;
  // There is state, here or elsewhere: nothing is begun any more.
  void give_up() { begins_ = false; }
  // Somebody was configured for another cluster or for other voters, said once.
  std::optional<std::string> take_complaint() { return std::exchange(complaint_, std::nullopt); }

 private:
  void complain(const Introduction& introduction);

  const std::string cluster_;
  std::vector<NodeId> voters_;
  std::set<NodeId> asked_;
  const Member self_;
  bool begins_ = false;
  bool complained_ = false;
  std::map<NodeId, Member> empty_;  // of those asked: they have no state
  std::optional<std::string> complaint_;
};

}  // namespace millrace::raft
