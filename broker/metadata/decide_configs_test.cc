#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

constexpr int8_t kTopic = 2, kBroker = 4;
constexpr int8_t kSet = 0, kDelete = 1, kAppend = 2, kSubtract = 3;

// No broker key gives it a default.
bool is_of_topics_alone(std::string_view name) {
  return name == topic_config::kLeaderThrottledReplicas || name == topic_config::kFollowerThrottledReplicas;
}

struct ConfigsTest : testing::Test {
  TestCluster cluster{2};
  ConfigsTest() { ENSURE(cluster.create({.name = "t", .config = {{"flush.ms", "7"}}}).has_value()); }

  Status alter(ConfigResource resource, std::vector<ConfigChange> changes, bool replace = false) {
    return cluster(AlterConfigs{.resources = {{resource, std::move(changes)}}, .replace = replace})
        .resources.front()
        .second;
  }
  Status topic(std::vector<ConfigChange> changes) { return alter({kTopic, "t"}, std::move(changes)); }
  const ConfigValues& topic_values() { return cluster.image().find_topic("t")->config; }
};

TEST_F(ConfigsTest, set_and_delete_change_single_keys_of_a_topic) {
  EXPECT_TRUE(topic({{"retention.ms", kSet, "10"}}));
  EXPECT_EQ(topic_values(), (ConfigValues{{"flush.ms", "7"}, {"retention.ms", "10"}}));
  EXPECT_TRUE(topic({{"flush.ms", kDelete, {}}, {"retention.ms", kSet, "11"}}));
  EXPECT_EQ(topic_values(), (ConfigValues{{"retention.ms", "11"}}));
  EXPECT_TRUE(topic({{"flush.ms", kDelete, {}}})) << "nothing to delete is no error";
  EXPECT_TRUE(topic({{"retention.ms", kSet, "11"}}));
  EXPECT_EQ(cluster.records_made, 0u) << "it is so already";
}

TEST_F(ConfigsTest, lists_are_appended_to_and_subtracted_from_as_what_results_is_valid) {
  EXPECT_TRUE(topic({{"cleanup.policy", kAppend, "delete"}})) << "the default holds it";
  EXPECT_EQ(topic_values().at("cleanup.policy"), "delete");
  EXPECT_TRUE(topic({{"cleanup.policy", kAppend, "compact"}}));
  EXPECT_EQ(topic_values().at("cleanup.policy"), "delete,compact");
  EXPECT_TRUE(topic({{"cleanup.policy", kSubtract, "delete"}}));
  EXPECT_EQ(topic_values().at("cleanup.policy"), "compact");
  EXPECT_EQ(TestCluster::code(topic({{"cleanup.policy", kSubtract, "compact"}})), Errc::invalid_config);
  EXPECT_TRUE(topic({{"min.compaction.lag.ms", kSet, "100"}}));
  EXPECT_EQ(TestCluster::code(topic({{"max.compaction.lag.ms", kSet, "99"}})), Errc::invalid_config);
  EXPECT_EQ(TestCluster::code(topic({{"flush.ms", kAppend, "1"}})), Errc::invalid_config) << "not a list";
  EXPECT_EQ(TestCluster::code(topic({{"flush.ms", kSubtract, "1"}})), Errc::invalid_config);
}

TEST_F(ConfigsTest, the_legacy_form_replaces_the_whole_configuration) {
  EXPECT_TRUE(alter({kTopic, "t"}, {{"retention.ms", kSet, "10"}}, true));
  EXPECT_EQ(topic_values(), (ConfigValues{{"retention.ms", "10"}}));
  EXPECT_TRUE(alter({kTopic, "t"}, {}, true));
  EXPECT_EQ(topic_values(), ConfigValues{});
}

TEST_F(ConfigsTest, one_bad_change_keeps_the_resource_as_it_is_and_other_resources_go_on) {
  ASSERT_TRUE(cluster.create({.name = "u"}));
  const auto reply = cluster(AlterConfigs{.resources = {{{kTopic, "t"}, {{"flush.ms", kSet, "1"}, {"nope", kSet, "1"}}},
                                                        {{kTopic, "u"}, {{"flush.ms", kSet, "1"}}}}});
  EXPECT_EQ(TestCluster::code(reply.resources[0].second), Errc::invalid_config);
  EXPECT_TRUE(reply.resources[1].second);
  EXPECT_EQ(topic_values(), (ConfigValues{{"flush.ms", "7"}}));
  EXPECT_EQ(cluster.image().find_topic("u")->config, (ConfigValues{{"flush.ms", "1"}}));
}

TEST_F(ConfigsTest, what_cannot_be_is_refused_with_its_own_error) {
  const auto code = [&](ConfigResource resource, std::vector<ConfigChange> changes) {
    return TestCluster::code(alter(std::move(resource), std::move(changes)));
  };
  EXPECT_EQ(code({kTopic, "nothing"}, {}), Errc::unknown_topic_or_partition);
  EXPECT_EQ(code({kTopic, "t"}, {{"flush.ms", kSet, {}}}), Errc::invalid_argument) << "null value";
  EXPECT_EQ(code({kTopic, "t"}, {{"flush.ms", 9, "1"}}), Errc::invalid_argument) << "unknown operation";
  EXPECT_EQ(code({kTopic, "t"}, {{"flush.ms", kSet, "1"}, {"flush.ms", kDelete, {}}}), Errc::invalid_argument);
  EXPECT_EQ(code({kTopic, "t"}, {{"nope", kDelete, {}}}), Errc::invalid_config);
  EXPECT_EQ(code({kTopic, "t"}, {{"compression.type", kSet, "zstd"}}), Errc::invalid_config);
  EXPECT_EQ(code({16, "metrics"}, {}), Errc::invalid_argument);
  EXPECT_EQ(code({8, "0"}, {}), Errc::invalid_argument) << "loggers";
  EXPECT_EQ(code({kBroker, "x"}, {}), Errc::invalid_argument);
  EXPECT_EQ(code({kBroker, "01"}, {}), Errc::invalid_argument) << "a second spelling of broker 1";
  EXPECT_EQ(code({kBroker, "7"}, {}), Errc::broker_not_registered);
  EXPECT_EQ(code({kBroker, ""}, {{"log.retention.mss", kSet, "1"}}), Errc::invalid_config);
  EXPECT_EQ(code({kBroker, ""}, {{"num.partitions", kSet, "3"}}), Errc::invalid_argument) << "not dynamic";
  EXPECT_EQ(code({kBroker, ""}, {{"log.retention.ms", kSet, "-2"}}), Errc::invalid_config);
  const auto twice = cluster(AlterConfigs{.resources = {{{kTopic, "t"}, {}}, {{kTopic, "t"}, {}}}});
  EXPECT_EQ(TestCluster::code(twice.resources[0].second), Errc::invalid_argument);
  EXPECT_EQ(TestCluster::code(twice.resources[1].second), Errc::invalid_argument);
}

TEST_F(ConfigsTest, validation_alone_changes_nothing) {
  const auto reply = cluster(
      AlterConfigs{.resources = {{{kTopic, "t"}, {{"flush.ms", kSet, "1"}}}}, .replace = false, .validate_only = true});
  EXPECT_TRUE(reply.resources[0].second);
  EXPECT_EQ(cluster.records_made, 0u);
}

TEST_F(ConfigsTest, a_topics_value_comes_from_the_topic_then_the_broker_then_all_brokers_then_the_file) {
  const auto effective = [&] {
    return topic_config_int(effective_topic_config(cluster.image(), topic_values(), cluster.context().config),
                            topic_config::kRetentionMs);
  };
  EXPECT_EQ(effective(), 604'800'000) << "built in";
  cluster.static_config = {{"log.retention.hours", "2"}};
  EXPECT_EQ(effective(), 7'200'000);
  cluster.static_config = {{"log.retention.hours", "-1"}};
  EXPECT_EQ(effective(), -1) << "no limit in any unit";
  cluster.static_config = {{"log.retention.hours", "2"}, {"log.retention.minutes", "1"}};
  EXPECT_EQ(effective(), 60'000) << "the finer unit wins";
  EXPECT_TRUE(alter({kBroker, ""}, {{"log.retention.ms", kSet, "5"}}));
  EXPECT_EQ(effective(), 5);
  EXPECT_TRUE(alter({kBroker, "1"}, {{"log.retention.ms", kSet, "6"}}));
  EXPECT_EQ(effective(), 5) << "another broker's";
  EXPECT_TRUE(alter({kBroker, "0"}, {{"log.retention.ms", kSet, "7"}}));
  EXPECT_EQ(effective(), 7);
  EXPECT_TRUE(topic({{"retention.ms", kSet, "8"}}));
  EXPECT_EQ(effective(), 8);
  EXPECT_TRUE(alter({kBroker, "0"}, {{"log.retention.ms", kDelete, {}}}));
  EXPECT_FALSE(cluster.image().broker_config.contains(BrokerId{0}));
}

TEST_F(ConfigsTest, a_description_names_every_source_of_a_value_in_order) {
  cluster.static_config = {{"log.retention.hours", "2"}};
  ASSERT_TRUE(alter({kBroker, ""}, {{"log.retention.ms", kSet, "5"}}));
  ASSERT_TRUE(topic({{"retention.ms", kSet, "8"}}));
  for (const EffectiveConfig& config :
       describe_topic_config(cluster.image(), topic_values(), cluster.context().config)) {
    EXPECT_FALSE(config.doc.empty()) << config.name;
    EXPECT_EQ(config.synonyms.empty(), is_of_topics_alone(config.name)) << config.name;
    if (config.name == "segment.ms") {
      EXPECT_EQ(config.value, "604800000");
      EXPECT_EQ(config.source, ConfigSource::fallback);
      EXPECT_EQ(config.synonyms[0].name, "log.roll.hours");
      EXPECT_EQ(config.synonyms[0].value, "168");
    }
    if (config.name != "retention.ms") continue;
    EXPECT_EQ(config.value, "8");
    EXPECT_EQ(config.source, ConfigSource::topic);
    std::string told;
    for (const ConfigSynonymValue& synonym : config.synonyms) {
      told += synonym.name + "=" + *synonym.value + "/" + std::to_string(static_cast<int>(synonym.source)) + " ";
    }
    EXPECT_EQ(told, "retention.ms=8/1 log.retention.ms=5/3 log.retention.hours=2/4 log.retention.hours=168/5 ");
  }
}

TEST_F(ConfigsTest, a_brokers_key_is_described_with_its_sources) {
  cluster.static_config = {{"num.partitions", "4"}};
  const auto view = cluster.context().config;
  const EffectiveConfig partitions = describe_broker_config(cluster.image(), kNumPartitions, view);
  EXPECT_EQ(partitions.value, "4");
  EXPECT_EQ(partitions.source, ConfigSource::static_broker);
  EXPECT_TRUE(partitions.read_only);
  EXPECT_EQ(partitions.synonyms.size(), 2u);
  const EffectiveConfig unset =
      describe_broker_config(cluster.image(), *find_config_key(cluster.keys, "log.retention.ms"), view);
  EXPECT_EQ(unset.value, std::nullopt);
  EXPECT_FALSE(unset.read_only);
}

TEST(TopicConfigTable, names_are_sorted_defaults_are_values_and_synonyms_are_broker_keys) {
  std::string_view last;
  for (const TopicConfigKey& each : topic_config_table()) {
    EXPECT_LT(last, each.key.name);
    last = each.key.name;
    EXPECT_TRUE(normalize_topic_config(each.key.name, each.key.fallback)) << each.key.name;
    EXPECT_EQ(each.synonyms[0].name.empty(), is_of_topics_alone(each.key.name)) << each.key.name;
    for (const BrokerSynonym& synonym : each.synonyms) {
      if (synonym.name.empty()) break;
      const ConfigKey* broker = find_config_key(metadata_config(), synonym.name);
      ASSERT_NE(broker, nullptr) << synonym.name;
      EXPECT_TRUE(broker->dynamic) << synonym.name;
    }
  }
}

TEST_F(ConfigsTest, replicas_are_throttled_by_partition_and_broker_or_all_at_once) {
  for (const std::string name : {"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"}) {
    for (const std::string value : {"", "*", "0:1", "0:1,12:3"}) {
      EXPECT_EQ(normalize_topic_config(name, value).value(), value);
    }
    for (const std::string value : {"0", "0:", ":1", "0:1:2", "-1:0", "0:-1", "*,0:1", "a:b", "0:99999999999"}) {
      EXPECT_EQ(normalize_topic_config(name, value).error().code, Errc::invalid_config) << value;
    }
  }
}

TEST_F(ConfigsTest, a_throttle_that_never_was_can_be_taken_back_and_not_set) {
  const auto change = [&](ConfigOperation operation) {
    AlterConfigs command;
    command.resources.push_back(
        {{4, "0"},
         {{"replica.alter.log.dirs.io.max.bytes.per.second", static_cast<int8_t>(operation),
           operation == ConfigOperation::set ? std::optional<std::string>("1") : std::nullopt}}});
    return cluster(command).resources.front().second;
  };
  EXPECT_TRUE(change(ConfigOperation::remove));
  EXPECT_EQ(TestCluster::code(change(ConfigOperation::set)), Errc::invalid_config);
}

}  // namespace
}  // namespace millrace::metadata
