#include "broker/control/gone_watch.h"

#include <gtest/gtest.h>

#include "broker/control/control_test_support.h"
#include "broker/control/quorum_test_support.h"
#include "broker/io/sim/sim_network.h"
#include "broker/metadata/metadata_config.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;
constexpr BrokerId kOther{2};
constexpr uint16_t kPort = 9091;

// The controller, and another broker's address, where somebody listens or not.
class GoneWatchTest : public ::testing::Test, public ControlFixture {
 protected:
  void SetUp() override {
    host.lead(quorum.machine.image(), {.term = raft::Term{4}, .attempt = 0});
    settle();
    ask(metadata::RegisterBroker{.id = kOther,
                                 .incarnation = Uuid::from_random(7, 2),
                                 .directory_id = Uuid::from_random(8, 2),
                                 .cluster_id = "c",
                                 .rpc = {"other", kPort},
                                 .fenced = true});
    beat();
    ASSERT_FALSE(is_fenced());
  }
  void settle() {
    for (int i = 0; i < 5; ++i) {
      quorum.commit_all();
      run_for(milliseconds(5));
    }
  }
  void ask(ControllerCall call) {
    host.serve(kOther, std::move(call), [](const Result<ControllerAnswer>& got) { ASSERT_TRUE(got); });
    settle();
  }
  const metadata::BrokerImage& other() { return *quorum.images.load()->find_broker(kOther); }
  void beat() {
    ask(metadata::BrokerHeartbeat{
        .id = kOther, .epoch = other().epoch, .metadata_offset = quorum.machine.next().previous()});
  }
  bool is_fenced() { return other().fenced; }
  void listen() {
    auto opened = network.listen(
        *loop, {"other", kPort}, [this]() -> io::EventLoop& { return *loop; }, [](const auto&) {});
    ASSERT_TRUE(opened);
    listener = std::move(*opened);
  }
  void broke() {
    watch.connection_broke(kOther);
    settle();
  }

  io::sim::SimNetwork network{scheduler};
  std::unique_ptr<io::Listener> listener;
  uint64_t uuids = 0;
  ConfigValues values;
  MemoryQuorum quorum;
  ControllerHost host{{.clock = &clock,
                       .loop = loop.get(),
                       .quorum = &quorum,
                       .config = {.keys = metadata::metadata_config(), .static_values = &values, .self = BrokerId{1}},
                       .new_uuid = [this] { return Uuid::from_random(9, ++uuids); },
                       .cluster_id = "c"}};
  GoneWatch watch{{.network = &network, .loop = loop.get(), .images = &quorum.images, .host = &host}};
};

TEST_F(GoneWatchTest, a_broker_whose_connection_broke_and_at_whose_address_nobody_listens_is_fenced_at_once) {
  broke();
  EXPECT_TRUE(is_fenced());
}

TEST_F(GoneWatchTest, a_broker_that_listens_keeps_its_session) {
  listen();
  broke();
  EXPECT_FALSE(is_fenced());
  listener.reset();
  broke();
  EXPECT_TRUE(is_fenced());
}

TEST_F(GoneWatchTest, only_the_controller_looks) {
  host.follow();
  broke();
  EXPECT_FALSE(is_fenced());
}

TEST_F(GoneWatchTest, a_process_that_has_taken_its_place_meanwhile_is_not_meant) {
  watch.connection_broke(kOther);
  ask(metadata::RegisterBroker{.id = kOther,
                               .incarnation = Uuid::from_random(7, 3),
                               .directory_id = Uuid::from_random(8, 2),
                               .cluster_id = "c",
                               .rpc = {"other", kPort},
                               .fenced = false});
  settle();
  EXPECT_FALSE(is_fenced());
}

TEST_F(GoneWatchTest, a_broker_that_is_heard_of_all_the_same_is_let_in_again_and_such_words_are_doubted) {
  broke();
  ASSERT_TRUE(is_fenced());
  beat();
  ASSERT_FALSE(is_fenced());
  broke();
  EXPECT_FALSE(is_fenced());
}

}  // namespace
}  // namespace millrace::control
