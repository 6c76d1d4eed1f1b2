#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "broker/control/controller_calls.h"
#include "broker/io/sim/sim_event_loop.h"
#include "broker/raft/node/node.h"

namespace millrace::sim {

// The network between brokers for what is not a stream of records: messages of the quorum, which get lost, come twice
// and overtake each other, and calls of the controller, whose connections break on either way. Directions between two
// brokers are blocked as told: then what is sent is lost without a word.
class Links {
 public:
  // What of a broker is there to be reached; null: nothing.
  struct Door {
    raft::Node* raft = nullptr;
    control::ControllerServer* controller = nullptr;
  };

  Links(io::sim::SimScheduler& scheduler, uint64_t seed)
      : scheduler_(scheduler), random_(seed), wire_(scheduler.make_loop()) {}

  void block(BrokerId from, BrokerId to) { blocked_.insert({from, to}); }
  void unblock(BrokerId from, BrokerId to) { blocked_.erase({from, to}); }
  bool is_blocked(BrokerId from, BrokerId to) const { return blocked_.contains({from, to}); }
  // One message in so many is lost, comes twice, or is not kept in order; 0: none.
  void set_weather(uint64_t lost, uint64_t doubled, uint64_t unordered) {
    lost_ = lost, doubled_ = doubled, unordered_ = unordered;
  }
  void set_delay_max(Duration delay) { delay_max_ = delay; }
  void open(BrokerId broker, Door door) { doors_[broker] = door; }
  void close(BrokerId broker) { doors_.erase(broker); }
  Door door(BrokerId broker) const {
    const auto found = doors_.find(broker);
    return found == doors_.end() ? Door{} : found->second;
  }

  // A message that nobody misses when it is lost.
  void send(BrokerId from, BrokerId to, const std::function<void()>& arrive);
  // One on a connection: when the network breaks that, `from` hears of it, and the message may have arrived or not.
  void send_call(BrokerId from, BrokerId to, std::function<void()> arrive, std::function<void()> broken);
  io::sim::SimEventLoop& wire() { return *wire_; }
  uint64_t lost() const { return lost_count_; }
  uint64_t doubled() const { return doubled_count_; }

 private:
  bool is_lost();
  void send_once(BrokerId from, BrokerId to, std::function<void()> arrive);

  io::sim::SimScheduler& scheduler_;
  io::sim::SimRandom random_;
  const std::unique_ptr<io::sim::SimEventLoop> wire_;
  std::set<std::pair<BrokerId, BrokerId>> blocked_;
  std::map<BrokerId, Door> doors_;
  std::map<std::pair<BrokerId, BrokerId>, TimePoint> last_;
  uint64_t lost_ = 0, doubled_ = 0, unordered_ = 0;
  uint64_t lost_count_ = 0, doubled_count_ = 0;
  Duration delay_max_ = std::chrono::milliseconds(3);
};

// One process's way to the other members of the quorum.
class RaftLink final : public raft::Transport {
 public:
  RaftLink(Links& links, BrokerId self) : links_(links), self_(self) {}
  void send(raft::Message message) override { carry(std::move(message)); }
  void send(raft::Introduction introduction) override { carry(std::move(introduction)); }
  void cut() { is_cut_ = true; }  // the process has died

 private:
  template <class Any>
  void carry(Any message) {
    if (is_cut_) return;
    const BrokerId to = message.to.node;
    links_.send(self_, to, [&links = links_, to, message = std::move(message)] {
      if (raft::Node* node = links.door(to).raft) node->deliver(message);
    });
  }

  Links& links_;
  const BrokerId self_;
  bool is_cut_ = false;
};

// One process's way to the controller on another broker. What is answered after it is gone is dropped.
class ControllerLink final : public control::ControllerChannel {
 public:
  ControllerLink(Links& links, BrokerId self) : links_(links), self_(self) {}
  void call(BrokerId controller, control::ControllerCall call, Duration timeout, control::ControllerDone done) override;
  void cut() { waiting_->clear(); }

 private:
  using Waiting = std::map<uint64_t, control::ControllerDone>;
  static void settle(const std::weak_ptr<Waiting>& waiting, uint64_t number, Result<control::ControllerAnswer> answer);

  Links& links_;
  const BrokerId self_;
  uint64_t last_ = 0;
  const std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
};

}  // namespace millrace::sim
