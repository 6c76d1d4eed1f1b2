#pragma once

#include <atomic>
#include <memory>
#include <unordered_set>
#include <vector>

#include "broker/io/event_loop.h"
#include "broker/replication/leader_link.h"
#include "broker/replication/link_context.h"
#include "broker/replication/peer_transport.h"

namespace millrace::replication {

// The leader's ends of all streams that other brokers opened to this one, spread over the loops. Destroyed when the
// loops run nothing of it any more.
class LeaderLinks final : public PeerAcceptor {
 public:
  LeaderLinks(const LinkContext& context, const std::vector<io::EventLoop*>& loops);
  ~LeaderLinks() override;

  io::EventLoop& loop_for_link() override;
  PeerLinkEvents& accept(std::unique_ptr<PeerLink> link) override;

 private:
  struct LoopLinks {
    io::EventLoop* loop = nullptr;
    std::unordered_set<std::unique_ptr<LeaderLink>> links;  // the loop's alone
  };

  const LinkContext& context_;
  std::vector<LoopLinks> loops_;
  std::atomic<size_t> next_{0};
};

}  // namespace millrace::replication
