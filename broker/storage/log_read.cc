#include <algorithm>

#include "broker/base/logger.h"
#include "broker/storage/log_state.h"

namespace millrace::storage {

namespace {

const Logger kLog("storage");

// Up to this size the bytes are read: one copy is cheaper than a descriptor to send from, and lets a connection send
// the answers of many partitions in one call.
constexpr size_t kCopyBytesMax = size_t{16} * 1024;

}  // namespace

Result<Log::State::Start> Log::State::locate(Offset offset) {
  if (hints != nullptr) {
    if (const PositionHints::Hint* hint = hints->find(offset)) {
      Segment& segment = *segments[segment_of(offset)];
      if (segment.base() == hint->segment_base && hint->position < segment.size()) {
        return Start{&segment, hint->position, offset};
      }
    }
  }
  Segment& segment = *segments[segment_of(offset)];
  if (offset >= segment.end()) {
    return Error{Errc::corrupt,
                 name() + " has lost the records behind offset " + std::to_string(segment.end().value())};
  }
  TRY_ASSIGN(const Segment::Location location, segment.locate(offset));
  return Start{&segment, location.position, location.base_offset};
}

Result<ReadInfo> Log::read(Offset from, const ReadLimits& limits) {
  State& state = *state_;
  if (from < state.log_start || from > state.end()) {
    return Error{Errc::offset_out_of_range, state.name() + " holds offsets " + std::to_string(state.log_start.value()) +
                                                " to " + std::to_string(state.end().value()) + ", not " +
                                                std::to_string(from.value())};
  }
  const Offset below = std::min(limits.below, state.end());
  if (from >= below || (limits.bytes_max == 0 && !limits.at_least_one)) return ReadInfo{Bytes()};

  TRY_ASSIGN(const State::Start start, state.locate(from));
  Segment& segment = *start.segment;
  // Where the limit of offsets lies: a batch that holds `below` is not readable yet.
  uint64_t end = segment.size();
  if (below < segment.end()) {
    TRY_ASSIGN(const State::Start limit, state.locate(below));
    end = limit.position;
  }
  if (end <= start.position) return ReadInfo{Bytes()};
  const bool next_segment_too = below > segment.end();
  uint64_t stop = end;
  if (end - start.position > limits.bytes_max) {
    TRY_ASSIGN(stop, segment.boundary_before(start.position, start.base_offset, start.position + limits.bytes_max));
    if (stop <= start.position) {
      if (!limits.at_least_one) return ReadInfo{.data = Bytes(), .more = true};
      TRY_ASSIGN(const Segment::Location first, segment.locate(from));
      stop = first.position + first.bytes;
    }
    stop = std::min(stop, end);
  }
  TRY_ASSIGN(const Segment::Verified verified, segment.verify(start.position, stop, start.base_offset));
  if (verified.end < stop) {
    state.metrics.corrupt_batches.add();
    kLog.error("a stored batch is damaged and is not served",
               {{"file", segment.path()}, {"byte", verified.end}, {"reason", verified.reason}});
    if (verified.end <= start.position) {
      return Error{Errc::corrupt, segment.path() + " at byte " + std::to_string(verified.end) + ": " + verified.reason};
    }
    stop = verified.end;
  }

  const size_t size = static_cast<size_t>(stop - start.position);
  const bool more = stop < end || next_segment_too;
  TRY_ASSIGN(const std::shared_ptr<io::File> file, segment.file());
  state.metrics.read_bytes.add(size);
  if (size > std::min(kCopyBytesMax, limits.copied_bytes_max))
    return ReadInfo{.data = SourceRange{file, start.position, size}, .more = more};
  Bytes bytes = Bytes::uninitialized(size);
  TRY_ASSIGN(const size_t got, file->read_at(start.position, std::span(bytes.mutable_data(), size)));
  if (got != size) return Error{Errc::io, segment.path() + " is shorter than it was"};
  return ReadInfo{.data = std::move(bytes), .more = more};
}

}  // namespace millrace::storage
