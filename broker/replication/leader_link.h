#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/replication/feed.h"
#include "broker/replication/link_context.h"
#include "broker/replication/link_liveness.h"
#include "broker/replication/peer_transport.h"

namespace millrace::replication {

inline constexpr Duration kProgressDelay = std::chrono::milliseconds(10);  // of a high watermark without records
inline constexpr Duration kPumpPauseMax = std::chrono::seconds(1);         // a rate may be another one by then

// The leader's end of the stream to one follower: feeds of all partitions that it subscribed to. New records are sent
// as they are appended, those of many partitions in one message; whoever is behind and needs the log read waits in a
// line of its own with its own window and rate, and is served one message at a time while no new records wait; of
// these, partitions that are to be slow have a line apart. Feeds are served in turn. What is sent and not acknowledged
// is bounded per link and per partition.
//
// Lives on one loop: all calls, construction and destruction there. Partitions call its queue from any thread.
class LeaderLink final : public PeerLinkEvents {
 public:
  // `on_closed` is called last, once, from an event, and destroys this later.
  LeaderLink(const LinkContext& context, io::EventLoop& loop, std::unique_ptr<PeerLink> link,
             std::function<void()> on_closed);
  ~LeaderLink() override;

  void on_message(PeerMessage message) override;
  void on_closed(const Error& why) override;

 private:
  using FeedPointer = std::shared_ptr<Feed>;
  struct Line {
    Feed::Line kind = Feed::Line::tail;
    size_t message_bytes_max = 0;
    CatchUpBudget* budget = nullptr;  // beside that of all who are behind; may be null
    std::deque<FeedPointer> feeds{};
    size_t in_flight = 0;  // bytes
    bool memory_only() const { return kind == Feed::Line::tail; }
  };

  void receive(const Hello& hello);
  void receive(const Subscribe& subscribe);
  void receive(const Unsubscribe& unsubscribe);
  void receive(const Ack& ack);
  void receive(const Ping&) { link_->send(Pong{}); }
  void receive(const Pong&) {}
  template <class Other>
  void receive(const Other&) {
    fail("a message that only leaders send");
  }
  void fail(std::string why);
  void end(TimePoint heard);

  void take_woken();
  Line& line_of(Feed::Line kind);
  void line_up(const FeedPointer& feed);
  void drop(const FeedPointer& feed, bool leave);
  void refuse(const FeedPointer& feed, Refusal::Reason reason);
  void skip_to_start(const FeedPointer& feed);
  void acknowledged(Feed& feed, Offset log_end);

  void pump();
  bool has_room() const;
  // Sends at most one message; true when it did.
  bool send_from(Line& line);
  void send_behind(Line& line);
  enum class Filled : uint8_t { added, nothing, message_full };
  Filled fill(const FeedPointer& feed, Line& line, Data& message, size_t& bytes);
  Result<FeedData> take(Feed& feed, Line& line, size_t bytes_max, bool at_least_one);
  void pump_later(Duration delay);
  void tell_progress_later(const FeedPointer& feed);
  void tell_progress();

  const LinkContext& context_;
  io::EventLoop& loop_;
  std::unique_ptr<PeerLink> link_;
  const std::function<void()> on_closed_;
  const std::shared_ptr<WakeQueue<Feed>> queue_;
  const std::shared_ptr<LinkPulse> pulse_ = std::make_shared<LinkPulse>();
  std::optional<LinkLiveness> liveness_;

  std::optional<Hello> peer_;
  PeerTraffic::Peer* traffic_ = nullptr;  // once there is a peer
  SubscriptionNumber last_number_{0};
  std::unordered_map<SubscriptionNumber, FeedPointer> feeds_;
  Line tail_{.kind = Feed::Line::tail, .message_bytes_max = kMessageBatchBytesMax};
  Line catch_up_{.kind = Feed::Line::catch_up, .message_bytes_max = kMessageBatchBytesMax / 2};
  Line throttled_;
  size_t in_flight_ = 0;  // bytes
  std::vector<FeedPointer> untold_;
  Refusal refused_;  // goes out at the end of pump()
  io::TimerId progress_timer_ = 0;
  io::TimerId pump_timer_ = 0;
  TimePoint pump_at_{};  // when it is due
  bool is_closed_ = false;
};

}  // namespace millrace::replication
