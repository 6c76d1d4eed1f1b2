#include "broker/app/partition_log_writer.h"

#include <string>

#include <gtest/gtest.h>

#include "broker/protocol/record_batch.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::app {
namespace {

using replication::Partition;
using replication::testing::bytes_of;
using replication::testing::led_by;
using replication::testing::Machine;

constexpr BrokerId kSelf{1};

// A writer over a partition whose flushes run when the test says so.
struct PartitionLogWriterTest : testing::Test, replication::PartitionListener {
  Machine machine;
  replication::PartitionConfig config;
  std::shared_ptr<Partition> partition;
  std::shared_ptr<PartitionLogWriter> writer;
  std::string told;  // in order: name=offset or name=error, one word each

  void SetUp() override { open(INT64_MAX); }
  ~PartitionLogWriterTest() override { machine.flusher.stop(); }  // it may hold a partition that tells the writer
  void open(int64_t flush_messages) {
    writer.reset();
    partition.reset();
    config.log.flush_messages = flush_messages;
    auto log = storage::Log::open(machine.fs, {.directory = "/data/g-0",
                                               .topic = "g",
                                               .partition = PartitionIndex{0},
                                               .topic_id = {},
                                               .config = config.log,
                                               .clock = &machine.clock,
                                               .files = &machine.files});
    ENSURE(log.has_value());
    partition = std::make_shared<Partition>(replication::PartitionOptions{.id = {"g", PartitionIndex{0}},
                                                                          .topic_id = {},
                                                                          .self = kSelf,
                                                                          .config = config,
                                                                          .listener = this,
                                                                          .flusher = &machine.flusher,
                                                                          .clock = &machine.clock},
                                            std::move(*log));
    partition->set_state(led_by(kSelf));
    writer = std::make_shared<PartitionLogWriter>(partition, machine.clock);
    told.clear();
  }
  void on_progress(const Partition&) override {
    if (writer) writer->progress();
  }
  machine::LogWriter::Committed tell(const std::string& name) {
    return [this, name](Result<Offset> last) {
      const std::string outcome =
          last ? std::to_string(last->value()) : std::to_string(static_cast<int>(last.error().code));
      told += (told.empty() ? "" : " ") + name + (last ? "=" : "!") + outcome;
    };
  }
  static std::string failed(const std::string& name, Errc code) {
    return name + "!" + std::to_string(static_cast<int>(code));
  }
  static std::vector<machine::Record> records(const std::string& value, int count = 1) {
    std::vector<machine::Record> made;
    for (int i = 0; i < count; ++i) made.push_back({.key = Bytes::copy_of("k"), .value = Bytes::copy_of(value)});
    return made;
  }
  void append(const std::string& name, int count = 1) { writer->append(records(name, count), tell(name)); }
  void flush() { machine.flusher.run_due(); }
  std::string stored() {
    std::string values;
    const auto read =
        partition->fetch(Offset{0}, 1 << 20, true, replication::Isolation::read_uncommitted, kNoLeaderEpoch);
    ENSURE(read.has_value());
    const auto found = protocol::read_batches(bytes_of(read->read));
    ENSURE(found.has_value());
    for (const protocol::Record& record : *found) values += record.value->text();
    return values;
  }
};

TEST_F(PartitionLogWriterTest, appends_are_committed_at_once_where_no_flush_is_asked_for) {
  append("a", 2);
  append("b");
  EXPECT_EQ(told, "a=1 b=2");
  EXPECT_EQ(stored(), "aab");
}

TEST_F(PartitionLogWriterTest, appends_are_committed_in_their_order_once_flushed) {
  open(1);
  append("a");
  append("b");
  EXPECT_EQ(told, "");
  flush();
  EXPECT_EQ(told, "a=0 b=1");
}

TEST_F(PartitionLogWriterTest, a_full_disk_fails_the_append_and_all_later_ones_though_space_returns) {
  append("a");
  machine.fs.set_capacity(0);
  append("b");
  machine.fs.set_capacity(io::sim::SimFileSystem::kNever);
  append("c");
  EXPECT_EQ(told, "a=0 " + failed("b", Errc::disk_full) + " " + failed("c", Errc::disk_full)) << "c may rest on b";
  EXPECT_EQ(stored(), "a");
  writer = std::make_shared<PartitionLogWriter>(partition, machine.clock);
  append("d");
  EXPECT_EQ(stored(), "ad") << "a new writer, after a replay, goes on";
}

TEST_F(PartitionLogWriterTest, what_waits_when_an_append_fails_is_answered_before_it) {
  open(1);
  append("a");
  machine.fs.set_capacity(0);
  append("b");
  EXPECT_EQ(told, failed("a", Errc::disk_full) + " " + failed("b", Errc::disk_full));
}

TEST_F(PartitionLogWriterTest, a_failed_flush_fails_what_waits_for_it) {
  open(1);
  append("a");
  append("b");
  machine.fs.fail_flushes(true);
  flush();
  EXPECT_EQ(told, failed("a", Errc::storage_offline) + " " + failed("b", Errc::storage_offline));
  append("c");
  EXPECT_TRUE(told.ends_with(failed("c", Errc::storage_offline)));
}

TEST_F(PartitionLogWriterTest, leadership_that_moves_fails_what_waits) {
  open(1);
  append("a");
  partition->set_state(led_by(BrokerId{2}, LeaderEpoch{1}));
  EXPECT_EQ(told, failed("a", Errc::not_leader));
  partition->set_state(led_by(kSelf, LeaderEpoch{2}));
  append("b");
  EXPECT_TRUE(told.ends_with(failed("b", Errc::not_leader))) << "a replay has to come first";
}

TEST_F(PartitionLogWriterTest, closing_answers_what_waits_and_refuses_what_comes) {
  open(1);
  append("a");
  writer->close(Error{Errc::shutting_down, {}});
  EXPECT_EQ(told, failed("a", Errc::shutting_down));
  append("b");
  EXPECT_EQ(told, failed("a", Errc::shutting_down) + " " + failed("b", Errc::shutting_down));
  flush();
  EXPECT_EQ(stored(), "a") << "nothing was written after the close";
  writer->close(Error{Errc::not_leader, {}});
  append("c");
  EXPECT_TRUE(told.ends_with(failed("c", Errc::shutting_down))) << "the first reason counts";
}

TEST_F(PartitionLogWriterTest, the_end_of_a_writer_answers_what_waits) {
  open(1);
  append("a");
  writer.reset();
  EXPECT_EQ(told, failed("a", Errc::shutting_down));
}

TEST_F(PartitionLogWriterTest, a_commit_may_append_again) {
  int left = 1'000;  // deeper than a stack would allow if each were told inside the append before
  std::function<void(Result<Offset>)> again = [&](Result<Offset> last) {
    ASSERT_TRUE(last.has_value());
    if (--left > 0) writer->append(records("x"), again);
  };
  writer->append(records("x"), again);
  EXPECT_EQ(left, 0);
  EXPECT_EQ(partition->offsets()->log_end, Offset{1'000});
}

TEST_F(PartitionLogWriterTest, tombstones_are_null_values) {
  writer->append({{.key = Bytes::copy_of("k"), .value = std::nullopt}}, tell("a"));
  const auto read =
      partition->fetch(Offset{0}, 1 << 20, true, replication::Isolation::read_uncommitted, kNoLeaderEpoch);
  const auto found = protocol::read_batches(bytes_of(read->read));
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().key->text(), "k");
  EXPECT_FALSE(found->front().value.has_value());
}

}  // namespace
}  // namespace millrace::app
