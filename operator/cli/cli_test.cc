#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/io/sim/sim_random.h"
#include "operator/admin/fake_cluster_admin.h"
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

  // Three brokers that run and agree on metadata.
  void have_brokers() {
    ASSERT_EQ(apply_path("/m"), kDone);
    out();
    for (int32_t id = 0; id < 3; ++id) {
      make_pod(id);
      brokers_.start_broker(id);
    }
    brokers_.set_voters({0, 1, 2});
    brokers_.put_topic("t", 3, 3, 2);
  }
  void make_pod(int32_t id) {
    const std::string name = "local-kafka-" + std::to_string(id);
    const Json ports{{"plain", 9092 + id}, {"rpc", admin::FakeClusterAdmin::rpc_port(id)}};
    const Json labels{{"millrace.dev/cluster", "local"},
                      {"millrace.dev/component", "broker"},
                      {"apps.kubernetes.io/pod-index", std::to_string(id)}};
    const Json notes{{"millrace.dev/local-ports", ports.dump()}, {"millrace.dev/local-pid", std::to_string(70 + id)}};
    const Json metadata{{"name", name}, {"namespace", "default"}, {"labels", labels}, {"annotations", notes}};
    const Json pod{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", metadata}};
    ASSERT_TRUE(store_->create(kube::Object(pod)).has_value());
    set_status("Pod", name, R"({"conditions":[{"type":"Ready","status":"True"}]})");
  }
  // Its process is gone, and was not started again yet.
  void kill(int32_t id) {
    const std::string name = "local-kafka-" + std::to_string(id);
    Json pod = store_->get({"Pod", "default", name})->json();
    pod["metadata"]["annotations"].erase("millrace.dev/local-pid");
    ASSERT_TRUE(store_->update(kube::Object(pod)).has_value());
    set_status("Pod", name, R"({"conditions":[{"type":"Ready","status":"False"}]})");
    brokers_.stop_broker(id);
  }
  // Cells of the line that begins with these words.
  static std::vector<std::string> row(const std::string& text, const std::string& begin) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::vector<std::string> cells{std::istream_iterator<std::string>(words), {}};
      std::string joined;
      for (const std::string& cell : cells) joined += cell + " ";
      if (joined.starts_with(begin)) return cells;
    }
    return {};
  }

  io::sim::SimFileSystem fs_;
  io::sim::SimClock clock_;
  io::sim::SimRandom random_{1};
  std::ostringstream out_;
  std::ostringstream err_;
  admin::FakeClusterAdmin brokers_{clock_};
  std::unique_ptr<admin::ClusterAdminConnector> connector_ = brokers_.connector();
  World world_{.out = out_, .err = err_, .fs = fs_, .clock = clock_, .random = random_, .brokers = *connector_};
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

TEST_F(CliTest, brokers_are_listed_with_what_the_controller_says_of_them) {
  have_brokers();
  const auto admin = *connector_->connect({.brokers = {{"127.0.0.1", admin::FakeClusterAdmin::rpc_port(0)}}});
  ASSERT_TRUE(admin->may_stop({.node = BrokerId(1), .holder = "me", .ttl = std::chrono::seconds(60)})->granted);
  ASSERT_TRUE(admin->decommission(BrokerId(2), 0).has_value());
  kill(0);
  EXPECT_EQ(get(world_, {.kind = "brokers"}, *store_, true), kDone);
  const std::string text = out();
  using Cells = std::vector<std::string>;
  const Cells header = row(text, "CLUSTER ");
  EXPECT_EQ(header, (Cells{"CLUSTER", "ID", "STATE", "VOTES", "LEADERS", "PARTITIONS", "IN-SYNC", "RACK", "PERMIT",
                           "DECOMMISSION", "HEARD", "KAFKA", "PID", "RESTARTS"}));
  EXPECT_EQ(row(text, "local 0 "),
            (Cells{"local", "0", "down", "yes", "0", "3", "0", "-", "-", "-", "-", "127.0.0.1:9092", "-", "0"}));
  EXPECT_EQ(row(text, "local 1 "),
            (Cells{"local", "1", "serving", "yes", "3", "3", "3", "-", "me", "-", "-", "127.0.0.1:9093", "71", "0"}));
  EXPECT_NE(text.find("3 left, 0 move, 3 stuck (t-0)"), std::string::npos) << text;
  EXPECT_EQ(get(world_, {.kind = "brokers", .output = Output::json}, *store_, true), kDone);
  const Json list = Json::parse(out());
  EXPECT_EQ(list[1]["permit"]["holder"], "me");
  EXPECT_EQ(list[1]["inSync"], 3);
  EXPECT_EQ(list[2]["decommission"]["firstStuck"], "t-0");
  EXPECT_EQ(list[0]["state"], "down");
}

TEST_F(CliTest, brokers_that_nobody_can_be_asked_about_are_unknown_or_down) {
  have_brokers();
  brokers_.set_reachable(false);
  kill(1);
  EXPECT_EQ(get(world_, {.kind = "brokers", .output = Output::json}, *store_, true), kDone);
  const Json list = Json::parse(out());
  EXPECT_EQ(list[0]["state"], "unknown");
  EXPECT_EQ(list[1]["state"], "down");
  EXPECT_FALSE(list[0].contains("leaders"));
}

TEST_F(CliTest, a_killed_broker_is_down_in_the_status_before_the_operator_says_so) {
  have_brokers();
  set_status("KafkaCluster", "local",
             R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"True","reason":"AllBrokersReady"}]})");
  kill(0);
  const Json cluster = status_json(*view_clusters(*store_, "default", true))["clusters"][0];
  EXPECT_EQ(cluster["ready"], true) << "two are ready and one is wanted";
  kill(1);
  kill(2);
  EXPECT_EQ(status_json(*view_clusters(*store_, "default", true))["clusters"][0]["ready"], false);
}

TEST_F(CliTest, why_names_the_voters_that_are_missing_when_the_quorum_is_lost_and_since_when) {
  have_brokers();
  set_status("KafkaCluster", "local",
             R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"False","reason":"NoController",
                 "message":"the brokers have no controller","lastTransitionTime":"2026-01-01T00:00:00Z"}]})");
  kill(1);
  kill(2);
  brokers_.set_no_controller("no leader is known");
  EXPECT_EQ(why(world_, {.name = "local"}, *store_, true), kDone);
  const std::string text = out();
  EXPECT_NE(text.find("metadata quorum      QuorumLost     2023-11-14T22:13:20Z  the metadata quorum needs 2 of its 3 "
                      "voters and 1 answers; missing are broker 1: 127.0.0.1:20001: connection refused; broker 2: "),
            std::string::npos)
      << text;
  brokers_.start_broker(1);
  EXPECT_EQ(why(world_, {.name = "local"}, *store_, true), kDone);
  EXPECT_NE(out().find("NoController   2023-11-14T22:13:20Z  no leader is known"), std::string::npos);
  brokers_.set_no_controller("");
  EXPECT_EQ(why(world_, {.name = "local"}, *store_, true), kDone);
  EXPECT_EQ(out().find("metadata quorum"), std::string::npos);
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
