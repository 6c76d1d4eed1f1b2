#include <nlohmann/json.hpp>
#include <sstream>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/io/sim/sim_random.h"
#include "operator/cli/command_line.h"
#include "operator/cli/manifests.h"
#include "operator/cli/progress.h"
#include "operator/cli/state_dir.h"
#include "operator/cli/table.h"
#include "operator/cli/verbs.h"
#include "operator/cli/views.h"

namespace millrace::cli {
namespace {

using kube::Json;

const std::string kCluster =
    "apiVersion: millrace.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {name: local}\nspec: {}\n";
const std::string kTopic = R"(apiVersion: millrace.dev/v1alpha1
kind: KafkaTopic
metadata: {name: invoices}
spec:
  clusterRef: {name: local}
  partitions: 2
)";

// A local cluster's directory on a simulated disk, and what commands print; nothing runs.
class CliTest : public testing::Test {
 protected:
  CliTest() {
    EXPECT_TRUE(fs_.create_directories("/m").has_value());
    file("/m/a.yaml", kCluster);
    file("/m/b.yaml", kTopic);
    store_ = std::move(*StateDir(world_, "/d").open_store());
  }
  void file(const std::string& path, const std::string& text) {
    ASSERT_TRUE(io::write_file_atomically(fs_, path, text).has_value());
  }
  int apply_path(const std::string& path) { return apply(world_, {.path = path}, *store_, true); }
  std::string out() { return take(out_); }
  std::string err() { return take(err_); }
  static std::string take(std::ostringstream& stream) {
    std::string text = stream.str();
    stream.str("");
    return text;
  }
  void set_status(const std::string& kind, const std::string& name, const std::string& status) {
    const auto object = store_->get({kind, "default", name});
    ASSERT_TRUE(object.has_value());
    ASSERT_TRUE(store_->update_status(object->with_status(Json::parse(status))).has_value());
  }

  io::sim::SimFileSystem fs_;
  io::sim::SimClock clock_;
  io::sim::SimRandom random_{1};
  std::ostringstream out_;
  std::ostringstream err_;
  World world_{.out = out_, .err = err_, .fs = fs_, .clock = clock_, .random = random_};
  std::unique_ptr<local::Store> store_;
};

TEST_F(CliTest, apply_says_what_became_of_each_object) {
  EXPECT_EQ(apply_path("/m"), kDone);
  EXPECT_EQ(out(), "kafkacluster/local created\nkafkatopic/invoices created\n");
  EXPECT_EQ(apply_path("/m"), kDone);
  EXPECT_EQ(out(), "kafkacluster/local unchanged\nkafkatopic/invoices unchanged\n");
  file("/m/b.yaml", kTopic + "  config: {retention.ms: 5}\n");
  EXPECT_EQ(apply_path("/m/b.yaml"), kDone);
  EXPECT_EQ(out(), "kafkatopic/invoices changed\n");
}

TEST_F(CliTest, a_bad_manifest_changes_nothing_and_names_file_and_line) {
  file("/m/b.yaml", kTopic + "  partitons: 3\n");
  EXPECT_EQ(apply_path("/m"), kUsage);
  EXPECT_EQ(err(),
            "millrace: /m/b.yaml:7: spec.partitons is not a field that is known here; did you mean partitions?\n"
            "Nothing was changed.\n");
  EXPECT_EQ(store_->list("KafkaCluster", "", {})->size(), 0u);
}

TEST_F(CliTest, one_topic_in_two_files_is_refused) {
  file("/m/c.yaml", kTopic);
  EXPECT_EQ(apply_path("/m"), kUsage);
  EXPECT_NE(err().find("/m/c.yaml:2: KafkaTopic invoices is there twice; the first is at /m/b.yaml:2"),
            std::string::npos);
}

TEST_F(CliTest, what_may_not_change_is_refused_by_the_server) {
  ASSERT_EQ(apply_path("/m"), kDone);
  file("/m/b.yaml", kTopic + "  topicName: other\n");
  EXPECT_EQ(apply_path("/m/b.yaml"), kFailed);
  EXPECT_NE(err().find("spec.topicName cannot change"), std::string::npos);
}

TEST_F(CliTest, lists_are_aligned_tables) {
  ASSERT_EQ(apply_path("/m"), kDone);
  set_status(
      "KafkaTopic", "invoices",
      R"({"observedGeneration":1,"partitions":2,"replicas":1,"conditions":[{"type":"Ready","status":"True","reason":"TopicReady"}]})");
  out();
  EXPECT_EQ(get(world_, {.kind = "topics"}, *store_, true), kDone);
  EXPECT_EQ(out(),
            "NAME      TOPIC     CLUSTER  READY  REASON      PARTITIONS  REPLICAS\n"
            "invoices  invoices  local    yes    TopicReady  2           1\n");
  EXPECT_EQ(get(world_, {.kind = "clusters"}, *store_, true), kDone);
  EXPECT_EQ(out(),
            "NAME   READY  REASON         BROKERS  BOOTSTRAP\n"
            "local  no     NotReconciled  0/1      -\n");
  EXPECT_EQ(get(world_, {.kind = "gadgets"}, *store_, true), kUsage);
  EXPECT_EQ(err(), "millrace: there is no kind gadgets; use clusters, topics or brokers\n");
}

TEST_F(CliTest, a_status_of_an_older_specification_does_not_count_as_ready) {
  ASSERT_EQ(apply_path("/m"), kDone);
  set_status("KafkaTopic", "invoices",
             R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"True","reason":"TopicReady"}]})");
  EXPECT_TRUE((*view_topics(*store_, "default", true))[0].is_ready);
  EXPECT_FALSE((*view_topics(*store_, "default", false))[0].is_ready) << "stopped";
  file("/m/b.yaml", kTopic + "  config: {retention.ms: 5}\n");
  ASSERT_EQ(apply_path("/m/b.yaml"), kDone);
  EXPECT_FALSE((*view_topics(*store_, "default", true))[0].is_ready);
}

TEST_F(CliTest, status_json_has_the_shape_that_scripts_rely_on) {
  ASSERT_EQ(apply_path("/m"), kDone);
  const Json pod =
      Json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"local-kafka-0","namespace":"default",
    "labels":{"millrace.dev/cluster":"local","millrace.dev/component":"broker","apps.kubernetes.io/pod-index":"0"},
    "annotations":{"millrace.dev/local-ports":"{\"plain\":40001,\"rpc\":40003,\"tcp-prometheus\":40002}","millrace.dev/local-pid":"77"}}})");
  ASSERT_TRUE(store_->create(kube::Object(pod)).has_value());
  set_status("Pod", "local-kafka-0", R"({"conditions":[{"type":"Ready","status":"True"}]})");
  set_status("KafkaCluster", "local",
             R"({"observedGeneration":1,"listeners":[{"name":"plain","bootstrapServers":"127.0.0.1:40001"}],
                 "conditions":[{"type":"Ready","status":"True","reason":"AllBrokersReady"}]})");
  EXPECT_EQ(
      status_json(*view_clusters(*store_, "default", true)).dump(),
      R"({"clusters":[{"bootstrap":"127.0.0.1:40001","brokers":[{"http":"127.0.0.1:40002","id":0,"kafka":"127.0.0.1:40001",)"
      R"("pid":77,"ready":true,"rpc":"127.0.0.1:40003"}],"name":"local","ready":true,)"
      R"("topics":[{"name":"invoices","partitions":null,"ready":false,"replicas":null}]}]})");
}

TEST_F(CliTest, why_names_rule_object_and_since_when) {
  ASSERT_EQ(apply_path("/m"), kDone);
  set_status("KafkaCluster", "local",
             R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"False","reason":"BrokersNotReady",
                 "message":"0 of 1 brokers are ready","lastTransitionTime":"2026-01-01T00:00:00Z"}],
                 "rollout":{"blockedBy":[{"rule":"BrokerReady","object":"pod local-kafka-0","message":"it is starting",
                 "since":"2026-01-01T00:00:01Z"}]}})");
  out();
  EXPECT_EQ(why(world_, {.name = "local"}, *store_, true), kDone);
  EXPECT_EQ(out(),
            "OBJECT               RULE             SINCE                 WHY\n"
            "KafkaCluster local   BrokersNotReady  2026-01-01T00:00:00Z  0 of 1 brokers are ready\n"
            "pod local-kafka-0    BrokerReady      2026-01-01T00:00:01Z  it is starting\n"
            "KafkaTopic invoices  NotReconciled    -                     its newest specification has not been looked "
            "at yet\n");
}

TEST_F(CliTest, why_and_describe_tell_of_warnings_which_block_nothing) {
  ASSERT_EQ(apply_path("/m"), kDone);
  const std::string warning = "without effect on the local backend: spec.image";
  set_status("KafkaCluster", "local",
             R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"True","reason":"AllBrokersReady"},
                 {"type":"Warning","status":"True","reason":"IgnoredLocally","message":")" +
                 warning + "\"}]}");
  set_status("KafkaTopic", "invoices",
             R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"True","reason":"TopicReady"}]})");
  out();
  EXPECT_EQ(why(world_, {.name = "local"}, *store_, true), kDone);
  EXPECT_EQ(out(),
            "Nothing blocks: KafkaCluster local and its topics are as specified.\n"
            "Warning: KafkaCluster local, IgnoredLocally: without effect on the local backend: spec.image\n");
  EXPECT_EQ(describe(world_, {.kind = "cluster", .name = "local"}, *store_), kDone);
  const std::string text = out();
  EXPECT_GT(text.find(warning), text.find("Conditions:")) << text;
}

TEST_F(CliTest, delete_names_what_is_missing_and_how_to_find_it) {
  EXPECT_EQ(remove(world_, {.kind = "topic", .name = "nope"}, *store_, true), kFailed);
  EXPECT_EQ(err(), "millrace: there is no KafkaTopic default/nope; `millrace get kafkatopics` lists them\n");
  ASSERT_EQ(apply_path("/m"), kDone);
  out();
  EXPECT_EQ(remove(world_, {.kind = "topic", .name = "invoices"}, *store_, false), kDone);
  EXPECT_EQ(
      out(),
      "kafkatopic/invoices deleted\nThe cluster is stopped: this takes effect with the next `millrace local up`.\n");
}

TEST_F(CliTest, describe_shows_conditions_after_the_specification) {
  ASSERT_EQ(apply_path("/m"), kDone);
  set_status(
      "KafkaTopic", "invoices",
      R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"False","reason":"ClusterNotFound","message":"no cluster"}]})");
  out();
  EXPECT_EQ(describe(world_, {.kind = "topic", .name = "invoices"}, *store_), kDone);
  const std::string text = out();
  EXPECT_GT(text.find("no cluster"), text.find("Conditions:")) << text;
  EXPECT_NE(text.find("partitions: 2"), std::string::npos);
}

TEST_F(CliTest, progress_waits_for_all_and_stops_at_a_refusal) {
  ASSERT_EQ(apply_path("/m"), kDone);
  const auto manifests = *load_manifests(fs_, "/m");
  EXPECT_EQ(standing_of(*store_, manifests)->now, "0/2 ready; KafkaCluster local: starting");
  const std::string ready = R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"True","reason":"X"}]})";
  set_status("KafkaCluster", "local", ready);
  set_status(
      "KafkaTopic", "invoices",
      R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"False","reason":"KafkaRefused","message":"no"}]})");
  const auto refused = standing_of(*store_, manifests);
  EXPECT_TRUE(refused->is_refused);
  EXPECT_EQ(refused->refusals, std::vector<std::string>{"KafkaTopic invoices: no"});
  set_status("KafkaTopic", "invoices", ready);
  EXPECT_TRUE(standing_of(*store_, manifests)->is_ready);
}

TEST_F(CliTest, a_refused_cluster_ends_the_wait_although_its_topics_wait) {
  ASSERT_EQ(apply_path("/m"), kDone);
  set_status("KafkaCluster", "local",
             R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"False","reason":"NotSupported",
                 "message":"three is too many"}],"rollout":{"blockedBy":[{"rule":"NotSupported",
                 "object":"KafkaCluster local","message":"three is too many"}]}})");
  EXPECT_TRUE(standing_of(*store_, *load_manifests(fs_, "/m"))->is_refused);
  out();
  EXPECT_EQ(why(world_, {.name = "local"}, *store_, true), kDone);
  const std::string said = out();
  EXPECT_EQ(said.find("three"), said.rfind("three")) << "said once:\n" << said;
}

TEST_F(CliTest, readiness_of_a_run_that_has_ended_is_forgotten_and_what_was_learned_is_kept) {
  ASSERT_EQ(apply_path("/m"), kDone);
  set_status("KafkaTopic", "invoices",
             R"({"observedGeneration":1,"topicId":"x","conditions":[{"type":"Ready","status":"True","reason":"X"}]})");
  ASSERT_TRUE(forget_readiness(*store_).has_value());
  EXPECT_EQ(store_->get({"KafkaTopic", "default", "invoices"})->json()["status"].dump(),
            R"({"observedGeneration":1,"topicId":"x"})");
}

TEST(CommandLineTest, verbs_and_mistakes) {
  std::ostringstream out;
  std::ostringstream err;
  const auto parse = [&](std::vector<const char*> words) {
    words.insert(words.begin(), "millrace");
    return parse_command_line(static_cast<int>(words.size()), words.data(), out, err);
  };
  const auto up = std::get<CommandLine>(parse({"local", "up", "-f", "x", "--detach", "--data-dir", "/d"}));
  EXPECT_EQ(up.verb, Verb::local_up);
  EXPECT_TRUE(up.detach);
  EXPECT_EQ(up.data_dir, "/d");
  EXPECT_EQ(std::get<CommandLine>(parse({"delete", "topic", "a"})).verb, Verb::remove);
  EXPECT_EQ(std::get<CommandLine>(parse({"get", "topics", "-o", "json"})).output, Output::json);
  EXPECT_EQ(std::get<int>(parse({"--help"})), kDone);
  for (const auto& wrong :
       {std::vector<const char*>{"frobnicate"}, {"local"}, {"local", "up"}, {"get", "topics", "-o", "xml"}}) {
    EXPECT_EQ(std::get<int>(parse(wrong)), kUsage);
  }
}

}  // namespace
}  // namespace millrace::cli
