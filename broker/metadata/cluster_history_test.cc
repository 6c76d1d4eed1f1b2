#include <random>

#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"
#include "broker/metadata/partition_rules.h"

namespace millrace::metadata {
namespace {

// A cluster of brokers that start, crash, fall silent, follow and fall behind at random, under administrators who do
// not coordinate; after each step everything that must hold of an image is checked.
class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {
    cluster.static_config = {{"min.insync.replicas", std::to_string(1 + pick(2))},
                             {"leader.imbalance.check.interval.seconds", "1"},
                             {"unclean.leader.election.enable", pick(4) == 0 ? "true" : "false"}};
    for (int id = 0; id < kBrokers; ++id) {
      start(id);
      beat(id);
    }
  }

  void step() {
    act();
    cluster.pass(std::chrono::milliseconds{pick(200)});
  }

  TestCluster cluster;
  std::string what;

 private:
  static constexpr int kBrokers = 6;
  struct Process {
    bool runs = false;
    bool shuts_down = false;
    int64_t epoch = -1;
    RegisterBroker registration;
  };

  // One command, after which everything is checked.
  template <class Command>
  auto run(const Command& command) {
    const ImagePointer before = cluster.builder.image();
    auto reply = cluster(command);
    check(*before);
    return reply;
  }
  int pick(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  const ClusterImage& image() { return cluster.image(); }

  void act() {
    const int id = pick(kBrokers);
    Process& process = processes_[id];
    switch (pick(20)) {
      case 0:
        what = "topic";
        (void)run(CreateTopics{
            {{.name = "t" + std::to_string(pick(6)), .partitions = 1 + pick(8), .replication_factor = 1 + pick(3)}}});
        break;
      case 1:
        what = "growth or deletion";
        if (pick(4) == 0) {
          (void)run(DeleteTopics{{"t" + std::to_string(pick(6))}});
        } else {
          (void)run(CreatePartitions{{{.name = "t" + std::to_string(pick(6)), .count = pick(12), .assignments = {}}}});
        }
        break;
      case 2:
      case 3:
        what = "start or crash " + std::to_string(id);
        if (process.runs && pick(2) == 0) {
          process.runs = false;
        } else {
          start(id);
        }
        break;
      case 4:
      case 5:
        what = "tick";
        (void)run(Tick{});
        break;
      case 6:
        what = "shutdown " + std::to_string(id);
        process.shuts_down = process.runs;
        break;
      case 7:
      case 8:
      case 9:
        what = "in-sync sets of " + std::to_string(id);
        alter(id);
        break;
      case 10:
        what = "election";
        (void)run(ElectLeaders{.kind = pick(4) == 0 ? ElectionKind::unclean : ElectionKind::preferred});
        break;
      case 11:
      case 12:
        what = "reassignment";
        reassign();
        break;
      case 13:
      case 14:
        what = "permit of " + std::to_string(id);
        ask_permit(id);
        break;
      case 15:
        what = "release";
        if (!image().permits.empty()) {
          const auto& [node, permit] = *image().permits.begin();
          (void)run(ReleasePermit{node, permit.holder}).has_value();
        }
        break;
      case 16:
        what = "decommission " + std::to_string(id);
        if (pick(3) == 0) {
          (void)run(Decommission{BrokerId{id}, 1 + pick(5)}).has_value();
        } else {
          (void)run(CancelDecommission{BrokerId{id}}).has_value();
        }
        break;
      case 17:
        what = "configuration";
        (void)run(AlterConfigs{
            .resources = {{{2, "t" + std::to_string(pick(6))},
                           {{pick(2) == 0 ? "min.insync.replicas" : "unclean.leader.election.enable",
                             static_cast<int8_t>(pick(2)), pick(2) == 0 ? "true" : std::to_string(1 + pick(3))}}}}});
        break;
      case 18:
        what = "a controller starts over";
        cluster.state = ControllerState(ImageBuilder(cluster.builder.image()), cluster.now.monotonic);
        break;
      default:
        what = "heartbeats";
        for (int each = 0; each < kBrokers; ++each) {
          if (pick(8) != 0) beat(each);
        }
    }
  }

  void start(int id) {
    Process& process = processes_[id];
    RegisterBroker registration = cluster.registration(id, id % 2 == 0 ? "a" : "b");
    registration.fenced = true;
    registration.clean_start = pick(2) == 0;
    if (const auto reply = run(registration)) {
      process = {.runs = true, .shuts_down = false, .epoch = reply->epoch, .registration = registration};
    }
  }
  void beat(int id) {
    Process& process = processes_[id];
    if (!process.runs) return;
    const auto reply = run(BrokerHeartbeat{.id = BrokerId{id},
                                           .epoch = process.epoch,
                                           .metadata_offset = image().applied,
                                           .want_fence = pick(20) == 0,
                                           .want_shutdown = process.shuts_down});
    if (!reply || reply->should_shut_down) process.runs = false;
  }

  // What a leader could ask: a random set of replicas it believes to be in sync, sometimes from an old state.
  void alter(int id) {
    const BrokerImage* leader = image().find_broker(BrokerId{id});
    if (leader == nullptr) return;
    AlterPartition command{.leader = BrokerId{id}, .epoch = leader->epoch, .partitions = {}};
    for (const auto& [name, topic] : image().topics()) {
      for (size_t i = 0; i < topic->partitions.size(); ++i) {
        const PartitionImage& now = topic->partitions[i];
        if (now.leader != BrokerId{id}) continue;
        AlterPartition::Item item{.topic = topic->id,
                                  .partition = PartitionIndex{static_cast<int32_t>(i)},
                                  .leader_epoch = now.leader_epoch,
                                  .partition_epoch = now.partition_epoch - (pick(10) == 0 ? 1 : 0),
                                  .isr = {}};
        for (const BrokerId member : now.replicas) {
          const BrokerImage* broker = image().find_broker(member);
          if (member == BrokerId{id} || pick(4) != 0) {
            item.isr.push_back({member, broker == nullptr ? -1 : broker->epoch - (pick(20) == 0 ? 1 : 0)});
          }
        }
        command.partitions.push_back(std::move(item));
      }
    }
    const auto reply = run(command);
    ASSERT_TRUE(reply);
    for (const AlteredPartition& altered : reply->partitions) {
      const TopicImage* topic = image().find_topic(altered.topic);
      ASSERT_EQ(*altered.state, topic->partitions[static_cast<size_t>(altered.partition.value())]);
    }
  }

  void reassign() {
    const std::string name = "t" + std::to_string(pick(6));
    const TopicImage* topic = image().find_topic(name);
    if (topic == nullptr) return;
    const PartitionIndex index{pick(static_cast<int>(topic->partitions.size()))};
    AlterReassignments::Item item{.partition = {name, index}, .replicas = {}};
    if (pick(3) != 0) {
      item.replicas.emplace();
      for (int id = 0; id < kBrokers; ++id) {
        if (pick(2) == 0) item.replicas->push_back(BrokerId{id});
      }
      std::shuffle(item.replicas->begin(), item.replicas->end(), random_);
    }
    (void)run(AlterReassignments{{item}});
  }

  void ask_permit(int id) {
    cluster.quorum.voters.clear();
    for (int voter = 0; voter < 3; ++voter) cluster.quorum.voters.push_back({BrokerId{voter}, pick(6) != 0});
    const auto reply = run(MayStop{.node = BrokerId{id},
                                   .holder = "h" + std::to_string(pick(2)),
                                   .ttl = std::chrono::milliseconds{1 + pick(3000)}});
    if (!reply || reply->refusal()) return;
    const BrokerImage* node = image().find_broker(BrokerId{id});
    if (node->fenced) return;
    // Said in other words than the decision's: all who may stop now stop, and every partition still works.
    std::set<BrokerId> up;
    for (const auto& [broker_id, broker] : image().brokers) {
      const auto permit = image().permits.find(broker_id);
      const bool may_stop = permit != image().permits.end() && permit->second.expires_ms > cluster.now.wall_ms;
      if (broker.takes_leadership() && !may_stop) up.insert(broker_id);
    }
    for (const auto& [name, topic] : image().topics()) {
      for (const PartitionImage& partition : topic->partitions) {
        if (!holds(partition.isr, BrokerId{id})) continue;
        const auto left = std::count_if(partition.isr.begin(), partition.isr.end(),
                                        [&](BrokerId member) { return up.contains(member); });
        const int32_t needed = effective_min_insync(image(), *topic, cluster.context().config);
        EXPECT_GE(left, std::min<int64_t>(needed, static_cast<int64_t>(partition.replicas.size()))) << name;
        EXPECT_GE(left, 1) << name;
      }
    }
    int live = 0;
    bool is_voter = false;
    for (const auto& voter : cluster.quorum.voters) {
      const auto permit = image().permits.find(voter.id);
      const bool may_stop = permit != image().permits.end() && permit->second.expires_ms > cluster.now.wall_ms;
      live += voter.live && !may_stop ? 1 : 0;
      is_voter = is_voter || voter.id == BrokerId{id};
    }
    EXPECT_TRUE(!is_voter || live >= 2);
  }

  static bool is_subset(const std::vector<BrokerId>& some, const std::vector<BrokerId>& all) {
    return std::set<BrokerId>(some.begin(), some.end()).size() == some.size() &&
           std::all_of(some.begin(), some.end(), [&](BrokerId id) { return holds(all, id); });
  }

  void check_partition(const PartitionImage& now, const TopicImage& topic) {
    ASSERT_FALSE(now.replicas.empty());
    ASSERT_TRUE(is_subset(now.replicas, now.replicas)) << "no replica twice";
    ASSERT_FALSE(now.isr.empty());
    ASSERT_TRUE(is_subset(now.isr, now.replicas));
    ASSERT_TRUE(is_subset(now.elr.get(), now.replicas));
    ASSERT_TRUE(is_subset(now.last_known_elr.get(), now.replicas));
    ASSERT_TRUE(is_subset(now.adding.get(), now.replicas));
    ASSERT_TRUE(is_subset(now.removing.get(), now.replicas));
    ASSERT_LT(now.adding.size() + now.removing.size(), now.replicas.size() + 1);
    for (const BrokerId id : now.elr) {
      ASSERT_FALSE(holds(now.isr, id));
      ASSERT_FALSE(holds(now.last_known_elr, id));
    }
    for (const BrokerId id : now.adding) ASSERT_FALSE(holds(now.removing, id));
    const size_t needed = static_cast<size_t>(effective_min_insync(image(), topic, cluster.context().config));
    ASSERT_TRUE(now.elr.empty() || now.isr.size() < std::min(needed, now.replicas.size()));
    if (now.leader == kNoBroker) return;
    ASSERT_TRUE(holds(now.isr, now.leader));
    const BrokerImage* leader = image().find_broker(now.leader);
    ASSERT_NE(leader, nullptr);
    ASSERT_FALSE(leader->fenced);
    for (const BrokerId id : now.isr) ASSERT_FALSE(image().find_broker(id)->fenced) << "in sync though fenced";
  }

  void check(const ClusterImage& before) {
    for (const auto& [name, topic] : image().topics()) {
      for (size_t i = 0; i < topic->partitions.size(); ++i) {
        SCOPED_TRACE(name + "-" + std::to_string(i));
        check_partition(topic->partitions[i], *topic);
        if (testing::Test::HasFatalFailure()) return;
        const TopicImage* old = before.find_topic(topic->id);
        if (old == nullptr || i >= old->partitions.size()) continue;
        const PartitionImage& was = old->partitions[i];
        const PartitionImage& now = topic->partitions[i];
        if (was == now) continue;
        ASSERT_EQ(now.partition_epoch, was.partition_epoch + 1);
        const bool removed = !is_subset(was.replicas, now.replicas);
        ASSERT_EQ(now.leader_epoch > was.leader_epoch, now.leader != was.leader || removed);
        ASSERT_GE(now.leader_epoch, was.leader_epoch);
      }
    }
    const ReplicaIndex fresh(image());
    for (int id = 0; id < kBrokers; ++id) {
      const ReplicaIndex& kept = cluster.state.index;
      ASSERT_EQ(kept.counts(BrokerId{id}).replicas, fresh.counts(BrokerId{id}).replicas);
      ASSERT_EQ(kept.counts(BrokerId{id}).leaders, fresh.counts(BrokerId{id}).leaders);
      ASSERT_EQ(kept.topics(BrokerId{id}), fresh.topics(BrokerId{id}));
      ASSERT_EQ(kept.leaderless(), fresh.leaderless());
    }
  }

  std::mt19937_64 random_;
  std::map<int, Process> processes_;
};

TEST(ClusterHistory, whatever_happens_every_image_is_right_and_the_log_and_a_snapshot_give_it_again) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed);
    for (int step = 0; step < 400; ++step) {
      history.step();
      ASSERT_FALSE(testing::Test::HasFailure()) << "step " << step << ": " << history.what;
    }
    ImageBuilder replayed;
    Offset offset{0};
    for (const Bytes& record : history.cluster.history) {
      ASSERT_TRUE(replayed.apply_encoded(offset, record.view()));
      offset = offset.next();
    }
    ASSERT_TRUE(replayed.current() == history.cluster.image());
    ImageBuilder restored;
    for (const MetadataRecord& record : snapshot_of(history.cluster.image())) {
      restored.apply(history.cluster.image().applied, record);
    }
    ASSERT_TRUE(restored.current() == history.cluster.image());
  }
}

// With everything up and followers in sync again, a cluster heals by itself: ticks, heartbeats and leaders' requests.
TEST(ClusterHistory, when_all_brokers_are_up_again_every_partition_gets_a_leader) {
  for (uint64_t seed = 200; seed < 240; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed);
    for (int step = 0; step < 200; ++step) history.step();
    TestCluster& cluster = history.cluster;
    cluster.pass(std::chrono::hours{2});
    for (int id = 0; id < 6; ++id) {
      RegisterBroker registration = cluster.registration(id, id % 2 == 0 ? "a" : "b");
      registration.fenced = true;
      registration.clean_start = true;
      const auto reply = cluster(registration);
      ASSERT_TRUE(reply);
      ASSERT_TRUE(
          cluster(BrokerHeartbeat{.id = BrokerId{id}, .epoch = reply->epoch, .metadata_offset = Offset{1 << 30}}));
    }
    for (int tick = 0; tick < 5; ++tick) (void)cluster(Tick{});
    for (const auto& [name, topic] : cluster.image().topics()) {
      for (const PartitionImage& partition : topic->partitions) EXPECT_NE(partition.leader, kNoBroker) << name;
    }
    EXPECT_TRUE(cluster.image().permits.empty()) << "they ran out";
  }
}

}  // namespace
}  // namespace millrace::metadata
