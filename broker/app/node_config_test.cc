#include "broker/app/node_config.h"

#include <gtest/gtest.h>

#include "broker/app/app_config.h"
#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"

namespace millrace::app {
namespace {

class NodeConfigTest : public testing::Test {
 protected:
  Result<NodeConfig> with(std::vector<std::string> sets, const std::string& file = "") {
    ConfigSources sources{.sets = std::move(sets)};
    if (!file.empty()) {
      sources.file = "server.yaml";
      EXPECT_TRUE(io::write_file_atomically(fs_, "server.yaml", file));
    }
    return read_node_config(fs_, sources);
  }
  std::string refusal(std::vector<std::string> sets, const std::string& file = "") {
    const auto config = with(std::move(sets), file);
    return config ? "accepted" : config.error().context;
  }

 private:
  io::sim::SimFileSystem fs_{1};
};

TEST_F(NodeConfigTest, without_arguments_it_is_one_node_on_the_loopback_address) {
  const auto config = with({});
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->listeners[0].at.to_string(), "127.0.0.1:9092");
  EXPECT_EQ(config->data_dir, "./millrace-data");
  EXPECT_EQ(config->http.to_string(), "127.0.0.1:9404");
}

TEST_F(NodeConfigTest, without_voters_a_broker_is_a_quorum_of_its_own) {
  const auto config = with({"node.id=3"});
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->rpc.to_string(), "127.0.0.1:9091");
  ASSERT_EQ(config->voters.size(), 1u);
  EXPECT_TRUE(config->voters.contains(BrokerId{3}));
}

TEST_F(NodeConfigTest, a_voter_is_reached_where_the_list_of_voters_says) {
  const auto config = with(
      {"node.id=2", "millrace.rpc.listener=0.0.0.0:7", "controller.quorum.voters=1@a:91,2@b.example:92,3@[::1]:93"});
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->voters.at(BrokerId{1}).to_string(), "a:91");
  EXPECT_EQ(config->voters.at(BrokerId{3}).host, "::1");
  EXPECT_EQ(config->rpc_advertised.to_string(), "b.example:92");
  const auto told = with({"node.id=2", "millrace.rpc.advertised.listener=c:9", "controller.quorum.voters=2@b:92"});
  EXPECT_EQ(told->rpc_advertised.to_string(), "c:9");
}

TEST_F(NodeConfigTest, voters_that_cannot_be_reached_or_told_apart_are_refused) {
  for (const char* wrong : {"1", "1@", "@h:1", "x@h:1", "1@h", "1@h:0", "1@:9", "-1@h:9", "1@h:99999"}) {
    EXPECT_NE(refusal({std::string("controller.quorum.voters=") + wrong}).find("controller.quorum.voters: '"),
              std::string::npos)
        << wrong;
  }
  EXPECT_EQ(refusal({"controller.quorum.voters=1@a:1,1@b:1"}),
            "controller.quorum.voters: '1@b:1' is the second one of that id");
  EXPECT_NE(refusal({"node.id=9", "millrace.rpc.listener=0.0.0.0:9", "controller.quorum.voters=1@a:1"})
                .find("set millrace.rpc.advertised.listener"),
            std::string::npos);
}

TEST_F(NodeConfigTest, an_even_number_of_voters_is_warned_of) {
  const auto config = with({"node.id=1", "controller.quorum.voters=1@a:1,2@b:1"});
  ASSERT_TRUE(config);
  ASSERT_EQ(config->warnings.size(), 1u);
  EXPECT_NE(config->warnings[0].find("names 2 brokers"), std::string::npos);
}

TEST_F(NodeConfigTest, a_set_beats_the_file) {
  const auto config = with({"node.id=7"}, "node.id: 3\nbroker.rack: a\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->id, BrokerId(7));
  EXPECT_EQ(config->rack, "a");
}

TEST_F(NodeConfigTest, an_unknown_key_names_the_nearest_and_where_it_stands) {
  EXPECT_EQ(refusal({}, "node.id: 1\nlog.retention.hour: 2\n"),
            "server.yaml:2: unknown property log.retention.hour; did you mean log.retention.hours?");
}

TEST_F(NodeConfigTest, a_property_that_only_kafka_has_is_taken_with_a_warning) {
  const auto config = with({"num.io.threads=8"});
  ASSERT_TRUE(config);
  ASSERT_EQ(config->warnings.size(), 1u);
  EXPECT_NE(config->warnings[0].find("num.io.threads"), std::string::npos);
}

TEST_F(NodeConfigTest, a_listener_of_a_protocol_that_does_not_exist_is_refused) {
  EXPECT_NE(refusal({"listeners=SSL://127.0.0.1:9093"}).find("has no protocol"), std::string::npos);
  EXPECT_NE(
      refusal({"listeners=T://127.0.0.1:9093", "listener.security.protocol.map=T:SSL"}).find("SSL is not available"),
      std::string::npos);
  EXPECT_EQ(refusal({"listeners=T://127.0.0.1:9093", "listener.security.protocol.map=T:PLAINTEXT"}), "accepted");
}

TEST_F(NodeConfigTest, a_listener_on_all_addresses_must_say_what_clients_are_told) {
  EXPECT_NE(refusal({"listeners=PLAINTEXT://0.0.0.0:9092"}).find("advertised.listeners"), std::string::npos);
  EXPECT_EQ(refusal({"listeners=PLAINTEXT://:9092", "advertised.listeners=PLAINTEXT://10.1.2.3:9092"}), "accepted");
}

TEST_F(NodeConfigTest, malformed_addresses_values_and_files_are_refused_by_name) {
  EXPECT_NE(refusal({"listeners=127.0.0.1:9092"}).find("NAME://HOST:PORT"), std::string::npos);
  EXPECT_NE(refusal({"millrace.http.listener=nowhere"}).find("millrace.http.listener"), std::string::npos);
  EXPECT_NE(refusal({"num.partitions=-3"}).find("num.partitions"), std::string::npos);
  EXPECT_NE(refusal({"nonsense"}).find("key=value"), std::string::npos);
  EXPECT_NE(refusal({}, "- a list\n").find("server.yaml"), std::string::npos);
  EXPECT_NE(refusal({}, "a: {b: c}\n").find("server.yaml:1"), std::string::npos);
  EXPECT_NE(refusal({}, "a: [\n").find("server.yaml"), std::string::npos);
}

TEST(ConfigKeys, no_key_is_stated_twice_and_every_default_is_a_value_of_its_key) {
  std::string_view last;
  for (const ConfigKey& key : all_config_keys()) {
    EXPECT_NE(key.name, last);
    last = key.name;
    if (key.fallback.empty()) continue;
    EXPECT_TRUE(normalize_config(key, key.fallback)) << key.name;
  }
}

}  // namespace
}  // namespace millrace::app
