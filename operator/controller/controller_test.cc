#include "operator/controller/controller.h"

#include "operator/controller/reconciler_test_support.h"

namespace millrace::controller {
namespace {

// A controller whose thread is the test.
class Driven : public Controller {
 public:
  explicit Driven(ControllerOptions options) : Controller(std::move(options)) {}
  using Controller::queue;
  using Controller::watch_all;
  using Controller::work_on;
};

class ControllerTest : public ReconcilerTest {
 protected:
  void start() {
    controller_ = std::make_unique<Driven>(ControllerOptions{.kube = api_.get(),
                                                             .kafka = kafka_connector_.get(),
                                                             .brokers = brokers_connector_.get(),
                                                             .clock = &clock_,
                                                             .defaults = {.version = "1"}});
    ASSERT_TRUE(controller_->watch_all().has_value());
  }
  ~ControllerTest() override { controller_.reset(); }

  // Until nothing is due and nothing is to be told of.
  void run() {
    for (int round = 0; round < 100; ++round) {
      ASSERT_TRUE(store_->pump().has_value());
      const int pods = pods_made_;
      run_pods();
      const std::optional<kube::ObjectKey> first = controller_->queue().take_due();
      if (!first && pods == pods_made_) return;
      for (std::optional<kube::ObjectKey> key = first; key; key = controller_->queue().take_due()) {
        controller_->work_on(*key);
      }
    }
    ADD_FAILURE() << "it does not come to rest";
  }
  void wait_and_run(Duration time) {
    clock_.advance(std::chrono::duration_cast<std::chrono::milliseconds>(time));
    run();
  }
  uint64_t topic_passes() const { return controller_->metrics().topic_passes.value(); }

  std::unique_ptr<Driven> controller_;
};

TEST_F(ControllerTest, two_thousand_topics_are_listed_once) {
  constexpr int kTopics = 2000;
  apply(cluster());
  // They are there in Kafka and only adopted: the simulated disk is slow with many files.
  for (int i = 0; i < kTopics; ++i) {
    const std::string name = "t" + std::to_string(i);
    kafka_.put_topic({.name = name, .partitions = 1, .replicas = 1});
    ASSERT_TRUE(
        store_
            ->create(kube::Object(Json{{"apiVersion", "millrace.dev/v1alpha1"},
                                       {"kind", "KafkaTopic"},
                                       {"metadata", {{"name", name}}},
                                       {"spec", {{"clusterRef", {{"name", "orders"}}}, {"deletionPolicy", "Retain"}}}}))
            .has_value());
  }
  start();
  run();
  wait_and_run(plan::kCheckSoon);
  EXPECT_EQ(topic_state("t0"), "ready");
  EXPECT_EQ(topic_state("t1999"), "ready");
  EXPECT_EQ(api_->lists("KafkaTopic"), 1);
  EXPECT_EQ(api_->objects_listed("KafkaTopic"), kTopics);
  EXPECT_LE(topic_passes(), 4u * kTopics) << "few looks at each";

  clock_.advance(std::chrono::seconds(5));
  apply(topic("rival", "topicName: t7"));
  run();
  EXPECT_EQ(topic_state("rival"), "TopicNameTaken");
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "t7"}, "").has_value());
  const uint64_t before = topic_passes();
  run();
  EXPECT_EQ(topic_state("rival"), "ready") << "it takes over without waiting for a resync";
  EXPECT_LE(topic_passes() - before, 20u) << "the other topics have nothing to do with it";
  EXPECT_EQ(api_->lists("KafkaTopic"), 1);
}

TEST_F(ControllerTest, news_of_a_cluster_that_topics_have_nothing_to_do_with_are_none_to_them) {
  start();
  apply(cluster() + topic("a"));
  run();
  wait_and_run(plan::kCheckSoon);
  ASSERT_EQ(topic_state("a"), "ready");
  const uint64_t before = topic_passes();
  const auto object = store_->get({"KafkaCluster", "default", "orders"});
  Json status = object->json()["status"];
  status["brokers"][0]["leaders"] = 7;
  ASSERT_TRUE(store_->update_status(object->with_status(status)).has_value());
  run();
  EXPECT_EQ(topic_passes(), before);
  set_reachable(false);
  wait_and_run(plan::kResync);
  EXPECT_EQ(state("KafkaCluster", "orders"), "KafkaUnreachable");
  EXPECT_EQ(topic_state("a"), "WaitingForCluster");
}

TEST_F(ControllerTest, the_rows_of_brokers_count_partitions_soon_after_topics_change) {
  start();
  apply(cluster() + topic("a"));
  run();
  wait_and_run(std::chrono::seconds(2));
  Json brokers = store_->get({"KafkaCluster", "default", "orders"})->json()["status"]["brokers"];
  EXPECT_EQ(brokers[0]["leaders"], 2) << brokers;
  EXPECT_EQ(brokers[0]["partitions"], 2);
  apply(topic("b", "partitions: 3"));
  run();
  wait_and_run(std::chrono::seconds(2));
  brokers = store_->get({"KafkaCluster", "default", "orders"})->json()["status"]["brokers"];
  EXPECT_EQ(brokers[0]["leaders"], 5) << brokers;
}

TEST_F(ControllerTest, a_watch_that_fell_behind_is_made_again_and_what_went_meanwhile_is_noticed) {
  reopen(/*watch_backlog_max=*/3);
  start();
  apply(cluster() + topic("first", "topicName: t, deletionPolicy: Retain"));
  clock_.advance(std::chrono::seconds(5));
  apply(topic("second", "topicName: t"));
  run();
  wait_and_run(plan::kCheckSoon);
  ASSERT_EQ(topic_state("first"), "ready");
  ASSERT_EQ(topic_state("second"), "TopicNameTaken");
  // More than the watch may lag behind, with a deletion that nobody tells of.
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "first"}, "").has_value());
  for (const char* name : {"c", "d", "e", "f"}) apply(topic(name));
  run();
  EXPECT_EQ(topic_state("second"), "ready");
  EXPECT_EQ(topic_state("f"), "ready");
  apply(topic("g"));
  run();
  EXPECT_EQ(topic_state("g"), "ready") << "the new watch tells of what comes";
}

TEST_F(ControllerTest, a_broken_connection_to_the_api_server_hides_nothing) {
  start();
  apply(cluster() + topic("a"));
  run();
  wait_and_run(plan::kCheckSoon);
  ASSERT_EQ(topic_state("a"), "ready");
  api_->lose_watches();
  // Until the watches are there again nothing is told: a set that goes, a topic that comes.
  ASSERT_TRUE(store_->remove({"StatefulSet", "default", "orders-kafka"}, "").has_value());
  brokers_.stop_broker(0);
  apply(topic("b"));
  run();
  wait_and_run(plan::kCheckSoon);
  EXPECT_EQ(state("StatefulSet", "orders-kafka"), "unseen") << "it is there again";
  EXPECT_EQ(topic_state("b"), "ready");
}

TEST_F(ControllerTest, a_watch_that_cannot_be_made_again_yet_is_tried_until_it_can) {
  start();
  apply(cluster());
  run();
  wait_and_run(plan::kCheckSoon);
  api_->lose_watches();
  api_->set_reachable(false);
  apply(topic("a"));
  run();
  wait_and_run(Queue::kRetryMin);
  EXPECT_EQ(topic_state("a"), "unseen");
  api_->set_reachable(true);
  wait_and_run(Queue::kRetryMin * 2);
  EXPECT_EQ(topic_state("a"), "ready");
}

}  // namespace
}  // namespace millrace::controller
