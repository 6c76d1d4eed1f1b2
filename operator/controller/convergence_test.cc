// An operator may crash, or be refused, at every single write: what comes of it in the end is the same.

#include "operator/controller/reconciler_test_support.h"

namespace millrace::controller {
namespace {

using Fault = kube::FaultyClient::Fault;

constexpr std::pair<Fault, const char*> kFaults[] = {{Fault::fails, "fails"},
                                                     {Fault::answer_is_lost, "answer is lost"},
                                                     {Fault::conflicts, "conflicts"},
                                                     {Fault::dies_before, "crash before"},
                                                     {Fault::dies_after, "crash after"}};

class World : public ReconcilerTest {
 public:
  using ReconcilerTest::apply;
  using ReconcilerTest::cluster;
  using ReconcilerTest::topic;

  void TestBody() override {}

  World() : ReconcilerTest(/*kafka_brokers=*/3) {
    kafka_.on_change([this](bool is_done) { return api_->on_outside_write(is_done); });
    brokers_.on_change([this](bool is_done) { return api_->on_outside_write(is_done); });
  }
  ~World() override {
    kafka_.on_change({});
    brokers_.on_change({});
  }
  void make() { apply(cluster() + topic("a") + topic("b", "partitions: 1, config: {retention.ms: 5}")); }
  void remove(const std::string& kind, const std::string& name) {
    ASSERT_TRUE(store_->remove({kind, "default", name}, "").has_value());
  }
  void fault_at(int64_t n, Fault fault) { api_->fault_at_write(n, fault); }
  int64_t writes() const { return api_->writes(); }

  // Passes until one round finds nothing to do or to wait for. An operator that died is followed by another.
  void run() {
    for (int round = 0; round < 40; ++round) {
      bool is_at_rest = true;
      for (const char* kind : {"KafkaCluster", "KafkaTopic"}) {
        for (const kube::Object& object : all(kind)) {
          const auto outcome = reconciler_->reconcile(object.key());
          is_at_rest = is_at_rest && outcome && !outcome->did_steps && outcome->check_again == plan::kResync;
          if (!api_->is_dead()) continue;
          replace_operator();
        }
      }
      const int pods = pods_made_;
      run_pods();
      if (is_at_rest && pods == pods_made_) return;
    }
    ADD_FAILURE() << "it does not come to rest";
  }

  // Everything there is, without what differs from world to world. Events tell of steps; one of a step that a crash
  // followed may be missing.
  Json state() {
    Json result = Json::object();
    for (const kube::Kind& kind : kube::all_kinds()) {
      if (kind.name == "Event") continue;
      for (const kube::Object& object : all(kind.name)) {
        Json value = object.json();
        for (const char* name : {"uid", "resourceVersion"}) value["metadata"].erase(name);
        if (value["metadata"].contains("ownerReferences")) {
          for (Json& owner : value["metadata"]["ownerReferences"]) owner.erase("uid");
        }
        if (value.contains("status")) value["status"].erase("topicId");
        result[object.key().to_string()] = std::move(value);
      }
    }
    for (const char* name : {"a", "b"}) {
      const auto found = kafka_.topic(name);
      result[std::string("topic ") + name] = found ? Json(found->partition_count()) : Json();
      result[std::string("config of ") + name] = kafka_.config(name);
    }
    return result;
  }
  // What Kafka and its brokers were asked to change, in an order that does not depend on who was disturbed.
  std::vector<std::string> changes() const {
    std::vector<std::string> result = kafka_.changes();
    const std::vector<std::string> of_brokers = brokers_.changes();
    result.insert(result.end(), of_brokers.begin(), of_brokers.end());
    std::sort(result.begin(), result.end());
    return result;
  }
  bool has_topic(const std::string& name) const { return kafka_.topic(name).has_value(); }
  // One pass over everything, by an operator that is not replaced when it dies.
  void pass() {
    for (const char* kind : {"KafkaCluster", "KafkaTopic"}) {
      for (const kube::Object& object : all(kind)) (void)reconciler_->reconcile(object.key());
    }
    run_pods();
  }
  int pods_made() const { return pods_made_; }
  std::set<int32_t> voters() const { return brokers_.voters(); }
  int32_t replicas_on(int32_t id) const { return brokers_.replicas_on(id); }
  size_t registered() const { return brokers_.state().brokers.size(); }
  int permits() const {
    const admin::ClusterState state = brokers_.state();
    return static_cast<int>(std::count_if(state.brokers.begin(), state.brokers.end(),
                                          [](const admin::BrokerState& one) { return one.permit.has_value(); }));
  }
  size_t count(const std::string& kind) { return all(kind).size(); }
  bool is_dead() const { return api_->is_dead(); }
  void replace_operator() {
    api_ = std::make_unique<kube::FaultyClient>(*store_);
    restart_operator();
  }
};

// What `act` makes of a world that `prepare` made, with a fault of each kind at each write that the operator does for
// it.
void expect_the_same_end(const std::function<void(World&)>& prepare, const std::function<void(World&)>& act,
                         int64_t writes_min) {
  World undisturbed;
  prepare(undisturbed);
  const int64_t before = undisturbed.writes();
  act(undisturbed);
  const Json wanted = undisturbed.state();
  const int64_t writes = undisturbed.writes() - before;
  EXPECT_GE(writes, writes_min) << "the test has lost its object";
  for (const auto& [fault, words] : kFaults) {
    for (int64_t n = 0; n < writes; ++n) {
      World world;
      prepare(world);
      world.fault_at(n, fault);
      act(world);
      const Json found = world.state();
      EXPECT_EQ(found, wanted) << words << " at write " << n << " of " << writes << "\n"
                               << Json::diff(wanted, found).dump(1);
      EXPECT_EQ(world.changes(), undisturbed.changes()) << words << " at write " << n << ": Kafka was asked otherwise";
      if (testing::Test::HasFailure()) return;
    }
  }
  testing::Test::RecordProperty("writes", static_cast<int>(writes));
}

TEST(Convergence, a_cluster_and_two_topics_are_made_whatever_write_is_the_last) {
  expect_the_same_end([](World&) {},
                      [](World& world) {
                        world.make();
                        world.run();
                      },
                      15);
}

TEST(Convergence, they_change_whatever_write_is_the_last) {
  expect_the_same_end(
      [](World& world) {
        world.make();
        world.run();
      },
      [](World& world) {
        world.apply(World::cluster("{config: {log.retention.hours: 1}}") +
                    World::topic("a", "partitions: 4, config: {retention.ms: 6}") + World::topic("b", "partitions: 1"));
        world.run();
      },
      8);
}

TEST(Convergence, three_brokers_restart_one_after_the_other_under_permits_whatever_write_is_the_last) {
  expect_the_same_end(
      [](World& world) {
        world.apply(World::cluster("{replicas: 3}") + World::topic("a", "partitions: 3, replicas: 3"));
        world.run();
      },
      [](World& world) {
        world.apply(World::cluster("{replicas: 3, config: {log.retention.hours: 1}}"));
        world.run();
        EXPECT_EQ(world.pods_made(), 6);
        EXPECT_EQ(world.permits(), 0) << "all were given back";
      },
      12);
}

TEST(Convergence, a_cluster_grows_and_shrinks_again_whatever_write_is_the_last) {
  const auto scale = [](World& world, const std::string& replicas) {
    world.apply(World::cluster("{replicas: " + replicas + "}"));
    world.run();
  };
  const auto begin = [](World& world) {
    world.apply(World::cluster("{replicas: 3}") + World::topic("a", "partitions: 8, replicas: 3"));
    world.run();
  };
  expect_the_same_end(
      begin,
      [&](World& world) {
        scale(world, "5");
        EXPECT_EQ(world.voters(), (std::set<int32_t>{0, 1, 2, 3, 4}));
        EXPECT_GE(world.replicas_on(4), 4) << "replicas were spread";
      },
      10);
  expect_the_same_end(
      [&](World& world) {
        begin(world);
        scale(world, "5");
      },
      [&](World& world) {
        scale(world, "3");
        EXPECT_EQ(world.voters(), (std::set<int32_t>{0, 1, 2}));
        EXPECT_EQ(world.registered(), 3u);
      },
      14);
}

TEST(Convergence, topics_and_then_their_cluster_are_deleted_whatever_write_is_the_last) {
  expect_the_same_end(
      [](World& world) {
        world.make();
        world.run();
      },
      [](World& world) {
        for (const char* name : {"a", "b"}) world.remove("KafkaTopic", name);
        world.run();
        world.remove("KafkaCluster", "orders");
        world.run();
      },
      4);
}

TEST(Convergence, a_cluster_and_topics_deleted_at_once_go_whatever_write_is_the_last) {
  expect_the_same_end(
      [](World& world) {
        world.make();
        world.run();
      },
      [](World& world) {
        world.remove("KafkaCluster", "orders");
        for (const char* name : {"a", "b"}) world.remove("KafkaTopic", name);
        world.run();
      },
      2);
}

TEST(Convergence, topics_deleted_in_the_middle_of_their_creation_leave_nothing_behind) {
  bool has_crashed = true;
  for (int64_t n = 0; has_crashed; ++n) {
    for (const Fault fault : {Fault::dies_before, Fault::dies_after}) {
      World world;
      world.make();
      world.fault_at(n, fault);
      for (int round = 0; round < 8; ++round) world.pass();
      has_crashed = world.is_dead();
      world.replace_operator();
      for (const char* name : {"a", "b"}) world.remove("KafkaTopic", name);
      world.run();
      EXPECT_FALSE(world.has_topic("a")) << n;
      EXPECT_FALSE(world.has_topic("b")) << n;
      EXPECT_EQ(world.count("KafkaTopic"), 0u) << n;
    }
  }
}

}  // namespace
}  // namespace millrace::controller
