// Three brokers, their disks, the streams between them and a controller under one seed: crashes, power losses, streams
// that break or stall one way, damaged messages, late images and lost proposals, while clients append with acks=all and
// read from any replica. MILLRACE_REPLICATION_SEEDS=FROM-TO runs other seeds than the fixed ones.

#include <cstdlib>
#include <map>
#include <optional>
#include <set>

#include <gtest/gtest.h>

#include "broker/replication/sim_broker_test_support.h"
#include "broker/replication/step_runner_test_support.h"
#include "broker/replication/truth_test_support.h"

namespace millrace::replication {
namespace {

using std::chrono::milliseconds;
using testing::SimBroker;
using testing::SimPeerNetwork;
using testing::Stored;
using testing::stored_in;
using testing::ToyController;

constexpr int32_t kPartitions = 3;
constexpr Duration kSession = std::chrono::seconds(2);
constexpr BrokerId kA{1}, kB{2}, kC{3};
const std::string kTopic = "t";

struct Rules {
  bool flush_every_record = false;
  int min_insync = 2;
  Duration chaos = std::chrono::seconds(25);
};

class Cluster {
 public:
  Cluster(uint64_t seed, Rules rules)
      : rules_(rules),
        random_(seed),
        scheduler_(clock_, seed * 7 + 1),
        network_(scheduler_, seed * 7 + 2),
        controller_(scheduler_, seed * 7 + 3),
        loop_(scheduler_.make_loop()) {
    for (const BrokerId id : {kA, kB, kC}) {
      const uint64_t own_seed = seed * 11 + static_cast<uint64_t>(id.value());
      brokers_.push_back(std::make_unique<SimBroker>(scheduler_, network_, controller_, id, own_seed));
    }
    for (const auto& broker : brokers_) broker->start();
    controller_.create(kTopic, {{kA, kB, kC}, {kB, kC, kA}, {kC, kA}});
    controller_.configure(kTopic, "min.insync.replicas", std::to_string(rules.min_insync));
    controller_.configure(kTopic, "segment.bytes", "2000");
    if (rules.flush_every_record) controller_.configure(kTopic, "flush.messages", "1");
    controller_.set_loss(20);
    network_.set_break(3000);
    for (int32_t p = 0; p < kPartitions; ++p) {
      for (int each = 0; each < 2; ++each) {
        producers_.push_back({.partition = p, .id = ProducerId{100 + p * 10 + each}, .acks = Acks::all});
      }
      producers_.push_back({.partition = p, .id = kNoProducerId, .acks = Acks::leader});
    }
  }

  void run() {
    tick_clients();
    tick_checks();
    tick_faults();
    steps_.run_until([] { return false; }, rules_.chaos);
    heal();
    const bool settled = steps_.run_until([this] { return is_settled(); }, std::chrono::seconds(60));
    ASSERT_TRUE(settled) << describe();
    compare_replicas();
  }
  size_t acked() const { return truth_.acked(); }

 private:
  struct Producer {
    int32_t partition;
    ProducerId id;
    Acks acks;
    int32_t sequence = 0;
    int64_t next_value = 0;
    std::vector<std::string> values{};  // of the batch that is not acknowledged
    struct Sent {
      BrokerId broker;
      uint64_t incarnation;
      std::shared_ptr<Partition> partition;
      Appended appended;
      TimePoint at;
    };
    std::optional<Sent> sent{};
  };

  SimBroker& broker(BrokerId id) { return *brokers_[static_cast<size_t>(id.value() - 1)]; }
  SimBroker& any_broker() { return *brokers_[random_.below(brokers_.size())]; }
  const metadata::PartitionImage& state(int32_t p) {
    return controller_.image().find_topic(kTopic)->partitions[static_cast<size_t>(p)];
  }
  Duration within(int64_t from_ms, int64_t to_ms) {
    return milliseconds(from_ms + static_cast<int64_t>(random_.below(static_cast<uint64_t>(to_ms - from_ms))));
  }

  // Clients.
  void tick_clients() {
    for (Producer& producer : producers_) step(producer);
    loop_->run_after(within(1, 4), [this] { tick_clients(); });
  }
  void step(Producer& producer) {
    if (producer.sent) {
      SimBroker& at = broker(producer.sent->broker);
      const bool is_gone = !at.is_running() || at.incarnation() != producer.sent->incarnation ||
                           clock_.now() - producer.sent->at > std::chrono::milliseconds(1500);
      const Result<bool> done =
          is_gone ? Result<bool>(Errc::timed_out) : producer.sent->partition->is_acknowledged(producer.sent->appended);
      if (done && !*done) return;
      if (done) acknowledged(producer, producer.sent->appended);
      producer.sent.reset();
      return;
    }
    if (producer.values.empty()) {
      if (is_healed_ && producer.acks != Acks::all) return;
      for (uint64_t i = random_.below(3) + 1; i > 0; --i) {
        producer.values.push_back(std::to_string(producer.partition) + "/" + std::to_string(producer.id.value()) + "/" +
                                  std::to_string(producer.next_value++));
      }
    }
    send(producer);
  }
  void send(Producer& producer) {
    const BrokerId leader = state(producer.partition).leader;
    SimBroker& to = leader == kNoBroker || random_.chance(8) ? any_broker() : broker(leader);
    const std::shared_ptr<Partition> partition = to.find(kTopic, producer.partition);
    if (partition == nullptr) return;
    const bool idempotent = producer.id != kNoProducerId;
    const Result<Appended> appended = partition->append(
        testing::make_batch({.values = producer.values,
                             .first_timestamp = clock_.wall_ms(),
                             .producer = producer.id,
                             .producer_epoch = idempotent ? ProducerEpoch{0} : kNoProducerEpoch,
                             .first_sequence = idempotent ? Sequence{producer.sequence} : kNoSequence}),
        producer.acks);
    if (!appended) {
      // One that has been deposed and does not know may well lack them.
      if (partition->leader_epoch() == state(producer.partition).leader_epoch) {
        EXPECT_NE(appended.error().code, Errc::out_of_order_sequence)
            << "acknowledged records are missing, " << describe();
      }
      if (!idempotent) producer.values.clear();
      return;
    }
    if (!idempotent) return producer.values.clear();
    if (appended->acknowledged) return acknowledged(producer, *appended);
    producer.sent = {to.id(), to.incarnation(), partition, *appended, clock_.now()};
  }
  void acknowledged(Producer& producer, const Appended& appended) {
    int64_t offset = appended.info.first_offset.value();
    for (const std::string& value : producer.values) truth_.acknowledged(producer.partition, offset++, value);
    producer.sequence += static_cast<int32_t>(producer.values.size());
    producer.values.clear();
  }

  // What must hold at any time.
  void tick_checks() {
    check_all();
    loop_->run_after(within(5, 15), [this] { tick_checks(); });
  }
  void check_all() {
    for (int32_t p = 0; p < kPartitions; ++p) {
      for (const auto& broker : brokers_) check_replica(*broker, p);
      check_in_sync(p);
    }
  }
  void check_replica(SimBroker& broker, int32_t p) {
    const std::shared_ptr<Partition> partition = broker.find(kTopic, p);
    if (partition == nullptr) return;
    const Result<PartitionOffsets> at = partition->offsets_of_log();
    ASSERT_TRUE(at);
    EXPECT_LE(at->high_watermark, at->log_end);
    EXPECT_LE(at->log_start, at->high_watermark);
    Offset& seen = high_watermarks_[{broker.id(), broker.incarnation(), p}];
    EXPECT_GE(at->high_watermark, seen) << "the high watermark of broker " << broker.id().value() << " went back";
    seen = at->high_watermark;
    EXPECT_EQ(broker.metrics().refused_truncations.value(), 0u);
    const int64_t from =
        at->log_start.value() + static_cast<int64_t>(random_.below(
                                    static_cast<uint64_t>(at->high_watermark.value() - at->log_start.value()) + 1));
    read(broker, p, from, 2000);
  }
  std::vector<Stored> read(SimBroker& broker, int32_t p, int64_t from, size_t bytes_max) {
    Result<FetchResult> result = broker.find(kTopic, p)->fetch(
        Offset{from}, bytes_max, true, Isolation::read_uncommitted, kNoLeaderEpoch, SIZE_MAX, ReadFrom::any_replica);
    if (!result) {
      ADD_FAILURE() << "read of broker " << broker.id().value() << ": " << result.error().to_string();
      return {};
    }
    std::vector<Stored> all = stored_in(testing::bytes_of(result->read));
    for (const Stored& stored : all) truth_.note(p, stored.offset, stored.value);
    return all;
  }
  // The leader never shows what a member of the in-sync set lacks.
  void check_in_sync(int32_t p) {
    const metadata::PartitionImage& now = state(p);
    if (now.leader == kNoBroker) return;
    const std::shared_ptr<Partition> leader = broker(now.leader).find(kTopic, p);
    if (leader == nullptr || leader->leader_epoch() != now.leader_epoch || !leader->offsets()) return;
    const Offset high_watermark = leader->offsets()->high_watermark;
    for (const BrokerId member : now.isr) {
      const std::shared_ptr<Partition> replica = broker(member).find(kTopic, p);
      if (replica == nullptr) continue;
      const Result<PartitionOffsets> at = replica->offsets_of_log();
      EXPECT_GE(at->log_end, high_watermark) << "member " << member.value() << " of partition " << p
                                             << " lacks what leader " << now.leader.value() << " shows";
    }
  }

  // What goes wrong.
  void tick_faults() {
    if (is_healed_) return;
    fault();
    steps_.later(within(50, 400), [this] { tick_faults(); });
  }
  void fault() {
    SimBroker& one = any_broker();
    SimBroker& other = any_broker();
    switch (random_.below(9)) {
      case 0:
        return network_.break_streams(one.id(), other.id());
      case 1:
      case 2:
        if (&one == &other) return;
        network_.block(one.id(), other.id());
        steps_.later(within(100, 4000), [this, a = one.id(), b = other.id()] { network_.unblock(a, b); });
        return;
      case 3:
        controller_.set_reachable(one.id(), false);
        fence_later(one);
        steps_.later(within(100, 5000), [this, id = one.id()] {
          controller_.set_reachable(id, true);
          if (broker(id).is_running()) controller_.unfence(id);
        });
        return;
      case 4:
      case 5:
        return stop(one, false);
      case 6:
        return stop(one, true);
      case 7:
        return controller_.move_leader(kTopic, PartitionIndex{static_cast<int32_t>(random_.below(kPartitions))});
      default:
        network_.set_damage(20);
        steps_.later(within(100, 1000), [this] { network_.set_damage(0); });
    }
  }
  void fence_later(SimBroker& one) {
    steps_.later(kSession, [this, id = one.id(), incarnation = one.incarnation()] {
      if (!is_healed_ && broker(id).incarnation() == incarnation) controller_.fence(id);
    });
  }
  // Without a flush a power loss is survived by what the other members of the in-sync sets have.
  bool may_lose_power(SimBroker& one) {
    for (int32_t p = 0; p < kPartitions && !rules_.flush_every_record; ++p) {
      const auto& isr = state(p).isr;
      const auto has_it = [&](BrokerId id) { return id != one.id() && broker(id).is_running(); };
      if (std::none_of(isr.begin(), isr.end(), has_it)) return false;
    }
    return true;
  }
  void stop(SimBroker& one, bool power) {
    if (!one.is_running() || (power && !may_lose_power(one))) return;
    const auto down =
        std::count_if(brokers_.begin(), brokers_.end(), [](const auto& each) { return !each->is_running(); });
    if (down != 0 && !random_.chance(4)) return;
    if (power) {
      one.lose_power();
      if (!rules_.flush_every_record) controller_.fence(one.id());
      lost_.insert(one.id());
    } else {
      one.crash();
    }
    fence_later(one);
    steps_.later(within(100, 4000), [this, id = one.id()] { start(broker(id)); });
  }
  void start(SimBroker& one) {
    if (one.is_running()) return;
    one.start(lost_.erase(one.id()) != 0);
  }
  void heal() {
    is_healed_ = true;
    network_.set_damage(0);
    network_.set_break(0);
    controller_.set_loss(0);
    for (const auto& a : brokers_) {
      start(*a);
      controller_.set_reachable(a->id(), true);
      controller_.unfence(a->id());
      for (const auto& b : brokers_) network_.unblock(a->id(), b->id());
    }
    healed_acked_ = truth_.acked();
  }
  bool is_settled() {
    if (truth_.acked() < healed_acked_ + 100) return false;
    for (const Producer& producer : producers_) {
      if (!producer.values.empty()) return false;
    }
    for (int32_t p = 0; p < kPartitions; ++p) {
      if (state(p).leader == kNoBroker || state(p).isr.size() != state(p).replicas.size()) return false;
      const auto leader = broker(state(p).leader).find(kTopic, p);
      for (const BrokerId id : state(p).replicas) {
        const auto replica = broker(id).find(kTopic, p);
        if (replica == nullptr || replica->leader_epoch() != state(p).leader_epoch) return false;
        const auto at = replica->offsets_of_log();
        if (at->high_watermark != leader->offsets_of_log()->log_end) return false;
      }
    }
    return true;
  }
  void compare_replicas() {
    for (int32_t p = 0; p < kPartitions; ++p) {
      std::map<int64_t, Stored> first;
      for (const BrokerId id : state(p).replicas) {
        const auto at = broker(id).find(kTopic, p)->offsets_of_log();
        std::map<int64_t, Stored> content;
        for (int64_t from = at->log_start.value(); from < at->log_end.value();) {
          const std::vector<Stored> some = read(broker(id), p, from, 100'000);
          if (some.empty()) break;
          for (const Stored& stored : some) content.emplace(stored.offset, stored);
          from = some.back().offset + 1;
        }
        if (first.empty()) first = content;
        EXPECT_EQ(content.size(), first.size());
        for (const auto& [offset, stored] : content) EXPECT_EQ(stored.epoch, first.at(offset).epoch);
        truth_.expect_all_acknowledged_in(content, p);
      }
    }
  }
  std::string describe() {
    std::string text;
    for (int32_t p = 0; p < kPartitions; ++p) {
      text += "\n  " + std::to_string(p) + " led by " + std::to_string(state(p).leader.value()) + " in epoch " +
              std::to_string(state(p).leader_epoch.value()) + ", in sync " + std::to_string(state(p).isr.size());
      for (const auto& each : brokers_) {
        const auto replica = each->find(kTopic, p);
        if (replica == nullptr || !replica->offsets_of_log()) continue;
        const auto at = replica->offsets_of_log();
        text += "; " + std::to_string(each->id().value()) + " high watermark " +
                std::to_string(at->high_watermark.value()) + " end " + std::to_string(at->log_end.value());
      }
    }
    return text;
  }

  const Rules rules_;
  io::sim::SimRandom random_;
  io::sim::SimClock clock_;
  io::sim::SimScheduler scheduler_;
  SimPeerNetwork network_;
  ToyController controller_;
  std::unique_ptr<io::sim::SimEventLoop> loop_;
  testing::StepRunner steps_{scheduler_, *loop_};
  std::vector<std::unique_ptr<SimBroker>> brokers_;
  std::vector<Producer> producers_;
  testing::Truth truth_;
  std::map<std::tuple<BrokerId, uint64_t, int32_t>, Offset> high_watermarks_;
  std::set<BrokerId> lost_;
  bool is_healed_ = false;
  size_t healed_acked_ = 0;
};

std::pair<uint64_t, uint64_t> seeds(uint64_t from, uint64_t to) {
  if (const char* given = std::getenv("MILLRACE_REPLICATION_SEEDS")) {
    char* rest = nullptr;
    from = std::strtoull(given, &rest, 10);
    to = *rest == '-' ? std::strtoull(rest + 1, nullptr, 10) : from;
  }
  return {from, to};
}

void run_seeds(uint64_t from, uint64_t to, Rules rules) {
  const auto [first, last] = seeds(from, to);
  for (uint64_t seed = first; seed <= last && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Cluster cluster(seed, rules);
    cluster.run();
    EXPECT_GT(cluster.acked(), 200u);
  }
}

TEST(ReplicationSim, no_acknowledged_record_is_lost_doubled_or_changed) { run_seeds(1, 5, {}); }

TEST(ReplicationSim, flushed_records_survive_the_loss_of_power_of_all_brokers) {
  run_seeds(101, 104, {.flush_every_record = true});
}

TEST(ReplicationSim, a_single_replica_in_sync_is_enough_when_the_topic_says_so) {
  run_seeds(201, 202, {.min_insync = 1, .chaos = std::chrono::seconds(15)});
}

}  // namespace
}  // namespace millrace::replication
