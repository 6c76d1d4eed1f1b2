#include "broker/app/partition_log_writer.h"

#include <algorithm>
#include <utility>

#include "broker/protocol/record_batch.h"

namespace millrace::app {

PartitionLogWriter::PartitionLogWriter(std::shared_ptr<replication::Partition> partition, const Clock& clock)
    : partition_(std::move(partition)), clock_(clock) {}

PartitionLogWriter::~PartitionLogWriter() { close(Error{Errc::shutting_down, {}}); }

void PartitionLogWriter::append(std::vector<machine::Record> records, Committed committed) {
  protocol::RecordBatchBuilder builder;
  const Timestamp now = clock_.wall_ms();
  const auto view = [](const std::optional<Bytes>& bytes) {
    return bytes ? std::optional(bytes->view()) : std::nullopt;
  };
  for (const machine::Record& record : records) builder.add(now, view(record.key), view(record.value));
  Bytes batch = builder.build();
  {
    MutexLock order(order_);
    Waiting waiting{.appended = {}, .committed = std::move(committed)};
    bool is_open = false;
    {
      MutexLock lock(mutex_);
      is_open = !failed_;
    }
    if (is_open) {
      // Without mutex_: the partition tells its progress before it returns.
      Result<replication::Appended> appended = partition_->append(std::move(batch), replication::Acks::all);
      MutexLock lock(mutex_);
      if (appended) {
        waiting.appended = *appended;
      } else if (!failed_) {
        failed_ = std::move(appended).error();
      }
    }
    MutexLock lock(mutex_);
    waiting_.push_back(std::move(waiting));
  }
  settle();
}

size_t PartitionLogWriter::batch_bytes_max() const {
  const auto limit = static_cast<size_t>(partition_->batch_bytes_max());
  return limit - std::min(limit, protocol::kBatchHeaderBytes);
}

void PartitionLogWriter::progress() {
  {
    MutexLock lock(mutex_);
    if (waiting_.empty()) return;
  }
  settle();
}

void PartitionLogWriter::close(const Error& error) {
  {
    MutexLock lock(mutex_);
    if (!failed_) failed_ = error;
  }
  settle();
}

std::optional<Result<Offset>> PartitionLogWriter::outcome(const Waiting& waiting) {
  if (!waiting.appended) return Result<Offset>(Error(*failed_));
  Result<bool> acknowledged =
      waiting.appended->acknowledged ? Result<bool>(true) : partition_->is_acknowledged(*waiting.appended);
  if (acknowledged && *acknowledged) return Result<Offset>(waiting.appended->info.last_offset);
  if (!acknowledged && !failed_) failed_ = std::move(acknowledged).error();
  if (failed_) return Result<Offset>(Error(*failed_));
  return std::nullopt;
}

void PartitionLogWriter::settle() {
  {
    MutexLock lock(mutex_);
    again_ = true;
    if (is_settling_) return;  // whoever settles looks again
    is_settling_ = true;
  }
  for (;;) {
    std::optional<Result<Offset>> result;
    Committed committed;
    {
      MutexLock lock(mutex_);
      again_ = false;
      if (!waiting_.empty()) result = outcome(waiting_.front());
      if (result) {
        committed = std::move(waiting_.front().committed);
        waiting_.pop_front();
      } else {
        is_settling_ = false;
        return;
      }
    }
    committed(std::move(*result));
  }
}

}  // namespace millrace::app
