#include "broker/app/group_host.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_event_loop.h"
#include "broker/io/sim/sim_random.h"
#include "broker/machine/runner_core.h"
#include "broker/metadata/image_builder.h"
#include "broker/protocol/record_batch.h"
#include "broker/replication/replication_test_support.h"
#include "broker/storage/storage_metrics.h"

namespace millrace::app {
namespace {

using coordinator::GroupErrc;
using replication::testing::led_by;
using replication::testing::Machine;
using namespace std::chrono_literals;

constexpr BrokerId kSelf{1};
constexpr BrokerId kOther{2};
constexpr PartitionIndex kPartition{0};

// A broker's partition of group records, its host, and an image that the test changes. Flushes run when told.
struct GroupHostTest : testing::Test, replication::PartitionListener {
  Machine machine;
  io::sim::SimRandom random{11};
  io::sim::SimScheduler scheduler{machine.clock, 11};
  ConfigValues static_values;
  storage::StorageMetrics storage_metrics;
  coordinator::CoordinatorMetrics metrics;
  coordinator::GroupConfig config;
  metadata::ImageBuilder builder;
  int64_t next_record = 0;
  Uuid topic = random.uuid();
  int32_t epoch = 0;

  std::unique_ptr<io::sim::SimEventLoop> loop;
  std::unique_ptr<storage::LogDir> dir;
  std::unique_ptr<replication::PartitionManager> partitions;
  std::unique_ptr<GroupHost> host;

  void SetUp() override {
    record(metadata::TopicRecord{.id = topic, .name = std::string(metadata::kOffsetsTopic)});
    record(metadata::PartitionRecord{.topic = topic, .index = kPartition, .state = led_by(kSelf)});
    start();
  }
  void TearDown() override { kill(); }

  void start() {
    loop = scheduler.make_loop();
    auto opened_dir = storage::LogDir::open(machine.fs, random, {.path = "/data", .cluster_id = "c", .node = kSelf});
    ENSURE(opened_dir.has_value());
    dir = std::move(*opened_dir);
    auto opened =
        replication::PartitionManager::open({.fs = &machine.fs,
                                             .clock = &machine.clock,
                                             .background = loop.get(),
                                             .dir = dir.get(),
                                             .flusher = &machine.flusher,
                                             .files = &machine.files,
                                             .metrics = &storage_metrics,
                                             .config = {.keys = {}, .static_values = &static_values, .self = kSelf},
                                             .listener = this,
                                             .threads = 1},
                                            builder.image());
    ENSURE(opened.has_value());
    partitions = std::move(*opened);
    host = std::make_unique<GroupHost>(GroupHostOptions{.clock = &machine.clock,
                                                        .partitions = partitions.get(),
                                                        .loop = loop.get(),
                                                        .config = config,
                                                        .metrics = &metrics,
                                                        .new_uuid = [this] { return random.uuid(); },
                                                        .self = kSelf});
    host->apply(builder.current());
  }
  void kill() {
    if (host) host->stop();
    loop.reset();
    host.reset();
    partitions.reset();
    dir.reset();
  }
  void restart() {
    kill();
    machine.fs.restart();
    start();
  }
  void on_progress(const replication::Partition& partition) override {
    if (host) host->progress(partition);
  }

  void record(const metadata::MetadataRecord& change) { builder.apply(Offset{next_record++}, change); }
  void publish() {
    partitions->apply(builder.image());
    host->apply(builder.current());
  }
  void give_leadership_to(BrokerId broker) {
    metadata::PartitionImage state = led_by(broker, LeaderEpoch{++epoch});
    state.replicas = {kSelf, kOther};
    record(metadata::PartitionChangeRecord{.topic = topic, .index = kPartition, .state = state});
    publish();
  }
  void configure(const std::string& name, const std::string& value) {
    record(metadata::ConfigRecord{
        .resource_type = 2, .resource = std::string(metadata::kOffsetsTopic), .name = name, .value = value});
    publish();
  }
  std::shared_ptr<replication::Partition> partition() { return partitions->find(metadata::kOffsetsTopic, kPartition); }
  void load() { scheduler.run_for(0s); }
  void pass(Duration time) { scheduler.run_for(time); }
  void flush() { machine.flusher.run_due(); }

  // A batch of `offsets` offsets in which at most the first still has its record.
  void append_cleaned_batch(int32_t offsets, const std::optional<machine::Record>& kept) {
    auto log = storage::Log::open(machine.fs, {.directory = "/data/__consumer_offsets-0",
                                               .topic = std::string(metadata::kOffsetsTopic),
                                               .partition = kPartition,
                                               .topic_id = topic,
                                               .config = {},
                                               .clock = &machine.clock});
    ENSURE(log.has_value());
    protocol::RecordBatchBuilder builder_of_batch;
    builder_of_batch.add(0, as_bytes("k"), as_bytes("v"));
    if (kept) {
      (void)builder_of_batch.build();
      builder_of_batch.add(0, kept->key->view(), kept->value->view());
    }
    Bytes batch = builder_of_batch.build();
    if (!kept) batch = batch.slice(0, protocol::kBatchHeaderBytes);
    std::vector<std::byte> bytes(batch.data(), batch.data() + batch.size());
    store_big_endian(bytes.data() + protocol::kBaseOffsetAt, (*log)->log_end().value());
    store_big_endian<int32_t>(bytes.data() + protocol::kLengthAt,
                              static_cast<int32_t>(bytes.size() - protocol::kLengthExcludes));
    store_big_endian<int32_t>(bytes.data() + protocol::kLeaderEpochAt, 0);
    store_big_endian<int32_t>(bytes.data() + protocol::kLastOffsetDeltaAt, offsets - 1);
    store_big_endian<int32_t>(bytes.data() + protocol::kRecordCountAt, kept ? 1 : 0);
    store_big_endian(bytes.data() + protocol::kCrcAt, crc32c(BytesView(bytes).subspan(protocol::kAttributesAt)));
    ENSURE((*log)->append_as_follower(Bytes::adopt(std::move(bytes))).has_value());
  }

  using Answer = std::shared_ptr<std::optional<GroupErrc>>;
  Answer begin_commit(int64_t offset, const std::string& metadata = {}) {
    auto answer = std::make_shared<std::optional<GroupErrc>>();
    coordinator::CommitCommand command;
    command.group = "g";
    command.items.push_back({"t", PartitionIndex{0}, Offset{offset}, kNoLeaderEpoch, metadata});
    host->coordinator().commit_offsets(std::move(command), [answer](coordinator::CommitReply reply) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = reply.items.at(0);
    });
    return answer;
  }
  GroupErrc commit(int64_t offset) {
    const Answer answer = begin_commit(offset);
    EXPECT_TRUE(answer->has_value()) << "no answer";
    return answer->value_or(GroupErrc::unknown_server_error);
  }
  // The committed offset, or the error below zero: -14 is COORDINATOR_LOAD_IN_PROGRESS; -1: none committed.
  int64_t committed() {
    std::optional<int64_t> found;
    host->coordinator().fetch_offsets({"g", {{{"t", {PartitionIndex{0}}}}}}, [&](coordinator::FetchOffsetsReply reply) {
      found = reply.error == GroupErrc::none ? reply.topics.at(0).second.at(0).second.offset.value()
                                             : -int64_t{static_cast<int16_t>(reply.error)};
    });
    EXPECT_TRUE(found.has_value()) << "no answer";
    return found.value_or(-99);
  }
};

constexpr int64_t kLoading = -14;
constexpr int64_t kNotCoordinator = -16;

TEST_F(GroupHostTest, a_new_partition_serves_at_once) {
  EXPECT_EQ(committed(), -1);
  EXPECT_EQ(commit(5), GroupErrc::none);
  EXPECT_EQ(committed(), 5);
}

TEST_F(GroupHostTest, after_a_restart_everything_is_answered_as_loading_until_the_log_was_read) {
  ASSERT_EQ(commit(5), GroupErrc::none);
  restart();
  EXPECT_EQ(committed(), kLoading);
  EXPECT_EQ(commit(6), GroupErrc::coordinator_load_in_progress);
  host->coordinator().join({.group = "g", .protocol_type = "consumer"}, [](coordinator::JoinReply reply) {
    EXPECT_EQ(reply.error, GroupErrc::coordinator_load_in_progress);
  });
  host->coordinator().list({}, [](coordinator::ListReply reply) {
    EXPECT_EQ(reply.error, GroupErrc::coordinator_load_in_progress) << "a part must not look like the whole";
  });
  host->coordinator().describe("g", [](coordinator::GroupDescription reply) {
    EXPECT_EQ(reply.error, GroupErrc::coordinator_load_in_progress);
  });
  host->coordinator().heartbeat({.group = "g", .member_id = "m"}, [](GroupErrc error) {
    EXPECT_EQ(error, GroupErrc::none) << "nobody loses its place because we load";
  });
  load();
  EXPECT_EQ(committed(), 5);
}

TEST_F(GroupHostTest, leadership_that_goes_while_it_is_loaded_ends_the_load) {
  ASSERT_EQ(commit(5), GroupErrc::none);
  restart();
  give_leadership_to(kOther);
  EXPECT_EQ(committed(), kNotCoordinator);
  load();
  EXPECT_EQ(committed(), kNotCoordinator);
  EXPECT_EQ(metrics.partitions_loaded.value(), 0);
}

TEST_F(GroupHostTest, leadership_that_comes_back_while_it_is_loaded_loads_once_for_the_new_term) {
  ASSERT_EQ(commit(5), GroupErrc::none);
  restart();
  give_leadership_to(kOther);
  give_leadership_to(kSelf);
  EXPECT_EQ(committed(), kLoading);
  load();
  EXPECT_EQ(committed(), 5);
  EXPECT_EQ(commit(6), GroupErrc::none);
  EXPECT_EQ(metrics.partitions_loaded.value(), 1);
}

TEST_F(GroupHostTest, leadership_that_goes_and_comes_serves_what_was_committed) {
  ASSERT_EQ(commit(5), GroupErrc::none);
  give_leadership_to(kOther);
  EXPECT_EQ(commit(6), GroupErrc::not_coordinator);
  give_leadership_to(kSelf);
  load();
  EXPECT_EQ(committed(), 5);
}

TEST_F(GroupHostTest, a_topic_that_goes_away_has_no_coordinator) {
  ASSERT_EQ(commit(5), GroupErrc::none);
  record(metadata::RemoveTopicRecord{.id = topic});
  publish();
  EXPECT_EQ(commit(6), GroupErrc::coordinator_not_available);
}

TEST_F(GroupHostTest, a_commit_that_waits_for_its_flush_is_answered_after_it) {
  configure("flush.messages", "1");
  const Answer answer = begin_commit(5);
  EXPECT_FALSE(answer->has_value());
  flush();
  EXPECT_EQ(*answer, GroupErrc::none);
  EXPECT_EQ(committed(), 5);
}

TEST_F(GroupHostTest, leadership_that_goes_answers_commits_that_wait) {
  configure("flush.messages", "1");
  const Answer first = begin_commit(5);
  const Answer second = begin_commit(6);
  give_leadership_to(kOther);
  EXPECT_EQ(*first, GroupErrc::not_coordinator);
  EXPECT_EQ(*second, GroupErrc::not_coordinator);
}

TEST_F(GroupHostTest, stopping_answers_commits_that_wait_and_all_later_ones) {
  configure("flush.messages", "1");
  const Answer first = begin_commit(5);
  host->stop();
  EXPECT_EQ(*first, GroupErrc::not_coordinator);
  EXPECT_EQ(commit(6), GroupErrc::coordinator_not_available);
  flush();
  load();
  host->apply(builder.current());
  EXPECT_EQ(commit(6), GroupErrc::coordinator_not_available) << "an image after the end changes nothing";
}

TEST_F(GroupHostTest, stopping_while_it_is_loaded_ends_the_load) {
  ASSERT_EQ(commit(5), GroupErrc::none);
  restart();
  host->stop();
  load();
  EXPECT_EQ(metrics.partitions_loaded.value(), 0);
}

TEST_F(GroupHostTest, a_full_disk_fails_the_commit_changes_nothing_and_heals_when_space_returns) {
  ASSERT_EQ(commit(5), GroupErrc::none);
  machine.fs.set_capacity(0);
  EXPECT_EQ(commit(6), GroupErrc::not_coordinator) << "the client looks for its coordinator and tries again";
  EXPECT_EQ(committed(), kLoading);
  pass(1s);
  EXPECT_EQ(committed(), 5) << "reads are served while the disk is full";
  EXPECT_EQ(commit(7), GroupErrc::not_coordinator);
  machine.fs.set_capacity(io::sim::SimFileSystem::kNever);
  pass(1s);
  EXPECT_EQ(committed(), 5);
  EXPECT_EQ(commit(8), GroupErrc::none);
  EXPECT_EQ(committed(), 8);
  restart();
  load();
  EXPECT_EQ(committed(), 8);
}

TEST_F(GroupHostTest, no_more_than_a_bound_of_commits_waits) {
  configure("flush.messages", "1");
  const size_t bound = machine::RunnerLimits{}.commands_max;
  std::vector<Answer> answers;
  for (size_t i = 0; i < bound; ++i) answers.push_back(begin_commit(static_cast<int64_t>(i)));
  EXPECT_EQ(commit(1), GroupErrc::coordinator_not_available) << "the client backs off and tries again";
  flush();
  for (const Answer& answer : answers) ASSERT_EQ(*answer, GroupErrc::none);
  const Answer next = begin_commit(0);
  flush();
  EXPECT_EQ(*next, GroupErrc::none);
}

TEST_F(GroupHostTest, a_log_that_failed_stays_unavailable_and_is_not_tried_at_every_turn) {
  configure("flush.messages", "1");
  const Answer lost = begin_commit(5);
  machine.fs.fail_flushes(true);
  flush();
  machine.fs.fail_flushes(false);
  EXPECT_EQ(*lost, GroupErrc::not_coordinator);
  int turns = 0;
  const TimePoint until = machine.clock.now() + 10min;
  while (machine.clock.now() < until && scheduler.step(until - machine.clock.now())) ++turns;
  EXPECT_EQ(committed(), kLoading) << "nothing that may be lost is served";
  EXPECT_EQ(commit(6), GroupErrc::coordinator_load_in_progress);
  EXPECT_LT(turns, 200) << "a turn or two each ten seconds";
  restart();
  load();
  flush();  // of what the recovery found
  pass(1s);
  EXPECT_GE(committed(), -1) << "a restart verifies the log and serves it again";
}

TEST_F(GroupHostTest, offsets_up_to_the_topics_largest_batch_are_taken_and_more_is_refused_without_a_reload) {
  configure("max.message.bytes", "2000");
  EXPECT_EQ(*begin_commit(1, std::string(1'800, 'm')), GroupErrc::none);
  EXPECT_EQ(*begin_commit(2, std::string(1'950, 'm')), GroupErrc::invalid_commit_offset_size);
  EXPECT_EQ(committed(), 1) << "served as before";
  configure("max.message.bytes", "3000");
  EXPECT_EQ(*begin_commit(2, std::string(1'950, 'm')), GroupErrc::none);
}

TEST_F(GroupHostTest, a_commit_whose_flush_hangs_is_answered_in_time) {
  configure("flush.messages", "1");
  const Answer answer = begin_commit(5);
  pass(config.commit_timeout - 1ms);
  EXPECT_FALSE(answer->has_value());
  pass(1ms);
  EXPECT_EQ(*answer, GroupErrc::coordinator_not_available);
  flush();
  EXPECT_EQ(committed(), 5);
}

// A cleaner takes records out of a batch and keeps its range of offsets.
TEST_F(GroupHostTest, offsets_that_were_cleaned_out_of_the_log_do_not_stop_a_load) {
  ASSERT_EQ(commit(5), GroupErrc::none);
  kill();
  append_cleaned_batch(10,
                       coordinator::offset_record("g", "t", PartitionIndex{0}, {.offset = Offset{9}, .metadata = {}}));
  append_cleaned_batch(10, std::nullopt);
  start();
  load();
  EXPECT_EQ(committed(), 9);
  EXPECT_EQ(commit(10), GroupErrc::none);
  EXPECT_EQ(partition()->offsets()->log_end, Offset{22});
}

}  // namespace
}  // namespace millrace::app
