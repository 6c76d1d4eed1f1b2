#include <algorithm>
#include <cstring>
#include <limits>

#include "broker/base/crc32c.h"
#include "broker/storage/batch_filter.h"
#include "broker/storage/log_state.h"

namespace millrace::storage {

namespace {
constexpr size_t kSnapshotsKept = 2;
}  // namespace

void Log::State::assign_epoch(LeaderEpoch epoch, Offset start) {
  if (epochs.assign(epoch, start)) ++epochs_changes;
}

Status Log::State::roll_if_due(size_t bytes, Offset last_offset, Timestamp max_timestamp) {
  Segment& segment = active();
  const int64_t relative = last_offset.value() - segment.base().value();
  const bool offsets_run_out = relative > std::numeric_limits<int32_t>::max();
  if (segment.is_empty() && !offsets_run_out) return ok();
  const LogConfig& config = options.config;
  const bool full = segment.size() + bytes > static_cast<uint64_t>(config.segment_bytes_max);
  // By the time of records where they have one, so that a copy of old records is cut as the original was.
  const Timestamp age = segment.first_timestamp() >= 0 && max_timestamp >= 0
                            ? max_timestamp - segment.first_timestamp()
                            : options.clock->wall_ms() - segment.created_ms();
  TRY_ASSIGN(const bool index_full, segment.indexes_full());
  if (!full && !offsets_run_out && !index_full && age <= config.roll_ms()) return ok();
  return roll();
}

// Seals the active segment and begins the next. When it fails the log is as before.
Status Log::State::roll() {
  const Offset base = end();
  TRY(active().seal());
  TRY(write_snapshot(base));
  auto next = std::make_unique<Segment>(place, base);
  TRY(next->create_file());
  next->set_created_ms(options.clock->wall_ms());
  ++names;
  metrics.rolled_segments.add();
  TRY(active().release_memory());
  segments.push_back(std::move(next));
  return ok();
}

Status Log::begin_segment() {
  if (state_->offline) return state_->offline_error();
  return state_->active().is_empty() ? ok() : state_->roll();
}

Status Log::State::write_snapshot(Offset at) {
  const std::string path = segment_path(place, at, kSnapshotSuffix);
  TRY_ASSIGN(const auto file, fs.open(path, io::OpenMode::create));
  TRY(file->truncate(0));
  const std::string content = producers.format();
  const std::array<BytesView, 1> pieces{as_bytes(content)};
  TRY(file->write_at(0, pieces));
  ++names;
  if (snapshots.empty() || snapshots.back() < at) snapshots.push_back(at);
  // Older ones only serve a truncation that goes far back, which scans instead.
  while (snapshots.size() > kSnapshotsKept) {
    static_cast<void>(static_cast<bool>(fs.remove(segment_path(place, snapshots.front(), kSnapshotSuffix))));
    snapshots.erase(snapshots.begin());
  }
  return ok();
}

Status Log::State::write_run(BytesView batches) {
  if (auto failure = active().append(batches)) {
    metrics.append_failures.add();
    if (!failure->repaired) go_offline("a failed write could not be undone", failure->error);
    return std::move(failure->error);
  }
  if (active().is_empty()) ++names;  // the first batch brings the file of a log's first segment
  return ok();
}

void Log::State::added(const protocol::BatchHeader& header, Timestamp now_ms) {
  if (hints == nullptr) hints = std::make_unique<PositionHints>();
  hints->add_append({header.base_offset, active().base(), active().size()});
  if (end() == flushing) unflushed_since = options.clock->now();
  active().add_batch(header, options.config.index_interval_bytes);
  assign_epoch(header.leader_epoch, header.base_offset);
  producers.update(header, now_ms);
  metrics.appended_batches.add();
  metrics.appended_records.add(static_cast<uint64_t>(header.record_count));
  metrics.appended_bytes.add(header.total_bytes());
}

Result<AppendInfo> Log::append_as_leader(Bytes batch, LeaderEpoch epoch) {
  if (state_->offline) return state_->offline_error();
  auto checked = check_client_batch(std::move(batch), state_->options.config, state_->options.clock->wall_ms());
  if (!checked) {
    state_->metrics.refused_batches.add();
    return std::move(checked).error();
  }
  return append_as_leader(*std::move(checked), epoch);
}

Result<AppendInfo> Log::append_as_leader(CheckedBatch batch, LeaderEpoch epoch) {
  State& state = *state_;
  if (state.offline) {
    state.metrics.append_failures.add();
    return state.offline_error();
  }
  ENSURE(epoch >= state.epochs.latest());
  const TimePoint started = state.options.clock->now();
  std::byte* bytes = batch.bytes.mutable_data();
  protocol::BatchHeader header = protocol::BatchHeader::decode(bytes);

  auto earlier = state.producers.check(header);
  if (!earlier) {
    state.metrics.refused_batches.add();
    return std::move(earlier).error();
  }
  const bool by_log_time = state.options.config.timestamp_type == TimestampType::log_append_time;
  if (const auto& duplicate = *earlier) {
    state.metrics.duplicate_batches.add();
    return AppendInfo{.first_offset = duplicate->first_offset(),
                      .last_offset = duplicate->last_offset,
                      .log_append_time_ms = by_log_time ? duplicate->timestamp : kNoTimestamp,
                      .duplicate = true,
                      .flush_before_ack = state.options.config.flush_messages == 1};
  }

  header.base_offset = state.end();
  header.leader_epoch = epoch;
  TRY(state.roll_if_due(batch.bytes.size(), header.last_offset(), header.max_timestamp));
  store_big_endian(bytes + protocol::kBaseOffsetAt, header.base_offset.value());
  store_big_endian(bytes + protocol::kLeaderEpochAt, epoch.value());
  TRY(state.write_run(batch.bytes.view()));
  state.added(header, state.options.clock->wall_ms());
  state.producers.limit(state.options.producers_max);
  state.metrics.append_duration.record(state.options.clock->now() - started);
  return AppendInfo{
      .first_offset = header.base_offset,
      .last_offset = header.last_offset(),
      .log_append_time_ms = batch.log_append_time_ms,
      .flush_before_ack = state.end().value() - state.flushing.value() >= state.options.config.flush_messages};
}

// A leader that compacted meanwhile may answer a fetch with a batch without records that begins earlier: the part of it
// that is here already is cut off, in a copy, for the leader's bytes may be shared.
void Log::State::trim_bridge(Bytes& batches) {
  if (batches.size() < protocol::kBatchHeaderBytes) return;
  const protocol::BatchHeader header = protocol::BatchHeader::decode(batches.data());
  const bool overlaps = header.is_plausible() && header.record_count == 0 && header.producer_id == kNoProducerId &&
                        header.total_bytes() == protocol::kBatchHeaderBytes && header.base_offset < end() &&
                        header.last_offset() >= end();
  if (!overlaps ||
      crc32c(batches.view().first(protocol::kBatchHeaderBytes).subspan(protocol::kAttributesAt)) != header.crc) {
    return;
  }
  const Bytes trimmed = make_empty_batch(end(), header.last_offset(), header.leader_epoch);
  batches = Bytes::copy_of(batches.view());
  std::memcpy(batches.mutable_data(), trimmed.data(), trimmed.size());
}

Result<AppendInfo> Log::append_as_follower(Bytes batches, LeaderEpoch epoch_max) {
  State& state = *state_;
  if (state.offline) return state.offline_error();
  state.trim_bridge(batches);
  // Everything is checked before anything is written.
  std::vector<protocol::BatchHeader> headers;
  Offset expected = state.end();
  LeaderEpoch epoch = state.epochs.latest();
  for (size_t at = 0; at < batches.size();) {
    const BytesView rest = batches.view().subspan(at);
    if (rest.size() < protocol::kBatchHeaderBytes)
      return Error{Errc::corrupt, "replicated bytes end inside a batch header"};
    const protocol::BatchHeader header = protocol::BatchHeader::decode(rest.data());
    if (!header.is_plausible() || header.total_bytes() > rest.size()) {
      return Error{Errc::corrupt, "replicated bytes are no record batches"};
    }
    if (header.crc != crc32c(rest.subspan(protocol::kAttributesAt, header.total_bytes() - protocol::kAttributesAt))) {
      return Error{Errc::corrupt,
                   "checksum of a replicated batch at offset " + std::to_string(header.base_offset.value())};
    }
    if (header.leader_epoch > epoch_max) {
      return Error{Errc::corrupt, "leader epoch of a replicated batch at offset " +
                                      std::to_string(header.base_offset.value()) + ": " +
                                      std::to_string(header.leader_epoch.value())};
    }
    if (header.base_offset != expected || header.leader_epoch < epoch) {
      return Error{Errc::invalid_argument,
                   "a replicated batch at offset " + std::to_string(header.base_offset.value()) + " of epoch " +
                       std::to_string(header.leader_epoch.value()) + " does not continue the log, which ends at " +
                       std::to_string(expected.value()) + " in epoch " + std::to_string(epoch.value())};
    }
    expected = header.next_offset();
    epoch = header.leader_epoch;
    headers.push_back(header);
    at += header.total_bytes();
  }
  if (headers.empty()) return Error{Errc::invalid_argument, "no replicated batch"};

  const Timestamp now = state.options.clock->wall_ms();
  size_t run_at = 0;  // bytes written so far
  for (size_t next = 0; next < headers.size();) {
    TRY(state.roll_if_due(headers[next].total_bytes(), headers[next].last_offset(), headers[next].max_timestamp));
    const size_t first = next;
    size_t run_bytes = 0;
    do {
      run_bytes += headers[next++].total_bytes();
    } while (next < headers.size() &&
             state.active().size() + run_bytes + headers[next].total_bytes() <=
                 static_cast<uint64_t>(state.options.config.segment_bytes_max) &&
             headers[next].last_offset().value() - state.active().base().value() <=
                 std::numeric_limits<int32_t>::max());
    TRY(state.write_run(batches.view().subspan(run_at, run_bytes)));
    for (size_t i = first; i < next; ++i) state.added(headers[i], now);
    run_at += run_bytes;
  }
  state.producers.limit(state.options.producers_max);
  return AppendInfo{
      .first_offset = headers.front().base_offset,
      .last_offset = headers.back().last_offset(),
      .flush_before_ack = state.end().value() - state.flushing.value() >= state.options.config.flush_messages};
}

}  // namespace millrace::storage
