#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/raft/node/store.h"

namespace millrace::raft::testing {

// How many seeds a test of random events runs; MILLRACE_RAFT_NODE_SEEDS in the environment names more, for a long run
// by hand.
inline uint64_t seeds_to_run(uint64_t usual) {
  const char* asked = std::getenv("MILLRACE_RAFT_NODE_SEEDS");
#if defined(MILLRACE_SANITIZED)
  usual = usual / 5 + 1;
#endif
  return asked == nullptr ? usual : std::strtoull(asked, nullptr, 10);
}

inline Member store_member(int node, uint64_t generation = 1) {
  return {NodeId{node}, Uuid::from_random(static_cast<uint64_t>(node), generation)};
}
inline Configuration configuration_of(std::vector<Member> voters) { return {"cluster", std::move(voters), {}}; }
inline Entry entry(int64_t term, std::string_view text, EntryKind kind = EntryKind::payload) {
  return {Term{term}, kind, Bytes::copy_of(text)};
}

// A store on a simulated disk.
class StoreTest : public ::testing::Test {
 protected:
  static constexpr const char* kDirectory = "/data/__cluster_metadata-0";

  StoreOptions options() {
    return {
        .fs = disk_.get(), .clock = &clock_, .directory = kDirectory, .self = self_, .segment_bytes = segment_bytes_};
  }
  void fresh_disk(uint64_t seed = 1) {
    store_.reset();
    disk_ = std::make_unique<io::sim::SimFileSystem>(seed);
    EXPECT_TRUE(disk_->create_directories("/data"));
    EXPECT_TRUE(disk_->flush_directory("/"));
  }
  Result<Unit> try_open() {
    store_.reset();
    TRY_ASSIGN(store_, Store::open(options()));
    restored_ = store_->take_restored();
    return ok();
  }
  Store& open() {
    const auto opened = try_open();
    EXPECT_TRUE(opened) << opened.error().to_string();
    return *store_;
  }
  Store& kill_and_open() {
    store_.reset();
    disk_->restart();
    return open();
  }
  Store& lose_power_and_open() {
    store_.reset();
    disk_->lose_power();
    return open();
  }
  void bootstrap() {
    const auto restored = store_->bootstrap(configuration_of({self_}));
    EXPECT_TRUE(restored);
    if (restored) restored_ = *restored;
  }
  void append(Index keeps, const std::vector<Entry>& entries) {
    const Status done = store_->append(keeps, entries);
    EXPECT_TRUE(done) << done.error().to_string();
  }
  void append(const std::vector<Entry>& entries) { append(store_->last(), entries); }
  void flush() { EXPECT_TRUE(store_->flush()); }
  // Entries from `first` to the end.
  std::vector<Entry> entries_from(Index first) {
    std::vector<Entry> all;
    for (Index at = first; at <= store_->last();) {
      const auto some = store_->read(at, store_->last(), 100);
      EXPECT_TRUE(some) << some.error().to_string();
      if (!some || some->empty()) break;
      all.insert(all.end(), some->begin(), some->end());
      at = at.next(static_cast<int64_t>(some->size()));
    }
    return all;
  }
  std::string path(std::string_view name) const { return io::join_path(kDirectory, name); }
  std::string image() {
    const auto snapshot = store_->snapshot();
    if (snapshot == nullptr) return "";
    return std::string(snapshot->read_image(0, static_cast<size_t>(snapshot->image_size()))->text());
  }
  Status take_snapshot(const SnapshotMeta& meta, std::string_view text) {
    TRY(store_->begin_snapshot());
    const size_t half = text.size() / 2;
    TRY(store_->write_snapshot(as_bytes(text.substr(0, half))));
    TRY(store_->write_snapshot(as_bytes(text.substr(half))));
    TRY_ASSIGN(const bool taken, store_->finish_snapshot(meta));
    EXPECT_TRUE(taken);
    return ok();
  }
  SnapshotMeta meta(Position last) { return {last, Index{1}, configuration_of({self_})}; }
  // The bytes of a snapshot file, as another node made it.
  static std::string file_of(const SnapshotMeta& meta, std::string_view text) {
    io::sim::SimFileSystem fs;
    EXPECT_TRUE(fs.create_directories("/x"));
    auto writer = SnapshotFileWriter::create(fs, "/x/s");
    EXPECT_TRUE(writer->begin());
    EXPECT_TRUE(writer->append(as_bytes(text)));
    EXPECT_TRUE(writer->finish(meta));
    return *io::read_small_file(fs, "/x/s");
  }
  Status receive_and_install(const SnapshotMeta& meta, std::string_view text, bool keep_log) {
    const std::string file = file_of(meta, text);
    const size_t half = file.size() / 2;
    TRY(store_->receive(0, as_bytes(std::string_view(file).substr(0, half))));
    TRY(store_->receive(half, as_bytes(std::string_view(file).substr(half))));
    TRY_ASSIGN(const bool installed, store_->install(meta, keep_log));
    EXPECT_TRUE(installed);
    return ok();
  }

  io::sim::SimClock clock_;
  Member self_ = store_member(1);
  int32_t segment_bytes_ = 16 << 20;
  std::unique_ptr<io::sim::SimFileSystem> disk_;
  std::unique_ptr<Store> store_;
  Restored restored_;

  void SetUp() override { fresh_disk(); }
};

}  // namespace millrace::raft::testing
