#include "broker/app/metadata_service.h"

#include <future>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/io/sim/sim_random.h"
#include "broker/metadata/metadata_config.h"

namespace millrace::app {
namespace {

struct MetadataServiceTest : testing::Test {
  io::sim::SimFileSystem fs;
  io::sim::SimClock clock;
  io::sim::SimRandom random{1};
  ConfigValues static_values;
  std::unique_ptr<MetadataService> service;
  std::vector<std::string> opened;  // topics that a subscriber saw
  std::promise<Errc> fatal;

  MetadataServiceTest() { ENSURE(fs.create_directories("/data").has_value()); }
  Result<metadata::RegisterBrokerReply> start(const std::string& cluster_id = "c", uint64_t directory = 1) {
    service.reset();
    auto made = MetadataService::open(
        {.log = {.fs = &fs, .clock = &clock, .directory = "/data/__cluster_metadata-0"},
         .random = &random,
         .config = {.keys = metadata::metadata_config(), .static_values = &static_values, .self = BrokerId{0}},
         .retry_pause = std::chrono::milliseconds(1),
         .on_fatal = [this](const Error& error) { fatal.set_value(error.code); }});
    ENSURE(made.has_value());
    service = std::move(*made);
    service->images().subscribe([this](const metadata::ImagePointer& before, const metadata::ImagePointer& now) {
      for (const auto& change : metadata::TopicChanges::between(*before, *now))
        opened.push_back((change.before ? "changed " : "new ") + change.now->name);
    });
    service->start();
    return service->initialize_and_register(cluster_id, {.id = BrokerId{0},
                                                         .incarnation = random.uuid(),
                                                         .directory_id = Uuid::from_random(directory, directory),
                                                         .listeners = {{"PLAINTEXT", "localhost", 9092}}});
  }
  std::string create(const std::string& name) {
    std::promise<std::string> words;
    service->controller().create_topics({{{.name = name}}}, [&](Result<metadata::CreateTopicsReply> reply) {
      if (!reply) return words.set_value(reply.error().to_string());
      const auto& topic = reply->topics.front().second;
      words.set_value(topic ? "created" : topic.error().to_string());
    });
    return words.get_future().get();
  }
};

TEST_F(MetadataServiceTest, a_first_start_makes_the_cluster_and_a_second_finds_its_topics) {
  ASSERT_TRUE(start());
  EXPECT_EQ(create("t"), "created");
  EXPECT_EQ(opened, std::vector<std::string>{"new t"});
  opened.clear();
  fs.lose_power();
  ASSERT_TRUE(start());
  EXPECT_EQ(opened, (std::vector<std::string>{"new t", "changed t"}))
      << "recovered; then a new leader epoch: no clean stop";
  EXPECT_EQ(service->images().load()->cluster_id, "c");
  EXPECT_FALSE(service->images().load()->find_broker(BrokerId{0})->fenced);
}

TEST_F(MetadataServiceTest, another_clusters_id_or_data_directory_is_refused) {
  ASSERT_TRUE(start());
  EXPECT_EQ(start("other").error().code, Errc::cluster_mismatch);
  EXPECT_EQ(start("c", 2).error().code, Errc::cluster_mismatch);
}

TEST_F(MetadataServiceTest, after_a_full_disk_topics_can_be_created_again_when_space_returns) {
  ASSERT_TRUE(start());
  fs.fail_call(0, Errc::disk_full);
  EXPECT_NE(create("lost"), "created");
  std::string words;
  for (int i = 0; i < 1'000'000 && words != "created"; ++i) words = create("t" + std::to_string(i));
  EXPECT_EQ(words, "created");
  EXPECT_EQ(service->images().load()->find_topic("lost"), nullptr);
}

TEST_F(MetadataServiceTest, a_disk_that_fails_otherwise_is_told_once_and_no_command_is_taken) {
  ASSERT_TRUE(start());
  fs.fail_call(0, Errc::io);
  EXPECT_NE(create("lost"), "created");
  EXPECT_EQ(fatal.get_future().get(), Errc::io);
  EXPECT_NE(create("later"), "created");
  EXPECT_EQ(service->images().load()->find_topic("lost"), nullptr);
  EXPECT_TRUE(service->stop());
}

TEST_F(MetadataServiceTest, a_failed_flush_is_fatal) {
  ASSERT_TRUE(start());
  fs.fail_flushes(true);
  EXPECT_NE(create("lost"), "created");
  EXPECT_EQ(fatal.get_future().get(), Errc::io);
}

}  // namespace
}  // namespace millrace::app
