#pragma once

#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "broker/machine/log_writer.h"
#include "broker/metadata/image_builder.h"
#include "broker/metadata/image_store.h"

namespace millrace::metadata {

// A metadata log in memory, whose commits come inline or when told, and which fails when told. What is committed is
// published.
struct MemoryLog final : machine::LogWriter {
  ImageStore images;
  ImageBuilder committed_state;
  bool broken = false;
  bool inline_commit = true;
  std::vector<machine::Record> records;  // durable
  std::deque<std::function<void()>> pending;

  void append(std::vector<machine::Record> batch, Committed committed) override {
    auto settle = [this, batch = std::move(batch), committed = std::move(committed)] {
      if (broken) return committed(Error{Errc::disk_full, "metadata log"});
      for (const machine::Record& record : batch) {
        committed_state.apply(Offset{static_cast<int64_t>(records.size())}, record);
        records.push_back(record);
      }
      committed_state.set_controller(BrokerId{0});
      images.publish(committed_state.image());
      committed(Offset{static_cast<int64_t>(records.size()) - 1});
    };
    if (inline_commit) return settle();
    pending.push_back(std::move(settle));
  }
  void commit_all() {
    while (!pending.empty()) {
      auto settle = std::move(pending.front());
      pending.pop_front();
      settle();
    }
  }
  ImageBuilder replay() const {
    ImageBuilder builder;
    for (size_t i = 0; i < records.size(); ++i) builder.apply(Offset{static_cast<int64_t>(i)}, records[i]);
    return builder;
  }
};

}  // namespace millrace::metadata
