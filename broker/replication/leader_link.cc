#include "broker/replication/leader_link.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "broker/base/logger.h"
#include "broker/protocol/batch_header.h"

namespace millrace::replication {

namespace {

const Logger logger("replication");

// Behind the last of whole batches; none when they are no batches.
std::optional<Offset> end_of(BytesView batches) {
  std::optional<Offset> end;
  while (!batches.empty()) {
    if (batches.size() < protocol::kBatchHeaderBytes) return std::nullopt;
    const protocol::BatchHeader header = protocol::BatchHeader::decode(batches.data());
    if (!header.is_plausible() || header.total_bytes() > batches.size()) return std::nullopt;
    end = header.next_offset();
    batches = batches.subspan(header.total_bytes());
  }
  return end;
}

Result<Bytes> read_all(const storage::ReadInfo& read) {
  if (const Bytes* bytes = std::get_if<Bytes>(&read.data)) return *bytes;
  const auto& range = std::get<SourceRange>(read.data);
  Bytes bytes = Bytes::uninitialized(range.size);
  TRY_ASSIGN(const size_t got, range.source->read_at(range.position, {bytes.mutable_data(), bytes.size()}));
  if (got != range.size) return Error{Errc::io, "a segment is shorter than it was"};
  return bytes;
}

}  // namespace

LeaderLink::LeaderLink(const LinkContext& context, io::EventLoop& loop, std::unique_ptr<PeerLink> link,
                       std::function<void()> on_closed)
    : context_(context),
      loop_(loop),
      link_(std::move(link)),
      on_closed_(std::move(on_closed)),
      queue_(std::make_shared<WakeQueue<Feed>>(loop)),
      throttled_{.kind = Feed::Line::throttled,
                 .message_bytes_max = kMessageBatchBytesMax / 2,
                 .budget = &context.leader_throttle} {
  queue_->set_handler([this] { take_woken(); });
  liveness_.emplace(
      LinkLiveness::Options{loop, context.clock},
      [this] {
        link_->send(Ping{});
        pump();
      },
      [this] { fail("nothing was heard from it"); });
}

LeaderLink::~LeaderLink() { end(context_.clock.now()); }

void LeaderLink::on_message(PeerMessage message) {
  if (is_closed_) return;
  liveness_->heard();
  pulse_->beat(liveness_->last_heard());
  if (!peer_ && !std::holds_alternative<Hello>(message)) return fail("it did not say who it is");
  std::visit([this](const auto& each) { receive(each); }, message);
}

void LeaderLink::on_closed(const Error& why) {
  if (is_closed_) return;
  logger.info("link to a follower closed", {{"follower", peer_ ? peer_->broker : kNoBroker}, {"why", why.to_string()}});
  end(liveness_->last_heard());
  on_closed_();
}

void LeaderLink::fail(std::string why) {
  if (is_closed_) return;
  logger.warn("link to a follower is given up", {{"follower", peer_ ? peer_->broker : kNoBroker}, {"why", why}});
  const TimePoint heard = liveness_->last_heard();
  link_->close();
  end(heard);
  on_closed_();
}

void LeaderLink::end(TimePoint heard) {
  if (std::exchange(is_closed_, true)) return;
  context_.metrics.broken_links.add();
  queue_->set_handler({});
  loop_.cancel(progress_timer_);
  loop_.cancel(pump_timer_);
  liveness_.reset();
  for (const auto& [number, feed] : std::exchange(feeds_, {})) feed->partition->end_feed(*feed, heard, false);
  queue_->take();
  tail_.feeds.clear();
  catch_up_.feeds.clear();
  throttled_.feeds.clear();
  untold_.clear();
}

void LeaderLink::receive(const Hello& hello) {
  if (peer_) return fail("it said twice who it is");
  if (!context_.is_compatible(hello)) {
    return fail("broker " + std::to_string(hello.broker.value()) + " of cluster " + hello.cluster_id +
                " speaks version " + std::to_string(hello.version));
  }
  peer_ = hello;
  traffic_ = &context_.metrics.peers.of(hello.broker);
  link_->send(context_.hello());
}

void LeaderLink::receive(const Subscribe& subscribe) {
  if (subscribe.entries.size() > kSubscriptionsPerMessageMax) return fail("too many subscriptions in a message");
  Answer answer;
  Refusal refusal;
  for (const Subscribe::Entry& entry : subscribe.entries) {
    if (entry.number <= last_number_ || entry.log_start > entry.log_end || entry.flushed > entry.log_end) {
      return fail("a subscription that cannot be");
    }
    last_number_ = entry.number;
    std::shared_ptr<Partition> partition = context_.partitions.find(entry.topic_id, entry.partition);
    if (partition == nullptr) {
      refusal.entries.push_back({entry.number, Refusal::Reason::unknown_partition});
      continue;
    }
    const auto feed = std::make_shared<Feed>(partition, peer_->broker, entry.number, queue_, pulse_);
    FeedStart start = partition->begin_feed(feed, entry, peer_->broker_epoch);
    if (start.answer) {
      answer.entries.push_back(*start.answer);
    } else if (start.refusal) {
      refusal.entries.push_back({entry.number, *start.refusal});
    } else {
      feeds_.emplace(entry.number, feed);
    }
  }
  if (!answer.entries.empty()) link_->send(std::move(answer));
  if (!refusal.entries.empty()) link_->send(std::move(refusal));
}

void LeaderLink::receive(const Unsubscribe& unsubscribe) {
  for (const Unsubscribe::Entry& entry : unsubscribe.entries) {
    const auto found = feeds_.find(entry.number);
    if (found != feeds_.end()) drop(FeedPointer(found->second), entry.leave_in_sync_set);
  }
  pump();
}

void LeaderLink::receive(const Ack& ack) {
  for (const Ack::Entry& entry : ack.entries) {
    const auto found = feeds_.find(entry.number);
    if (found == feeds_.end()) continue;  // of a subscription that has ended
    const FeedPointer feed = found->second;
    if (const Status taken = feed->partition->acknowledge(*feed, entry); !taken) return fail(taken.error().context);
    acknowledged(*feed, entry.log_end);
    if (feed->is_blocked && feed->in_flight < kPartitionWindowBytes) {
      feed->is_blocked = false;
      line_up(feed);
    }
  }
  pump();
}

void LeaderLink::acknowledged(Feed& feed, Offset log_end) {
  auto first = feed.sent.begin();
  for (; first != feed.sent.end() && first->end <= log_end; ++first) {
    feed.in_flight -= first->bytes;
    in_flight_ -= first->bytes;
    line_of(first->line).in_flight -= first->bytes;
  }
  feed.sent.erase(feed.sent.begin(), first);
  if (feed.sent.empty() && feed.sent.capacity() > 8) feed.sent.shrink_to_fit();
}

void LeaderLink::drop(const FeedPointer& feed, bool leave) {
  feed->partition->end_feed(*feed, context_.clock.now(), leave);
  acknowledged(*feed, Offset{INT64_MAX});
  feeds_.erase(feed->number);
}

void LeaderLink::refuse(const FeedPointer& feed, Refusal::Reason reason) {
  refused_.entries.push_back({feed->number, reason});
  drop(feed, false);
  if (refused_.entries.size() == kMessageEntriesMax) link_->send(std::exchange(refused_, {}));
}

// Retention was faster than the follower.
void LeaderLink::skip_to_start(const FeedPointer& feed) {
  const Result<PartitionOffsets> at = feed->partition->offsets_of_log();
  if (!at) return refuse(feed, Refusal::Reason::unknown_partition);
  link_->send(Answer{{{.number = feed->number,
                       .action = Answer::Action::start_over,
                       .at = at->log_start,
                       .leader_log_start = at->log_start}}});
  drop(feed, false);
}

void LeaderLink::take_woken() {
  if (is_closed_) return;
  for (const FeedPointer& feed : queue_->take()) {
    if (!feeds_.contains(feed->number)) continue;
    if (feed->ended) {
      refuse(feed, Refusal::Reason::fenced_epoch);
    } else {
      line_up(feed);
    }
  }
  pump();
}

LeaderLink::Line& LeaderLink::line_of(Feed::Line kind) {
  switch (kind) {
    case Feed::Line::tail:
      return tail_;
    case Feed::Line::catch_up:
      return catch_up_;
    case Feed::Line::throttled:
      return throttled_;
  }
  std::abort();
}

void LeaderLink::line_up(const FeedPointer& feed) {
  if (feed->is_waiting || feed->is_blocked) return;
  feed->is_waiting = true;
  // Who is in sync and reads the log all the same must not be slow: others wait for it.
  const bool is_slow = feed->is_behind && !feed->is_in_sync && feed->partition->throttle().as_leader();
  (is_slow ? throttled_ : feed->is_behind ? catch_up_ : tail_).feeds.push_back(feed);
}

bool LeaderLink::has_room() const { return in_flight_ < kLinkWindowBytes && link_->unsent_bytes() < kUnsentBytesMax; }

void LeaderLink::pump() {
  while (!is_closed_ && has_room() && send_from(tail_)) {
  }
  if (!is_closed_ && !refused_.entries.empty()) link_->send(std::exchange(refused_, {}));
  send_behind(catch_up_);
  send_behind(throttled_);
}

// One message, then whatever was appended meanwhile.
void LeaderLink::send_behind(Line& line) {
  if (is_closed_ || line.feeds.empty() || !has_room() || line.in_flight >= kCatchUpWindowBytes) return;
  const TimePoint now = context_.clock.now();
  Duration pause = context_.catch_up.pause(now);
  if (line.budget != nullptr) pause = std::max(pause, line.budget->pause(now));
  if (pause > Duration()) return pump_later(std::min(pause, kPumpPauseMax));
  if (send_from(line) && !line.feeds.empty()) pump_later(Duration());
  if (!refused_.entries.empty()) link_->send(std::exchange(refused_, {}));
}

void LeaderLink::pump_later(Duration delay) {
  const TimePoint at = context_.clock.now() + delay;
  if (pump_timer_ != 0 && pump_at_ <= at) return;
  loop_.cancel(pump_timer_);
  pump_at_ = at;
  pump_timer_ = loop_.run_after(delay, [this] {
    pump_timer_ = 0;
    pump();
  });
}

bool LeaderLink::send_from(Line& line) {
  Data message;
  size_t bytes = 0;
  while (!line.feeds.empty() && bytes < line.message_bytes_max && message.entries.size() < kMessageEntriesMax) {
    const FeedPointer feed = std::move(line.feeds.front());
    line.feeds.pop_front();
    feed->is_waiting = false;
    if (!feeds_.contains(feed->number)) continue;
    if (fill(feed, line, message, bytes) == Filled::message_full) {
      feed->is_waiting = true;
      line.feeds.push_front(feed);
      break;
    }
  }
  if (message.entries.empty()) return false;
  context_.metrics.sent_messages.add();
  context_.metrics.sent_bytes.add(bytes);
  traffic_->sent_bytes.add(bytes);
  if (!line.memory_only()) {
    context_.metrics.sent_catch_up_bytes.add(bytes);
    context_.catch_up.spend(context_.clock.now(), bytes);
    if (line.budget != nullptr) line.budget->spend(context_.clock.now(), bytes);
  }
  link_->send(std::move(message));
  return true;
}

LeaderLink::Filled LeaderLink::fill(const FeedPointer& feed, Line& line, Data& message, size_t& bytes) {
  const size_t window = kPartitionWindowBytes - std::min(kPartitionWindowBytes, feed->in_flight);
  if (window == 0) {
    feed->is_blocked = true;
    return Filled::nothing;
  }
  const bool at_least_one = bytes == 0 && feed->in_flight == 0;
  Result<FeedData> taken = take(*feed, line, std::min(line.message_bytes_max - bytes, window), at_least_one);
  if (!taken) {
    if (taken.error().code == Errc::would_block) {
      context_.metrics.tail_misses.add();
      feed->is_behind = true;
      line_up(feed);
    } else if (taken.error().code == Errc::not_leader) {
      refuse(feed, Refusal::Reason::fenced_epoch);
    } else if (taken.error().code == Errc::offset_out_of_range) {
      skip_to_start(feed);
    } else {
      logger.error("records for a follower cannot be read", {{"topic", feed->partition->id().topic},
                                                             {"partition", feed->partition->id().partition},
                                                             {"error", taken.error().to_string()}});
      refuse(feed, Refusal::Reason::storage_error);
    }
    return Filled::nothing;
  }
  if (taken->batches.empty()) {
    if (taken->has_more) {
      if (!message.entries.empty()) return Filled::message_full;
      feed->is_blocked = true;  // a large batch waits until the earlier ones are acknowledged
      return Filled::nothing;
    }
    feed->is_behind = false;
    if (taken->high_watermark > feed->told_high_watermark) tell_progress_later(feed);
    return Filled::nothing;
  }
  if (line.memory_only()) context_.metrics.tail_hits.add();
  Data::Entry& entry = message.entries.emplace_back();
  entry = {.number = feed->number,
           .leader_epoch = taken->leader_epoch,
           .high_watermark = taken->high_watermark,
           .log_start = taken->log_start,
           .batches = std::move(taken->batches)};
  const size_t size = batch_bytes(entry);
  bytes += size;
  feed->sent.push_back({taken->end, size, line.kind});
  feed->in_flight += size;
  in_flight_ += size;
  line.in_flight += size;
  feed->told_high_watermark = taken->high_watermark;
  feed->is_behind = !line.memory_only() && taken->has_more;
  if (taken->has_more) line_up(feed);
  return Filled::added;
}

Result<FeedData> LeaderLink::take(Feed& feed, Line& line, size_t bytes_max, bool at_least_one) {
  TRY_ASSIGN(FeedData data, feed.partition->take(feed, bytes_max, at_least_one, line.memory_only()));
  if (!data.stored) return data;
  TRY_ASSIGN(Bytes bytes, read_all(*data.stored));
  // Whoever cuts the log has ended the feed before: what was read until now is what it was.
  if (feed.ended) return Errc::not_leader;
  if (bytes.empty()) return data;
  const std::optional<Offset> end = end_of(bytes.view());
  if (!end) return Error{Errc::corrupt, "stored batches"};
  data.end = *end;
  feed.partition->feed_took(feed, *end);
  data.batches.push_back(std::move(bytes));
  return data;
}

void LeaderLink::tell_progress_later(const FeedPointer& feed) {
  if (!std::exchange(feed->is_untold, true)) untold_.push_back(feed);
  if (progress_timer_ != 0) return;
  progress_timer_ = loop_.run_after(kProgressDelay, [this] {
    progress_timer_ = 0;
    tell_progress();
  });
}

void LeaderLink::tell_progress() {
  Progress progress;
  for (const FeedPointer& feed : std::exchange(untold_, {})) {
    feed->is_untold = false;
    if (!feeds_.contains(feed->number) || feed->ended) continue;
    const Result<PartitionOffsets> at = feed->partition->offsets_of_log();
    if (!at || at->high_watermark <= feed->told_high_watermark) continue;
    feed->told_high_watermark = at->high_watermark;
    progress.entries.push_back({.number = feed->number,
                                .leader_epoch = feed->epoch,
                                .high_watermark = at->high_watermark,
                                .log_start = at->log_start});
    if (progress.entries.size() < kMessageEntriesMax) continue;
    link_->send(std::exchange(progress, {}));
  }
  if (!progress.entries.empty()) link_->send(std::move(progress));
}

}  // namespace millrace::replication
