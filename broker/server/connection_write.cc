#include "broker/base/ensure.h"
#include "broker/server/connection.h"

namespace millrace::server {

void Connection::complete(uint64_t sequence, Outcome outcome, OutputChain frame, std::chrono::milliseconds mute_for) {
  if (!is_open()) return;
  if (reactor_.loop().is_current()) return finish(sequence, outcome, std::move(frame), mute_for);
  reactor_.loop().post([self = shared_from_this(), sequence, outcome, mute_for, frame = std::move(frame)]() mutable {
    self->finish(sequence, outcome, std::move(frame), mute_for);
  });
}

void Connection::refuse(uint64_t sequence, CloseReason reason, std::string_view detail) {
  (void)sequence;
  if (!is_open()) return;
  if (reactor_.loop().is_current()) return close(reason, detail);
  reactor_.loop().post([self = shared_from_this(), reason, text = std::string(detail)] { self->close(reason, text); });
}

void Connection::finish(uint64_t sequence, Outcome outcome, OutputChain frame, std::chrono::milliseconds mute_for) {
  if (!is_open()) return;
  ENSURE(sequence >= first_sequence_ && sequence - first_sequence_ < slots_.size() - first_slot_);
  Slot& slot = slots_[first_slot_ + (sequence - first_sequence_)];
  ENSURE(!slot.done);
  slot.done = true;
  slot.mute_for = mute_for;
  if (outcome != Outcome::no_response) {
    done_bytes_ += frame.size();
    done_memory_ += static_cast<int64_t>(frame.memory_size());
    slot.frame = std::move(frame);
    if (outcome == Outcome::last_reply) ends_as_ = CloseReason::sent_away;
  }
  if (slot.api != nullptr) slot.api->duration.record(shared_.clock.now() - slot.received_at);
  release(slot);
  // While requests are being read, their replies are collected and leave together.
  if (!reading_) after_progress();
}

void Connection::count_memory(uint64_t sequence, size_t bytes) {
  if (!is_open()) return;
  Slot& slot = slots_[first_slot_ + (sequence - first_sequence_)];
  slot.charged += static_cast<int64_t>(bytes);
  in_progress_bytes_ += static_cast<int64_t>(bytes);
  shared_.memory.adjust(static_cast<int64_t>(bytes));
}

// What replies take is counted while they cannot leave; most leave at once and cost nothing here.
void Connection::count_unsent() {
  const int64_t now = done_memory_ + static_cast<int64_t>(out_.memory_size());
  if (now == unsent_charged_) return;
  shared_.memory.adjust(now - unsent_charged_);
  unsent_charged_ = now;
}

void Connection::release(Slot& slot) {
  if (slot.charged == 0) return;
  in_progress_bytes_ -= slot.charged;
  shared_.memory.release(std::exchange(slot.charged, 0));
  shared_.metrics.requests_in_progress.add(-1);
}

void Connection::measure(uint64_t sequence, ApiMetrics& api) {
  api.requests.add();
  slots_[first_slot_ + (sequence - first_sequence_)].api = &api;
}

// Moves the replies whose turn has come to the output.
void Connection::collect() {
  while (first_slot_ < slots_.size() && slots_[first_slot_].done) {
    Slot& slot = slots_[first_slot_];
    done_bytes_ -= slot.frame.size();
    done_memory_ -= static_cast<int64_t>(slot.frame.memory_size());
    out_.append(std::move(slot.frame));
    if (slot.mute_for.count() > 0) mute(slot.mute_for);
    slot = Slot();
    ++first_slot_;
    ++first_sequence_;
  }
  constexpr size_t kGoneMax = 64;
  if (first_slot_ == slots_.size()) {
    slots_.clear();
    first_slot_ = 0;
  } else if (first_slot_ > kGoneMax && first_slot_ > slots_.size() / 2) {
    slots_.erase(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(first_slot_));
    first_slot_ = 0;
  }
}

void Connection::write() {
  collect();
  send_collected();
  if (!is_open()) return;
  count_unsent();
  if (!ends_as_ || !owes_nothing()) return;
  discard_input();
  close(*ends_as_);
}

void Connection::send_collected() {
  while (!out_.empty() && !waits_writable_) {
    const Result<size_t> sent = stream_->write_some(out_);
    if (sent) {
      shared_.metrics.sent_bytes.add(*sent);
      sent_while_blocked_ += static_cast<int64_t>(*sent);
      reactor_.touch(*this);
      continue;
    }
    if (sent.error().code == Errc::would_block) {
      waits_writable_ = true;
      if (!blocked_since_) blocked_since_ = shared_.clock.now();
      watch_for_deafness();
      stream_->when_writable([this] {
        const std::shared_ptr<Connection> self = shared_from_this();
        waits_writable_ = false;
        after_progress();
      });
    } else {
      const bool gone = sent.error().code == Errc::connection_closed;
      return close(gone ? CloseReason::peer : CloseReason::error, gone ? "" : sent.error().to_string());
    }
  }
  if (out_.empty()) blocked_since_.reset();
}

// TCP throws away what was sent and not yet taken by the client when a connection is closed with bytes unread.
void Connection::discard_input() {
  for (int turn = 0; turn < kReadsPerTurn && stream_->read_some(reactor_.scratch()); ++turn) {
  }
}

// A reply was completed, or the client took some: send, then take more requests if that was what held them back.
void Connection::after_progress() {
  if (!is_open() || reading_) return;
  const std::shared_ptr<Connection> self = shared_from_this();
  write();
  if (may_take_more()) read();
}

}  // namespace millrace::server
