#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/io/network.h"
#include "broker/server/frame_decoder.h"
#include "broker/server/reactor.h"
#include "broker/server/reply.h"

namespace millrace::server {

// One client. Requests are decoded and handled in the order they arrive, several at a time; replies leave in the same
// order, whichever thread completes them first. Reading stops while too much is owed to the client or taken from it:
// kInProgressMax requests or kInProgressBytesMax bytes of them, kUnsentBytesMax of replies that the client does not
// read, the memory of all connections together, a throttled reply (KIP-219), or a request that must not be overtaken
// (Reply::hold). A client that takes less than kStalledBytesMin of its replies in kReplyStallMax, while others wait for
// the memory that they hold, is closed.
// Everything but complete() and is_open() on the reactor's loop.
class Connection final : public ReplySink, public std::enable_shared_from_this<Connection> {
 public:
  static constexpr size_t kInProgressMax = 256;
  static constexpr int64_t kInProgressBytesMax = 64 << 20;  // exceeded by one request at most
  static constexpr size_t kUnsentBytesMax = 1 << 20;        // exceeded by the replies of what is in progress
  static constexpr std::chrono::seconds kReplyStallMax{10};
  static constexpr int64_t kStalledBytesMin = 64 << 10;  // who holds less than that in replies is left alone, too

  Connection(Shared& shared, Reactor& reactor, std::unique_ptr<io::Stream> stream,
             std::shared_ptr<const ConnectionInfo> info);
  ~Connection() override;

  void start();
  void drain();  // reads nothing more, closes when nothing is owed
  // `detail` says what the client did, for the log; empty: not worth a line.
  void close(CloseReason reason, std::string_view detail = {});

  void complete(uint64_t sequence, Outcome outcome, OutputChain frame, std::chrono::milliseconds mute_for) override;
  void refuse(uint64_t sequence, CloseReason reason, std::string_view detail) override;
  void count_memory(uint64_t sequence, size_t bytes) override;
  bool hold() override;
  void go_on(bool in_vain) override;
  bool is_open() const override { return open_.load(std::memory_order_relaxed); }

  // What dispatch needs.
  const std::shared_ptr<const ConnectionInfo>& info() const { return info_; }
  std::shared_ptr<const std::string> client_id(std::string_view text);  // shared with the last request when equal
  void measure(uint64_t sequence, ApiMetrics& api);

  bool owes_nothing() const { return slots_.size() == first_slot_ && out_.empty(); }
  bool is_waiting_for_client() const { return memory_place_ == 0 && (slots_.size() == first_slot_ || !out_.empty()); }
  TimePoint last_active() const { return last_active_; }

 private:
  friend class Reactor;
  static constexpr std::chrono::seconds kFrameStallMax{30};  // a request that stops in the middle holds memory
  static constexpr std::chrono::seconds kVainHoldPause{1};   // until the connection is held again
  static constexpr int kReadsPerTurn = 16;                   // then the reactor's other connections have their turn

  // The place of one request's reply.
  struct Slot {
    OutputChain frame;
    int64_t charged = 0;  // of the request, in RequestMemory
    TimePoint received_at;
    ApiMetrics* api = nullptr;
    std::chrono::milliseconds mute_for{};
    bool done = false;
  };

  void read();
  void read_turns(int& turns);
  void read_soon();
  void read_later();
  void process(BytesView input);
  bool admit(size_t frame_bytes);
  void granted(int64_t frame_bytes);
  void watch_for_stall();
  void watch_for_deafness();
  bool may_take_more() const;
  void finish(uint64_t sequence, Outcome outcome, OutputChain frame, std::chrono::milliseconds mute_for);
  void release(Slot& slot);
  void collect();
  void write();
  void send_collected();
  void count_unsent();
  void discard_input();
  void after_progress();
  void mute(std::chrono::milliseconds time);

  Shared& shared_;
  Reactor& reactor_;
  std::unique_ptr<io::Stream> stream_;
  const std::shared_ptr<const ConnectionInfo> info_;
  std::atomic<bool> open_{true};

  // Reading.
  FrameDecoder decoder_;
  Bytes backlog_;                       // read and not yet decoded, because something had to be waited for
  bool reading_ = false;                // on the stack
  bool waits_readable_ = false;         // the stream will call
  uint64_t memory_place_ = 0;           // in the line for memory; 0: does not wait
  int64_t admitted_bytes_ = 0;          // of the frame under way, charged
  std::optional<CloseReason> ends_as_;  // nothing more is read, and it is closed so when nothing is owed
  bool held_ = false;                   // by a request that must not be overtaken
  TimePoint no_hold_until_{};
  TimePoint muted_until_{};
  io::TimerId mute_timer_ = 0;
  io::TimerId stall_timer_ = 0;
  std::shared_ptr<const std::string> last_client_id_;

  // Replies. slots_[first_slot_] answers the request number first_sequence_.
  std::vector<Slot> slots_;
  size_t first_slot_ = 0;
  uint64_t first_sequence_ = 0;
  int64_t in_progress_bytes_ = 0;
  size_t done_bytes_ = 0;  // of replies that wait in slots_ for those before them
  int64_t done_memory_ = 0;
  OutputChain out_;
  int64_t unsent_charged_ = 0;  // of replies in slots_ and out_, in RequestMemory
  bool waits_writable_ = false;
  std::optional<TimePoint> blocked_since_;  // replies have waited for the client without a break
  int64_t sent_while_blocked_ = 0;          // since the deaf timer was armed
  io::TimerId deaf_timer_ = 0;

  // The reactor's.
  Reactor::Order::iterator place_;
  TimePoint last_active_{};
};

}  // namespace millrace::server
