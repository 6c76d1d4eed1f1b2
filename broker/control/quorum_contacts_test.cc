#include "broker/control/quorum_contacts.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"

namespace millrace::control {
namespace {

constexpr BrokerId kOne{1}, kTwo{2};
const Uuid kProcess = Uuid::from_random(1, 1), kLater = Uuid::from_random(2, 2);

struct QuorumContactsTest : testing::Test {
  io::sim::SimFileSystem fs;
  io::sim::SimClock clock;
  std::unique_ptr<QuorumContacts> contacts;
  metadata::ClusterImage image;

  QuorumContactsTest() {
    ENSURE(fs.create_directories("/data"));
    open();
  }
  void open() {
    contacts = QuorumContacts::open(
        {.fs = &fs, .clock = &clock, .path = "/data/quorum-contacts", .configured = {{kOne, {"configured", 9}}}});
  }
  void registers(BrokerId id, const std::string& host, const Uuid& incarnation = kProcess) {
    metadata::BrokerImage& broker = image.brokers[id];
    if (broker.incarnation != incarnation) broker.former_incarnations.push_back(broker.incarnation);
    broker.incarnation = incarnation;
    broker.id = id;
    broker.rpc = {host, 1};
    image.applied = image.applied.next();
    contacts->apply(image);
  }
  std::string host(BrokerId id) {
    const auto at = contacts->address_of(id);
    return at ? at->host : std::string(to_string(at.error().code));
  }
};

TEST_F(QuorumContactsTest, what_the_log_says_counts_before_the_configuration) {
  EXPECT_EQ(host(kOne), "configured");
  EXPECT_EQ(host(kTwo), "not found");
  contacts->set_current();
  registers(kOne, "registered");
  registers(kTwo, "two");
  EXPECT_EQ(host(kOne), "registered");
  EXPECT_EQ(host(kTwo), "two");
  image.brokers.erase(kTwo);
  image.applied = image.applied.next();
  contacts->apply(image);
  EXPECT_EQ(host(kTwo), "not found");
}

TEST_F(QuorumContactsTest, what_it_said_is_there_after_a_power_loss) {
  registers(kTwo, "two");
  fs.lose_power();
  open();
  EXPECT_EQ(host(kTwo), "two");
}

TEST_F(QuorumContactsTest, a_log_that_is_read_again_takes_nothing_back) {
  registers(kOne, "first");
  registers(kOne, "second", kLater);
  open();
  metadata::ClusterImage earlier;
  earlier.applied = Offset{0};
  contacts->set_current();
  contacts->apply(earlier);
  EXPECT_EQ(host(kOne), "second");
  open();
  contacts->set_current();
  EXPECT_EQ(host(kOne), "second");
}

TEST_F(QuorumContactsTest, until_the_log_goes_on_the_file_and_the_configuration_are_tried_in_turn) {
  registers(kOne, "registered");
  open();
  std::vector<std::string> hosts;
  for (int i = 0; i < 4; ++i) {
    hosts.push_back(host(kOne));
    clock.advance(kAddressTurn);
  }
  EXPECT_EQ(hosts, (std::vector<std::string>{"registered", "configured", "registered", "configured"}));
  contacts->set_current();
  EXPECT_EQ(host(kOne), "registered");
}

TEST_F(QuorumContactsTest, what_a_caller_says_counts_until_a_later_process_of_it_has_registered) {
  contacts->set_current();
  registers(kTwo, "old");
  contacts->heard(kTwo, kLater, {"", 7});
  contacts->heard(kTwo, kLater, {"new", 0});
  EXPECT_EQ(host(kTwo), "old") << "it said nothing";
  contacts->heard(kTwo, kLater, {"new", 7});
  EXPECT_EQ(host(kTwo), "new");
  registers(kOne, "other");
  EXPECT_EQ(host(kTwo), "new");
  registers(kTwo, "new", kLater);
  registers(kTwo, "newest", Uuid::from_random(3, 3));
  EXPECT_EQ(host(kTwo), "newest");
}

TEST_F(QuorumContactsTest, a_file_that_makes_no_sense_counts_as_absent) {
  for (const char* text : {"", "0", "1\n5\n", "0\nx\n", "0\n5\n2 host\n", "0\n5\n-2 host 1\n", "0\n5\n2 host 0\n",
                           "0\n5\n2 host 70000\n", "0\n5\n2 host 1 1\n"}) {
    ASSERT_TRUE(io::write_file_atomically(fs, "/data/quorum-contacts", text));
    open();
    EXPECT_EQ(host(kOne), "configured") << text;
    EXPECT_EQ(host(kTwo), "not found") << text;
  }
}

TEST_F(QuorumContactsTest, a_disk_that_takes_nothing_keeps_nobody_from_being_reached) {
  fs.fail_call(0);
  registers(kTwo, "two");
  EXPECT_EQ(host(kTwo), "two");
  registers(kOne, "one");
  open();
  EXPECT_EQ(host(kTwo), "two") << "written with the next change";
}

}  // namespace
}  // namespace millrace::control
