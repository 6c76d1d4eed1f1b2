#include <gtest/gtest.h>

#include "broker/protocol/messages/alter_configs.h"
#include "broker/protocol/messages/create_partitions.h"
#include "broker/protocol/messages/create_topics.h"
#include "broker/protocol/messages/delete_topics.h"
#include "broker/protocol/messages/describe_configs.h"
#include "broker/protocol/messages/incremental_alter_configs.h"
#include "broker/server/handlers/admin_test_support.h"

namespace millrace::server::handlers {
namespace {

using protocol::AlterConfigsRequest;
using protocol::CreatePartitionsRequest;
using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;
using protocol::DeleteTopicsRequest;
using protocol::DescribeConfigsRequest;
using protocol::IncrementalAlterConfigsRequest;

using CreateTopicsTest = AdminTest;
using DeleteTopicsTest = AdminTest;
using CreatePartitionsTest = AdminTest;

CreateTopicsRequest one_topic(const std::string& name, int32_t partitions, int16_t replicas) {
  CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = name;
  topic.num_partitions = partitions;
  topic.replication_factor = replicas;
  return request;
}

TEST_F(CreateTopicsTest, every_version_creates_and_newer_ones_tell_more) {
  for (int16_t version = CreateTopicsRequest::kMinVersion; version <= 7; ++version) {
    const std::string name = "t" + std::to_string(version);
    CreateTopicsRequest request = one_topic(name, 2, 1);
    auto& config = request.topics[0].configs.emplace_back();
    config.name = "retention.ms";
    config.value = "77";
    const auto response = call(&run_create_topics, request, version);
    ASSERT_EQ(response.topics.size(), 1u);
    const auto& topic = response.topics[0];
    EXPECT_EQ(topic.error_code, 0) << version;
    EXPECT_EQ(topic.error_message.value_or(""), "") << version;
    EXPECT_EQ(images.load()->find_topic(name)->partitions.size(), 2u);
    if (version >= 7) {
      EXPECT_EQ(topic.topic_id, images.load()->find_topic(name)->id);
    }
    if (version < 5) continue;
    EXPECT_EQ(topic.num_partitions, 2);
    EXPECT_EQ(topic.replication_factor, 1);
    for (const auto& each : *topic.configs) {
      if (each.name == "retention.ms") {
        EXPECT_EQ(each.value, "77");
        EXPECT_EQ(each.config_source, 1);
      } else {
        EXPECT_EQ(each.config_source, 5) << each.name;
      }
    }
  }
}

TEST_F(CreateTopicsTest, the_brokers_defaults_can_be_asked_for_from_version_4_on) {
  EXPECT_EQ(call(&run_create_topics, one_topic("a", -1, 1), 3).topics[0].error_code, 37);
  EXPECT_EQ(call(&run_create_topics, one_topic("a", 1, -1), 3).topics[0].error_code, 38);
  EXPECT_EQ(call(&run_create_topics, one_topic("a", -1, -1), 4).topics[0].error_code, 0);
}

TEST_F(CreateTopicsTest, each_topic_has_its_own_error_with_words) {
  create("taken");
  CreateTopicsRequest request = one_topic("taken", 1, 1);
  for (const auto& topic : {one_topic("a b", 1, 1), one_topic("r", 1, 5), one_topic("good", 1, 1)}) {
    request.topics.push_back(topic.topics[0]);
  }
  const auto response = call(&run_create_topics, request, 7);
  EXPECT_EQ(response.topics[0].error_code, 36);
  EXPECT_EQ(response.topics[0].error_message, "topic taken: topic already exists");
  EXPECT_EQ(response.topics[1].error_code, 17);
  EXPECT_EQ(response.topics[2].error_code, 38);
  EXPECT_EQ(response.topics[3].error_code, 0);
}

TEST_F(CreateTopicsTest, a_name_given_twice_is_an_invalid_request) {
  CreateTopicsRequest request = one_topic("t", 1, 1);
  request.topics.push_back(request.topics[0]);
  const auto response = call(&run_create_topics, request, 7);
  ASSERT_EQ(response.topics.size(), 1u);
  EXPECT_EQ(response.topics[0].error_code, 42);
}

TEST_F(CreateTopicsTest, an_answer_that_takes_too_long_is_a_timeout_and_comes_once) {
  log.inline_commit = false;
  CreateTopicsRequest request = one_topic("t", 1, 1);
  request.timeout_ms = 100;
  const auto sink = start(&run_create_topics, request, 7);
  scheduler.run_for(std::chrono::milliseconds(99));
  EXPECT_TRUE(sink->frames.empty());
  scheduler.run_for(std::chrono::milliseconds(2));
  EXPECT_EQ(reply<CreateTopicsResponse>(*sink, 7)->topics[0].error_code, 7);
  log.commit_all();
  scheduler.run_for(std::chrono::seconds(1));
  EXPECT_EQ(sink->frames.size(), 1u);
  EXPECT_NE(images.load()->find_topic("t"), nullptr);
}

TEST_F(CreateTopicsTest, an_answer_in_time_leaves_no_timer) {
  call(&run_create_topics, one_topic("t", 1, 1), 7);
  scheduler.run_for(std::chrono::milliseconds(1));
  EXPECT_EQ(loop->timers(), 0u);
}

TEST_F(CreateTopicsTest, a_full_disk_of_the_metadata_log_is_a_storage_error) {
  log.broken = true;
  EXPECT_EQ(call(&run_create_topics, one_topic("t", 1, 1), 7).topics[0].error_code, 56);
}

TEST_F(DeleteTopicsTest, topics_go_by_name_and_from_version_6_on_by_id) {
  create("a");
  const Uuid b = create("b");
  create("c");
  DeleteTopicsRequest by_name;
  by_name.topic_names = {"a", "nothing"};
  const auto first = call(&run_delete_topics, by_name, 5);
  EXPECT_EQ(first.responses[0].error_code, 0);
  EXPECT_EQ(first.responses[1].error_code, 3);
  DeleteTopicsRequest request;
  request.topics.emplace_back().topic_id = b;
  request.topics.emplace_back().name = "c";
  request.topics.emplace_back().topic_id = cluster.uuid();
  auto& both = request.topics.emplace_back();
  both.name = "c";
  both.topic_id = b;
  request.topics.emplace_back();
  const auto response = call(&run_delete_topics, request, 6);
  EXPECT_EQ(response.responses[0].error_code, 0);
  EXPECT_EQ(response.responses[0].name, "b");
  EXPECT_EQ(response.responses[1].error_code, 0);
  EXPECT_EQ(response.responses[2].error_code, 100);
  EXPECT_EQ(response.responses[2].name, std::nullopt);
  EXPECT_EQ(response.responses[3].error_code, 42);
  EXPECT_EQ(response.responses[4].error_code, 42);
  EXPECT_TRUE(images.load()->topics().empty());
}

TEST_F(DeleteTopicsTest, disabled_deletion_has_its_code_from_version_3_on) {
  create("a");
  cluster.static_config = {{"delete.topic.enable", "false"}};
  DeleteTopicsRequest request;
  request.topic_names = {"a"};
  EXPECT_EQ(call(&run_delete_topics, request, 2).responses[0].error_code, 42);
  EXPECT_EQ(call(&run_delete_topics, request, 3).responses[0].error_code, 73);
}

TEST_F(CreatePartitionsTest, every_version_grows_a_topic_and_refuses_to_shrink_it) {
  create("t");
  for (int16_t version = 0; version <= 3; ++version) {
    CreatePartitionsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.count = version + 2;
    topic.assignments.reset();
    EXPECT_EQ(call(&run_create_partitions, request, version).results[0].error_code, 0) << version;
    EXPECT_EQ(call(&run_create_partitions, request, version).results[0].error_code, 37) << version;
    EXPECT_EQ(images.load()->find_topic("t")->partitions.size(), static_cast<size_t>(version) + 2);
  }
}

struct ConfigsTest : AdminTest {
  ConfigsTest() { create("t"); }
  protocol::DescribeConfigsResponse describe(int8_t type, const std::string& name,
                                             std::optional<std::vector<std::string>> keys = {}, int16_t version = 4) {
    DescribeConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = type;
    resource.resource_name = name;
    resource.configuration_keys = std::move(keys);
    request.include_synonyms = true;
    request.include_documentation = true;
    return call(&run_describe_configs, request, version);
  }
  int16_t set(int8_t type, const std::string& name, const std::string& key, const std::string& value) {
    IncrementalAlterConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = type;
    resource.resource_name = name;
    auto& config = resource.configs.emplace_back();
    config.name = key;
    config.value = value;
    const auto response = call(&run_incremental_alter_configs, request, 1);
    EXPECT_EQ(response.responses[0].resource_name, name);
    return response.responses[0].error_code;
  }
};

TEST_F(ConfigsTest, a_topic_is_described_with_types_sources_words_and_synonyms) {
  EXPECT_EQ(set(2, "t", "retention.ms", "5"), 0);
  for (int16_t version = DescribeConfigsRequest::kMinVersion; version <= 4; ++version) {
    const auto result = describe(2, "t", std::vector<std::string>{"retention.ms"}, version).results[0];
    EXPECT_EQ(result.error_code, 0);
    EXPECT_EQ(result.error_message, std::nullopt);
    ASSERT_EQ(result.configs.size(), 1u);
    const auto& config = result.configs[0];
    EXPECT_EQ(config.value, "5");
    EXPECT_FALSE(config.is_default);
    if (version == 0) continue;
    EXPECT_EQ(config.config_source, 1);
    ASSERT_EQ(config.synonyms.size(), 2u);
    EXPECT_EQ(config.synonyms[1].name, "log.retention.hours");
    if (version >= 3) {
      EXPECT_EQ(config.config_type, 5);
    }
    if (version >= 3) {
      EXPECT_FALSE(config.documentation.value_or("").empty());
    }
  }
  EXPECT_EQ(describe(2, "t").results[0].configs.size(), metadata::topic_config_table().size()) << "null: all";
}

TEST_F(ConfigsTest, a_broker_describes_itself_and_the_default_of_all) {
  const auto own = describe(4, "0").results[0];
  EXPECT_EQ(own.configs.size(), cluster.keys.size());
  EXPECT_TRUE(own.configs[0].read_only);
  EXPECT_TRUE(describe(4, "").results[0].configs.empty()) << "nothing is set";
  EXPECT_EQ(set(4, "", "log.retention.ms", "9"), 0);
  const auto fallback = describe(4, "").results[0];
  ASSERT_EQ(fallback.configs.size(), 1u);
  EXPECT_EQ(fallback.configs[0].value, "9");
  EXPECT_EQ(fallback.configs[0].config_source, 3);
  EXPECT_EQ(describe(2, "t", std::vector<std::string>{"retention.ms"}).results[0].configs[0].value, "9");
}

TEST_F(ConfigsTest, what_cannot_be_described_or_changed_says_why) {
  EXPECT_EQ(describe(2, "nothing").results[0].error_code, 3);
  EXPECT_EQ(describe(2, "not allowed").results[0].error_code, 17);
  EXPECT_EQ(describe(4, "7").results[0].error_code, 42);
  EXPECT_EQ(describe(8, "0").results[0].error_code, 42);
  EXPECT_EQ(set(2, "nothing", "retention.ms", "1"), 3);
  EXPECT_EQ(set(2, "t", "cleanup.policy", "compress"), 40);
  EXPECT_EQ(set(4, "", "num.partitions", "3"), 42);
  EXPECT_EQ(set(4, "7", "log.retention.ms", "3"), 102);
  EXPECT_EQ(set(8, "0", "root", "DEBUG"), 42);
}

TEST_F(ConfigsTest, the_legacy_form_replaces_what_is_set) {
  EXPECT_EQ(set(2, "t", "retention.ms", "5"), 0);
  for (int16_t version = 0; version <= 2; ++version) {
    AlterConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = 2;
    resource.resource_name = "t";
    auto& config = resource.configs.emplace_back();
    config.name = "flush.ms";
    config.value = std::to_string(version + 1);
    EXPECT_EQ(call(&run_alter_configs, request, version).responses[0].error_code, 0);
    EXPECT_EQ(images.load()->find_topic("t")->config, (ConfigValues{{"flush.ms", std::to_string(version + 1)}}));
  }
}

TEST_F(ConfigsTest, a_failed_log_fails_every_resource) {
  log.broken = true;
  EXPECT_EQ(set(2, "t", "retention.ms", "5"), 56);
}

}  // namespace
}  // namespace millrace::server::handlers
