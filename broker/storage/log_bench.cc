// log_bench [DIRECTORY]: what appends, reads and checks of a log cost on this machine, to be compared over time.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "broker/io/posix/posix_file_system.h"
#include "broker/io/posix/real_clock.h"
#include "broker/protocol/record_batch.h"
#include "broker/storage/batch_records.h"
#include "broker/storage/file_cache.h"
#include "broker/storage/log.h"
#include "broker/storage/log_cleaner.h"
#include "broker/storage/storage_metrics.h"

namespace {

using namespace millrace;

constexpr size_t kBytesPerRun = 512u << 20;
constexpr size_t kAppendsPerRunMax = 400'000;

Bytes make_batch(size_t batch_bytes, size_t record_bytes, protocol::Codec codec, Timestamp now) {
  protocol::RecordBatchBuilder builder(codec);
  std::string value;
  while (builder.size_bytes() < batch_bytes) {
    value.assign(record_bytes, 'x');
    for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>('a' + (i * 7 + builder.size_bytes()) % 26);
    builder.add(now, std::nullopt, as_bytes(value));
  }
  return builder.build();
}

class Stopwatch {
 public:
  explicit Stopwatch(const Clock& clock) : clock_(clock), wall_(clock.now()), cpu_(std::clock()) {}
  double seconds() const { return std::chrono::duration<double>(clock_.now() - wall_).count(); }
  double cpu_seconds() const { return static_cast<double>(std::clock() - cpu_) / CLOCKS_PER_SEC; }

 private:
  const Clock& clock_;
  const TimePoint wall_;
  const std::clock_t cpu_;
};

void print(const char* what, size_t size, size_t count, double bytes, const Stopwatch& watch) {
  const double seconds = watch.seconds();
  std::printf("%-28s %9zu B %10.0f ns each %9.1f MB/s %7.2f CPU s/GB\n", what, size,
              seconds * 1e9 / static_cast<double>(count), bytes / seconds / 1e6, watch.cpu_seconds() / (bytes / 1e9));
}

Status bench_appends(io::FileSystem& fs, const std::string& directory, Clock& clock, size_t batch_bytes) {
  TRY(fs.remove_all(directory));
  TRY_ASSIGN(const auto log, storage::Log::open(fs, {.directory = directory,
                                                     .topic = "bench",
                                                     .partition = PartitionIndex(0),
                                                     .topic_id = {},
                                                     .config = {.batch_bytes_max = 8 << 20},
                                                     .clock = &clock}));
  const Bytes batch =
      make_batch(batch_bytes, std::min<size_t>(batch_bytes - 90, 1000), protocol::Codec::none, clock.wall_ms());
  const size_t count = std::min(kAppendsPerRunMax, kBytesPerRun / batch.size());
  std::vector<Bytes> copies(64);  // a log writes the offset into the bytes it is given
  double bytes = 0;
  {
    const Stopwatch watch(clock);
    for (size_t i = 0; i < count; ++i) {
      Bytes& copy = copies[i % copies.size()];
      if (copy.empty()) copy = Bytes::copy_of(batch.view());
      protocol::set_base_offset(copy.mutable_data(), Offset(0));
      TRY(log->append_as_leader(copy, LeaderEpoch(0)));
      bytes += static_cast<double>(copy.size());
    }
    print("append", batch.size(), count, bytes, watch);
  }
  const Stopwatch watch(clock);
  size_t reads = 0;
  for (Offset at(0); at < log->log_end();) {
    TRY_ASSIGN(const auto info, log->read(at, {.below = log->log_end(), .bytes_max = 1 << 20, .at_least_one = true}));
    const size_t batches = info.size_bytes() / batch.size();
    at = at.next(static_cast<int64_t>(batches) * protocol::BatchHeader::decode(batch.data()).record_count);
    ++reads;
  }
  print("read as ranges of 1 MiB", 1 << 20, reads, bytes, watch);
  return ok();
}

Status bench_checks(Clock& clock) {
  using protocol::Codec;
  for (const size_t record : {size_t{100}, size_t{1000}}) {
    const Bytes batch = make_batch(1 << 20, record, Codec::none, clock.wall_ms());
    constexpr size_t kCount = 200;
    const Stopwatch watch(clock);
    int64_t sum = 0;
    for (size_t i = 0; i < kCount; ++i) {
      protocol::RecordCursor cursor(batch.view().subspan(protocol::kBatchHeaderBytes));
      while (!cursor.at_end()) {
        TRY_ASSIGN(const auto view, cursor.next());
        sum += view.offset_delta;
      }
    }
    print(sum != 0 ? "RecordCursor, for comparison" : "", record, kCount, static_cast<double>(batch.size()) * kCount,
          watch);
    const Stopwatch own(clock);
    for (size_t i = 0; i < kCount; ++i) {
      TRY(storage::walk_batch(protocol::BatchHeader::decode(batch.data()), batch));
    }
    print("walk_batch", record, kCount, static_cast<double>(batch.size()) * kCount, own);
  }
  for (const Codec codec : {Codec::none, Codec::lz4, Codec::snappy, Codec::zstd, Codec::gzip}) {
    for (const size_t record : {size_t{100}, size_t{1000}}) {
      const Bytes batch = make_batch(1 << 20, record, codec, clock.wall_ms());
      const Bytes plain = make_batch(1 << 20, record, Codec::none, clock.wall_ms());
      constexpr size_t kCount = 50;
      const Stopwatch watch(clock);
      for (size_t i = 0; i < kCount; ++i) {
        TRY(storage::check_client_batch(batch, {.batch_bytes_max = 8 << 20}, clock.wall_ms()));
      }
      const std::string what = "check " + std::string(protocol::name(codec)) + ", plain bytes";
      print(what.c_str(), record, kCount, static_cast<double>(plain.size()) * kCount, watch);
    }
  }
  return ok();
}

// Bytes of this process in memory.
Result<double> resident_bytes(io::FileSystem& fs) {
  TRY_ASSIGN(const auto file, fs.open("/proc/self/statm", io::OpenMode::read));
  std::string text(128, ' ');
  TRY(file->read_at(0, std::as_writable_bytes(std::span(text.data(), text.size()))));
  constexpr double kPageBytes = 4096;
  return std::strtod(text.c_str() + text.find(' '), nullptr) * kPageBytes;
}

// One pass of compaction over a log whose keys come about ten times each.
Status bench_cleaning(io::FileSystem& fs, const std::string& directory, Clock& clock, size_t record_bytes,
                      protocol::Codec codec) {
  constexpr size_t kLogBytes = 256u << 20;
  constexpr size_t kRecordsPerBatch = 50;
  TRY(fs.remove_all(directory));
  TRY_ASSIGN(const auto log, storage::Log::open(fs, {.directory = directory,
                                                     .topic = "bench",
                                                     .partition = PartitionIndex(0),
                                                     .topic_id = {},
                                                     .config = {.segment_bytes_max = 4 << 20, .compact = true},
                                                     .clock = &clock}));
  const size_t records = kLogBytes / (record_bytes + 20);
  uint64_t random = 88172645463325252;
  for (size_t i = 0; i < records; i += kRecordsPerBatch) {
    protocol::RecordBatchBuilder builder(codec);
    for (size_t j = 0; j < kRecordsPerBatch; ++j) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      const std::string key = "key-" + std::to_string(random % (records / 10));
      std::string value(record_bytes, 'x');
      for (size_t k = 0; k < value.size(); ++k) value[k] = static_cast<char>('a' + (random >> (k % 50)) % 26);
      builder.add(clock.wall_ms(), as_bytes(key), as_bytes(value));
    }
    TRY(log->append_as_leader(builder.build(), LeaderEpoch(0)));
  }
  storage::FlushPlan flush = log->begin_flush();
  log->end_flush(flush, storage::run_flush(fs, flush));
  const uint64_t before = log->size_bytes();
  TRY_ASSIGN(auto plan, log->plan_cleaning(log->log_end()));
  if (!plan) return Error{Errc::invalid_argument, "nothing of the log is sealed"};
  TRY_ASSIGN(const double resident, resident_bytes(fs));
  const Stopwatch watch(clock);
  double resident_most = resident;
  storage::LogCleaner cleaner(fs, *std::move(plan), {.hash_key = {1, 2}});
  for (auto step = storage::LogCleaner::Step::more; step != storage::LogCleaner::Step::done;) {
    TRY_ASSIGN(step, cleaner.step(size_t{512} * 1024));
    TRY_ASSIGN(const double now, resident_bytes(fs));
    resident_most = std::max(resident_most, now);
    if (step != storage::LogCleaner::Step::swap) continue;
    TRY(log->commit_cleaned(cleaner.plan(), cleaner.cleaned()));
    TRY(fs.flush_directory(directory));
    TRY(log->install_cleaned(cleaner.plan(), cleaner.cleaned()));
  }
  const std::string what = "compaction, " + std::string(protocol::name(codec));
  print(what.c_str(), record_bytes, records, static_cast<double>(cleaner.work().bytes_read), watch);
  std::printf("  %.1f MB became %.1f MB; %zu keys in %.1f MB of map; %.1f MB more in memory at most\n",
              static_cast<double>(before) / 1e6, static_cast<double>(log->size_bytes()) / 1e6,
              cleaner.work().map_entries, static_cast<double>(cleaner.work().map_bytes) / 1e6,
              (resident_most - resident) / 1e6);
  return fs.remove_all(directory);
}

// What partitions cost that nobody uses, after a clean stop and start.
Status bench_idle(io::FileSystem& fs, const std::string& directory, Clock& clock) {
  constexpr size_t kLogs = 10'000;
  storage::FileCache files(fs, 1000);
  storage::StorageMetrics metrics;
  const auto open = [&](size_t i, bool clean) {
    const std::string topic = "topic-" + std::to_string(i);
    return storage::Log::open(fs, {.directory = io::join_path(directory, topic + "-0"),
                                   .topic = topic,
                                   .partition = PartitionIndex(0),
                                   .topic_id = Uuid::from_random(i, 1),
                                   .config = {},
                                   .clock = &clock,
                                   .clean_shutdown = clean,
                                   .files = &files,
                                   .metrics = &metrics});
  };
  const Bytes batch = make_batch(1000, 100, protocol::Codec::none, clock.wall_ms());
  for (size_t i = 0; i < kLogs; ++i) {
    TRY_ASSIGN(const auto log, open(i, false));
    TRY(log->append_as_leader(Bytes::copy_of(batch.view()), LeaderEpoch(0)));
    TRY(log->close_cleanly());
  }
  std::vector<std::unique_ptr<storage::Log>> logs;
  logs.reserve(kLogs);
  TRY_ASSIGN(const double before, resident_bytes(fs));
  const Stopwatch watch(clock);
  for (size_t i = 0; i < kLogs; ++i) {
    TRY_ASSIGN(auto log, open(i, true));
    logs.push_back(std::move(log));
  }
  const double seconds = watch.seconds();
  TRY_ASSIGN(const double after, resident_bytes(fs));
  std::printf("%zu idle logs: opened in %.2f s (%.0f us each), %.0f B of memory each, %zu files open\n", kLogs, seconds,
              seconds * 1e6 / kLogs, (after - before) / kLogs, files.open_files());
  logs.clear();
  return fs.remove_all(directory);
}

Status run(const std::string& directory) {
  io::posix::PosixFileSystem fs;
  io::posix::RealClock clock;
  for (const size_t size : {size_t{100}, size_t{1} << 10, size_t{16} << 10, size_t{1} << 20}) {
    TRY(bench_appends(fs, directory, clock, size));
  }
  for (const size_t size : {size_t{100}, size_t{1000}}) {
    for (const auto codec : {protocol::Codec::none, protocol::Codec::lz4, protocol::Codec::zstd}) {
      TRY(bench_cleaning(fs, directory, clock, size, codec));
    }
  }
  TRY(bench_checks(clock));
  TRY(fs.remove_all(directory));
  TRY(bench_idle(fs, directory, clock));
  return fs.remove_all(directory);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string directory = io::join_path(argc > 1 ? argv[1] : ".", "log-bench-0");
  const Status outcome = run(directory);
  if (outcome) return 0;
  std::fprintf(stderr, "%s\n", outcome.error().to_string().c_str());
  return 1;
}
