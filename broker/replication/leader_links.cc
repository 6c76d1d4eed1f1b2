#include "broker/replication/leader_links.h"

#include <algorithm>
#include <utility>

namespace millrace::replication {

LeaderLinks::LeaderLinks(const LinkContext& context, const std::vector<io::EventLoop*>& loops) : context_(context) {
  for (io::EventLoop* loop : loops) loops_.emplace_back().loop = loop;
}

LeaderLinks::~LeaderLinks() = default;

io::EventLoop& LeaderLinks::loop_for_link() {
  return *loops_[next_.fetch_add(1, std::memory_order_relaxed) % loops_.size()].loop;
}

PeerLinkEvents& LeaderLinks::accept(std::unique_ptr<PeerLink> link) {
  const auto here =
      std::find_if(loops_.begin(), loops_.end(), [](const LoopLinks& at) { return at.loop->is_current(); });
  ENSURE(here != loops_.end());
  LoopLinks* at = &*here;
  // The link says that it is closed from within itself, so it goes in a task of its own.
  auto self = std::make_shared<LeaderLink*>(nullptr);
  auto made = std::make_unique<LeaderLink>(context_, *at->loop, std::move(link), [at, self] {
    at->loop->post([at, self] { std::erase_if(at->links, [&](const auto& each) { return each.get() == *self; }); });
  });
  *self = made.get();
  return **at->links.insert(std::move(made)).first;
}

}  // namespace millrace::replication
