#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "broker/io/sim/sim_event_loop.h"
#include "broker/metadata/image_builder.h"
#include "broker/replication/isr_changes.h"

namespace millrace::replication::testing {

// As much of a controller as replication needs: who is alive, who leads, who is in sync. Elects from the in-sync set
// and gives each election a new leader epoch. Images reach brokers late and in order; proposals may get lost on either
// way.
class ToyController {
 public:
  using Sink = std::function<void(metadata::ImagePointer)>;

  ToyController(io::sim::SimScheduler& scheduler, uint64_t seed) : random_(seed), loop_(scheduler.make_loop()) {}

  Uuid create(const std::string& topic, std::vector<std::vector<BrokerId>> placements) {
    const Uuid id = random_.uuid();
    apply(metadata::TopicRecord{.id = id, .name = topic});
    for (size_t i = 0; i < placements.size(); ++i) {
      metadata::PartitionImage state;
      state.leader = placements[i].front();
      state.replicas = state.isr = placements[i];
      apply(metadata::PartitionRecord{.topic = id, .index = PartitionIndex{static_cast<int32_t>(i)}, .state = state});
    }
    publish();
    return id;
  }
  void configure(const std::string& topic, const std::string& name, const std::string& value) {
    apply(metadata::ConfigRecord{.resource_type = 2, .resource = topic, .name = name, .value = value});
    publish();
  }
  // A broker's process has started; `lost`: its disk may have forgotten. Answers its epoch.
  int64_t start(BrokerId broker, bool lost) {
    if (alive(broker)) leave(broker);
    if (lost) drop_from_isr(broker);
    apply(metadata::RegisterBrokerRecord{.id = broker, .epoch = next_, .fenced = false});
    arrive(broker);
    publish();
    return image_of(broker)->epoch;
  }
  void configure_broker(BrokerId broker, const std::string& name, const std::string& value) {
    apply(metadata::ConfigRecord{4, std::to_string(broker.value()), name, value});
    publish();
  }
  void fence(BrokerId broker) {
    if (!alive(broker)) return;
    apply(metadata::FenceBrokerRecord{.id = broker, .fenced = true});
    leave(broker);
    publish();
  }
  void unfence(BrokerId broker) {
    if (image_of(broker) == nullptr || alive(broker)) return;
    apply(metadata::FenceBrokerRecord{.id = broker, .fenced = false});
    arrive(broker);
    publish();
  }
  bool alive(BrokerId broker) const { return image_of(broker) != nullptr && !image_of(broker)->fenced; }
  // Another in-sync replica leads.
  void move_leader(const std::string& topic, PartitionIndex index) {
    change_all([&](const std::string& name, PartitionIndex at, metadata::PartitionImage& state) {
      if (name != topic || at != index) return false;
      for (const BrokerId broker : state.isr) {
        if (broker != state.leader && alive(broker)) return lead(state, broker);
      }
      return false;
    });
    publish();
  }

  // Where images go; null: nowhere for now. The newest comes again when it is set.
  void set_sink(BrokerId broker, Sink sink) {
    sinks_[broker] = std::move(sink);
    send(broker);
  }
  void set_reachable(BrokerId broker, bool reachable) {
    if (!reachable) return void(unreachable_.insert(broker));
    unreachable_.erase(broker);
    send(broker);
  }
  bool is_reachable(BrokerId broker) const { return !unreachable_.contains(broker); }
  void set_loss(uint64_t one_in) { loss_one_in_ = one_in; }
  const metadata::ClusterImage& image() const { return builder_.current(); }
  std::vector<IsrChange> proposals;  // all that came, for tests of one partition

  void propose(BrokerId from, IsrChange change, std::function<void(IsrOutcome)> done) {
    loop_->post([this, from, change = std::move(change), done = std::move(done)] {
      loop_->run_after(delay(), [this, from, change, done] {
        IsrOutcome outcome = IsrOutcome::unknown;
        if (!is_lost(from)) outcome = decide(from, change);
        if (is_lost(from)) outcome = IsrOutcome::unknown;
        loop_->run_after(delay(), [done, outcome] { done(outcome); });
      });
    });
  }

 private:
  bool is_lost(BrokerId from) {
    return unreachable_.contains(from) || (loss_one_in_ != 0 && random_.chance(loss_one_in_));
  }
  Duration delay() { return std::chrono::microseconds(random_.below(20'000)); }
  const metadata::BrokerImage* image_of(BrokerId broker) const { return image().find_broker(broker); }
  IsrOutcome decide(BrokerId from, const IsrChange& change) {
    proposals.push_back(change);
    const metadata::TopicImage* topic = image().find_topic(change.topic_id);
    if (topic == nullptr) return IsrOutcome::stale;
    metadata::PartitionImage state = topic->partitions[static_cast<size_t>(change.partition.value())];
    if (state.leader != from || state.leader_epoch != change.leader_epoch ||
        state.partition_epoch != change.partition_epoch) {
      return IsrOutcome::stale;
    }
    std::vector<BrokerId> isr;
    for (const IsrChange::Member& member : change.isr) {
      const bool stays = std::find(state.isr.begin(), state.isr.end(), member.broker) != state.isr.end();
      const bool is_known = member.broker_epoch == -1 ? stays : image_of(member.broker)->epoch == member.broker_epoch;
      if (!is_known || !alive(member.broker)) return IsrOutcome::refused;
      isr.push_back(member.broker);
    }
    state.isr = isr;
    ++state.partition_epoch;
    apply(metadata::PartitionChangeRecord{.topic = topic->id, .index = change.partition, .state = state});
    publish();
    return IsrOutcome::committed;
  }

  void apply(const metadata::MetadataRecord& record) { builder_.apply(Offset{next_++}, record); }
  template <class Change>
  void change_all(Change change) {
    std::vector<metadata::PartitionChangeRecord> records;
    for (const auto& [name, topic] : image().topics()) {
      for (size_t i = 0; i < topic->partitions.size(); ++i) {
        metadata::PartitionImage state = topic->partitions[i];
        const PartitionIndex index{static_cast<int32_t>(i)};
        if (!change(name, index, state)) continue;
        ++state.partition_epoch;
        records.push_back({.topic = topic->id, .index = index, .state = state});
      }
    }
    for (const auto& record : records) apply(record);
  }
  static bool lead(metadata::PartitionImage& state, BrokerId broker) {
    state.leader = broker;
    state.leader_epoch = state.leader_epoch.next();
    return true;
  }
  void leave(BrokerId broker) {
    change_all([&](const std::string&, PartitionIndex, metadata::PartitionImage& state) {
      const bool led = state.leader == broker;
      const bool leaves = state.isr.size() > 1 && std::erase(state.isr, broker) != 0;
      if (!led) return leaves;
      for (const BrokerId candidate : state.isr) {
        if (candidate != broker && alive(candidate)) return lead(state, candidate);
      }
      return lead(state, kNoBroker);
    });
  }
  void drop_from_isr(BrokerId broker) {
    change_all([&](const std::string&, PartitionIndex, metadata::PartitionImage& state) {
      return state.isr.size() > 1 && std::erase(state.isr, broker) != 0;
    });
  }
  void arrive(BrokerId broker) {
    change_all([&](const std::string&, PartitionIndex, metadata::PartitionImage& state) {
      const bool is_in = std::find(state.isr.begin(), state.isr.end(), broker) != state.isr.end();
      return state.leader == kNoBroker && is_in && lead(state, broker);
    });
  }
  void publish() {
    for (const auto& [broker, sink] : sinks_) send(broker);
  }
  void send(BrokerId broker) {
    loop_->post([this, broker, image = builder_.image()] {
      loop_->run_after(delay(), [this, broker, image] {
        if (unreachable_.contains(broker) || sinks_[broker] == nullptr) return;
        Offset& sent = sent_[broker];
        if (image->applied < sent) return;  // a newer one was faster
        sent = image->applied;
        sinks_[broker](image);
      });
    });
  }

  io::sim::SimRandom random_;
  std::unique_ptr<io::sim::SimEventLoop> loop_;
  metadata::ImageBuilder builder_;
  int64_t next_ = 0;
  std::map<BrokerId, Sink> sinks_;
  std::map<BrokerId, Offset> sent_;
  std::set<BrokerId> unreachable_;
  uint64_t loss_one_in_ = 0;
};

}  // namespace millrace::replication::testing
