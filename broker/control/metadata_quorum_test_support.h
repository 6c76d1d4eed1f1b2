#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/control/metadata_quorum.h"
#include "broker/io/sim/sim_event_loop.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/metadata/metadata_config.h"

namespace millrace::control {

// Messages between the nodes of a test, each a random short while under way; a node can be cut off.
class MemoryNetwork {
 public:
  explicit MemoryNetwork(io::sim::SimScheduler& scheduler) : scheduler_(scheduler), loop_(scheduler.make_loop()) {}

  class Link final : public raft::Transport {
   public:
    Link(MemoryNetwork& network, BrokerId self) : network_(network), self_(self) {}
    void send(raft::Message message) override { network_.carry(self_, std::move(message)); }
    void send(raft::Introduction message) override { network_.carry(self_, std::move(message)); }

   private:
    MemoryNetwork& network_;
    const BrokerId self_;
  };

  void attach(BrokerId id, raft::Node* node) { nodes_[id] = node; }
  void cut(BrokerId id, bool cut) { cut_[id] = cut; }

 private:
  template <class Message>
  void carry(BrokerId from, Message message) {
    const BrokerId to = message.to.node;
    loop_->post([this, from, to, message = std::move(message)] {
      loop_->run_after(std::chrono::microseconds(100 + scheduler_.random().below(900)), [this, from, to, message] {
        raft::Node* node = nodes_[to];
        if (node != nullptr && !cut_[from] && !cut_[to]) node->deliver(message);
      });
    });
  }

  io::sim::SimScheduler& scheduler_;
  std::unique_ptr<io::sim::SimEventLoop> loop_;
  std::map<BrokerId, raft::Node*> nodes_;
  std::map<BrokerId, bool> cut_;
};

// One broker's part in the quorum, on a simulated disk that outlives it.
struct SimMember {
  io::sim::SimFileSystem fs;
  std::unique_ptr<io::sim::SimEventLoop> driver, disk, apply, control;
  std::unique_ptr<MemoryNetwork::Link> link;
  std::unique_ptr<metadata::ImageStore> images;
  std::unique_ptr<MetadataQuorum> quorum;
  std::optional<Error> fatal;
};

class QuorumTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void start(int id, const std::vector<int>& contacts, bool is_voter = true) {
    SimMember& member = members_[id];
    (void)member.fs.create_directories("/data");
    member.driver = scheduler_.make_loop();
    member.disk = scheduler_.make_loop();
    member.apply = scheduler_.make_loop();
    member.control = scheduler_.make_loop();
    member.link = std::make_unique<MemoryNetwork::Link>(network_, BrokerId{id});
    member.images = std::make_unique<metadata::ImageStore>();
    raft::NodeOptions node;
    node.core.self = {BrokerId{id}, directory_of(id)};
    node.core.seed = GetParam() * 10 + static_cast<uint64_t>(id);
    node.store = {.fs = &member.fs, .clock = &clock_, .directory = "/data/__cluster_metadata-0"};
    node.cluster = "c";
    for (const int contact : contacts) {
      if (is_voter) node.initial_voters.emplace_back(contact);
      node.core.contacts.emplace_back(contact);
    }
    node.clock = &clock_;
    node.transport = member.link.get();
    node.driver_loop = member.driver.get();
    node.disk_loop = member.disk.get();
    node.apply_loop = member.apply.get();
    node.snapshot_entries = 20;
    auto quorum = MetadataQuorum::open(
        {.node = std::move(node),
         .images = member.images.get(),
         .config = {.keys = metadata::metadata_config(), .static_values = &values_, .self = BrokerId{id}},
         .control_loop = member.control.get(),
         .new_uuid = [this] { return Uuid::from_random(9, ++uuids_); },
         .on_fatal = [&member](const Error& why) { member.fatal = why; }});
    ASSERT_TRUE(quorum) << quorum.error().to_string();
    member.quorum = std::move(quorum).value();
    network_.attach(BrokerId{id}, &member.quorum->node());
  }
  Uuid directory_of(int id) { return Uuid::from_random(21 + disks_lost_[id], static_cast<uint64_t>(id)); }
  // The process dies with its disk; what starts next has another directory.
  void lose_disk(int id) {
    if (members_[id].quorum) kill(id);
    members_.erase(id);
    ++disks_lost_[id];
  }
  // The process dies: what was written stays.
  void kill(int id) {
    SimMember& member = members_[id];
    network_.attach(BrokerId{id}, nullptr);
    for (auto* loop : {&member.driver, &member.disk, &member.apply, &member.control}) (*loop)->stop();
    member.quorum.reset();
    member.fs.restart();
  }
  void TearDown() override {
    for (auto& [id, member] : members_) {
      if (member.quorum) kill(id);
      EXPECT_FALSE(member.fatal) << member.fatal->to_string();
    }
  }

  bool until(const std::function<bool()>& done) { return scheduler_.run_until(done, std::chrono::seconds(30)); }
  int active() {
    for (auto& [id, member] : members_) {
      if (member.quorum && member.quorum->host().is_active()) return id;
    }
    return -1;
  }
  // Asks whoever is the controller, again while that changes.
  bool make_topic(const std::string& name) {
    for (int tries = 0; tries < 20; ++tries) {
      if (!until([this] { return active() >= 0; })) return false;
      auto answer = std::make_shared<std::optional<Errc>>();
      auto made = std::make_shared<bool>(false);
      members_[active()].quorum->host().serve(BrokerId{9}, AutoCreateTopic{name},
                                              [answer, made](const Result<ControllerAnswer>& got) {
                                                *made = got.has_value();
                                                *answer = got ? Errc::io : got.error().code;
                                              });
      if (!until([&] { return answer->has_value(); })) continue;
      if (*made || **answer == Errc::topic_already_exists) return true;
    }
    return false;
  }
  void register_broker(int id) {
    ASSERT_TRUE(until([this] { return active() >= 0; }));
    auto epoch = std::make_shared<std::optional<int64_t>>();
    ControllerHost& host = members_[active()].quorum->host();
    host.serve(BrokerId{id},
               metadata::RegisterBroker{.id = BrokerId{id},
                                        .incarnation = Uuid::from_random(7, static_cast<uint64_t>(id)),
                                        .directory_id = directory_of(id),
                                        .cluster_id = "c",
                                        .rpc = {"host" + std::to_string(id), static_cast<uint16_t>(9000 + id)},
                                        .fenced = false},
               [epoch](const Result<ControllerAnswer>& answer) {
                 ASSERT_TRUE(answer) << answer.error().to_string();
                 *epoch = std::get<metadata::RegisterBrokerReply>(*answer).epoch;
               });
    ASSERT_TRUE(until([&] { return epoch->has_value(); }));
  }
  bool same_images() {
    const metadata::ImagePointer first = members_.begin()->second.images->load();
    return std::all_of(members_.begin(), members_.end(),
                       [&](const auto& one) { return !one.second.quorum || *one.second.images->load() == *first; });
  }

  io::sim::SimClock clock_;
  io::sim::SimScheduler scheduler_{clock_, GetParam()};
  MemoryNetwork network_{scheduler_};
  ConfigValues values_;
  uint64_t uuids_ = 0;
  std::map<int, uint64_t> disks_lost_;
  std::map<int, SimMember> members_;
};

}  // namespace millrace::control
