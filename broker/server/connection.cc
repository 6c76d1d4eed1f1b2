#include "broker/server/connection.h"

#include "broker/base/ensure.h"
#include "broker/server/dispatch.h"

namespace millrace::server {

Connection::Connection(Shared& shared, Reactor& reactor, std::unique_ptr<io::Stream> stream,
                       std::shared_ptr<const ConnectionInfo> info)
    : shared_(shared),
      reactor_(reactor),
      stream_(std::move(stream)),
      info_(std::move(info)),
      decoder_(static_cast<size_t>(shared.config.request_bytes_max)) {}

Connection::~Connection() { ENSURE(!is_open()); }

void Connection::start() { read_later(); }

void Connection::close(CloseReason reason, std::string_view detail) {
  if (!is_open()) return;
  const std::shared_ptr<Connection> self = shared_from_this();
  open_.store(false, std::memory_order_relaxed);
  stream_->close();
  if (mute_timer_ != 0) reactor_.loop().cancel(std::exchange(mute_timer_, 0));
  if (stall_timer_ != 0) reactor_.loop().cancel(std::exchange(stall_timer_, 0));
  if (deaf_timer_ != 0) reactor_.loop().cancel(std::exchange(deaf_timer_, 0));
  // When it is granted already, granted() gives it back.
  if (memory_place_ != 0) shared_.memory.stop_waiting(std::exchange(memory_place_, 0));
  for (size_t i = first_slot_; i < slots_.size(); ++i) release(slots_[i]);
  if (admitted_bytes_ != 0) shared_.memory.release(std::exchange(admitted_bytes_, 0));
  slots_.clear();
  first_slot_ = 0;
  out_ = OutputChain();
  done_bytes_ = 0;
  done_memory_ = 0;
  count_unsent();
  backlog_ = Bytes();
  shared_.metrics.closed[static_cast<size_t>(reason)].add();
  if (!detail.empty()) shared_.refused.warn("connection closed", info_->peer.to_string(), detail);
  reactor_.remove(*this);
}

void Connection::read_later() {
  if (waits_readable_ || !is_open()) return;
  waits_readable_ = true;
  // Only the reactor and those who are owed a reply keep a connection alive; the stream dies with it.
  stream_->when_readable([this] {
    const std::shared_ptr<Connection> self = shared_from_this();
    waits_readable_ = false;
    read();
  });
}

bool Connection::may_take_more() const {
  return is_open() && !ends_as_ && !held_ && memory_place_ == 0 && mute_timer_ == 0 &&
         slots_.size() - first_slot_ < kInProgressMax && in_progress_bytes_ < kInProgressBytesMax &&
         out_.size() + done_bytes_ < kUnsentBytesMax;
}

void Connection::read_soon() {
  reactor_.loop().post([self = shared_from_this()] { self->read(); });
}

// Reads, handles and answers what there is. Called when something came or when what held it back is over.
void Connection::read() {
  int turns = kReadsPerTurn;
  while (is_open() && !reading_ && !waits_readable_ && may_take_more()) {
    if (turns == 0) return read_soon();
    reading_ = true;
    read_turns(turns);
    reading_ = false;
    // May make room for more: what was handled meanwhile is answered only now.
    if (is_open()) write();
  }
}

void Connection::read_turns(int& turns) {
  if (!backlog_.empty()) {
    const Bytes input = std::exchange(backlog_, Bytes());
    process(input.view());
  }
  while (turns > 0 && backlog_.empty() && may_take_more()) {
    --turns;
    std::span<std::byte> into = decoder_.place();
    const bool in_place = !into.empty();
    if (!in_place) into = reactor_.scratch();
    const Result<size_t> got = stream_->read_some(into);
    if (!got) {
      if (got.error().code == Errc::would_block) return read_later();
      return close(got.error().code == Errc::connection_closed ? CloseReason::peer : CloseReason::error);
    }
    shared_.metrics.received_bytes.add(*got);
    reactor_.touch(*this);
    if (in_place) {
      decoder_.filled(*got);
      process({});
    } else {
      process(into.first(*got));
    }
  }
}

void Connection::process(BytesView input) {
  for (;;) {
    if (!may_take_more()) break;
    const Result<std::optional<size_t>> size = decoder_.announced(input);
    if (!size) return close(CloseReason::frame, size.error().to_string());
    if (!*size) return;
    if (!admit(**size)) break;
    std::optional<Bytes> frame = decoder_.take(input);
    if (!frame) return watch_for_stall();
    Slot slot;
    slot.charged = std::exchange(admitted_bytes_, 0);
    slot.received_at = shared_.clock.now();
    const TimePoint received_at = slot.received_at;
    const uint64_t sequence = first_sequence_ + (slots_.size() - first_slot_);
    slots_.push_back(std::move(slot));
    in_progress_bytes_ += slots_.back().charged;
    shared_.metrics.requests_in_progress.add(1);
    shared_.dispatcher->dispatch(*this, std::move(*frame), sequence, received_at);
    if (!is_open()) return;
  }
  if (!input.empty()) backlog_ = Bytes::copy_of(input);
}

bool Connection::admit(size_t frame_bytes) {
  if (admitted_bytes_ != 0) return true;
  const auto bytes = static_cast<int64_t>(frame_bytes);
  if (!shared_.memory.try_charge(bytes)) {
    shared_.metrics.paused_for_memory.add();
    // The thread that gives memory back must not be left with the last reference.
    memory_place_ = shared_.memory.wait(bytes, [self = shared_from_this(), bytes]() mutable {
      io::EventLoop& loop = self->reactor_.loop();
      loop.post([moved = std::move(self), bytes] { moved->granted(bytes); });
    });
    if (memory_place_ != 0) return false;
  }
  admitted_bytes_ = bytes;
  return true;
}

// It was its turn in the line for memory.
void Connection::granted(int64_t frame_bytes) {
  if (!is_open()) return shared_.memory.release(frame_bytes);
  memory_place_ = 0;
  admitted_bytes_ = frame_bytes;
  after_progress();
}

// Armed at the first part of a request that has more; finds out by itself when the request is complete.
void Connection::watch_for_stall() {
  if (stall_timer_ != 0) return;
  stall_timer_ = reactor_.loop().run_after(kFrameStallMax, [this] {
    stall_timer_ = 0;
    if (admitted_bytes_ == 0) return;
    const std::shared_ptr<Connection> self = shared_from_this();
    if (waits_readable_ && shared_.clock.now() - last_active_ >= kFrameStallMax) {
      return close(CloseReason::idle, "a request stopped in the middle");
    }
    watch_for_stall();
  });
}

// Armed when the client's window is full; finds out by itself when it opens.
void Connection::watch_for_deafness() {
  if (deaf_timer_ != 0) return;
  deaf_timer_ = reactor_.loop().run_after(kReplyStallMax, [this] {
    deaf_timer_ = 0;
    if (!waits_writable_) return;
    const std::shared_ptr<Connection> self = shared_from_this();
    if (unsent_charged_ >= kStalledBytesMin && shared_.memory.is_waited_for() &&
        sent_while_blocked_ < kStalledBytesMin && shared_.clock.now() - *blocked_since_ >= kReplyStallMax) {
      return close(CloseReason::idle, "replies that it does not take hold memory that others wait for");
    }
    sent_while_blocked_ = 0;
    watch_for_deafness();
  });
}

void Connection::drain() {
  ends_as_ = CloseReason::shutting_down;
  after_progress();
}

bool Connection::hold() {
  if (held_ || shared_.clock.now() < no_hold_until_) return false;
  held_ = true;
  return true;
}

void Connection::go_on(bool in_vain) {
  held_ = false;
  if (in_vain) no_hold_until_ = shared_.clock.now() + kVainHoldPause;
  read_soon();
}

void Connection::mute(std::chrono::milliseconds time) {
  const TimePoint until = shared_.clock.now() + time;
  if (until <= muted_until_) return;
  muted_until_ = until;
  if (mute_timer_ != 0) reactor_.loop().cancel(mute_timer_);
  mute_timer_ = reactor_.loop().run_after(time, [this] {
    mute_timer_ = 0;
    const std::shared_ptr<Connection> self = shared_from_this();
    after_progress();
  });
}

std::shared_ptr<const std::string> Connection::client_id(std::string_view text) {
  if (!last_client_id_ || *last_client_id_ != text) last_client_id_ = std::make_shared<const std::string>(text);
  return last_client_id_;
}

}  // namespace millrace::server
