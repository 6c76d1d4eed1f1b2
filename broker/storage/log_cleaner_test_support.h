#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/protocol/record_batch.h"
#include "broker/storage/log_cleaner.h"
#include "broker/storage/log_test_support.h"

namespace millrace::storage {

// The small language of compaction's tests: records with keys, passes of the cleaner, and what is left.
struct KeyValue {
  std::string key;
  std::optional<std::string> value;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};
inline void PrintTo(const KeyValue& record, std::ostream* out) {
  *out << record.key << "=" << record.value.value_or("-");
}

struct KeyedSpec {
  protocol::Codec codec = protocol::Codec::none;
  int64_t producer = -1;
  int32_t sequence = -1;
  LeaderEpoch epoch{3};
  std::vector<Timestamp> times = {};  // instead of the clock's
};

class CleanerTest : public LogTest {
 protected:
  explicit CleanerTest(uint64_t seed = 1) : LogTest(seed) {
    config_.compact = true;
    config_.delete_old = false;
    config_.segment_bytes_max = 400;
    config_.index_interval_bytes = 100;
    config_.delete_retention_ms = 1000;
  }

  Bytes keyed_batch(const std::vector<KeyValue>& records, const KeyedSpec& spec = {}) {
    protocol::RecordBatchBuilder builder(spec.codec);
    if (spec.producer >= 0) builder.producer(ProducerId(spec.producer), ProducerEpoch(0), Sequence(spec.sequence));
    for (size_t i = 0; i < records.size(); ++i) {
      const Timestamp time = i < spec.times.size() ? spec.times[i] : clock_.wall_ms();
      builder.add(time, as_bytes(records[i].key),
                  records[i].value ? std::optional(as_bytes(*records[i].value)) : std::nullopt);
    }
    return builder.build();
  }
  AppendInfo put(const std::vector<KeyValue>& records, const KeyedSpec& spec = {}) {
    auto info = log().append_as_leader(keyed_batch(records, spec), spec.epoch);
    EXPECT_TRUE(info) << info.error().to_string();
    if (!info || info->duplicate) return info ? *info : AppendInfo{};
    for (size_t i = 0; i < records.size(); ++i) {
      appended_[info->first_offset.value() + static_cast<int64_t>(i)] = records[i];
    }
    return *info;
  }
  // Seals the active segment: nothing that was put so far is kept from compaction.
  void roll() {
    const LogConfig before = config_;
    LogConfig config = before;
    config.segment_bytes_max = 1;
    log().set_config(config);
    const auto batch = keyed_batch({{"end-of-segment", "x"}});
    config.segment_bytes_max = static_cast<int32_t>(batch.size());
    log().set_config(config);
    put({{"end-of-segment", "x"}}, {.epoch = std::max(kEpoch, log().latest_epoch())});
    log().set_config(before);
    EXPECT_TRUE(flush());
  }

  // One pass, whatever the dirty ratio. Steps of one batch, so that every order of steps is met.
  Status try_clean(size_t map_bytes = 1 << 20) {
    TRY_ASSIGN(auto plan, log().plan_cleaning(log().log_end()));
    if (!plan) return ok();
    LogCleaner cleaner(disk_, *std::move(plan), {.map_bytes_max = map_bytes, .hash_key = {1, 2}});
    while (true) {
      TRY_ASSIGN(const LogCleaner::Step step, cleaner.step(1));
      if (step == LogCleaner::Step::done) break;
      if (step == LogCleaner::Step::swap) TRY(swap(cleaner));
    }
    log().end_cleaning(cleaner.plan(), cleaner.cleaned_to());
    work_ = cleaner.work();
    cleaned_to_ = log().cleaned_to();
    return ok();
  }
  Status swap(const LogCleaner& cleaner) {
    TRY(log().commit_cleaned(cleaner.plan(), cleaner.cleaned()));
    if (Status flushed = disk_.flush_directory(kDirectory); !flushed) {
      log().fail_cleaned(flushed.error());
      return flushed;
    }
    TRY_ASSIGN(const auto work, log().install_cleaned(cleaner.plan(), cleaner.cleaned()));
    deleted_.insert(deleted_.end(), work.delete_paths.begin(), work.delete_paths.end());
    return disk_.flush_directory(kDirectory);
  }
  void clean(size_t map_bytes = 1 << 20) {
    const Status cleaned = try_clean(map_bytes);
    EXPECT_TRUE(cleaned) << cleaned.error().to_string();
  }
  // Goes through the log as a consumer does and hands each batch to `seen`.
  void for_each_batch(const std::function<void(const protocol::BatchHeader&, const Bytes&)>& seen) {
    for (Offset at = log().log_start(); at < log().log_end();) {
      auto info = read(at.value());
      ASSERT_TRUE(info) << info.error().to_string();
      const Bytes bytes = bytes_of(*info);
      ASSERT_FALSE(bytes.empty()) << "nothing at offset " << at.value();
      for (size_t i = 0; i < bytes.size();) {
        const auto header = protocol::check_batch(bytes.view().subspan(i));
        ASSERT_TRUE(header) << header.error().to_string();
        seen(*header, bytes.slice(i, header->total_bytes()));
        ASSERT_GT(header->next_offset(), at);
        at = header->next_offset();
        i += header->total_bytes();
      }
    }
  }
  using Records = std::map<int64_t, KeyValue>;
  Records records() {
    Records found;
    for_each_batch([&](const protocol::BatchHeader& header, const Bytes& batch) {
      const auto decoded = protocol::read_batch(batch);
      ASSERT_TRUE(decoded) << decoded.error().to_string() << " at " << header.base_offset.value();
      for (const protocol::Record& record : *decoded) {
        ASSERT_TRUE(record.key.has_value());
        found[record.offset.value()] = {std::string(record.key->text()),
                                        record.value ? std::optional(std::string(record.value->text())) : std::nullopt};
      }
    });
    return found;
  }
  // The records of one key that are left.
  Records records_of(const std::string& key) {
    Records found = records();
    std::erase_if(found, [&](const auto& entry) { return entry.second.key != key; });
    return found;
  }
  // What must hold after any number of passes, crashes and losses of power: records are as they were appended, the
  // newest of each key is there (or, a tombstone, it is gone and so is all before it), and from `untouched` on all are.
  void expect_faithful(const std::string& when, int64_t untouched) {
    const Records left = records();
    std::map<std::string, int64_t> newest;
    for (const auto& [offset, record] : appended_) newest[record.key] = offset;
    for (const auto& [offset, record] : left) {
      ASSERT_TRUE(appended_.contains(offset)) << when << ": offset " << offset << " was never appended";
      ASSERT_EQ(record, appended_[offset]) << when << ": offset " << offset;
    }
    for (const auto& [key, offset] : newest) {
      if (left.contains(offset)) continue;
      ASSERT_FALSE(appended_[offset].value) << when << ": " << key << " has lost its value at " << offset;
      for (const auto& [other, record] : left) ASSERT_NE(record.key, key) << when << ": deleted, and back at " << other;
    }
    for (auto at = appended_.lower_bound(untouched); at != appended_.end(); ++at) {
      ASSERT_TRUE(left.contains(at->first)) << when << ": offset " << at->first << " was not to be touched";
    }
  }
  std::vector<std::string> files_ending(std::string_view suffix) {
    std::vector<std::string> found;
    for (const std::string& file : disk_.files()) {
      if (file.starts_with(kDirectory) && file.ends_with(suffix)) found.push_back(file);
    }
    return found;
  }

  Records appended_;
  std::vector<std::string> deleted_;
  LogCleaner::Work work_;
};

}  // namespace millrace::storage
