#include "operator/admin/wire_client.h"

#include "broker/protocol/messages/create_partitions.h"
#include "broker/protocol/messages/create_topics.h"
#include "broker/protocol/messages/delete_topics.h"
#include "broker/protocol/messages/describe_configs.h"
#include "broker/protocol/messages/list_partition_reassignments.h"
#include "broker/protocol/messages/metadata.h"
#include "operator/admin/wire_client_test_support.h"

namespace millrace::admin {
namespace {

protocol::MetadataResponse two_partitions(const protocol::MetadataRequest& request, int16_t) {
  protocol::MetadataResponse response;
  response.cluster_id = "c1";
  response.controller_id = 7;
  auto& broker = response.brokers.emplace_back();
  broker.node_id = 7;
  broker.host = "h";
  broker.port = 9092;
  broker.rack = "a";
  auto& other = response.brokers.emplace_back();
  other.node_id = 8;
  auto asked_for = request.topics;
  if (!asked_for) asked_for.emplace().emplace_back().name = "there";  // all there are
  for (const auto& asked : *asked_for) {
    EXPECT_FALSE(request.allow_auto_topic_creation);
    auto& topic = response.topics.emplace_back();
    topic.name = asked.name;
    if (asked.name != "there") {
      topic.error_code = protocol::wire(ErrorCode::unknown_topic_or_partition);
      continue;
    }
    for (const int32_t index : {1, 0}) {
      auto& partition = topic.partitions.emplace_back();
      partition.partition_index = index;
      partition.leader_id = 7;
      partition.replica_nodes = {7, 8};
      partition.isr_nodes = {7};
    }
  }
  return response;
}

TEST_F(WireClientTest, describes_all_topics_and_those_that_exist_and_that_do_not) {
  broker_.on<protocol::MetadataRequest>(&two_partitions);
  const auto all = client().describe_topics();
  ASSERT_TRUE(all.has_value()) << all.error().to_string();
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->at(0).name, "there");
  EXPECT_EQ(all->at(0).replica_count(), 2);
  const auto topic = client().describe_topic("there");
  ASSERT_TRUE(topic.has_value() && topic->has_value());
  EXPECT_EQ((*topic)->partition_count(), 2);
  EXPECT_EQ((*topic)->partitions[0].index, PartitionIndex(0));
  EXPECT_EQ((*topic)->replica_count(), 2);
  const auto absent = client().describe_topic("absent");
  ASSERT_TRUE(absent.has_value());
  EXPECT_FALSE(absent->has_value());
  EXPECT_EQ(broker_.connections(), 1);
}

TEST_F(WireClientTest, a_topic_whose_replicas_move_has_as_many_as_it_will_have) {
  broker_.on<protocol::MetadataRequest>([](const protocol::MetadataRequest&, int16_t) {
    protocol::MetadataResponse response;
    auto& topic = response.topics.emplace_back();
    topic.name = "there";
    for (const int32_t index : {0, 1}) {
      auto& partition = topic.partitions.emplace_back();
      partition.partition_index = index;
      partition.replica_nodes = index == 0 ? std::vector{1, 2, 3, 4} : std::vector{1, 2, 3};
      partition.isr_nodes = {1, 2, 3};
    }
    return response;
  });
  EXPECT_EQ((*client().describe_topic("there"))->replica_count(), std::nullopt)
      << "an API that is not there is no error";
  broker_.on<protocol::ListPartitionReassignmentsRequest>(
      [](const protocol::ListPartitionReassignmentsRequest& request, int16_t) {
        EXPECT_EQ(request.topics->front().partition_indexes, (std::vector{0, 1}));
        protocol::ListPartitionReassignmentsResponse response;
        auto& topic = response.topics.emplace_back();
        topic.name = "there";
        topic.partitions.emplace_back() = {
            .partition_index = 0, .replicas = {1, 2, 3, 4}, .adding_replicas = {4}, .removing_replicas = {3}};
        return response;
      });
  client_.reset();  // the next one learns what is served
  EXPECT_EQ((*client().describe_topic("there"))->replica_count(), 3);
  EXPECT_EQ(client().describe_topics()->front().replica_count(), 3);
}

TEST_F(WireClientTest, speaks_the_newest_version_that_both_know) {
  int16_t spoken = -1;
  broker_.on<protocol::MetadataRequest>([&](const protocol::MetadataRequest& request, int16_t version) {
    spoken = version;
    return two_partitions(request, version);
  });
  broker_.serve(ApiKey::metadata, 4, 5);  // the later row counts
  ASSERT_TRUE(client().describe_topics().has_value());
  EXPECT_EQ(spoken, 5);
}

TEST_F(WireClientTest, an_api_that_is_not_served_is_an_unsupported_version) {
  const Status refused = client().delete_topic("a");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::unsupported_version);
  EXPECT_NE(refused.error().context.find("DeleteTopics"), std::string::npos);
}

TEST_F(WireClientTest, a_refusal_carries_the_brokers_words) {
  broker_.on<protocol::CreateTopicsRequest>([](const protocol::CreateTopicsRequest& request, int16_t) {
    protocol::CreateTopicsResponse response;
    auto& topic = response.topics.emplace_back();
    topic.name = request.topics.at(0).name;
    EXPECT_EQ(request.topics.at(0).num_partitions, 3);
    EXPECT_EQ(request.topics.at(0).configs.at(0).value, "5");
    topic.error_code = protocol::wire(ErrorCode::invalid_config);
    topic.error_message = "retention.ms is not a good idea";
    return response;
  });
  const Status refused =
      client().create_topic({.name = "a", .partitions = 3, .replicas = 1, .config = {{"retention.ms", "5"}}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::invalid_config);
  EXPECT_EQ(refused.error().context, "topic a: retention.ms is not a good idea");
}

// A broker that is the controller or not, names the one that is, and counts what it was asked to create.
struct Contender {
  ScriptedBroker broker;
  std::atomic<bool> is_controller = false;
  std::atomic<uint16_t> named{0};  // the port of the controller
  std::atomic<int> asked{0};

  Contender() {
    broker.on<protocol::MetadataRequest>([this](const protocol::MetadataRequest&, int16_t) {
      protocol::MetadataResponse response;
      response.controller_id = 7;
      auto& row = response.brokers.emplace_back();
      row.node_id = 7;
      row.host = "127.0.0.1";
      row.port = named.load();
      return response;
    });
    broker.on<protocol::CreateTopicsRequest>([this](const protocol::CreateTopicsRequest& request, int16_t) {
      ++asked;
      protocol::CreateTopicsResponse response;
      auto& topic = response.topics.emplace_back();
      topic.name = request.topics.at(0).name;
      if (!is_controller) topic.error_code = protocol::wire(ErrorCode::not_controller);
      return response;
    });
  }
};

class ControllerMoves : public WireClientTest {
 protected:
  ControllerMoves() {
    WireConnector connector({.network = &network_, .loop = loop_.get()});
    client_ = *connector.connect(a_.broker.bootstrap());
  }
  // The error, if any.
  std::optional<Errc> create() {
    const Status made = client_->create_topic({.name = "t", .partitions = 1, .replicas = 1});
    return made ? std::nullopt : std::optional(made.error().code);
  }

  Contender a_;
  Contender b_;
};

TEST_F(ControllerMoves, a_change_goes_to_the_controller_and_follows_it_when_it_moves) {
  a_.named = b_.broker.port();
  b_.named = a_.broker.port();
  b_.is_controller = true;
  EXPECT_EQ(create(), std::nullopt);
  EXPECT_EQ(create(), std::nullopt);
  EXPECT_EQ(a_.asked, 1) << "the second change goes to the controller at once";
  EXPECT_EQ(b_.asked, 2);
  b_.is_controller = false;
  a_.is_controller = true;
  EXPECT_EQ(create(), std::nullopt);
  EXPECT_EQ(a_.asked, 2);
  EXPECT_EQ(b_.asked, 3);
}

TEST_F(ControllerMoves, brokers_that_name_each_other_are_not_asked_for_ever) {
  a_.named = b_.broker.port();
  b_.named = a_.broker.port();
  EXPECT_EQ(create(), Errc::not_controller);
  EXPECT_EQ(a_.asked + b_.asked, 1 + WireClient::kControllerHopsMax);
  EXPECT_TRUE(is_unreachable(Errc::not_controller)) << "it is tried again later, not refused";
}

TEST_F(ControllerMoves, a_broker_that_names_itself_is_not_asked_again) {
  a_.named = a_.broker.port();
  EXPECT_EQ(create(), Errc::not_controller);
  EXPECT_EQ(a_.asked, 1);
}

TEST_F(ControllerMoves, a_named_controller_that_is_gone_is_unreachable_and_the_next_change_begins_anew) {
  a_.named = 1;
  EXPECT_EQ(create(), Errc::connection_refused);
  a_.is_controller = true;
  EXPECT_EQ(create(), std::nullopt);
}

TEST_F(WireClientTest, growing_leaves_the_placement_to_the_broker) {
  broker_.on<protocol::CreatePartitionsRequest>([](const protocol::CreatePartitionsRequest& request, int16_t) {
    EXPECT_EQ(request.topics.at(0).count, 4);
    EXPECT_FALSE(request.topics.at(0).assignments.has_value()) << "an empty list would place them on no broker";
    protocol::CreatePartitionsResponse response;
    response.results.emplace_back().name = request.topics.at(0).name;
    return response;
  });
  EXPECT_TRUE(client().grow_topic("a", 4).has_value());
}

TEST_F(WireClientTest, a_topics_configuration_is_what_was_set_on_it) {
  broker_.on<protocol::DescribeConfigsRequest>([](const protocol::DescribeConfigsRequest& request, int16_t) {
    EXPECT_FALSE(request.resources.at(0).configuration_keys.has_value()) << "an empty list would ask for none";
    protocol::DescribeConfigsResponse response;
    auto& result = response.results.emplace_back();
    result.resource_type = 2;
    result.resource_name = request.resources.at(0).resource_name;
    for (const auto& [name, source] : {std::pair("set", 1), std::pair("from.broker", 4), std::pair("default", 5)}) {
      auto& entry = result.configs.emplace_back();
      entry.name = name;
      entry.value = "v";
      entry.config_source = static_cast<int8_t>(source);
    }
    return response;
  });
  const auto config = client().describe_topic_config("a");
  ASSERT_TRUE(config.has_value()) << config.error().to_string();
  EXPECT_EQ(*config, (TopicConfig{{"set", "v"}}));
}

TEST_F(WireClientTest, a_read_after_the_broker_closed_the_connection_takes_a_new_one) {
  broker_.on<protocol::MetadataRequest>(&two_partitions);
  ASSERT_TRUE(client().describe_topics().has_value());
  broker_.close_connections();
  const auto again = client().describe_topics();
  ASSERT_TRUE(again.has_value()) << again.error().to_string();
  EXPECT_EQ(broker_.connections(), 2);
}

TEST_F(WireClientTest, a_broker_that_does_not_answer_is_timed_out) {
  broker_.answer_nothing();
  const auto late = client(std::chrono::milliseconds(20)).describe_topics();
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Errc::timed_out);
  EXPECT_TRUE(is_unreachable(late.error().code));
}

TEST_F(WireClientTest, an_answer_to_another_request_is_malformed) {
  broker_.answer_garbage();
  EXPECT_EQ(client().describe_topics().error().code, Errc::malformed);
}

TEST_F(WireClientTest, a_stopped_loop_ends_the_call) {
  broker_.on<protocol::MetadataRequest>(&two_partitions);
  ASSERT_TRUE(client().describe_topics().has_value());
  loop_->stop();
  EXPECT_EQ(client().describe_topics().error().code, Errc::shutting_down);
}

TEST(Bootstrap, addresses_are_host_and_port) {
  const auto two = parse_bootstrap("a:1,[::1]:9092");
  ASSERT_TRUE(two.has_value());
  EXPECT_EQ(two->at(1).port, 9092);
  for (const char* bad : {"", "a", ":1", "a:", "a:0", "a:65536", "a:1x"}) {
    EXPECT_FALSE(parse_bootstrap(bad).has_value()) << bad;
  }
}

TEST(Link, nothing_is_listening) {
  io::posix::EpollNetwork network;
  auto loop = *io::posix::EpollEventLoop::start("client");
  WireConnector connector({.network = &network, .loop = loop.get()});
  auto client = *connector.connect("127.0.0.1:1");
  EXPECT_EQ(client->describe_topics().error().code, Errc::connection_refused);
  client.reset();
  loop->stop();
}

}  // namespace
}  // namespace millrace::admin
