#include "broker/control/metadata_quorum.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_event_loop.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/metadata/metadata_config.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

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
struct Member {
  io::sim::SimFileSystem fs;
  std::unique_ptr<io::sim::SimEventLoop> driver, disk, apply, control;
  std::unique_ptr<MemoryNetwork::Link> link;
  std::unique_ptr<metadata::ImageStore> images;
  std::unique_ptr<MetadataQuorum> quorum;
  std::optional<Error> fatal;
};

class MetadataQuorumTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void start(int id, const std::vector<int>& contacts, bool is_voter = true) {
    Member& member = members_[id];
    (void)member.fs.create_directories("/data");
    member.driver = scheduler_.make_loop();
    member.disk = scheduler_.make_loop();
    member.apply = scheduler_.make_loop();
    member.control = scheduler_.make_loop();
    member.link = std::make_unique<MemoryNetwork::Link>(network_, BrokerId{id});
    member.images = std::make_unique<metadata::ImageStore>();
    raft::NodeOptions node;
    node.core.self = {BrokerId{id}, Uuid::from_random(21, static_cast<uint64_t>(id))};
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
  // The process dies: what was written stays.
  void kill(int id) {
    Member& member = members_[id];
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
                                        .directory_id = Uuid::from_random(21, static_cast<uint64_t>(id)),
                                        .cluster_id = "c",
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
  std::map<int, Member> members_;
};
INSTANTIATE_TEST_SUITE_P(seeds, MetadataQuorumTest, testing::Range<uint64_t>(1, 9));

TEST_P(MetadataQuorumTest, a_single_voter_leads_at_once_and_its_controller_writes_the_cluster) {
  start(1, {1});
  ASSERT_TRUE(until([this] { return members_[1].images->load()->cluster_id == "c"; }));
  EXPECT_EQ(members_[1].images->load()->controller, BrokerId{1});
  EXPECT_LE(clock_.now().time_since_epoch(), milliseconds(50));
}

TEST_P(MetadataQuorumTest, what_was_answered_is_there_after_a_restart_from_snapshot_and_log) {
  start(1, {1});
  register_broker(1);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(make_topic("t" + std::to_string(i))) << i;
  kill(1);
  start(1, {1});
  ASSERT_TRUE(until([this] { return members_[1].images->load()->topics().size() == 50; }));
  EXPECT_GT(members_[1].quorum->node().status().snapshot, raft::Index{0}) << "the test is meant to cross a snapshot";
  ASSERT_TRUE(make_topic("more"));
}

TEST_P(MetadataQuorumTest, three_voters_have_one_controller_and_the_same_image) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  register_broker(1);
  ASSERT_TRUE(make_topic("t"));
  ASSERT_TRUE(until([this] { return same_images(); }));
  for (auto& [id, member] : members_) {
    EXPECT_NE(member.images->load()->find_topic("t"), nullptr) << id;
    EXPECT_EQ(member.images->load()->controller, BrokerId{active()}) << id;
    EXPECT_EQ(member.quorum->host().is_active(), id == active());
  }
}

TEST_P(MetadataQuorumTest, the_controller_moves_when_its_broker_dies_and_nothing_answered_is_lost) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  register_broker(1);
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(make_topic("t" + std::to_string(round)));
    const int ended = active();
    kill(ended);
    ASSERT_TRUE(make_topic("u" + std::to_string(round))) << "without broker " << ended;
    start(ended, {1, 2, 3});
  }
  ASSERT_TRUE(until([this] { return same_images(); }));
  EXPECT_EQ(members_[1].images->load()->topics().size(), 12u);
}

TEST_P(MetadataQuorumTest, a_controller_that_is_cut_off_gives_up_and_follows) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  register_broker(1);
  ASSERT_TRUE(make_topic("t"));
  const int old = active();
  network_.cut(BrokerId{old}, true);
  ASSERT_TRUE(until([&] { return !members_[old].quorum->host().is_active(); }));
  ASSERT_TRUE(until([&] { return active() >= 0; }));
  ASSERT_TRUE(make_topic("u"));
  network_.cut(BrokerId{old}, false);
  ASSERT_TRUE(until([&] { return members_[old].images->load()->find_topic("u") != nullptr && same_images(); }));
}

TEST_P(MetadataQuorumTest, a_broker_that_is_no_voter_follows_the_log) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  register_broker(1);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(make_topic("t" + std::to_string(i)));
  start(4, {1, 2, 3}, false);
  ASSERT_TRUE(until([this] { return members_[4].images->load()->topics().size() == 30; }));
  ASSERT_TRUE(make_topic("more"));
  ASSERT_TRUE(until([this] { return members_[4].images->load()->find_topic("more") != nullptr; }));
}

}  // namespace
}  // namespace millrace::control
