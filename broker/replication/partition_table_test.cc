#include "broker/replication/partition_table.h"

#include <thread>

#include <gtest/gtest.h>

#include "broker/replication/replication_test_support.h"

namespace millrace::replication {
namespace {

class PartitionTableTest : public ::testing::Test {
 protected:
  std::shared_ptr<Partition> make(const std::string& topic, const Uuid& id, int32_t index,
                                  std::unique_ptr<storage::Log> log = nullptr) {
    return std::make_shared<Partition>(PartitionOptions{.id = {topic, PartitionIndex{index}},
                                                        .topic_id = id,
                                                        .self = BrokerId{1},
                                                        .config = {},
                                                        .flusher = &machine_.flusher,
                                                        .clock = &machine_.clock},
                                       std::move(log));
  }
  testing::Machine machine_;
  PartitionTable table_;
  const Uuid first_ = Uuid::from_random(1, 1);
  const Uuid second_ = Uuid::from_random(2, 2);
};

TEST_F(PartitionTableTest, partitions_are_found_by_name_and_by_id) {
  const auto partition = make("t", first_, 3);
  table_.insert(partition);
  EXPECT_EQ(table_.find("t", PartitionIndex{3}), partition);
  EXPECT_EQ(table_.find(first_, PartitionIndex{3}), partition);
  EXPECT_EQ(table_.find("t", PartitionIndex{2}), nullptr);
  EXPECT_EQ(table_.find("t", PartitionIndex{4}), nullptr);
  EXPECT_EQ(table_.find("t", PartitionIndex{-1}), nullptr);
}

TEST_F(PartitionTableTest, a_newer_topic_takes_over_the_name_and_the_older_one_leaves_quietly) {
  const auto old_one = make("t", first_, 0);
  const auto new_one = make("t", second_, 0);
  table_.insert(old_one);
  table_.insert(new_one);
  EXPECT_EQ(table_.find("t", PartitionIndex{0}), new_one);
  EXPECT_EQ(table_.find(first_, PartitionIndex{0}), old_one);
  table_.erase(*old_one);
  EXPECT_EQ(table_.find("t", PartitionIndex{0}), new_one);
  EXPECT_EQ(table_.find(first_, PartitionIndex{0}), nullptr);
  table_.erase(*new_one);
  EXPECT_EQ(table_.find("t", PartitionIndex{0}), nullptr);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(PartitionTableTest, all_are_listed_in_order) {
  table_.insert(make("b", first_, 1));
  table_.insert(make("b", first_, 0));
  table_.insert(make("a", second_, 0));
  std::vector<TopicPartition> ids;
  for (const auto& partition : table_.all()) ids.push_back(partition->id());
  EXPECT_EQ(
      ids, (std::vector<TopicPartition>{{"a", PartitionIndex{0}}, {"b", PartitionIndex{0}}, {"b", PartitionIndex{1}}}));
}

// Clients may learn of a topic before its logs are open here.
TEST_F(PartitionTableTest, a_partition_takes_nothing_that_was_sent_behind_what_was_refused_before_it_came) {
  const auto batch = [](int32_t sequence) {
    return testing::make_batch({.values = {"v"},
                                .producer = ProducerId{7},
                                .producer_epoch = ProducerEpoch{0},
                                .first_sequence = Sequence{sequence}});
  };
  const auto refuse = [&](int32_t sequence, const std::string& topic, const Uuid& id) {
    return table_.note_refused({.topic = topic,
                                .topic_id = id,
                                .partition = PartitionIndex{0},
                                .header = protocol::BatchHeader::decode(batch(sequence).data()),
                                .reason = Errc::unknown_topic_or_partition},
                               machine_.clock.now());
  };
  for (const bool by_name : {true, false}) {
    const std::string name = by_name ? "named" : "numbered";
    const Uuid id = by_name ? first_ : second_;
    const Uuid asked = by_name ? Uuid() : id;
    ASSERT_EQ(refuse(0, name, asked), nullptr);
    ASSERT_EQ(refuse(1, name, asked), nullptr);
    auto log = storage::Log::open(machine_.fs, {.directory = "/data/" + name,
                                                .topic = name,
                                                .partition = PartitionIndex{0},
                                                .topic_id = id,
                                                .config = {},
                                                .clock = &machine_.clock,
                                                .files = &machine_.files});
    ASSERT_TRUE(log);
    const auto partition = make(name, id, 0, std::move(*log));
    partition->set_state(testing::led_by(BrokerId{1}));
    table_.insert(partition);
    EXPECT_EQ(refuse(1, name, asked), partition);  // it is here now: it judges itself
    const Result<Appended> second = partition->append(batch(1), Acks::leader);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::unknown_topic_or_partition);
    EXPECT_TRUE(partition->append(batch(0), Acks::leader));
    EXPECT_TRUE(partition->append(batch(1), Acks::leader));
  }
}

TEST_F(PartitionTableTest, readers_and_a_writer_may_meet) {
  const auto stays = make("stays", first_, 0);
  table_.insert(stays);
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        if (table_.find("stays", PartitionIndex{0}) != stays) wrong.fetch_add(1);
        static_cast<void>(table_.find("comes", PartitionIndex{0}));
      }
    });
  }
  for (int i = 0; i < 1000; ++i) {
    const auto comes = make("comes", second_, i % 5);
    table_.insert(comes);
    table_.erase(*comes);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace millrace::replication
