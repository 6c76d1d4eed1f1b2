#include "broker/raft/node/store.h"

#include <algorithm>

#include "broker/raft/node/entry_codec.h"
#include "broker/raft/node/store_files.h"

namespace millrace::raft {
namespace {

// Bytes of batches in memory, wherever the log has them.
Result<Bytes> bytes_of(const storage::ReadInfo& read) {
  if (const Bytes* bytes = std::get_if<Bytes>(&read.data)) return *bytes;
  const SourceRange& range = std::get<SourceRange>(read.data);
  Bytes bytes = Bytes::uninitialized(range.size);
  TRY_ASSIGN(const size_t got, range.source->read_at(range.position, {bytes.mutable_data(), bytes.size()}));
  if (got != range.size) return Error{Errc::io, "the metadata log ended while it was read"};
  return bytes;
}

}  // namespace

Store::~Store() = default;

Restored Store::take_restored() {
  ENSURE(restored_.has_value());
  return *std::exchange(restored_, std::nullopt);
}

Index Store::last() const { return Index{log_->log_end().value()}; }

Status Store::save_state(Offset flushed) {
  QuorumState state = state_;
  state.flushed = flushed;
  TRY(save_quorum_state(*options_.fs, path(kStateFile), state));
  state_ = state;
  exists_ = true;
  return ok();
}

Result<Restored> Store::bootstrap(const Configuration& configuration) {
  ENSURE(!exists_ && last() == Index{0});
  const Entry first = bootstrap_entry(configuration);
  TRY(append(Index{0}, {first}));
  TRY(flush());
  state_.hard = {Term{1}, std::nullopt};
  TRY(save_state(log_->flushed_offset()));  // from here on the store exists
  Restored restored;
  restored.hard = state_.hard;
  restored.begin();
  TRY(restored.replay(first));
  return restored;
}

Status Store::save(const HardState& hard) {
  TRY(flush());
  state_.hard = hard;
  return save_state(log_->flushed_offset());
}

// What the quorum state says of the log must be true before it is cut.
Status Store::before_cut(Offset to) {
  TRY(flush());
  return state_.flushed > to ? save_state(to) : ok();
}

Status Store::append(Index keeps, const std::vector<Entry>& entries) {
  ENSURE(keeps <= last());
  if (keeps < last()) {
    const Offset end{keeps.value()};
    TRY(before_cut(end));
    TRY(log_->truncate_to(end));
    ENSURE(last() == keeps);
  }
  if (entries.empty()) return ok();
  std::vector<std::byte> batches;
  size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.payload.size() + 128;
  batches.reserve(bytes);
  const Timestamp now = options_.clock->wall_ms();
  std::optional<Offset> flushed = log_->flushed_offset();
  for (Index at = keeps.next(); const Entry& entry : entries) {
    TRY(encode_entry(batches, entry, at, now, flushed));
    at = at.next();
    flushed.reset();  // once is enough for entries that are written together
  }
  TRY(log_->append_as_follower(Bytes::adopt(std::move(batches))));
  return ok();
}

Status Store::flush() {
  if (log_->flushed_offset() == log_->log_end()) return ok();
  storage::FlushPlan plan = log_->begin_flush();
  Status flushed = storage::run_flush(*options_.fs, plan);
  log_->end_flush(plan, flushed);
  return flushed;
}

Result<std::vector<Entry>> Store::read(Index first, Index last, size_t bytes_max) {
  std::vector<Entry> entries;
  if (offset_of(first) < log_->log_start() || first > this->last()) return entries;
  TRY_ASSIGN(
      const storage::ReadInfo read,
      log_->read(offset_of(first), {.below = offset_of(last.next()), .bytes_max = bytes_max, .at_least_one = true}));
  TRY_ASSIGN(const Bytes batches, bytes_of(read));
  for (size_t at = 0; at < batches.size();) {
    size_t size = 0;
    TRY_ASSIGN(StoredEntry stored, decode_entry(batches.slice(at, batches.size() - at), size));
    if (stored.index != first.next(static_cast<int64_t>(entries.size()))) {
      return Error{Errc::corrupt,
                   options_.directory + ": entry " + std::to_string(stored.index.value()) + " is out of place"};
    }
    entries.push_back(std::move(stored.entry));
    at += size;
  }
  return entries;
}

Status Store::compact(Position base) {
  TRY(flush());
  if (base.index <= Index{0}) return ok();
  TRY_ASSIGN(const storage::Log::RetentionWork work, log_->advance_log_start(offset_of(base.index)));
  for (const std::string& path : work.delete_paths) TRY(options_.fs->remove(path));
  return ok();
}

Status Store::close() {
  if (log_ == nullptr || !exists_) return ok();
  TRY(flush());
  return save_state(log_->flushed_offset());
}

}  // namespace millrace::raft
