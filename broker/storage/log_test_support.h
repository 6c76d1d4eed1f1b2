#pragma once

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/io/sim/sim_file_system.h"
#include "broker/storage/batch_test_support.h"
#include "broker/storage/log.h"
#include "broker/storage/storage_metrics.h"

namespace millrace::storage {

// The part of a long seeded test that is run: one in so many, where a sanitizer makes everything many times as slow.
#if defined(MILLRACE_SANITIZED)
inline constexpr uint64_t kOneIn = 5;
#else
inline constexpr uint64_t kOneIn = 1;
#endif

// How many seeds a test of random operations runs; MILLRACE_SEEDS in the environment names more, for a long run by
// hand.
inline uint64_t seeds_to_run(uint64_t usual) {
  const char* asked = std::getenv("MILLRACE_SEEDS");
  return asked == nullptr ? usual / kOneIn : std::strtoull(asked, nullptr, 10);
}

// The small language of the log's tests: a log on a simulated disk, what happens to it, and what it holds.

inline Bytes bytes_of(const ReadInfo& info) {
  if (const auto* bytes = std::get_if<Bytes>(&info.data)) return *bytes;
  const SourceRange& range = std::get<SourceRange>(info.data);
  Bytes bytes = Bytes::uninitialized(range.size);
  EXPECT_EQ(range.source->read_at(range.position, std::span(bytes.mutable_data(), range.size)).value_or(0), range.size);
  return bytes;
}

class LogTest : public testing::Test {
 protected:
  explicit LogTest(uint64_t seed = 1) : disk_(seed) {}

  static constexpr const char* kDirectory = "/data/t-0";
  static inline const LeaderEpoch kEpoch{3};

  // An empty disk that loses what `seed` says.
  void fresh_disk(uint64_t seed) {
    log_.reset();
    std::destroy_at(&disk_);
    std::construct_at(&disk_, seed);
    recovery_point_ = log_start_ = cleaned_to_ = Offset(0);
  }
  Log& open(bool clean = false) {
    log_.reset();
    EXPECT_TRUE(disk_.create_directories("/data"));
    auto opened = Log::open(disk_, options(clean));
    EXPECT_TRUE(opened) << opened.error().to_string();
    log_ = *std::move(opened);
    return *log_;
  }
  LogOptions options(bool clean = false) {
    return {.directory = kDirectory,
            .topic = "t",
            .partition = PartitionIndex(0),
            .topic_id = topic_id_,
            .config = config_,
            .clock = &clock_,
            .clean_shutdown = clean,
            .recovery_point = recovery_point_,
            .log_start = log_start_,
            .cleaned_to = cleaned_to_,
            .metrics = &metrics_};
  }
  // The process is killed; what it wrote stays in the page cache.
  Log& crash() {
    log_.reset();
    disk_.restart();
    return open();
  }
  Log& lose_power() {
    log_.reset();
    disk_.lose_power();
    return open();
  }
  Log& close_and_reopen() {
    EXPECT_TRUE(flush());
    EXPECT_TRUE(log().close_cleanly());
    return open(true);
  }
  Log& log() {
    if (log_ == nullptr) open();
    return *log_;
  }

  Result<AppendInfo> try_append(const BatchSpec& spec) { return log().append_as_leader(make_batch(spec), kEpoch); }
  AppendInfo append(const BatchSpec& spec) {
    auto info = try_append(spec);
    EXPECT_TRUE(info) << info.error().to_string();
    return info ? *info : AppendInfo{};
  }
  AppendInfo append(std::vector<std::string> values) { return append(BatchSpec{.values = std::move(values)}); }
  // Flushes, and writes the checkpoint that a broker would.
  Status flush() {
    FlushPlan plan = log().begin_flush();
    const Status outcome = run_flush(disk_, plan);
    log().end_flush(plan, outcome);
    if (outcome) recovery_point_ = log().flushed_offset();
    return outcome;
  }

  Result<ReadInfo> read(int64_t from, size_t bytes_max = 1 << 20, bool at_least_one = true) {
    return log().read(Offset(from), {.below = log().log_end(), .bytes_max = bytes_max, .at_least_one = at_least_one});
  }
  // Everything from `from` on; stops at an error, which goes to `failure`.
  Values values_from(int64_t from, std::optional<Error>* failure = nullptr) {
    Values values;
    Offset at(from);
    while (at < log().log_end()) {
      auto info = read(at.value());
      if (!info) {
        EXPECT_TRUE(failure != nullptr) << info.error().to_string();
        if (failure != nullptr) *failure = info.error();
        break;
      }
      const Bytes bytes = bytes_of(*info);
      EXPECT_FALSE(bytes.empty()) << "nothing at offset " << at.value();
      if (bytes.empty()) break;
      add_values(bytes.view(), values);
      at = Offset(values.rbegin()->first).next();
    }
    std::erase_if(values, [&](const auto& entry) { return entry.first < from; });
    return values;
  }
  Values all() { return values_from(log().log_start().value()); }

  std::string path(std::string_view name) const { return io::join_path(kDirectory, name); }
  bool exists(std::string_view name) { return disk_.exists(path(name)).value(); }

  io::sim::SimFileSystem disk_;
  io::sim::SimClock clock_;
  LogConfig config_;
  Uuid topic_id_ = Uuid::from_random(1, 2);
  Offset recovery_point_{0};
  Offset log_start_{0};
  Offset cleaned_to_{0};
  StorageMetrics metrics_;
  std::unique_ptr<Log> log_;
};

}  // namespace millrace::storage
