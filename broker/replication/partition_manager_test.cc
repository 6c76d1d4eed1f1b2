#include "broker/replication/partition_manager_test_support.h"

namespace millrace::replication {
namespace {

using testing::kOther;
using testing::kSelf;
using testing::led_by;
using testing::make_batch;
using testing::PartitionManagerTest;
using testing::Values;

TEST_F(PartitionManagerTest, partitions_of_a_new_topic_can_be_used_as_soon_as_its_image_is_applied) {
  const Uuid id = create("orders", 3);
  append("orders", {"a"});
  EXPECT_EQ(read("orders"), Values({"a"}));
  EXPECT_EQ(manager_->find(id, PartitionIndex{0}), find("orders"));
  EXPECT_EQ(manager_->all().size(), 3u);
  EXPECT_EQ(directories(), (std::set<std::string>{"orders-0", "orders-1", "orders-2"}));
}

TEST_F(PartitionManagerTest, what_is_not_placed_here_is_not_found) {
  create("theirs", 1, kOther);
  EXPECT_EQ(find("theirs"), nullptr);
  EXPECT_EQ(find("theirs", 1), nullptr);
  EXPECT_EQ(find("theirs", -1), nullptr);
  EXPECT_EQ(find("nothing"), nullptr);
  EXPECT_EQ(manager_->find(Uuid{}, PartitionIndex{0}), nullptr);
}

TEST_F(PartitionManagerTest, records_are_there_after_a_clean_restart_and_after_a_kill) {
  create("orders", 1);
  append("orders", {"a"});
  stop_cleanly();
  start();
  EXPECT_TRUE(dir_->was_clean());
  append("orders", {"b"});
  stop_uncleanly();
  machine_.fs.restart();
  start();
  EXPECT_FALSE(dir_->was_clean());
  EXPECT_EQ(read("orders"), Values({"a", "b"}));
}

TEST_F(PartitionManagerTest, a_killed_broker_has_everything_unless_a_write_or_flush_had_failed) {
  const auto is_whole_after_a_kill = [this] {
    stop_uncleanly();
    machine_.fs.restart();
    start();
    return dir_->has_everything();
  };
  EXPECT_FALSE(is_whole_after_a_kill()) << "it was never registered";
  record(metadata::RegisterBrokerRecord{.id = kSelf, .epoch = 5});
  create("orders", 1);
  EXPECT_FALSE(is_whole_after_a_kill()) << "it is registered since its start";
  append("orders", {"a"});
  EXPECT_TRUE(is_whole_after_a_kill());
  EXPECT_EQ(dir_->last_epoch(), 5);
  append("orders", {"b"});
  storage::FlushPlan plan = find("orders")->begin_flush();
  find("orders")->end_flush(plan, Errc::io);
  EXPECT_TRUE(find("orders")->is_offline());
  EXPECT_FALSE(is_whole_after_a_kill());
}

TEST_F(PartitionManagerTest, a_clean_stop_makes_everything_survive_a_power_loss) {
  create("orders", 1);
  append("orders", {"a", "b"});
  stop_cleanly();
  machine_.fs.lose_power();
  start();
  EXPECT_EQ(read("orders"), Values({"a", "b"}));
}

TEST_F(PartitionManagerTest, a_deleted_topic_is_unknown_at_once_and_its_files_go_after_the_delay) {
  const Uuid id = create("orders", 1);
  append("orders", {"a"});
  const std::shared_ptr<Partition> held = find("orders");
  remove(id);
  EXPECT_EQ(find("orders"), nullptr);
  EXPECT_EQ(held->append(make_batch({"b"}), Acks::leader).error().code, Errc::unknown_topic_or_partition);
  EXPECT_EQ(directories(), (std::set<std::string>{id.to_string() + "-0-delete"}));
  scheduler_.run_for(std::chrono::seconds(61));
  EXPECT_EQ(directories(), std::set<std::string>{});
}

TEST_F(PartitionManagerTest, deletion_that_a_kill_interrupted_is_finished_at_the_next_start) {
  remove(create("orders", 2));
  stop_uncleanly();
  machine_.fs.restart();
  start();
  EXPECT_EQ(directories().size(), 2u);
  scheduler_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(directories(), std::set<std::string>{});
}

TEST_F(PartitionManagerTest, a_topic_made_again_under_its_name_starts_empty) {
  const Uuid first = create("orders", 1);
  append("orders", {"old"});
  remove(first);
  const Uuid second = create("orders", 1);
  EXPECT_EQ(read("orders"), Values{});
  EXPECT_EQ(manager_->find(first, PartitionIndex{0}), nullptr);
  EXPECT_EQ(manager_->find(second, PartitionIndex{0}), find("orders"));
}

TEST_F(PartitionManagerTest, a_recovery_point_of_a_deleted_log_is_not_used_for_a_new_one_of_its_name) {
  const Uuid first = create("orders", 1);
  append("orders", {"1", "2", "3"});
  machine_.flusher.flush_soon(find("orders"));
  machine_.flusher.run_due();
  scheduler_.run_for(std::chrono::seconds(61));
  EXPECT_EQ(dir_->read_recovery_points()->begin()->second, Offset{3});
  remove(first);
  create("orders", 1);
  const auto points = dir_->read_recovery_points();
  EXPECT_TRUE(points->empty() || points->begin()->second == Offset{0});
}

TEST_F(PartitionManagerTest, a_directory_of_no_partition_is_set_aside_and_kept) {
  create("orders", 1);
  append("orders", {"a"});
  stop_cleanly();
  const std::set<std::string> before = directories();
  builder_ = metadata::ImageBuilder();
  next_ = 0;
  start();
  EXPECT_EQ(directories(), (std::set<std::string>{"orders-0-stray"}));
}

TEST_F(PartitionManagerTest, a_directory_of_an_earlier_topic_of_the_name_is_set_aside_and_kept) {
  create("orders", 1);
  append("orders", {"old"});
  stop_cleanly();
  builder_ = metadata::ImageBuilder();
  next_ = 0;
  const Uuid id = random_.uuid();
  record(metadata::TopicRecord{.id = id, .name = "orders"});
  record(metadata::PartitionRecord{.topic = id, .index = PartitionIndex{0}, .state = led_by(kSelf)});
  start();
  EXPECT_EQ(read("orders"), Values{});
  EXPECT_EQ(directories(), (std::set<std::string>{"orders-0", "orders-0-stray"}));
}

TEST_F(PartitionManagerTest, directories_that_are_no_partitions_are_left_alone) {
  stop_uncleanly();
  ASSERT_TRUE(machine_.fs.create_directories("/data/lost+found"));
  ASSERT_TRUE(machine_.fs.create_directories("/data/__cluster_metadata-0"));
  start();
  EXPECT_EQ(directories(), (std::set<std::string>{"lost+found", "__cluster_metadata-0"}));
}

TEST_F(PartitionManagerTest, added_partitions_open_and_old_ones_stay) {
  const Uuid id = create("orders", 1);
  const std::shared_ptr<Partition> first = find("orders");
  record(metadata::PartitionRecord{.topic = id, .index = PartitionIndex{1}, .state = led_by(kSelf)});
  publish();
  EXPECT_EQ(find("orders"), first);
  EXPECT_NE(find("orders", 1), nullptr);
}

TEST_F(PartitionManagerTest, changed_configuration_reaches_the_log) {
  create("orders", 1);
  configure("orders", "max.message.bytes", "100");
  const auto refused = find("orders")->append(make_batch({std::string(200, 'x')}), Acks::leader);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::message_too_large);
  configure("orders", "max.message.bytes", "1000");
  append("orders", {std::string(200, 'x')});
}

TEST_F(PartitionManagerTest, the_default_of_all_brokers_reaches_every_log) {
  create("orders", 1);
  record(metadata::ConfigRecord{.resource_type = 4, .resource = "", .name = "message.max.bytes", .value = "100"});
  publish();
  EXPECT_FALSE(find("orders")->append(make_batch({std::string(200, 'x')}), Acks::leader));
}

TEST_F(PartitionManagerTest, a_partition_that_moves_away_closes_here) {
  const Uuid id = create("orders", 1);
  record(metadata::PartitionChangeRecord{.topic = id, .index = PartitionIndex{0}, .state = led_by(kOther)});
  publish();
  EXPECT_EQ(find("orders"), nullptr);
}

TEST_F(PartitionManagerTest, a_log_that_could_not_be_opened_is_tried_again_at_the_next_image) {
  machine_.fs.set_capacity(0);
  create("orders", 1);
  EXPECT_EQ(find("orders"), nullptr);
  machine_.fs.set_capacity(io::sim::SimFileSystem::kNever);
  publish();
  append("orders", {"a"});
}

TEST_F(PartitionManagerTest, retention_removes_old_segments_in_the_background) {
  create("orders", 1);
  configure("orders", "retention.ms", "1000");
  configure("orders", "segment.ms", "1000");
  append("orders", {"old"});
  scheduler_.run_for(std::chrono::minutes(11));
  EXPECT_EQ(find("orders")->offsets()->log_start, Offset{1});
  append("orders", {"new"});
  EXPECT_EQ(read("orders", 1), Values({"new"}));
}

}  // namespace
}  // namespace millrace::replication
