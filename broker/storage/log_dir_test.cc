#include "broker/storage/log_dir.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_file_system.h"
#include "broker/storage/leader_epochs.h"

namespace millrace::storage {
namespace {

class LogDirTest : public testing::Test {
 protected:
  Result<std::unique_ptr<LogDir>> open(std::string cluster = "c", int32_t node = 1) {
    return LogDir::open(disk_, random_, {"/data/logs", std::move(cluster), BrokerId(node), boot_});
  }
  std::string boot_ = "a-boot";
  io::sim::SimFileSystem disk_;
  io::sim::SimRandom random_{9};
};

TEST_F(LogDirTest, a_new_directory_gets_an_identity_and_keeps_it) {
  const Uuid id = open().value()->meta().directory_id;
  EXPECT_FALSE(id.is_zero());
  auto again = open().value();
  EXPECT_EQ(again->meta().directory_id, id);
  EXPECT_EQ(again->meta().cluster_id, "c");
  again.reset();
  EXPECT_EQ(open("").value()->meta().cluster_id, "c");
  EXPECT_EQ(io::read_small_file(disk_, "/data/logs/meta.properties").value(),
            "version=1\ncluster.id=c\nnode.id=1\ndirectory.id=" + id.to_string() + "\n");
}

TEST_F(LogDirTest, without_a_cluster_id_a_new_one_is_made) {
  EXPECT_EQ(open("").value()->meta().cluster_id.size(), 22u);
}

TEST_F(LogDirTest, a_directory_of_another_node_or_cluster_is_refused_with_both_names) {
  ASSERT_TRUE(open());
  const auto other_cluster = open("d");
  ASSERT_FALSE(other_cluster);
  EXPECT_EQ(other_cluster.error().code, Errc::cluster_mismatch);
  EXPECT_NE(other_cluster.error().context.find("/data/logs holds data of cluster c"), std::string::npos);
  const auto other_node = open("c", 2);
  ASSERT_FALSE(other_node);
  EXPECT_EQ(other_node.error().code, Errc::cluster_mismatch);
  EXPECT_NE(other_node.error().context.find("node 1"), std::string::npos);
}

TEST_F(LogDirTest, a_second_user_is_told_which_directory_and_what_to_do) {
  auto held = open().value();
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::in_use);
  EXPECT_NE(second.error().context.find("/data/logs"), std::string::npos);
  EXPECT_NE(second.error().context.find("stop that one"), std::string::npos);
}

TEST_F(LogDirTest, a_meta_file_that_makes_no_sense_is_not_overwritten) {
  ASSERT_TRUE(disk_.create_directories("/data/logs"));
  ASSERT_TRUE(io::write_file_atomically(disk_, "/data/logs/meta.properties", "version=1\nnode.id=x\n"));
  EXPECT_EQ(open().error().code, Errc::malformed);
  ASSERT_TRUE(io::write_file_atomically(disk_, "/data/logs/meta.properties", "version=7\nnode.id=1\ncluster.id=c\n"));
  EXPECT_EQ(open().error().code, Errc::malformed);
}

TEST_F(LogDirTest, the_marker_of_a_clean_stop_counts_once_even_after_a_power_loss) {
  EXPECT_FALSE(open().value()->was_clean());
  ASSERT_TRUE(open().value()->mark_clean(7));
  EXPECT_TRUE(open().value()->was_clean());
  disk_.lose_power();
  EXPECT_FALSE(open().value()->was_clean());
}

TEST_F(LogDirTest, the_marker_is_kafkas_and_says_under_which_broker_epoch_the_stop_was) {
  EXPECT_EQ(open().value()->last_epoch(), -1);
  ASSERT_TRUE(open().value()->mark_clean(4'294'967'297));
  const std::string marker = "/data/logs/.kafka_cleanshutdown";
  EXPECT_EQ(io::read_small_file(disk_, marker).value(), "{\"version\":0,\"brokerEpoch\":4294967297}");
  EXPECT_EQ(open().value()->last_epoch(), 4'294'967'297);
  EXPECT_EQ(open().value()->last_epoch(), -1) << "it was removed";
  ASSERT_TRUE(io::write_file_atomically(disk_, marker, "{ \"version\" : 0,\n \"brokerEpoch\" : 5 }\n"));
  EXPECT_EQ(open().value()->last_epoch(), 5);
}

TEST_F(LogDirTest, a_marker_without_an_epoch_that_can_be_read_is_one_all_the_same) {
  for (const char* text : {"", "{\"version\":0}", "{\"version\":1,\"brokerEpoch\":5}",
                           "{\"version\":0,\"brokerEpoch\":x}", "{\"version\":0,\"brokerEpoch\":-7}"}) {
    ASSERT_TRUE(open() && io::write_file_atomically(disk_, "/data/logs/.kafka_cleanshutdown", text));
    const auto dir = open().value();
    EXPECT_TRUE(dir->was_clean()) << text;
    EXPECT_EQ(dir->last_epoch(), -1) << text;
  }
}

TEST_F(LogDirTest, what_a_killed_process_wrote_is_there_while_the_machine_is_up) {
  EXPECT_FALSE(open().value()->has_everything()) << "a new one";
  EXPECT_FALSE(open().value()->has_everything()) << "nothing was written";
  ASSERT_TRUE(open().value()->mark_running(7));
  for (int start = 0; start < 2; ++start) {
    const auto dir = open().value();
    EXPECT_TRUE(dir->has_everything());
    EXPECT_FALSE(dir->was_clean()) << "its logs are scanned";
    EXPECT_EQ(dir->last_epoch(), 7) << "start " << start;
  }
  for (const char* other : {"another-boot", ""}) {
    boot_ = other;
    const auto dir = open().value();
    EXPECT_FALSE(dir->has_everything()) << boot_;
    EXPECT_EQ(dir->last_epoch(), -1);
  }
}

TEST_F(LogDirTest, after_a_clean_stop_the_next_crash_is_known_by_the_epoch_of_its_own_process) {
  ASSERT_TRUE(open().value()->mark_running(7));
  ASSERT_TRUE(open().value()->mark_clean(7));
  ASSERT_TRUE(open().value()->was_clean());
  EXPECT_EQ(open().value()->last_epoch(), 7) << "nothing was written since";
  ASSERT_TRUE(open().value()->mark_running(9));
  EXPECT_EQ(open().value()->last_epoch(), 9);
}

TEST_F(LogDirTest, what_the_kernel_says_is_not_trusted_after_a_failure_or_without_an_epoch) {
  ASSERT_TRUE(open().value()->mark_running(7));
  open().value()->distrust();
  EXPECT_FALSE(open().value()->has_everything());
  open().value()->distrust();
  ASSERT_TRUE(open().value()->mark_running(-1));
  EXPECT_FALSE(open().value()->has_everything());
  for (const char* text : {"", "{}", "{\"version\":0,\"bootId\":\"a-boot\",\"brokerEpoch\":x}",
                           "{\"version\":1,\"bootId\":\"a-boot\",\"brokerEpoch\":7}",
                           "{\"version\":0,\"bootId\":\"a-boot\",\"brokerEpoch\":-7}"}) {
    ASSERT_TRUE(io::write_file_atomically(disk_, "/data/logs/.millrace_running", text));
    EXPECT_FALSE(open().value()->has_everything()) << text;
  }
}

TEST_F(LogDirTest, checkpoints_come_back_and_unusable_ones_count_as_absent) {
  auto dir = open().value();
  EXPECT_TRUE(dir->read_recovery_points().value().empty());
  const OffsetCheckpoint offsets{{{"a.b-c", PartitionIndex(0)}, Offset(7)}, {{"x", PartitionIndex(12)}, Offset(0)}};
  ASSERT_TRUE(dir->write_recovery_points(offsets) && dir->write_log_starts({}));
  EXPECT_EQ(dir->read_recovery_points().value(), offsets);
  EXPECT_TRUE(dir->read_log_starts().value().empty());
  EXPECT_EQ(io::read_small_file(disk_, "/data/logs/recovery-point-offset-checkpoint").value(),
            "0\n2\na.b-c 0 7\nx 12 0\n");
  for (const char* bad :
       {"", "1\n0\n", "0\n2\nx 1 1\n", "0\n1\nx 1\n", "0\n1\nx -1 5\n", "0\n1\nx 1 99999999999999999999\n"}) {
    EXPECT_FALSE(parse_offset_checkpoint(bad)) << bad;
    ASSERT_TRUE(io::write_file_atomically(disk_, "/data/logs/recovery-point-offset-checkpoint", bad));
    EXPECT_TRUE(dir->read_recovery_points().value().empty());
  }
}

TEST_F(LogDirTest, partition_directories_are_listed_by_topic_and_number) {
  auto dir = open().value();
  for (const char* name : {"b-c-10", "a-0", "nonsense", "a-0.x-delete", "-3", "a-x"}) {
    ASSERT_TRUE(disk_.create_directories(std::string("/data/logs/") + name));
  }
  const auto found = dir->list_partitions().value();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].topic, "a");
  EXPECT_EQ(found[1].topic, "b-c");
  EXPECT_EQ(found[1].partition, PartitionIndex(10));
  EXPECT_EQ(dir->list_deleted().value(), std::vector<std::string>{"/data/logs/a-0.x-delete"});
}

TEST(LeaderEpochs, answer_where_an_epoch_ends) {
  LeaderEpochs epochs;
  EXPECT_EQ(epochs.end_offset(LeaderEpoch(0), Offset(5)).end_offset, kNoOffset);
  EXPECT_TRUE(epochs.assign(LeaderEpoch(1), Offset(0)));
  EXPECT_TRUE(epochs.assign(LeaderEpoch(4), Offset(10)));
  EXPECT_FALSE(epochs.assign(LeaderEpoch(4), Offset(12)));
  EXPECT_TRUE(epochs.assign(LeaderEpoch(5), Offset(10)));  // epoch 4 wrote nothing
  EXPECT_EQ(epochs.entries().size(), 2u);
  EXPECT_EQ(epochs.end_offset(LeaderEpoch(3), Offset(20)).end_offset, Offset(10));
  EXPECT_EQ(epochs.end_offset(LeaderEpoch(3), Offset(20)).epoch, LeaderEpoch(1));
  EXPECT_EQ(epochs.end_offset(LeaderEpoch(5), Offset(20)).end_offset, Offset(20));
  EXPECT_EQ(epochs.end_offset(LeaderEpoch(6), Offset(20)).end_offset, kNoOffset);
  EXPECT_EQ(LeaderEpochs::parse(epochs.format()).value().entries(), epochs.entries());
  EXPECT_TRUE(epochs.truncate_start(Offset(7)));
  EXPECT_EQ(epochs.at(Offset(8)), LeaderEpoch(1));
  EXPECT_FALSE(epochs.truncate_start(Offset(7)));
  EXPECT_TRUE(epochs.truncate_start(Offset(15)));
  EXPECT_EQ(epochs.entries().size(), 1u);
  for (const char* bad :
       {"", "0", "0\n1\n", "0\n1\n5\n", "0\n2\n5 1\n4 2\n", "0\n2\n4 2\n5 1\n", "1\n1\n4 2\n", "0\n1\n-1 0\n"}) {
    EXPECT_FALSE(LeaderEpochs::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace millrace::storage
