#include "operator/controller/reconciler.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/io/sim/sim_random.h"
#include "operator/admin/fake_cluster.h"
#include "operator/api/manifest.h"
#include "operator/api/schema.h"
#include "operator/desired/names.h"
#include "operator/local/store.h"

namespace millrace::controller {
namespace {

using kube::Json;

// An API server on a simulated disk, a Kafka cluster in memory, and pods that are ready as soon as they are made. The
// test's words: apply, settle, then what is ready and why not.
class ReconcilerTest : public testing::Test {
 protected:
  ReconcilerTest() { reopen(); }

  void reopen() {
    store_ = std::move(*local::Store::open(
        {.directory = "/state",
         .fs = &fs_,
         .clock = &clock_,
         .random = &random_,
         .admit = [](const kube::Object& after, const kube::Object* before) -> Result<kube::Object> {
           kube::Object filled = api::with_defaults(after);
           TRY(api::check_object(filled, before));
           return filled;
         }}));
    restart_operator();
  }
  void restart_operator() {
    reconciler_ = std::make_unique<Reconciler>(*store_, *connector_, clock_, desired::Defaults{.version = "1"});
  }

  void apply(const std::string& manifests) {
    const auto read = api::read_manifests("m.yaml", manifests);
    ASSERT_TRUE(read.has_value()) << read.error().context;
    for (const api::Manifest& one : *read) ASSERT_TRUE(store_->apply(one.object, "test").has_value());
  }
  static std::string cluster(const std::string& spec = "{}") {
    return "apiVersion: millrace.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {name: orders}\nspec: " + spec + "\n---\n";
  }
  static std::string topic(const std::string& name, const std::string& more = "partitions: 2") {
    return "apiVersion: millrace.dev/v1alpha1\nkind: KafkaTopic\nmetadata: {name: " + name +
           "}\nspec: {clusterRef: {name: orders}, " + more + "}\n---\n";
  }

  std::vector<kube::Object> all(std::string_view kind) { return *store_->list(kind, "", {}); }

  // As a StatefulSet controller and a kubelet would.
  void run_pods() {
    for (const kube::Object& set : all("StatefulSet")) {
      for (int64_t i = 0; i < set.number_at({"spec", "replicas"}); ++i) make_pod(set, i);
    }
  }
  void make_pod(const kube::Object& set, int64_t index) {
    const std::string name = set.name() + "-" + std::to_string(index);
    if (store_->get({"Pod", set.name_space(), name})) return;
    Json metadata = set.json()["spec"]["template"]["metadata"];
    metadata["name"] = name;
    metadata["namespace"] = set.name_space();
    metadata["labels"]["apps.kubernetes.io/pod-index"] = std::to_string(index);
    metadata["annotations"]["millrace.dev/local-ports"] = R"({"plain":9092})";
    metadata["ownerReferences"] =
        Json::array({{{"apiVersion", "apps/v1"}, {"kind", "StatefulSet"}, {"name", set.name()}, {"uid", set.uid()}}});
    const auto made = store_->create(kube::Object(Json{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", metadata}}));
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
    ++pods_made_;
    const Json status = Json::parse(R"({"conditions":[{"type":"Ready","status":"True"}]})");
    ASSERT_TRUE(store_->update_status(made->with_status(status)).has_value());
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
  std::unique_ptr<admin::Connector> connector_ = kafka_.connector();
  std::unique_ptr<local::Store> store_;
  std::unique_ptr<Reconciler> reconciler_;
  std::optional<Error> last_error_;
  int pods_made_ = 0;
};

TEST_F(ReconcilerTest, a_cluster_and_its_topics_become_ready) {
  apply(cluster() + topic("a") + topic("b", "partitions: 1, config: {retention.ms: 5}"));
  settle();
  EXPECT_EQ(state("KafkaCluster", "orders"), "ready");
  EXPECT_EQ(topic_state("a"), "ready");
  EXPECT_EQ(topic_state("b"), "ready");
  EXPECT_EQ(kafka_.topic("a")->partition_count(), 2);
  EXPECT_EQ(kafka_.config("b"), (admin::TopicConfig{{"retention.ms", "5"}}));
  EXPECT_EQ(store_->get({"KafkaCluster", "default", "orders"})->json()["status"]["listeners"][0]["bootstrapServers"],
            "127.0.0.1:9092");
}

TEST_F(ReconcilerTest, what_is_at_rest_is_not_written_again) {
  apply(cluster() + topic("a"));
  settle();
  const std::string cluster_version = resource_version("KafkaCluster", "orders");
  const std::string topic_version = resource_version("KafkaTopic", "a");
  const std::string set_version = resource_version("StatefulSet", "orders-kafka");
  clock_.advance(std::chrono::hours(1));
  settle();
  EXPECT_EQ(resource_version("KafkaCluster", "orders"), cluster_version);
  EXPECT_EQ(resource_version("KafkaTopic", "a"), topic_version);
  EXPECT_EQ(resource_version("StatefulSet", "orders-kafka"), set_version);
  EXPECT_EQ(kafka_.changes(), std::vector<std::string>{"create_topic a"});
}

TEST_F(ReconcilerTest, topics_grow_change_and_refuse_to_shrink) {
  apply(cluster() + topic("a"));
  settle();
  apply(topic("a", "partitions: 4, config: {retention.ms: 5}"));
  settle();
  EXPECT_EQ(kafka_.topic("a")->partition_count(), 4);
  apply(topic("a", "partitions: 4"));
  settle();
  EXPECT_EQ(kafka_.config("a"), admin::TopicConfig{});
  EXPECT_EQ(topic_state("a"), "ready");
  apply(topic("a", "partitions: 1"));
  settle();
  EXPECT_EQ(topic_state("a"), "PartitionsCannotShrink");
  EXPECT_EQ(kafka_.topic("a")->partition_count(), 4);
}

TEST_F(ReconcilerTest, deleting_a_topic_object_deletes_the_topic_unless_it_is_to_be_retained) {
  apply(cluster() + topic("a") + topic("b", "deletionPolicy: Retain"));
  settle();
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "a"}, "").has_value());
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "b"}, "").has_value());
  settle();
  EXPECT_EQ(topic_state("a"), "gone");
  EXPECT_EQ(topic_state("b"), "gone");
  EXPECT_FALSE(kafka_.topic("a").has_value());
  EXPECT_TRUE(kafka_.topic("b").has_value());
}

TEST_F(ReconcilerTest, a_topic_object_is_let_go_when_its_cluster_is_gone) {
  apply(cluster() + topic("a"));
  settle();
  ASSERT_TRUE(store_->remove({"KafkaCluster", "default", "orders"}, "").has_value());
  EXPECT_EQ(store_->list("StatefulSet", "", {})->size(), 0u) << "what it owns goes with it";
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "a"}, "").has_value());
  settle();
  EXPECT_EQ(topic_state("a"), "gone");
}

TEST_F(ReconcilerTest, a_topic_waits_for_a_cluster_that_comes_later) {
  apply(topic("a"));
  settle();
  EXPECT_EQ(topic_state("a"), "ClusterNotFound");
  apply(cluster());
  settle();
  EXPECT_EQ(topic_state("a"), "ready");
}

TEST_F(ReconcilerTest, a_refusal_by_kafka_becomes_a_condition_with_its_words) {
  apply(cluster());
  settle();
  kafka_.fail_next("create_topic", {Errc::invalid_config, "topic a: no such key"});
  apply(topic("a", "partitions: 1, config: {nonsense: 1}"));
  const auto outcome = reconciler_->reconcile({"KafkaTopic", "default", "a"});
  ASSERT_FALSE(outcome.has_value()) << "it is tried again later";
  EXPECT_EQ(topic_state("a"), "KafkaRefused");
  settle();
  EXPECT_EQ(topic_state("a"), "ready");
}

TEST_F(ReconcilerTest, an_answer_that_was_lost_does_not_make_the_topic_twice) {
  apply(cluster());
  settle();
  kafka_.fail_next("create_topic", {Errc::timed_out, ""}, /*after_effect=*/true);
  apply(topic("a"));
  settle();
  settle();
  EXPECT_EQ(topic_state("a"), "ready");
  EXPECT_EQ(kafka_.changes(), std::vector<std::string>{"create_topic a"});
}

TEST_F(ReconcilerTest, the_older_of_two_objects_for_one_topic_has_it_and_the_other_takes_over) {
  apply(cluster() + topic("first", "topicName: t, deletionPolicy: Retain"));
  clock_.advance(std::chrono::seconds(5));
  apply(topic("second", "topicName: t"));
  settle();
  EXPECT_EQ(topic_state("first"), "ready");
  EXPECT_EQ(topic_state("second"), "TopicNameTaken");
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "first"}, "").has_value());
  settle();
  EXPECT_EQ(topic_state("second"), "ready");
}

TEST_F(ReconcilerTest, a_changed_configuration_restarts_the_broker_once) {
  apply(cluster());
  settle();
  const std::string uid = store_->get({"Pod", "default", "orders-kafka-0"})->uid();
  apply(cluster("{config: {log.retention.hours: 1}}"));
  settle();
  EXPECT_NE(store_->get({"Pod", "default", "orders-kafka-0"})->uid(), uid);
  EXPECT_EQ(pods_made_, 2);
  EXPECT_EQ(state("KafkaCluster", "orders"), "ready");
}

TEST_F(ReconcilerTest, three_brokers_are_refused_and_what_runs_goes_on) {
  apply(cluster() + topic("a"));
  settle();
  apply(cluster("{replicas: 3}"));
  settle();
  EXPECT_EQ(state("KafkaCluster", "orders"), "NotSupported");
  EXPECT_EQ(store_->get({"StatefulSet", "default", "orders-kafka"})->number_at({"spec", "replicas"}), 1);
  EXPECT_EQ(topic_state("a"), "ready");
}

TEST_F(ReconcilerTest, an_unreachable_cluster_is_said_to_be_so_and_recovers) {
  apply(cluster() + topic("a"));
  settle();
  kafka_.set_reachable(false);
  settle();
  EXPECT_EQ(state("KafkaCluster", "orders"), "KafkaUnreachable");
  EXPECT_EQ(topic_state("a"), "WaitingForCluster");
  EXPECT_EQ(store_->get({"KafkaTopic", "default", "a"})->number_at({"status", "partitions"}), 2)
      << "the last that was known";
  kafka_.set_reachable(true);
  settle();
  EXPECT_EQ(topic_state("a"), "ready");
}

TEST_F(ReconcilerTest, decisions_become_events) {
  apply(cluster() + topic("a"));
  settle();
  const auto events = store_->list("Event", "default", {});
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].text_at({"reason"}), "Created");
  EXPECT_EQ((*events)[0].text_at({"message"}), "topic a with 2 partitions and replication factor 1");
}

TEST_F(ReconcilerTest, a_topic_removed_behind_our_back_is_made_again) {
  apply(cluster() + topic("a"));
  settle();
  kafka_.remove_topic("a");
  settle();
  EXPECT_TRUE(kafka_.topic("a").has_value());
  EXPECT_EQ(topic_state("a"), "ready");
}

}  // namespace
}  // namespace millrace::controller
