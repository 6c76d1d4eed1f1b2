#include "broker/metadata/image_builder.h"

#include <random>

#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

// Random commands, some of them nonsense, on a cluster of 4.
void run_random_command(TestCluster& cluster, std::mt19937_64& random) {
  const auto pick = [&](int bound) { return static_cast<int>(random() % static_cast<uint64_t>(bound)); };
  const std::string name = "t" + std::to_string(pick(8));
  const std::string value = std::to_string(1 + pick(100));
  switch (pick(9)) {
    case 0:
    case 1:
      (void)cluster.create({.name = name, .partitions = 1 + pick(5), .replication_factor = 1 + pick(3)}).has_value();
      break;
    case 2:
      (void)cluster(DeleteTopics{{name, cluster.uuid()}});
      break;
    case 3:
      (void)cluster(CreatePartitions{{{.name = name, .count = pick(12), .assignments = {}}}});
      break;
    case 4:
      (void)cluster(AlterConfigs{.resources = {{{2, name}, {{"retention.ms", static_cast<int8_t>(pick(2)), value}}}}});
      break;
    case 5:
      (void)cluster(AlterConfigs{
          .resources = {{{4, pick(2) == 0 ? "" : "1"}, {{"log.retention.ms", static_cast<int8_t>(pick(2)), value}}}}});
      break;
    case 6: {
      const BrokerId id{pick(4)};
      if (const BrokerImage* broker = cluster.image().find_broker(id)) {
        (void)cluster(SetFenced{id, broker->epoch, !broker->fenced}).has_value();
      }
      break;
    }
    case 7:
      (void)cluster(cluster.registration(pick(4))).has_value();
      break;
    default:
      (void)cluster(AllocateProducerIds{BrokerId{pick(5)}}).has_value();
  }
}

TEST(ImageBuilder, replaying_all_records_gives_the_published_image_and_so_does_a_snapshot) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    TestCluster cluster(4);
    for (int step = 0; step < 120; ++step) {
      run_random_command(cluster, random);
      if (random() % 3 == 0) (void)cluster.builder.image();  // what is handed out makes later changes copy
    }
    ImageBuilder replayed;
    Offset offset{0};
    for (const Bytes& record : cluster.history) {
      ASSERT_TRUE(replayed.apply_encoded(offset, record.view()));
      offset = offset.next();
    }
    EXPECT_TRUE(replayed.current() == cluster.image());

    ImageBuilder restored;
    for (const MetadataRecord& record : snapshot_of(cluster.image())) {
      const auto decoded = decode_record(encode(record).view());
      ASSERT_TRUE(decoded);
      restored.apply(cluster.image().applied, *decoded);
    }
    EXPECT_TRUE(restored.current() == cluster.image());
  }
}

TEST(ImageBuilder, an_image_that_was_handed_out_never_changes) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    TestCluster cluster(4);
    std::vector<std::pair<ImagePointer, size_t>> taken;  // and how long the history was
    for (int step = 0; step < 60; ++step) {
      run_random_command(cluster, random);
      if (random() % 4 == 0) taken.emplace_back(cluster.builder.image(), cluster.history.size());
    }
    for (const auto& [image, length] : taken) {
      ImageBuilder replayed;
      for (size_t i = 0; i < length; ++i) {
        ASSERT_TRUE(replayed.apply_encoded(Offset{static_cast<int64_t>(i)}, cluster.history[i].view()));
      }
      EXPECT_TRUE(replayed.current() == *image);
    }
  }
}

TEST(ImageBuilder, images_share_the_topics_that_did_not_change) {
  TestCluster cluster(1);
  ASSERT_TRUE(cluster.create({.name = "a"}));
  ASSERT_TRUE(cluster.create({.name = "b"}));
  const ImagePointer before = cluster.builder.image();
  (void)cluster(AlterConfigs{.resources = {{{2, "b"}, {{"flush.ms", 0, "1"}}}}});
  const ImagePointer now = cluster.builder.image();
  EXPECT_EQ(before->topics().at("a"), now->topics().at("a"));
  EXPECT_NE(before->topics().at("b"), now->topics().at("b"));
  ASSERT_TRUE(cluster(AllocateProducerIds{BrokerId{0}}));
  EXPECT_EQ(&cluster.builder.image()->topics(), &now->topics()) << "no topic changed: the map is shared too";
}

TEST(TopicChanges, tell_what_came_went_changed_or_was_made_anew) {
  TestCluster cluster(1);
  for (const char* name : {"a", "b", "c", "d"}) ASSERT_TRUE(cluster.create({.name = name}));
  const ImagePointer before = cluster.builder.image();
  EXPECT_TRUE(TopicChanges::between(*before, *before).empty());
  (void)cluster(DeleteTopics{{"a", "d"}});
  ASSERT_TRUE(cluster.create({.name = "a"}));
  ASSERT_TRUE(cluster.create({.name = "e"}));
  (void)cluster(CreatePartitions{{{"c", 2, {}}}});
  const ImagePointer now = cluster.builder.image();
  std::string told;
  for (const TopicChange& change : TopicChanges::between(*before, *now)) {
    told += change.before ? "-" + change.before->name : "";
    told += change.now ? "+" + change.now->name : "";
    told += " ";
  }
  EXPECT_EQ(told, "-a +a -c+c -d +e ");
}

TEST(ImageBuilder, a_snapshot_holds_every_field_of_an_image) {
  TestCluster cluster(2);
  RegisterBroker registration = cluster.registration(2, "r");
  ASSERT_TRUE(cluster(registration));
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 2}));
  const Uuid topic = cluster.image().find_topic("t")->id;
  const auto apply = [&](MetadataRecord record) { cluster.builder.apply(cluster.image().applied.next(), record); };
  apply(RegisterBrokerRecord{.id = BrokerId{3},
                             .epoch = 50,
                             .rack = "a",
                             .fenced = false,
                             .rpc = {"h", 1},
                             .features = {{"f", {1, 2}}},
                             .in_controlled_shutdown = true,
                             .state_since_ms = 3,
                             .former_incarnations = {cluster.uuid()}});
  apply(DecommissionRecord{BrokerId{3}, 40, 6});
  apply(StopPermitRecord{BrokerId{1}, {"me", 1, 2}});
  apply(VotersRecord{{{BrokerId{0}, cluster.uuid(), {"h", 9}}}});
  apply(PartitionChangeRecord{topic,
                              PartitionIndex{1},
                              {.replicas = brokers({1, 2, 3}),
                               .isr = brokers({1}),
                               .isr_since_ms = 8,
                               .elr = brokers({2}),
                               .last_known_elr = brokers({3}),
                               .adding = brokers({3}),
                               .removing = brokers({1})}});
  ImageBuilder restored;
  for (const MetadataRecord& record : snapshot_of(cluster.image())) restored.apply(cluster.image().applied, record);
  EXPECT_TRUE(restored.current() == cluster.image());

  apply(RegisterBrokerRecord{.id = BrokerId{3}});
  EXPECT_EQ(cluster.image().find_broker(BrokerId{3})->decommission_since_ms, 40) << "a restart does not end it";
  apply(UnregisterBrokerRecord{BrokerId{1}});
  EXPECT_TRUE(cluster.image().permits.empty()) << "the permit went with its broker";
  const ImagePointer before = cluster.builder.image();
  apply(MinInsyncChangedRecord{topic});
  const PartitionImage& partition = cluster.image().find_topic("t")->partitions[1];
  EXPECT_TRUE(partition.elr.empty() && partition.last_known_elr.empty());
  EXPECT_EQ(partition.partition_epoch, 1);
  EXPECT_EQ(cluster.image().find_topic("t")->partitions[0].partition_epoch, 1) << "leaders must know of it first";
  EXPECT_EQ(before->find_topic("t")->partitions[1].elr, brokers({2})) << "what was handed out stays";
}

TEST(ImageBuilder, a_log_whose_records_do_not_fit_is_corrupt) {
  const Uuid known = Uuid::from_random(1, 1);
  const Uuid unknown = Uuid::from_random(2, 2);
  const std::vector<MetadataRecord> misfits = {
      TopicRecord{unknown, "t"},
      TopicRecord{known, "u"},
      PartitionRecord{unknown, PartitionIndex{0}, {}},
      PartitionRecord{known, PartitionIndex{2}, {}},
      PartitionRecord{known, PartitionIndex{-1}, {}},
      PartitionChangeRecord{unknown, PartitionIndex{0}, {}},
      PartitionChangeRecord{known, PartitionIndex{1}, {}},
      PartitionChangeRecord{known, PartitionIndex{-1}, {}},
      RemoveTopicRecord{unknown},
      UnregisterBrokerRecord{BrokerId{5}},
      FenceBrokerRecord{BrokerId{5}, true},
      ConfigRecord{2, "u", "flush.ms", "1"},
      ConfigRecord{3, "t", "flush.ms", "1"},
      ConfigRecord{4, "x", "flush.ms", "1"},
      ProducerIdsRecord{BrokerId{0}, -1},
      StopPermitRecord{BrokerId{5}, {}},
      StopPermitEndRecord{BrokerId{5}},
      DecommissionRecord{BrokerId{5}, 1, 1},
  };
  for (const MetadataRecord& misfit : misfits) {
    ImageBuilder builder;
    builder.apply(Offset{0}, MetadataRecord(TopicRecord{known, "t"}));
    builder.apply(Offset{1}, MetadataRecord(PartitionRecord{known, PartitionIndex{0}, {}}));
    const Status applied = builder.apply_encoded(Offset{2}, encode(misfit).view());
    ASSERT_FALSE(applied) << "record " << misfit.index();
    EXPECT_EQ(applied.error().code, Errc::corrupt);
  }
}

}  // namespace
}  // namespace millrace::metadata
