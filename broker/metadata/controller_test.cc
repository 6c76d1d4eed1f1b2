#include "broker/metadata/controller.h"

#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"
#include "broker/metadata/memory_log_test_support.h"

namespace millrace::metadata {
namespace {

struct StillClock final : Clock {
  std::chrono::milliseconds passed{0};
  TimePoint now() const override { return TimePoint{passed}; }
  Timestamp wall_ms() const override { return passed.count(); }
};

struct ControllerTest : testing::Test {
  StillClock clock;
  MemoryLog log;
  TestCluster words;  // for its configuration and ids
  ImageStore& images = log.images;
  QuorumView quorum;
  std::vector<std::string> events;
  std::unique_ptr<LocalController> controller;

  void start() {
    controller = LocalController::start({.log = &log,
                                         .clock = &clock,
                                         .config = words.context().config,
                                         .new_uuid = [this] { return words.uuid(); },
                                         .quorum = [this] { return quorum; },
                                         .recovered = log.replay(),
                                         .on_failed = [this](const Error&) { events.push_back("failed"); }});
  }
  void bring_up() {
    start();
    controller->initialize("cluster", {}, [](Result<Unit> done) { EXPECT_TRUE(done); });
    controller->register_broker(words.registration(0), [](Result<RegisterBrokerReply> done) { EXPECT_TRUE(done); });
  }
  void create(std::string name) {
    controller->create_topics({{{.name = name}}}, [this, name](Result<CreateTopicsReply> reply) {
      if (!reply) return events.push_back(name + ": " + reply.error().to_string());
      const auto& created = reply->topics.front().second;
      events.push_back(name + (created ? " created" : ": " + created.error().to_string()));
    });
  }
  std::vector<std::string> seen() { return std::exchange(events, {}); }
};
using Events = std::vector<std::string>;

TEST_F(ControllerTest, nothing_is_answered_before_it_is_in_the_log) {
  bring_up();
  log.inline_commit = false;
  create("t");
  create("t");
  EXPECT_EQ(seen(), Events{});
  log.commit_all();
  EXPECT_EQ(seen(), Events({"t created", "t: topic t: topic already exists"}));
}

TEST_F(ControllerTest, after_a_failed_log_nothing_is_done_and_the_next_controller_goes_on_from_the_replayed_state) {
  bring_up();
  create("kept");
  log.inline_commit = false;
  create("lost");
  create("lost");
  log.broken = true;
  log.commit_all();
  create("refused");
  EXPECT_EQ(seen(), Events({"kept created", "lost: metadata log: no space left on device",
                            "lost: metadata log: no space left on device", "failed",
                            "refused: metadata log: no space left on device"}));
  log.broken = false;
  log.inline_commit = true;
  start();
  create("lost");
  EXPECT_EQ(seen(), Events{"lost created"});
  EXPECT_NE(images.load()->find_topic("kept"), nullptr);
}

TEST_F(ControllerTest, a_second_start_finds_everything_and_gives_out_new_producer_ids) {
  bring_up();
  create("t");
  int64_t first = -1;
  controller->allocate_producer_ids({BrokerId{0}},
                                    [&](Result<ProducerIdBlock> block) { first = block->first.value(); });
  const ImagePointer before = images.load();
  seen();
  controller.reset();
  start();
  EXPECT_TRUE(*images.load() == *before);
  controller->allocate_producer_ids(
      {BrokerId{0}}, [&](Result<ProducerIdBlock> block) { EXPECT_EQ(block->first.value(), first + 1000); });
  controller->initialize("other", {}, [this](Result<Unit> done) { events.push_back(TestCluster::words(done)); });
  controller->ensure_offsets_topic([this](Result<int32_t> count) { events.push_back(std::to_string(*count)); });
  EXPECT_EQ(
      seen(),
      Events({"the metadata log belongs to cluster cluster, not other: belongs to another cluster or node", "50"}));
}

TEST_F(ControllerTest, brokers_start_are_heard_fall_silent_and_stop_with_permits_through_the_log) {
  quorum = {{{BrokerId{0}, true}, {BrokerId{1}, true}, {BrokerId{2}, true}}};
  start();
  controller->initialize("cluster", {}, [](Result<Unit> done) { EXPECT_TRUE(done); });
  std::map<int, int64_t> epochs;
  for (int id = 0; id < 3; ++id) {
    RegisterBroker registration = words.registration(id);
    registration.fenced = true;
    controller->register_broker(registration, [&](Result<RegisterBrokerReply> reply) { epochs[id] = reply->epoch; });
  }
  const auto beat = [&](int id) {
    controller->broker_heartbeat({.id = BrokerId{id}, .epoch = epochs[id], .metadata_offset = images.load()->applied},
                                 [](Result<BrokerHeartbeatReply> reply) { EXPECT_FALSE(reply->is_fenced); });
  };
  for (int id = 0; id < 3; ++id) beat(id);
  EXPECT_EQ(images.load()->alive_brokers(), brokers({0, 1, 2}));
  const size_t written = log.records.size();
  beat(1);
  EXPECT_EQ(log.records.size(), written) << "a heartbeat is not logged";

  const auto ask = [&](int node) {
    controller->may_stop({BrokerId{node}, "operator", std::chrono::seconds{60}}, [&](Result<MayStopReply> reply) {
      events.push_back(reply->refusal() ? reply->refusal()->words : "granted");
    });
  };
  ask(0);
  ask(1);
  EXPECT_EQ(seen(), Events({"granted",
                            "the metadata quorum needs 2 of its 3 members and would have 1 without broker "
                            "1"}));
  controller->release_permit({BrokerId{0}, "operator"}, [](Result<Unit> done) { EXPECT_TRUE(done); });

  std::vector<BrokerId> fenced;
  for (int tick = 0; tick < 25; ++tick) {
    clock.passed += kTickInterval;
    beat(1);
    controller->tick(
        [&](Result<TickReply> reply) { fenced.insert(fenced.end(), reply->fenced.begin(), reply->fenced.end()); });
  }
  EXPECT_EQ(fenced, brokers({0, 2}));
  EXPECT_EQ(images.load()->alive_brokers(), brokers({1}));
  EXPECT_TRUE(log.replay().current().brokers == images.load()->brokers);
}

TEST_F(ControllerTest, a_stopped_controller_refuses) {
  bring_up();
  controller->stop();
  create("t");
  EXPECT_EQ(seen().size(), 1u);
  EXPECT_EQ(log.replay().current().find_topic("t"), nullptr);
}

TEST_F(ControllerTest, readers_on_other_threads_always_hold_a_whole_image) {
  bring_up();
  std::atomic<bool> over{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!over) {
        const ImagePointer image = images.load();
        for (const auto& [name, topic] : image->topics()) ASSERT_EQ(topic->partitions.size(), 1u) << name;
      }
    });
  }
  for (int i = 0; i < 200; ++i) create("t" + std::to_string(i));
  over = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(images.load()->topics().size(), 200u);
}

}  // namespace
}  // namespace millrace::metadata
