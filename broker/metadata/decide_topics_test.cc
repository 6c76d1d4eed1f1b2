#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"
#include "broker/metadata/topic_name.h"

namespace millrace::metadata {
namespace {

using Assignments = std::vector<std::pair<PartitionIndex, std::vector<BrokerId>>>;
PartitionIndex p(int32_t index) { return PartitionIndex{index}; }

TEST(CreateTopics, a_topic_gets_the_partitions_replicas_and_configuration_it_asks_for) {
  TestCluster cluster(3);
  const auto created =
      cluster.create({.name = "t", .partitions = 4, .replication_factor = 2, .config = {{"retention.ms", " 5 "}}});
  ASSERT_TRUE(created) << created.error().to_string();
  EXPECT_EQ(created->partitions, 4);
  EXPECT_EQ(created->replication_factor, 2);
  const TopicImage* topic = cluster.image().find_topic("t");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(topic, cluster.image().find_topic(created->id));
  EXPECT_EQ(topic->config, (ConfigValues{{"retention.ms", "5"}}));
  for (const PartitionImage& partition : topic->partitions) {
    EXPECT_EQ(partition.replicas.size(), 2u);
    EXPECT_EQ(partition.isr, partition.replicas);
    EXPECT_EQ(partition.leader, partition.replicas.front());
    EXPECT_EQ(partition.leader_epoch, LeaderEpoch{0});
  }
}

TEST(CreateTopics, minus_one_takes_the_brokers_defaults) {
  TestCluster cluster(3);
  cluster.static_config = {{"num.partitions", "6"}, {"default.replication.factor", "3"}};
  const auto created = cluster.create({.name = "t"});
  ASSERT_TRUE(created);
  EXPECT_EQ(created->partitions, 6);
  EXPECT_EQ(created->replication_factor, 3);
}

TEST(CreateTopics, validation_answers_the_same_and_changes_nothing) {
  TestCluster cluster(1);
  const auto created = cluster.create({.name = "t", .partitions = 3}, true);
  ASSERT_TRUE(created);
  EXPECT_EQ(created->partitions, 3);
  EXPECT_TRUE(created->id.is_zero());
  EXPECT_EQ(cluster.records_made, 0u);
  EXPECT_EQ(TestCluster::code(cluster.create({.name = "t", .partitions = 0}, true)), Errc::invalid_partitions);
}

TEST(CreateTopics, what_cannot_be_is_refused_with_its_own_error) {
  TestCluster cluster(2);
  ASSERT_TRUE(cluster.create({.name = "taken"}));
  struct Case {
    const char* why;
    NewTopic topic;
    Errc code;
  };
  const std::vector<Case> cases = {
      {"exists", {.name = "taken"}, Errc::topic_already_exists},
      {"empty name", {.name = ""}, Errc::invalid_topic},
      {"dot", {.name = "."}, Errc::invalid_topic},
      {"two dots", {.name = ".."}, Errc::invalid_topic},
      {"space", {.name = "a b"}, Errc::invalid_topic},
      {"not ASCII", {.name = "\xc3\xa4"}, Errc::invalid_topic},
      {"250 characters", {.name = std::string(250, 'x')}, Errc::invalid_topic},
      {"the metadata log's name", {.name = "__cluster_metadata"}, Errc::invalid_topic},
      {"made by brokers", {.name = "__consumer_offsets"}, Errc::invalid_topic},
      {"no partitions", {.name = "t", .partitions = 0}, Errc::invalid_partitions},
      {"negative partitions", {.name = "t", .partitions = -2}, Errc::invalid_partitions},
      {"more than a request may make", {.name = "t", .partitions = 10'001}, Errc::invalid_partitions},
      {"no replicas", {.name = "t", .replication_factor = 0}, Errc::invalid_replication_factor},
      {"negative replicas", {.name = "t", .replication_factor = -2}, Errc::invalid_replication_factor},
      {"more replicas than brokers", {.name = "t", .replication_factor = 3}, Errc::invalid_replication_factor},
      {"bad value", {.name = "t", .config = {{"retention.ms", "soon"}}}, Errc::invalid_config},
      {"no value", {.name = "t", .config = {{"retention.ms", std::nullopt}}}, Errc::invalid_config},
      {"unknown key", {.name = "t", .config = {{"retention.mss", "1"}}}, Errc::invalid_config},
      {"key twice", {.name = "t", .config = {{"flush.ms", "1"}, {"flush.ms", "1"}}}, Errc::invalid_config},
      {"a policy that is none", {.name = "t", .config = {{"cleanup.policy", "compress"}}}, Errc::invalid_config},
      {"no policy", {.name = "t", .config = {{"cleanup.policy", ""}}}, Errc::invalid_config},
      {"lags that contradict each other",
       {.name = "t", .config = {{"min.compaction.lag.ms", "10"}, {"max.compaction.lag.ms", "9"}}},
       Errc::invalid_config},
      {"more than all is dirty", {.name = "t", .config = {{"min.cleanable.dirty.ratio", "1.1"}}}, Errc::invalid_config},
      {"count and assignment",
       {.name = "t", .partitions = 1, .assignments = {{p(0), brokers({0})}}},
       Errc::invalid_argument},
      {"factor and assignment",
       {.name = "t", .replication_factor = 1, .assignments = {{p(0), brokers({0})}}},
       Errc::invalid_argument},
      {"a gap",
       {.name = "t", .assignments = {{p(0), brokers({0})}, {p(2), brokers({0})}}},
       Errc::invalid_replica_assignment},
      {"a negative partition", {.name = "t", .assignments = {{p(-1), brokers({0})}}}, Errc::invalid_replica_assignment},
      {"a partition twice",
       {.name = "t", .assignments = {{p(0), brokers({0})}, {p(0), brokers({1})}}},
       Errc::invalid_replica_assignment},
      {"a broker twice", {.name = "t", .assignments = {{p(0), brokers({0, 0})}}}, Errc::invalid_replica_assignment},
      {"an unknown broker", {.name = "t", .assignments = {{p(0), brokers({7})}}}, Errc::invalid_replica_assignment},
      {"nobody", {.name = "t", .assignments = {{p(0), {}}}}, Errc::invalid_replica_assignment},
      {"uneven",
       {.name = "t", .assignments = {{p(0), brokers({0, 1})}, {p(1), brokers({1})}}},
       Errc::invalid_replica_assignment},
  };
  for (const Case& each : cases) {
    const auto created = cluster.create(each.topic);
    ASSERT_FALSE(created) << each.why;
    EXPECT_EQ(created.error().code, each.code) << each.why << ": " << created.error().to_string();
    EXPECT_EQ(cluster.records_made, 0u) << each.why;
  }
}

TEST(CreateTopics, the_refusal_of_a_configuration_says_what_to_do) {
  TestCluster cluster(1);
  const auto words = [&](const char* key, const char* value) {
    return TestCluster::words(cluster.create({.name = "t", .config = {{key, value}}}));
  };
  EXPECT_EQ(words("compression.type", "zstd"),
            "compression.type can only be 'producer': batches are stored as their producers compressed them: invalid "
            "configuration");
  EXPECT_EQ(words("retenton.ms", "1"),
            "there is no topic configuration retenton.ms; did you mean retention.ms?: invalid configuration");
  EXPECT_EQ(words("remote.storage.enable", "true"),
            "remote.storage.enable belongs to tiered storage, which is not available: invalid configuration");
  EXPECT_EQ(words("segment.bytes", "7"),
            "value '7' of segment.bytes is outside 1048576 to 2147483647: invalid configuration");
}

TEST(CreateTopics, names_that_differ_only_in_dot_and_underscore_collide) {
  TestCluster cluster(1);
  ASSERT_TRUE(cluster.create({.name = "a.b_c"}));
  EXPECT_EQ(TestCluster::words(cluster.create({.name = "a_b.c"})),
            "'a_b.c' differs from a.b_c only in '.' and '_': invalid topic");
  ASSERT_TRUE(cluster.create({.name = "a-b_c"}));
  const auto both = cluster(CreateTopics{{{.name = "x.y"}, {.name = "x_y"}}});
  EXPECT_TRUE(both.topics[0].second);
  EXPECT_EQ(TestCluster::code(both.topics[1].second), Errc::invalid_topic);
}

TEST(CreateTopics, a_name_given_twice_is_answered_once_and_the_others_are_made) {
  TestCluster cluster(1);
  const auto reply = cluster(CreateTopics{{{.name = "a"}, {.name = "b"}, {.name = "a"}}});
  ASSERT_EQ(reply.topics.size(), 2u);
  EXPECT_EQ(TestCluster::code(reply.topics[0].second), Errc::invalid_argument);
  EXPECT_TRUE(reply.topics[1].second);
  EXPECT_EQ(cluster.image().find_topic("a"), nullptr);
}

TEST(CreateTopics, one_request_makes_a_bounded_number_of_partitions) {
  TestCluster cluster(1);
  const auto reply = cluster(CreateTopics{{{.name = "a", .partitions = 6000}, {.name = "b", .partitions = 6000}}});
  EXPECT_TRUE(reply.topics[0].second);
  EXPECT_EQ(TestCluster::code(reply.topics[1].second), Errc::policy_violation);
}

TEST(CreateTopics, a_manual_assignment_is_kept_and_led_by_its_first_live_broker) {
  TestCluster cluster(3);
  cluster.fence(2);
  const auto created = cluster.create({.name = "t", .assignments = {{p(1), brokers({0, 1})}, {p(0), brokers({2, 1})}}});
  ASSERT_TRUE(created) << created.error().to_string();
  const PartitionImage* first = cluster.image().find_partition("t", p(0));
  EXPECT_EQ(first->replicas, brokers({2, 1}));
  EXPECT_EQ(first->isr, brokers({1}));
  EXPECT_EQ(first->leader, BrokerId{1});
  EXPECT_EQ(TestCluster::words(cluster.create({.name = "u", .assignments = {{p(0), brokers({2})}}})),
            "partition 0: none of its brokers is alive: invalid replica assignment");
}

TEST(Placement, leaders_and_replicas_are_even_and_replicas_lie_in_different_racks) {
  TestCluster cluster(6, true);
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 60, .replication_factor = 3}));
  std::map<BrokerId, int> leaders;
  std::map<BrokerId, int> replicas;
  for (const PartitionImage& partition : cluster.image().find_topic("t")->partitions) {
    ++leaders[partition.leader];
    std::set<std::string> racks;
    for (const BrokerId id : partition.replicas) {
      ++replicas[id];
      racks.insert(cluster.image().find_broker(id)->rack);
    }
    EXPECT_EQ(racks.size(), 3u);
  }
  for (int id = 0; id < 6; ++id) {
    EXPECT_EQ(leaders[BrokerId{id}], 10);
    EXPECT_EQ(replicas[BrokerId{id}], 30);
  }
}

TEST(Placement, partitions_of_a_failed_leader_are_followed_by_all_others) {
  TestCluster cluster(4);
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 24, .replication_factor = 2}));
  std::set<BrokerId> followers;
  for (const PartitionImage& partition : cluster.image().find_topic("t")->partitions) {
    if (partition.leader == BrokerId{0}) followers.insert(partition.replicas[1]);
  }
  EXPECT_EQ(followers.size(), 3u);
}

TEST(Placement, fenced_brokers_get_nothing_and_single_partition_topics_spread) {
  TestCluster cluster(4);
  cluster.fence(3);
  std::set<BrokerId> leaders;
  for (int i = 0; i < 30; ++i) {
    const std::string name = "t" + std::to_string(i);
    ASSERT_TRUE(cluster.create({.name = name}));
    leaders.insert(cluster.image().find_partition(name, p(0))->leader);
  }
  EXPECT_EQ(leaders, (std::set<BrokerId>{BrokerId{0}, BrokerId{1}, BrokerId{2}}));
}

TEST(OffsetsTopic, is_made_as_configured_on_as_many_brokers_as_live_and_is_compacted) {
  TestCluster cluster(1);
  cluster.static_config = {{"offsets.topic.num.partitions", "5"}};
  EXPECT_EQ(*cluster.run(decide_offsets_topic(cluster.image(), cluster.context())), 5);
  const TopicImage* topic = cluster.image().find_topic(kOffsetsTopic);
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(topic->partitions.front().replicas, brokers({0})) << "3 are configured, 1 lives";
  const ConfigValues effective = effective_topic_config(cluster.image(), topic->config, cluster.context().config);
  EXPECT_EQ(topic_config_text(effective, topic_config::kCleanupPolicy), "compact");
  EXPECT_EQ(topic_config_int(effective, topic_config::kSegmentBytes), 104857600);

  EXPECT_EQ(*cluster.run(decide_offsets_topic(cluster.image(), cluster.context())), 5);
  EXPECT_EQ(cluster.records_made, 0u) << "it exists";
  TestCluster empty;
  EXPECT_EQ(TestCluster::code(empty.run(decide_offsets_topic(empty.image(), empty.context()))),
            Errc::invalid_replication_factor);
}

TEST(DeleteTopics, a_topic_goes_by_name_or_by_id) {
  TestCluster cluster(1);
  ASSERT_TRUE(cluster.create({.name = "a"}));
  const Uuid b = cluster.create({.name = "b"})->id;
  const auto reply = cluster(DeleteTopics{{"a", b}});
  EXPECT_EQ(reply.topics[0]->name, "a");
  EXPECT_EQ(reply.topics[1]->name, "b");
  EXPECT_TRUE(cluster.image().topics().empty());
  EXPECT_EQ(cluster.image().find_topic(b), nullptr);
}

TEST(DeleteTopics, what_cannot_be_deleted_is_refused_with_its_own_error) {
  TestCluster cluster(1);
  const Uuid a = cluster.create({.name = "a"})->id;
  ASSERT_TRUE(cluster.run(decide_offsets_topic(cluster.image(), cluster.context())));
  const auto code = [&](std::variant<std::string, Uuid> which) {
    return TestCluster::code(cluster(DeleteTopics{{which}}).topics.front());
  };
  EXPECT_EQ(code("nothing"), Errc::unknown_topic_or_partition);
  EXPECT_EQ(code(cluster.uuid()), Errc::unknown_topic_id);
  EXPECT_EQ(code(std::string(kOffsetsTopic)), Errc::invalid_topic);
  const auto twice = cluster(DeleteTopics{{"a", a}});
  EXPECT_EQ(TestCluster::code(twice.topics[0]), Errc::invalid_argument);
  EXPECT_EQ(TestCluster::code(twice.topics[1]), Errc::invalid_argument);
  cluster.static_config = {{"delete.topic.enable", "false"}};
  EXPECT_EQ(code("a"), Errc::topic_deletion_disabled);
  EXPECT_NE(cluster.image().find_topic("a"), nullptr);
}

TEST(CreatePartitions, a_topic_grows_and_keeps_what_it_has) {
  TestCluster cluster(3);
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 2, .replication_factor = 2}));
  const std::vector<PartitionImage> before = cluster.image().find_topic("t")->partitions;
  EXPECT_TRUE(cluster(CreatePartitions{{{.name = "t", .count = 5, .assignments = {}}}}).topics[0].second);
  const std::vector<PartitionImage>& after = cluster.image().find_topic("t")->partitions;
  ASSERT_EQ(after.size(), 5u);
  EXPECT_EQ(std::vector(after.begin(), after.begin() + 2), before);
  EXPECT_EQ(after[4].replicas.size(), 2u);
}

TEST(CreatePartitions, growth_follows_a_manual_assignment) {
  TestCluster cluster(2);
  ASSERT_TRUE(cluster.create({.name = "t"}));
  const std::vector<std::vector<BrokerId>> where = {brokers({1}), brokers({0})};
  EXPECT_TRUE(cluster(CreatePartitions{{{.name = "t", .count = 3, .assignments = where}}}).topics[0].second);
  EXPECT_EQ(cluster.image().find_partition("t", p(1))->leader, BrokerId{1});
  EXPECT_EQ(cluster.image().find_partition("t", p(2))->leader, BrokerId{0});
}

TEST(CreatePartitions, what_cannot_be_is_refused_with_its_own_error) {
  TestCluster cluster(2);
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 2, .replication_factor = 1}));
  ASSERT_TRUE(cluster.run(decide_offsets_topic(cluster.image(), cluster.context())));
  using Where = std::optional<std::vector<std::vector<BrokerId>>>;
  const auto code = [&](std::string name, int32_t count, Where where = {}) {
    return TestCluster::code(cluster(CreatePartitions{{{name, count, where}}}).topics[0].second);
  };
  EXPECT_EQ(code("nothing", 3), Errc::unknown_topic_or_partition);
  EXPECT_EQ(code("t", 2), Errc::invalid_partitions) << "as many as there are";
  EXPECT_EQ(code("t", 1), Errc::invalid_partitions);
  EXPECT_EQ(code("t", -1), Errc::invalid_partitions);
  EXPECT_EQ(code("t", 20'000), Errc::invalid_partitions);
  EXPECT_EQ(code(std::string(kOffsetsTopic), 100), Errc::invalid_partitions);
  EXPECT_EQ(code("t", 3, Where(std::in_place, size_t{1})), Errc::invalid_replica_assignment);
  EXPECT_EQ(code("t", 4, Where({brokers({0})})), Errc::invalid_replica_assignment) << "one of two";
  EXPECT_EQ(code("t", 3, Where({brokers({0, 1})})), Errc::invalid_replica_assignment) << "two replicas, others one";
  EXPECT_EQ(code("t", 3, Where({brokers({9})})), Errc::invalid_replica_assignment);
  const auto twice = cluster(CreatePartitions{{{"t", 3, {}}, {"t", 4, {}}}});
  ASSERT_EQ(twice.topics.size(), 1u);
  EXPECT_EQ(TestCluster::code(twice.topics[0].second), Errc::invalid_argument);
  EXPECT_TRUE(cluster(CreatePartitions{{{"t", 3, {}}}, true}).topics[0].second);
  EXPECT_EQ(cluster.image().find_topic("t")->partitions.size(), 2u) << "validated only";
}

}  // namespace
}  // namespace millrace::metadata
