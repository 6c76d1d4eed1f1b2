#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/io/sim/sim_random.h"
#include "operator/admin/fake_cluster.h"
#include "operator/admin/fake_cluster_admin.h"
#include "operator/api/manifest.h"
#include "operator/api/schema.h"
#include "operator/controller/reconciler.h"
#include "operator/desired/quorum.h"
#include "operator/kube/faulty_client.h"
#include "operator/local/store.h"

namespace millrace::controller {

using kube::Json;

// An API server on a simulated disk, a Kafka cluster in memory, and pods that are ready as soon as they are made. The
// test's words: apply, settle, then what is ready and why not.
class ReconcilerTest : public testing::Test {
 protected:
  explicit ReconcilerTest(int32_t kafka_brokers = 1) : kafka_(kafka_brokers) {
    kafka_.share(brokers_);
    reopen();
  }

  void reopen(size_t watch_backlog_max = local::kWatchBacklogMax) {
    store_ = std::move(*local::Store::open(
        {.directory = "/state",
         .fs = &fs_,
         .clock = &clock_,
         .random = &random_,
         .admit = [](const kube::Object& after, const kube::Object* before) -> Result<kube::Object> {
           kube::Object filled = api::with_defaults(after);
           TRY(api::check_object(filled, before));
           return filled;
         },
         .watch_backlog_max = watch_backlog_max}));
    api_ = std::make_unique<kube::FaultyClient>(*store_);
    restart_operator();
  }
  // Of the newest operator; the one before is gone.
  void restart_operator() {
    reconciler_ = std::make_unique<Reconciler>(*api_, Reconciler::Connectors{*kafka_connector_, *brokers_connector_},
                                               clock_, desired::Defaults{.version = "1"});
  }

  void apply(const std::string& manifests) {
    const auto read = api::read_manifests("m.yaml", manifests);
    ASSERT_TRUE(read.has_value()) << read.error().context;
    for (const api::Manifest& one : *read) ASSERT_TRUE(store_->apply(one.object, "test").has_value());
  }
  // One of several brokers has disks that outlive its pods.
  static std::string cluster(std::string spec = "{}") {
    if (spec.starts_with("{replicas")) spec.insert(1, "storage: {type: persistent-claim, size: 1Gi}, ");
    return "apiVersion: millrace.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {name: orders}\nspec: " + spec + "\n---\n";
  }
  static std::string topic(const std::string& name, const std::string& more = "partitions: 2") {
    return "apiVersion: millrace.dev/v1alpha1\nkind: KafkaTopic\nmetadata: {name: " + name +
           "}\nspec: {clusterRef: {name: orders}, " + more + "}\n---\n";
  }

  std::vector<kube::Object> all(std::string_view kind) { return *store_->list(kind, "", {}); }

  // As a StatefulSet controller, a kubelet, and the brokers would.
  void run_pods() {
    for (const kube::Object& set : all("StatefulSet")) {
      const int64_t replicas = set.number_at({"spec", "replicas"});
      if (brokers_.voters().empty()) begin_quorum(replicas);
      for (int64_t i = 0; i < replicas; ++i) make_pod(set, i);
      for (int64_t i = replicas; i < replicas + kSparePodsMax; ++i) take_pod(set, i);
    }
    brokers_.move_on();
  }
  static constexpr int64_t kSparePodsMax = 4;
  // What the set does not have any more.
  void take_pod(const kube::Object& set, int64_t index) {
    const kube::ObjectKey key{"Pod", set.name_space(), set.name() + "-" + std::to_string(index)};
    if (!store_->get(key)) return;
    stop_broker(static_cast<int32_t>(index));
    EXPECT_EQ(brokers_.replicas_on(static_cast<int32_t>(index)), 0) << "it went with replicas";
    ASSERT_TRUE(store_->remove(key, "").has_value());
    ++pods_made_;  // something happened
  }
  // One that goes by the operator's hand has a permit, and nobody misses it.
  void stop_broker(int32_t id) {
    const admin::ClusterState before = brokers_.state();
    if (const admin::BrokerState* broker = before.find(BrokerId(id)); broker != nullptr && !broker->fenced) {
      EXPECT_EQ(brokers_.holder_of(id), "the operator of KafkaCluster default/orders") << "it went without a permit";
    }
    brokers_.stop_broker(id);
    EXPECT_TRUE(brokers_.is_whole()) << "without broker " << id;
  }
  void begin_quorum(int64_t replicas) {
    std::set<int32_t> voters;
    for (int32_t i = 0; i < desired::voters_at_first(static_cast<int32_t>(replicas)); ++i) voters.insert(i);
    brokers_.set_voters(voters);
  }
  void make_pod(const kube::Object& set, int64_t index) {
    const std::string name = set.name() + "-" + std::to_string(index);
    if (store_->get({"Pod", set.name_space(), name})) return;
    const auto id = static_cast<int32_t>(index);
    stop_broker(id);
    Json metadata = set.json()["spec"]["template"]["metadata"];
    metadata["name"] = name;
    metadata["namespace"] = set.name_space();
    metadata["labels"]["apps.kubernetes.io/pod-index"] = std::to_string(index);
    const Json ports{{"plain", 9092}, {"rpc", admin::FakeClusterAdmin::rpc_port(id)}};
    metadata["annotations"]["millrace.dev/local-ports"] = ports.dump();
    metadata["ownerReferences"] =
        Json::array({{{"apiVersion", "apps/v1"}, {"kind", "StatefulSet"}, {"name", set.name()}, {"uid", set.uid()}}});
    const auto made = store_->create(kube::Object(Json{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", metadata}}));
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
    ++pods_made_;
    const Json status = Json::parse(R"({"conditions":[{"type":"Ready","status":"True"}]})");
    ASSERT_TRUE(store_->update_status(made->with_status(status)).has_value());
    brokers_.start_broker(id);
  }

  void set_reachable(bool reachable) {
    kafka_.set_reachable(reachable);
    brokers_.set_reachable(reachable);
  }

  // Passes over everything, by an operator that is started anew before each pass, until nothing is left to do.
  void settle() {
    for (int round = 0; round < 20; ++round) {
      bool did_steps = false;
      for (const char* kind : {"KafkaCluster", "KafkaTopic"}) {
        for (const kube::Object& object : all(kind)) {
          restart_operator();
          const auto outcome = reconciler_->reconcile(object.key());
          did_steps = did_steps || (outcome && outcome->did_steps);
          if (!outcome) last_error_ = outcome.error();
        }
      }
      const int before = pods_made_;
      run_pods();
      if (!did_steps && pods_made_ == before) return;
    }
    ADD_FAILURE() << "it does not come to rest";
  }

  // "ready", the reason why not, "unseen" or "gone".
  std::string state(const std::string& kind, const std::string& name) {
    const auto object = store_->get({kind, "default", name});
    if (!object) return "gone";
    if (!object->has({"status", "conditions"})) return "unseen";
    EXPECT_EQ(object->number_at({"status", "observedGeneration"}), object->generation());
    for (const Json& condition : object->json()["status"]["conditions"]) {
      if (condition["type"] == "Ready")
        return condition["status"] == "True" ? "ready" : condition["reason"].get<std::string>();
    }
    return "unseen";
  }
  std::string topic_state(const std::string& name) { return state("KafkaTopic", name); }
  std::string resource_version(const std::string& kind, const std::string& name) {
    return store_->get({kind, "default", name})->resource_version();
  }

  io::sim::SimFileSystem fs_;
  io::sim::SimClock clock_;
  io::sim::SimRandom random_{1};
  admin::FakeCluster kafka_;
  admin::FakeClusterAdmin brokers_{clock_};
  std::unique_ptr<admin::Connector> kafka_connector_ = kafka_.connector();
  std::unique_ptr<admin::ClusterAdminConnector> brokers_connector_ = brokers_.connector();
  std::unique_ptr<local::Store> store_;
  std::unique_ptr<kube::FaultyClient> api_;  // what operators get; the test itself uses store_
  std::unique_ptr<Reconciler> reconciler_;
  std::optional<Error> last_error_;
  int pods_made_ = 0;
};

}  // namespace millrace::controller
