#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "broker/replication/follower_slot.h"
#include "broker/replication/link_context.h"
#include "broker/replication/link_liveness.h"
#include "broker/replication/peer_transport.h"

namespace millrace::replication {

inline constexpr Duration kReconnectMin = std::chrono::milliseconds(50);
inline constexpr Duration kReconnectMax = std::chrono::milliseconds(500);
// Waits of one partition that failed or was refused: they double while nothing gets better.
inline constexpr Duration kRetryMin = std::chrono::milliseconds(50);
inline constexpr Duration kRefusedRetryMax = std::chrono::milliseconds(1000);  // the peer may just be late
inline constexpr Duration kFailedRetryMax = std::chrono::seconds(10);          // a disk, or records that must not go
inline constexpr Duration kHoldMax = std::chrono::seconds(1);                  // a rate may be another one by then
inline constexpr uint32_t kAnswersMax =
    1000;  // truncations in a row: more than a log can have leader epochs to compare

// The follower's end of the stream to one leader: subscribes to all partitions that this broker follows there, makes
// their logs beginnings of the leader's, appends what comes and acknowledges it, and connects again when the stream
// breaks. A partition that fails waits by itself and holds up no other; only records that arrive damaged break the
// stream, for then nothing else on it is to be trusted.
//
// Lives on one loop: all but construction and queue() is called there; destruction there, or when it runs no more.
class FollowerLink final : public PeerLinkEvents {
 public:
  FollowerLink(const LinkContext& context, io::EventLoop& loop, PeerTransport& transport, BrokerId leader);
  ~FollowerLink() override;

  const std::shared_ptr<WakeQueue<FollowerSlot>>& queue() const { return queue_; }
  io::EventLoop& loop() { return loop_; }

  void add(std::vector<std::shared_ptr<FollowerSlot>> slots);
  void remove(const std::vector<std::shared_ptr<FollowerSlot>>& slots);

  void on_message(PeerMessage message) override;
  void on_closed(const Error& why) override;

 private:
  using Slot = std::shared_ptr<FollowerSlot>;

  void receive(const Hello& hello);
  void receive(const Data& data);
  void receive(const Progress& progress);
  void receive(const Answer& answer);
  void receive(const Refusal& refusal);
  void receive(const Ping&) { link_->send(Pong{}); }
  void receive(const Pong&) {}
  template <class Other>
  void receive(const Other&) {
    fail("a message that only followers send");
  }

  void connect();
  void connect_later();
  void fail(const std::string& why);
  void disconnect();
  bool is_open() const { return link_ != nullptr && is_welcome_; }

  void take_woken();
  void subscribe_wanting();
  bool prepare(const Slot& slot, Subscribe& subscribe);
  Slot find(SubscriptionNumber number) const;
  void forget(const Slot& slot);  // its subscription
  void unsubscribe(const Slot& slot, bool leave_in_sync_set);
  // What a partition's failure means for it; false when it means the end of the link.
  bool failed(const Slot& slot, const Error& error);
  void retry_later(const Slot& slot, Duration wait_max);
  void arm_retry_timer();
  void retry_due();
  void mend(const Slot& slot);
  bool write_checkpoints(const std::vector<Slot>& slots);
  void add_ack(const Slot& slot, Ack::Entry at, Ack& ack);
  bool hold_ack(const Slot& slot, const Ack::Entry& at, const Data::Entry& entry);
  void release_held_later();
  void release_held();

  const LinkContext& context_;
  io::EventLoop& loop_;
  PeerTransport& transport_;
  const BrokerId leader_;
  PeerTraffic::Peer& traffic_;
  const std::shared_ptr<WakeQueue<FollowerSlot>> queue_;

  std::unique_ptr<PeerLink> link_;
  std::optional<LinkLiveness> liveness_;
  bool is_welcome_ = false;  // the leader has said who it is
  Duration reconnect_after_{};
  io::TimerId reconnect_timer_ = 0;

  std::unordered_set<Slot> slots_;
  std::vector<Slot> wanting_;  // to subscribe as soon as the link is open
  std::unordered_map<SubscriptionNumber, Slot> subscribed_;
  SubscriptionNumber last_number_{0};
  std::multimap<TimePoint, Slot> retries_;
  io::TimerId retry_timer_ = 0;
  std::vector<Slot> held_;  // whose acknowledgements wait
  io::TimerId held_timer_ = 0;
};

}  // namespace millrace::replication
