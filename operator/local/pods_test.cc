#include "operator/local/pods.h"

#include <nlohmann/json.hpp>

#include "broker/io/sim/sim_process.h"
#include "operator/local/stateful_sets.h"
#include "operator/local/store_test_support.h"

namespace millrace::local {
namespace {

using kube::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A set "s" whose pods are simulated processes.
class PodsTest : public StoreTest {
 protected:
  PodsTest() { restart_node(); }

  void restart_node() {
    pods_.reset();
    pods_ = std::make_unique<Pods>(PodsOptions{.directory = "/state",
                                               .program_directory = "/bin",
                                               .client = store_.get(),
                                               .fs = &fs_,
                                               .clock = &clock_,
                                               .runner = &runner_,
                                               .ports = &ports_,
                                               .probe = [this](const Probe&) { return answers_; }});
  }
  void make_set(int replicas) {
    ASSERT_TRUE(store_->create(config_map("settings", R"({"broker.yaml":"a: 1"})")).has_value());
    ASSERT_TRUE(store_->create(set(replicas)).has_value());
    run();
  }
  static Object set(int replicas) {
    return object(R"~({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"s"},"spec":{"replicas":)~" +
                  std::to_string(replicas) +
                  R"~(,"serviceName":"s","volumeClaimTemplates":[{"metadata":{"name":"data"}}],
      "template":{"metadata":{"labels":{"app":"x"}},"spec":{"terminationGracePeriodSeconds":60,
      "volumes":[{"name":"config","configMap":{"name":"settings"}}],"containers":[{"name":"kafka","command":["broker"],
      "args":["--config","/etc/x/broker.yaml","--data-dir","/data","--port","$(PORT_PLAIN)"],
      "ports":[{"name":"plain","containerPort":9092}],
      "readinessProbe":{"httpGet":{"path":"/readyz","port":"plain"},"periodSeconds":1,"failureThreshold":2},
      "volumeMounts":[{"name":"config","mountPath":"/etc/x"},{"name":"data","mountPath":"/data"}]}]}}}})~");
  }
  void scale(int replicas) {
    Json changed = store_->get({"StatefulSet", "", "s"})->json();
    changed["spec"]["replicas"] = replicas;
    ASSERT_TRUE(store_->update(Object(changed)).has_value());
    run();
  }
  // Lets everything settle without time passing.
  void run() {
    StatefulSets sets(*store_);
    for (int i = 0; i < 5; ++i) {
      const Status reconciled = sets.reconcile();
      EXPECT_TRUE(reconciled.has_value()) << reconciled.error().to_string();
      const Status stepped = pods_->step();
      EXPECT_TRUE(stepped.has_value()) << stepped.error().to_string();
    }
  }
  void pass(Duration time) {
    clock_.advance(time);
    run();
  }
  Object pod(int ordinal) { return *store_->get({"Pod", "", "s-" + std::to_string(ordinal)}); }
  bool has_pod(int ordinal) { return store_->get({"Pod", "", "s-" + std::to_string(ordinal)}).has_value(); }
  static std::string ready(const Object& pod) { return pod.json()["status"]["conditions"][0].value("status", ""); }
  static int64_t restarts(const Object& pod) {
    return pod.json()["status"]["containerStatuses"][0].value("restartCount", -1);
  }
  int64_t pid(int ordinal) {
    const std::string text = pod(ordinal).annotation(kPidAnnotation);
    return text.empty() ? -1 : std::stoll(text);
  }
  io::ProcessOptions process(int ordinal) { return runner_.running().at(pid(ordinal)); }

  bool answers_ = true;
  io::sim::SimProcessRunner runner_;
  io::sim::SimLoopbackPorts ports_;
  std::unique_ptr<Store> store_ = open();
  std::unique_ptr<Pods> pods_;
};

TEST_F(PodsTest, a_set_becomes_processes_with_their_own_ports_and_directories) {
  make_set(2);
  ASSERT_EQ(runner_.running().size(), 2u);
  EXPECT_EQ(process(0).argv,
            std::vector<std::string>({"broker", "--config", "/state/pods/default/s-0/volumes/config/broker.yaml",
                                      "--data-dir", "/state/volumes/default/data-s-0", "--port", "9092"}));
  EXPECT_EQ(process(1).argv.back(), "9192");
  EXPECT_EQ(pod(0).annotation(kPortsAnnotation), R"({"plain":9092})");
  EXPECT_EQ(*io::read_small_file(fs_, process(0).argv[2]), "a: 1");
  EXPECT_EQ(ready(pod(0)), "True");
  EXPECT_EQ(pod(1).label("apps.kubernetes.io/pod-index"), "1");
  EXPECT_EQ(store_->get({"StatefulSet", "", "s"})->number_at({"status", "readyReplicas"}), 2);
}

TEST_F(PodsTest, a_dead_process_comes_back_with_its_ports_after_growing_pauses) {
  make_set(1);
  const std::string ports = pod(0).annotation(kPortsAnnotation);
  milliseconds pause = Pods::kRestartPauseMin;
  for (int death = 1; death <= 8; ++death) {
    const int64_t before = pid(0);
    runner_.end(before, {.code = 1, .signal = 0});
    run();
    EXPECT_EQ(runner_.running().size(), 0u);
    EXPECT_EQ(ready(pod(0)), "False");
    pass(pause - milliseconds(1));
    EXPECT_EQ(runner_.running().size(), 0u) << death;
    pass(milliseconds(1));
    ASSERT_EQ(runner_.running().size(), 1u) << death;
    EXPECT_NE(pid(0), before);
    EXPECT_EQ(restarts(pod(0)), death);
    EXPECT_EQ(pod(0).annotation(kPortsAnnotation), ports);
    pause = std::min<milliseconds>(pause * 2, Pods::kRestartPauseMax);
  }
  pass(Pods::kSteadyAfter);
  runner_.end(pid(0), {.code = 0, .signal = 9});
  run();
  EXPECT_EQ(runner_.running().size(), 1u);
}

TEST_F(PodsTest, a_port_that_somebody_took_meanwhile_is_given_up_for_another) {
  make_set(1);
  EXPECT_TRUE(pods_->stop());
  ports_.occupied.insert(9092);
  restart_node();
  run();
  EXPECT_EQ(process(0).argv.back(), "40000");
  EXPECT_EQ(pod(0).annotation(kPortsAnnotation), R"({"plain":40000})");
}

TEST_F(PodsTest, pods_are_told_where_their_siblings_are_before_any_of_them_starts) {
  ASSERT_TRUE(
      store_->create(config_map("settings", R"({"broker.yaml":"s-0.s.default.svc:9092 s-1.s.default.svc:9092"})"))
          .has_value());
  ASSERT_TRUE(store_->create(set(2)).has_value());
  run();
  ASSERT_EQ(runner_.running().size(), 2u);
  EXPECT_EQ(runner_.starts(), 2u);
  for (const int ordinal : {0, 1}) {
    EXPECT_EQ(*io::read_small_file(fs_, process(ordinal).argv[2]), "127.0.0.1:9092 127.0.0.1:9192");
  }
  // A sibling between two lives keeps its address.
  ASSERT_TRUE(store_->remove(pod(1).key(), "").has_value());
  runner_.end(pid(0), {.code = 1, .signal = 0});
  run();
  pass(Pods::kRestartPauseMin);
  EXPECT_EQ(*io::read_small_file(fs_, process(0).argv[2]), "127.0.0.1:9092 127.0.0.1:9192");
}

TEST_F(PodsTest, readiness_follows_the_probe) {
  answers_ = false;
  make_set(1);
  EXPECT_EQ(ready(pod(0)), "False");
  answers_ = true;
  pass(Pods::kFirstProbes);
  EXPECT_EQ(ready(pod(0)), "True");
  answers_ = false;
  pass(seconds(1));
  EXPECT_EQ(ready(pod(0)), "True");  // one failure of two
  pass(seconds(1));
  EXPECT_EQ(ready(pod(0)), "False");
}

TEST_F(PodsTest, a_deleted_pod_ends_and_a_new_one_takes_its_ports_and_data) {
  make_set(1);
  const Object before = pod(0);
  const io::ProcessOptions process_before = process(0);
  ASSERT_TRUE(store_->remove(before.key(), before.uid()).has_value());
  run();
  EXPECT_NE(pod(0).uid(), before.uid());
  EXPECT_EQ(runner_.starts(), 2u);
  EXPECT_EQ(process(0).argv, process_before.argv);
}

TEST_F(PodsTest, a_deaf_process_is_killed_after_its_grace) {
  runner_.ignore_terminate(true);
  make_set(1);
  runner_.ignore_terminate(false);
  const Object before = pod(0);
  ASSERT_TRUE(store_->remove(before.key(), "").has_value());
  run();
  pass(seconds(59));
  EXPECT_EQ(pod(0).uid(), before.uid());
  pass(seconds(1));
  EXPECT_NE(pod(0).uid(), before.uid());
}

TEST_F(PodsTest, scaling_down_takes_the_highest_and_keeps_the_claim) {
  make_set(3);
  scale(1);
  EXPECT_TRUE(has_pod(0));
  EXPECT_FALSE(has_pod(1));
  EXPECT_FALSE(has_pod(2));
  EXPECT_EQ(runner_.running().size(), 1u);
  EXPECT_EQ(store_->list("PersistentVolumeClaim", "", {})->size(), 3u);
}

TEST_F(PodsTest, deleting_the_set_ends_its_pods_and_keeps_the_data) {
  make_set(2);
  ASSERT_TRUE(store_->remove({"StatefulSet", "", "s"}, "").has_value());
  run();
  EXPECT_EQ(runner_.running().size(), 0u);
  EXPECT_TRUE(store_->list("Pod", "", {})->empty());
  EXPECT_TRUE(*fs_.exists("/state/volumes/default/data-s-0"));
}

TEST_F(PodsTest, a_deleted_claim_goes_with_its_directory_once_unused) {
  make_set(2);
  ASSERT_TRUE(store_->remove({"PersistentVolumeClaim", "default", "data-s-1"}, "").has_value());
  run();
  EXPECT_TRUE(*fs_.exists("/state/volumes/default/data-s-1"));
  scale(1);
  EXPECT_FALSE(*fs_.exists("/state/volumes/default/data-s-1"));
  EXPECT_EQ(store_->list("PersistentVolumeClaim", "", {})->size(), 1u);
}

TEST_F(PodsTest, a_pod_waits_for_its_config_map_and_says_so) {
  ASSERT_TRUE(store_->create(set(1)).has_value());
  run();
  EXPECT_EQ(runner_.running().size(), 0u);
  EXPECT_NE(pod(0).json()["status"].dump().find("settings"), std::string::npos);
  ASSERT_TRUE(store_->create(config_map("settings")).has_value());
  pass(Pods::kWaitForObjects);
  EXPECT_EQ(runner_.running().size(), 1u);
}

TEST_F(PodsTest, stopping_ends_all_and_the_next_node_starts_the_same_pods) {
  make_set(2);
  const std::string uid = pod(0).uid();
  EXPECT_TRUE(pods_->stop());
  EXPECT_EQ(runner_.running().size(), 0u);
  EXPECT_EQ(ready(pod(0)), "False");
  EXPECT_EQ(pid(0), -1);
  restart_node();
  run();
  EXPECT_EQ(runner_.running().size(), 2u);
  EXPECT_EQ(pod(0).uid(), uid);
  EXPECT_EQ(pod(0).annotation(kPortsAnnotation), R"({"plain":9092})");
}

}  // namespace
}  // namespace millrace::local
