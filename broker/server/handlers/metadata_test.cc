#include "broker/protocol/messages/metadata.h"

#include <gtest/gtest.h>

#include "broker/protocol/messages/describe_cluster.h"
#include "broker/protocol/messages/describe_topic_partitions.h"
#include "broker/server/handlers/admin_test_support.h"
#include "broker/server/handlers/cluster_answer.h"

namespace millrace::server::handlers {
namespace {

using protocol::DescribeClusterRequest;
using protocol::DescribeTopicPartitionsRequest;
using protocol::MetadataRequest;
using protocol::MetadataResponse;

struct MetadataTest : AdminTest {
  static MetadataRequest named(std::vector<std::string> names) {
    MetadataRequest request;
    request.topics.emplace();
    for (std::string& name : names) request.topics->emplace_back().name = std::move(name);
    return request;
  }
  static MetadataRequest all() {
    MetadataRequest request;
    request.topics.reset();
    return request;
  }
  MetadataResponse ask(const MetadataRequest& request, int16_t version) {
    return call(&run_metadata, request, version);
  }
  // "name/error" of each topic.
  static std::string told(const MetadataResponse& response) {
    std::string words;
    for (const auto& topic : response.topics) {
      words += topic.name.value_or("(null)") + "/" + std::to_string(topic.error_code) + " ";
    }
    return words;
  }
};

TEST_F(MetadataTest, all_topics_are_asked_for_by_an_empty_list_in_version_0_and_by_null_later) {
  create("a");
  create("b");
  EXPECT_EQ(told(ask(named({}), 0)), "a/0 b/0 ");
  for (int16_t version = 1; version <= 13; ++version) {
    EXPECT_EQ(told(ask(named({}), version)), "") << version;
    const MetadataResponse response = ask(all(), version);
    EXPECT_EQ(told(response), "a/0 b/0 ") << version;
    EXPECT_EQ(response.controller_id, 0) << version;
    if (version >= 2) {
      EXPECT_EQ(response.cluster_id, "the-cluster") << version;
    }
    if (version >= 10) {
      EXPECT_FALSE(response.topics[0].topic_id.is_zero()) << version;
    }
  }
}

TEST_F(MetadataTest, brokers_are_told_as_the_clients_listener_reaches_them) {
  add_broker(1, "r1");
  fence(0);
  const MetadataResponse response = ask(named({}), 13);
  ASSERT_EQ(response.brokers.size(), 1u);
  EXPECT_EQ(response.brokers[0].node_id, 1);
  EXPECT_EQ(response.brokers[0].host, "host1");
  EXPECT_EQ(response.brokers[0].port, 9092);
  EXPECT_EQ(response.brokers[0].rack, "r1");
  EXPECT_EQ(response.controller_id, 1) << "any live broker";
  listener = "OTHER";
  EXPECT_TRUE(ask(named({}), 13).brokers.empty());
}

TEST_F(MetadataTest, a_missing_topic_is_created_and_answered_at_once) {
  const MetadataResponse response = ask(named({"new", "new"}), 9);
  EXPECT_EQ(told(response), "new/0 ");
  ASSERT_EQ(response.topics[0].partitions.size(), 1u);
  EXPECT_EQ(response.topics[0].partitions[0].leader_id, 0);
  EXPECT_EQ(told(ask(named({"old"}), 0)), "old/0 ") << "before version 4 the flag is as if set";
}

TEST_F(MetadataTest, the_answer_of_a_creation_waits_for_the_log) {
  log.inline_commit = false;
  const auto sink = start(&run_metadata, named({"new"}), 9);
  EXPECT_FALSE(reply<MetadataResponse>(*sink, 9));
  log.commit_all();
  EXPECT_EQ(told(*reply<MetadataResponse>(*sink, 9)), "new/0 ");
}

TEST_F(MetadataTest, no_topic_is_created_unless_the_client_and_the_broker_allow_it) {
  MetadataRequest request = named({"new"});
  request.allow_auto_topic_creation = false;
  EXPECT_EQ(told(ask(request, 4)), "new/3 ");
  cluster.static_config = {{"auto.create.topics.enable", "false"}};
  EXPECT_EQ(told(ask(named({"new"}), 4)), "new/3 ");
  EXPECT_EQ(images.load()->find_topic("new"), nullptr);
}

TEST_F(MetadataTest, a_creation_that_fails_says_why) {
  EXPECT_EQ(told(ask(named({"not allowed"}), 9)), "not allowed/17 ");
  create("a.b");
  EXPECT_EQ(told(ask(named({"a_b"}), 9)), "a_b/17 ");
  cluster.static_config = {{"default.replication.factor", "3"}};
  EXPECT_EQ(told(ask(named({"new"}), 9)), "new/38 ");
  log.broken = true;
  cluster.static_config.clear();
  EXPECT_EQ(told(ask(named({"new"}), 9)), "new/56 ") << "the disk";
}

TEST_F(MetadataTest, asking_for_the_offsets_topic_makes_it_as_configured) {
  cluster.static_config = {{"offsets.topic.num.partitions", "3"}};
  const MetadataResponse response = ask(named({"__consumer_offsets"}), 9);
  EXPECT_EQ(told(response), "__consumer_offsets/0 ");
  EXPECT_TRUE(response.topics[0].is_internal);
  EXPECT_EQ(response.topics[0].partitions.size(), 3u);
}

TEST_F(MetadataTest, topics_are_found_by_id_from_version_12_on) {
  const Uuid id = create("t");
  MetadataRequest request = named({"ignored"});
  auto& by_id = request.topics->emplace_back();
  by_id.name.reset();
  by_id.topic_id = id;
  auto& unknown = request.topics->emplace_back();
  unknown.name.reset();
  unknown.topic_id = cluster.uuid();
  EXPECT_EQ(told(ask(request, 12)), "t/0 (null)/100 ");
  EXPECT_EQ(ask(request, 12).topics[1].topic_id, unknown.topic_id);
  EXPECT_EQ(images.load()->find_topic("ignored"), nullptr);
  EXPECT_EQ(told(ask(request, 11)), "ignored/42 /42 /42 ");
}

TEST_F(MetadataTest, a_partition_without_a_usable_leader_says_so) {
  add_broker(1);
  create("t", 1, 2);
  fence(0);
  fence(1);
  const auto partition = ask(all(), 13).topics[0].partitions[0];
  EXPECT_EQ(partition.error_code, 5);
  EXPECT_EQ(partition.leader_id, -1);
  EXPECT_EQ(partition.replica_nodes.size(), 2u);
  EXPECT_EQ(partition.offline_replicas.size(), 2u);
  EXPECT_EQ(partition.leader_epoch, 2);
}

TEST_F(MetadataTest, a_leader_that_the_listener_does_not_reach_is_its_own_error_from_version_6_on) {
  create("t");
  listener = "OTHER";
  EXPECT_EQ(ask(all(), 6).topics[0].partitions[0].error_code, 72);
  EXPECT_EQ(ask(all(), 5).topics[0].partitions[0].error_code, 5);
}

TEST_F(MetadataTest, version_0_leaves_dead_replicas_out_and_reports_them_missing) {
  add_broker(1);
  create("t", 1, 2);
  const int32_t leader = images.load()->find_partition("t", PartitionIndex{0})->leader.value();
  fence(1 - leader);
  const auto partition = ask(named({"t"}), 0).topics[0].partitions[0];
  EXPECT_EQ(partition.error_code, 9);
  EXPECT_EQ(partition.replica_nodes, std::vector<int32_t>{leader});
  EXPECT_EQ(ask(named({"t"}), 1).topics[0].partitions[0].replica_nodes.size(), 2u);
}

TEST_F(MetadataTest, authorized_operations_are_told_when_asked_for) {
  create("t");
  MetadataRequest request = all();
  EXPECT_EQ(ask(request, 8).cluster_authorized_operations, INT32_MIN);
  EXPECT_EQ(ask(request, 8).topics[0].topic_authorized_operations, INT32_MIN);
  request.include_cluster_authorized_operations = true;
  request.include_topic_authorized_operations = true;
  EXPECT_EQ(ask(request, 8).cluster_authorized_operations, 0b1111110100000);
  EXPECT_EQ(ask(request, 8).topics[0].topic_authorized_operations, 0b110111111000);
}

struct DescribeClusterTest : AdminTest {};

TEST_F(DescribeClusterTest, tells_brokers_and_fenced_ones_when_asked) {
  add_broker(1);
  fence(1);
  DescribeClusterRequest request;
  for (int16_t version = 0; version <= 2; ++version) {
    const auto response = call(&run_describe_cluster, request, version);
    EXPECT_EQ(response.error_code, 0);
    EXPECT_EQ(response.cluster_id, "the-cluster");
    EXPECT_EQ(response.controller_id, 0);
    ASSERT_EQ(response.brokers.size(), 1u);
    EXPECT_EQ(response.brokers[0].host, "host0");
    EXPECT_EQ(response.cluster_authorized_operations, INT32_MIN);
  }
  request.include_fenced_brokers = true;
  request.include_cluster_authorized_operations = true;
  const auto response = call(&run_describe_cluster, request, 2);
  ASSERT_EQ(response.brokers.size(), 2u);
  EXPECT_TRUE(response.brokers[1].is_fenced);
  EXPECT_EQ(response.cluster_authorized_operations, kClusterOperations);
}

TEST_F(DescribeClusterTest, controllers_are_another_listeners_and_other_types_are_unknown) {
  DescribeClusterRequest request;
  request.endpoint_type = 2;
  EXPECT_EQ(call(&run_describe_cluster, request, 1).error_code, 114);
  request.endpoint_type = 3;
  EXPECT_EQ(call(&run_describe_cluster, request, 2).error_code, 115);
}

struct DescribeTopicPartitionsTest : AdminTest {
  std::string page(DescribeTopicPartitionsRequest& request) {
    const auto response = call(&run_describe_topic_partitions, request, 0);
    std::string words;
    for (const auto& topic : response.topics) {
      words += *topic.name + "/" + std::to_string(topic.error_code) + ":";
      for (const auto& partition : topic.partitions) words += std::to_string(partition.partition_index);
      words += " ";
    }
    request.cursor.reset();
    if (response.next_cursor) {
      auto& cursor = request.cursor.emplace();
      cursor.topic_name = response.next_cursor->topic_name;
      cursor.partition_index = response.next_cursor->partition_index;
      words += "-> " + cursor.topic_name + "-" + std::to_string(cursor.partition_index);
    }
    return words;
  }
};

TEST_F(DescribeTopicPartitionsTest, pages_through_all_topics_in_order_of_name) {
  create("b", 3);
  create("a", 2);
  create("c", 1);
  DescribeTopicPartitionsRequest request;
  EXPECT_EQ(page(request), "a/0:01 b/0:012 c/0:0 ");
  request.response_partition_limit = 2;
  EXPECT_EQ(page(request), "a/0:01 -> b-0");
  EXPECT_EQ(page(request), "b/0:01 -> b-2");
  EXPECT_EQ(page(request), "b/0:2 c/0:0 ");
}

TEST_F(DescribeTopicPartitionsTest, named_topics_are_sorted_and_unknown_ones_reported) {
  create("b");
  DescribeTopicPartitionsRequest request;
  for (const char* name : {"x", "b", "not allowed"}) request.topics.emplace_back().name = name;
  EXPECT_EQ(page(request), "b/0:0 not allowed/17: x/3: ");
  EXPECT_EQ(images.load()->find_topic("x"), nullptr) << "nothing is created";
}

TEST_F(DescribeTopicPartitionsTest, one_reply_holds_at_most_2000_partitions) {
  create("big", 2500);
  DescribeTopicPartitionsRequest request;
  request.response_partition_limit = 1'000'000;
  EXPECT_EQ(call(&run_describe_topic_partitions, request, 0).topics[0].partitions.size(), 2000u);
  request.response_partition_limit = -1;
  EXPECT_EQ(call(&run_describe_topic_partitions, request, 0).topics[0].partitions.size(), 1u);
}

TEST_F(DescribeTopicPartitionsTest, a_cursor_before_the_first_partition_is_refused) {
  DescribeTopicPartitionsRequest request;
  request.topics.emplace_back().name = "t";
  auto& cursor = request.cursor.emplace();
  cursor.topic_name = "t";
  cursor.partition_index = -1;
  EXPECT_EQ(call(&run_describe_topic_partitions, request, 0).topics[0].error_code, 42);
}

}  // namespace
}  // namespace millrace::server::handlers
