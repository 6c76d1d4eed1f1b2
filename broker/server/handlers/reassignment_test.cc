#include <gtest/gtest.h>

#include "broker/protocol/messages/alter_partition_reassignments.h"
#include "broker/protocol/messages/elect_leaders.h"
#include "broker/protocol/messages/list_partition_reassignments.h"
#include "broker/protocol/messages/unregister_broker.h"
#include "broker/protocol/messages/update_features.h"
#include "broker/server/handlers/admin_test_support.h"

namespace millrace::server::handlers {
namespace {

using protocol::AlterPartitionReassignmentsRequest;
using protocol::AlterPartitionReassignmentsResponse;
using protocol::ElectLeadersRequest;
using protocol::ElectLeadersResponse;
using protocol::ListPartitionReassignmentsRequest;
using protocol::UnregisterBrokerRequest;
using protocol::UpdateFeaturesRequest;

using Ids = std::vector<int32_t>;

struct ReassignmentTest : AdminTest {
  ReassignmentTest() {
    for (int id = 1; id < 4; ++id) add_broker(id);
  }
  // On brokers that the test names.
  void place(const std::string& topic, std::vector<std::vector<int>> replicas) {
    metadata::NewTopic placed{.name = topic};
    for (size_t i = 0; i < replicas.size(); ++i) {
      std::vector<BrokerId> ids;
      for (const int id : replicas[i]) ids.emplace_back(id);
      placed.assignments.emplace_back(PartitionIndex{static_cast<int32_t>(i)}, std::move(ids));
    }
    controller->create_topics({{std::move(placed)}}, [](Result<metadata::CreateTopicsReply> done) {
      ENSURE(done && done->topics.front().second.has_value());
    });
  }
  static void ask(AlterPartitionReassignmentsRequest& request, const std::string& topic, int32_t index,
                  std::optional<Ids> replicas) {
    if (request.topics.empty() || request.topics.back().name != topic) request.topics.emplace_back().name = topic;
    auto& partition = request.topics.back().partitions.emplace_back();
    partition.partition_index = index;
    partition.replicas = std::move(replicas);
  }
  AlterPartitionReassignmentsResponse alter(const std::string& topic, int32_t index, std::optional<Ids> replicas) {
    AlterPartitionReassignmentsRequest request;
    ask(request, topic, index, std::move(replicas));
    return call(&run_alter_partition_reassignments, request, 1);
  }
  auto list(std::optional<std::pair<std::string, Ids>> of = std::nullopt) {
    ListPartitionReassignmentsRequest request;
    if (of) {
      auto& topic = request.topics.emplace().emplace_back();
      topic.name = of->first;
      topic.partition_indexes = of->second;
    }
    return call(&run_list_partition_reassignments, request, 0);
  }
};

TEST_F(ReassignmentTest, replicas_that_come_and_go_are_listed_until_all_is_copied_or_cancelled) {
  place("t", {{0, 1}, {1, 2}});
  for (int16_t version = 0; version <= 1; ++version) {
    AlterPartitionReassignmentsRequest request;
    ask(request, "t", 1, Ids{2, 3});
    const auto begun = call(&run_alter_partition_reassignments, request, version);
    EXPECT_EQ(begun.error_code, 0);
    EXPECT_EQ(begun.error_message, std::nullopt);
    ASSERT_EQ(begun.responses.size(), 1u);
    EXPECT_EQ(begun.responses[0].name, "t");
    ASSERT_EQ(begun.responses[0].partitions.size(), 1u);
    EXPECT_EQ(begun.responses[0].partitions[0].partition_index, 1);
    EXPECT_EQ(begun.responses[0].partitions[0].error_code, 0);

    for (const auto& all : {list(), list({{"t", {0, 1}}})}) {
      ASSERT_EQ(all.topics.size(), 1u);
      ASSERT_EQ(all.topics[0].partitions.size(), 1u);
      EXPECT_EQ(all.topics[0].partitions[0].partition_index, 1);
      EXPECT_EQ(all.topics[0].partitions[0].replicas, (Ids{2, 3, 1}));
      EXPECT_EQ(all.topics[0].partitions[0].adding_replicas, (Ids{3}));
      EXPECT_EQ(all.topics[0].partitions[0].removing_replicas, (Ids{1}));
    }
    EXPECT_TRUE(list({{"t", {0}}}).topics.empty());
    EXPECT_TRUE(list({{"unknown", {0, -1}}}).topics.empty());

    EXPECT_EQ(alter("t", 1, std::nullopt).responses[0].partitions[0].error_code, 0);
    EXPECT_TRUE(list().topics.empty());
    EXPECT_EQ(images.load()->find_partition("t", PartitionIndex{1})->replicas,
              (std::vector<BrokerId>{BrokerId{2}, BrokerId{1}}));
    // As it was, for the other version.
    EXPECT_EQ(alter("t", 1, Ids{1, 2}).responses[0].partitions[0].error_code, 0);
  }
}

TEST_F(ReassignmentTest, each_partition_has_its_own_error_in_the_order_of_the_request) {
  place("a", {{0, 1}, {1, 2}});
  AlterPartitionReassignmentsRequest request;
  ask(request, "a", 0, std::nullopt);
  ask(request, "a", 1, Ids{1, 9});
  ask(request, "b", 0, Ids{1});
  ask(request, "a", 7, Ids{1});
  ask(request, "a", -1, Ids{1});
  const auto response = call(&run_alter_partition_reassignments, request, 0);
  ASSERT_EQ(response.responses.size(), 3u);
  EXPECT_EQ(response.responses[0].partitions[0].error_code, 85);
  EXPECT_EQ(response.responses[0].partitions[1].error_code, 39);
  EXPECT_EQ(response.responses[0].partitions[1].error_message,
            "partition a-1: broker 9 is not registered: invalid replica assignment");
  EXPECT_EQ(response.responses[1].name, "b");
  EXPECT_EQ(response.responses[1].partitions[0].error_code, 3);
  EXPECT_EQ(response.responses[2].partitions[0].error_code, 3);
  EXPECT_EQ(response.responses[2].partitions[1].error_code, 3);
  EXPECT_EQ(alter("a", 0, Ids{}).responses[0].partitions[0].error_code, 39);
  EXPECT_EQ(alter("a", 0, Ids{1, 1}).responses[0].partitions[0].error_code, 39);
}

TEST_F(ReassignmentTest, another_number_of_replicas_is_refused_when_the_client_says_so) {
  place("t", {{0, 1}});
  AlterPartitionReassignmentsRequest request;
  request.allow_replication_factor_change = false;
  ask(request, "t", 0, Ids{0, 1, 2});
  const auto response = call(&run_alter_partition_reassignments, request, 1);
  EXPECT_FALSE(response.allow_replication_factor_change);
  EXPECT_EQ(response.responses[0].partitions[0].error_code, 38);
  EXPECT_EQ(call(&run_alter_partition_reassignments, request, 0).responses[0].partitions[0].error_code, 0)
      << "version 0 cannot say so";
}

TEST_F(ReassignmentTest, an_answer_that_takes_too_long_is_an_error_of_the_whole) {
  place("t", {{0, 1}});
  log.inline_commit = false;
  AlterPartitionReassignmentsRequest request;
  request.timeout_ms = 50;
  ask(request, "t", 0, Ids{0, 2});
  const auto sink = start(&run_alter_partition_reassignments, request, 0);
  scheduler.run_for(std::chrono::milliseconds(60));
  const auto response = reply<AlterPartitionReassignmentsResponse>(*sink, 0);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->error_code, 7);
  EXPECT_TRUE(response->responses.empty());
}

struct ElectionTest : ReassignmentTest {
  ElectLeadersResponse elect(int8_t type, std::optional<std::vector<std::pair<std::string, Ids>>> of,
                             int16_t version = 2) {
    ElectLeadersRequest request;
    request.election_type = type;
    request.topic_partitions = std::nullopt;
    if (of) {
      request.topic_partitions.emplace();
      for (const auto& [name, partitions] : *of) {
        auto& topic = request.topic_partitions->emplace_back();
        topic.topic = name;
        topic.partitions = partitions;
      }
    }
    return call(&run_elect_leaders, request, version);
  }
  BrokerId leader(const std::string& topic, int32_t index = 0) {
    return images.load()->find_partition(topic, PartitionIndex{index})->leader;
  }
  // Fenced and back, so that it is in sync and leads nothing.
  void step_down(int id) {
    fence(id);
    const int64_t epoch = images.load()->find_broker(BrokerId{id})->epoch;
    controller->set_fenced({BrokerId{id}, epoch, false}, [](Result<Unit> done) { ENSURE(done.has_value()); });
  }
  void rejoin(const std::string& topic, std::vector<int> isr) {
    const metadata::ImagePointer image = images.load();
    const metadata::PartitionImage& now = *image->find_partition(topic, PartitionIndex{0});
    metadata::AlterPartition command{
        .leader = now.leader, .epoch = image->find_broker(now.leader)->epoch, .partitions = {}};
    auto& item = command.partitions.emplace_back();
    item.topic = image->find_topic(topic)->id;
    item.partition = PartitionIndex{0};
    item.leader_epoch = now.leader_epoch;
    item.partition_epoch = now.partition_epoch;
    for (const int id : isr) item.isr.push_back({BrokerId{id}, -1});
    controller->alter_partition(command, [](Result<metadata::AlterPartitionReply> done) {
      ENSURE(done && done->partitions.front().outcome.has_value());
    });
  }
};

TEST_F(ElectionTest, the_preferred_replica_leads_again_in_every_version) {
  for (int16_t version = 0; version <= 2; ++version) {
    const std::string topic = "t" + std::to_string(version);
    place(topic, {{1, 2}});
    step_down(1);
    ASSERT_EQ(leader(topic), BrokerId{2});
    EXPECT_EQ(elect(0, {{{topic, {0}}}}, version).replica_election_results[0].partition_result[0].error_code, 80)
        << "it is not in sync yet";
    rejoin(topic, {1, 2});
    const auto elected = elect(0, {{{topic, {0}}}}, version);
    ASSERT_EQ(elected.replica_election_results.size(), 1u);
    EXPECT_EQ(elected.replica_election_results[0].topic, topic);
    EXPECT_EQ(elected.replica_election_results[0].partition_result[0].error_code, 0);
    EXPECT_EQ(leader(topic), BrokerId{1});
    EXPECT_EQ(elect(0, {{{topic, {0}}}}, version).replica_election_results[0].partition_result[0].error_code, 84);
  }
}

TEST_F(ElectionTest, of_all_partitions_those_are_named_that_needed_one) {
  place("a", {{1, 2}});
  place("b", {{3, 2}});
  step_down(1);
  rejoin("a", {1, 2});
  const auto elected = elect(0, std::nullopt);
  ASSERT_EQ(elected.replica_election_results.size(), 1u);
  EXPECT_EQ(elected.replica_election_results[0].topic, "a");
  EXPECT_EQ(leader("a"), BrokerId{1});
}

TEST_F(ElectionTest, an_unclean_election_takes_who_is_alive) {
  place("t", {{1, 2}});
  fence(2);
  fence(1);
  ASSERT_EQ(leader("t"), kNoBroker);
  EXPECT_EQ(elect(1, {{{"t", {0}}}}).replica_election_results[0].partition_result[0].error_code, 83);
  const int64_t epoch = images.load()->find_broker(BrokerId{2})->epoch;
  controller->set_fenced({BrokerId{2}, epoch, false}, [](Result<Unit> done) { ENSURE(done.has_value()); });
  EXPECT_EQ(elect(1, {{{"t", {0}}}}).replica_election_results[0].partition_result[0].error_code, 0);
  EXPECT_EQ(leader("t"), BrokerId{2});
}

TEST_F(ElectionTest, what_cannot_be_elected_has_its_code) {
  EXPECT_EQ(elect(0, {{{"unknown", {0}}}}).replica_election_results[0].partition_result[0].error_code, 3);
  const auto bad_kind = elect(2, {{{"t", {0}}}});
  EXPECT_EQ(bad_kind.error_code, 42);
  EXPECT_EQ(bad_kind.replica_election_results[0].partition_result[0].error_code, 42);
  EXPECT_EQ(elect(-1, std::nullopt).error_code, 42);
}

TEST_F(ElectionTest, a_failed_log_is_an_error_of_each_partition_as_well) {
  place("t", {{1, 2}});
  step_down(1);
  rejoin("t", {1, 2});
  log.broken = true;
  const auto failed = elect(0, {{{"t", {0}}}}, 1);
  EXPECT_EQ(failed.error_code, 56);
  EXPECT_EQ(failed.replica_election_results[0].partition_result[0].error_code, 56);
}

struct UpdateFeaturesTest : AdminTest {
  UpdateFeaturesTest() {
    metadata::RegisterBroker registration = cluster.registration(0);
    registration.features = {{"f", {1, 3}}, {"g", {1, 2}}};
    controller->register_broker(registration,
                                [](Result<metadata::RegisterBrokerReply> done) { ENSURE(done.has_value()); });
  }
  static UpdateFeaturesRequest request(std::vector<std::pair<std::string, int16_t>> levels, int8_t kind = 1) {
    UpdateFeaturesRequest made;
    for (const auto& [name, to] : levels) {
      auto& update = made.feature_updates.emplace_back();
      update.feature = name;
      update.max_version_level = to;
      update.upgrade_type = kind;
      update.allow_downgrade = kind != 1;
    }
    return made;
  }
  int16_t level(const std::string& name) {
    const auto& features = images.load()->features;
    return features.contains(name) ? features.at(name) : int16_t{0};
  }
};

TEST_F(UpdateFeaturesTest, every_version_changes_a_level_and_takes_it_back) {
  for (int16_t version = 0; version <= 2; ++version) {
    const auto up = call(&run_update_features, request({{"f", 3}}), version);
    EXPECT_EQ(up.error_code, 0);
    EXPECT_EQ(up.results.size(), version < 2 ? 1u : 0u);
    EXPECT_EQ(level("f"), 3);
    EXPECT_EQ(call(&run_update_features, request({{"f", 1}}, 2), version).error_code, 0);
    EXPECT_EQ(level("f"), 1);
  }
}

TEST_F(UpdateFeaturesTest, what_is_refused_is_named_one_by_one_until_version_1_and_then_as_a_whole) {
  const auto both = request({{"f", 2}, {"g", 9}});
  const auto each = call(&run_update_features, both, 1);
  EXPECT_EQ(each.error_code, 0);
  ASSERT_EQ(each.results.size(), 2u);
  EXPECT_EQ(each.results[0].error_code, 96);
  EXPECT_EQ(each.results[1].error_code, 95);
  const auto whole = call(&run_update_features, both, 2);
  EXPECT_EQ(whole.error_code, 95);
  EXPECT_EQ(whole.error_message, "g at level 9: broker 0 works at 1 to 2: not the current version");
  EXPECT_EQ(level("f"), 0);
  EXPECT_EQ(call(&run_update_features, request({{"f", 2}}, 0), 2).error_code, 95);
  EXPECT_EQ(call(&run_update_features, request({{"f", 2}}, 4), 1).error_code, 95);
}

TEST_F(UpdateFeaturesTest, a_question_alone_changes_nothing) {
  auto question = request({{"f", 3}});
  question.validate_only = true;
  EXPECT_EQ(call(&run_update_features, question, 2).error_code, 0);
  EXPECT_EQ(level("f"), 0);
}

using UnregisterBrokerTest = ReassignmentTest;

TEST_F(UnregisterBrokerTest, one_that_holds_nothing_goes_and_others_stay) {
  place("t", {{1, 2}});
  UnregisterBrokerRequest request;
  request.broker_id = 3;
  EXPECT_EQ(call(&run_unregister_broker, request, 0).error_code, 0);
  EXPECT_EQ(images.load()->find_broker(BrokerId{3}), nullptr);
  EXPECT_EQ(call(&run_unregister_broker, request, 0).error_code, 102);
  request.broker_id = 1;
  const auto holds = call(&run_unregister_broker, request, 0);
  EXPECT_EQ(holds.error_code, 44);
  EXPECT_EQ(holds.error_message, "broker 1 holds 1 replicas: decommission it first: policy violation");
}

}  // namespace
}  // namespace millrace::server::handlers
