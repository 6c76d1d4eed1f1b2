#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_event_loop.h"
#include "broker/metadata/image_builder.h"
#include "broker/replication/partition_manager.h"
#include "broker/replication/replication_config.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::replication::testing {

inline constexpr BrokerId kSelf{1};
inline constexpr BrokerId kOther{2};
using Values = std::vector<std::string>;

// A broker's logs and an image that the test changes.
class PartitionManagerTest : public ::testing::Test {
 protected:
  void SetUp() override { start(); }
  void TearDown() override { stop_uncleanly(); }

  void start() {
    loop_ = scheduler_.make_loop();
    Result<std::unique_ptr<storage::LogDir>> dir = storage::LogDir::open(
        machine_.fs, random_, {.path = "/data", .cluster_id = "c", .node = kSelf, .boot_id = "b"});
    ASSERT_TRUE(dir) << dir.error().to_string();
    dir_ = std::move(*dir);
    Result<std::unique_ptr<PartitionManager>> opened =
        PartitionManager::open({.fs = &machine_.fs,
                                .clock = &machine_.clock,
                                .background = loop_.get(),
                                .random = &random_,
                                .dir = dir_.get(),
                                .flusher = &machine_.flusher,
                                .files = &machine_.files,
                                .metrics = &metrics_,
                                .config = {.keys = {}, .static_values = &static_values_, .self = kSelf},
                                .threads = 1},
                               builder_.image());
    ASSERT_TRUE(opened) << opened.error().to_string();
    manager_ = std::move(*opened);
    manager_->start();
  }
  void stop_uncleanly() {
    loop_.reset();
    manager_.reset();
    dir_.reset();
  }
  void stop_cleanly() {
    loop_->stop();
    const Status closed = manager_->close();
    EXPECT_TRUE(closed) << closed.error().to_string();
    stop_uncleanly();
  }

  Uuid create(const std::string& topic, int32_t partitions, BrokerId leader = kSelf) {
    const Uuid id = random_.uuid();
    record(metadata::TopicRecord{.id = id, .name = topic});
    for (int32_t i = 0; i < partitions; ++i) {
      record(metadata::PartitionRecord{.topic = id, .index = PartitionIndex{i}, .state = led_by(leader)});
    }
    publish();
    return id;
  }
  void remove(const Uuid& id) {
    record(metadata::RemoveTopicRecord{.id = id});
    publish();
  }
  void configure(const std::string& topic, const std::string& name, const std::string& value) {
    record(metadata::ConfigRecord{.resource_type = 2, .resource = topic, .name = name, .value = value});
    publish();
  }
  void record(const metadata::MetadataRecord& change) { builder_.apply(Offset{next_++}, change); }
  void publish() { manager_->apply(builder_.image()); }

  std::shared_ptr<Partition> find(const std::string& topic, int32_t index = 0) {
    return manager_->find(topic, PartitionIndex{index});
  }
  void append(const std::string& topic, Values values) {
    const Result<Appended> appended = find(topic)->append(make_batch(std::move(values)), Acks::leader);
    ASSERT_TRUE(appended) << appended.error().to_string();
  }
  Values read(const std::string& topic, int64_t from = 0) {
    const Result<FetchResult> result =
        find(topic)->fetch(Offset{from}, 1 << 20, true, Isolation::read_uncommitted, kNoLeaderEpoch);
    EXPECT_TRUE(result) << result.error().to_string();
    return result ? values_of(bytes_of(result->read)) : Values{};
  }
  std::set<std::string> directories() {
    std::set<std::string> names;
    const auto entries = machine_.fs.list("/data");
    EXPECT_TRUE(entries);
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.is_directory) names.insert(entry.name);
    }
    return names;
  }

  Machine machine_;
  io::sim::SimRandom random_{11};
  io::sim::SimScheduler scheduler_{machine_.clock, 11};
  std::unique_ptr<io::sim::SimEventLoop> loop_;
  ConfigValues static_values_;
  storage::StorageMetrics metrics_;
  metadata::ImageBuilder builder_;
  int64_t next_ = 0;
  std::unique_ptr<storage::LogDir> dir_;
  std::unique_ptr<PartitionManager> manager_;
};

}  // namespace millrace::replication::testing
