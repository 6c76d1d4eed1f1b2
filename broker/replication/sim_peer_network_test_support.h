#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "broker/base/endian.h"
#include "broker/io/sim/sim_event_loop.h"
#include "broker/replication/peer_transport.h"

namespace millrace::replication::testing {

// Streams between brokers in one thread: messages take their time and stay in order within a stream; streams break,
// and directions between two brokers stall, as told or by the seed.
class SimPeerNetwork {
 public:
  SimPeerNetwork(io::sim::SimScheduler& scheduler, uint64_t seed)
      : scheduler_(scheduler), random_(seed), wire_(scheduler.make_loop()) {}

  // What of `from` says to `to` waits until it is unblocked.
  void block(BrokerId from, BrokerId to) { blocked_.insert({from, to}); }
  void unblock(BrokerId from, BrokerId to) {
    blocked_.erase({from, to});
    for (const auto& stream : streams_) wire_->post([this, stream] { deliver(stream); });
  }
  void break_streams(BrokerId a, BrokerId b) {
    for (const auto& stream : std::set(streams_)) {
      if (std::set{stream->ends[0].broker, stream->ends[1].broker} == std::set{a, b}) kill(stream);
    }
  }
  void set_delay_max(Duration delay) { delay_max_ = delay; }
  // One in so many messages with records loses a bit on its way; 0: none.
  void set_damage(uint64_t one_in) { damage_one_in_ = one_in; }
  void set_break(uint64_t one_in) { break_one_in_ = one_in; }
  size_t streams() const { return streams_.size(); }
  uint64_t messages() const { return messages_; }

 private:
  friend class SimPeerTransport;
  struct End {
    BrokerId broker;
    io::EventLoop* loop = nullptr;
    PeerLinkEvents* events = nullptr;
    bool is_held = false;                              // its link exists
    std::deque<std::pair<TimePoint, PeerMessage>> to;  // on the way to it
    size_t bytes_to = 0;
  };
  struct Stream {
    explicit Stream(uint64_t stream_number) : number(stream_number) {}
    const uint64_t number;  // what is done to all streams is done in the order in which they were made
    End ends[2];
  };
  using StreamPointer = std::shared_ptr<Stream>;
  struct InOrder {
    bool operator()(const StreamPointer& a, const StreamPointer& b) const { return a->number < b->number; }
  };

  class Link final : public PeerLink {
   public:
    Link(SimPeerNetwork& network, StreamPointer stream, int side)
        : network_(network), stream_(std::move(stream)), side_(side) {
      stream_->ends[side].is_held = true;
    }
    ~Link() override { close(); }
    void send(PeerMessage message) override {
      if (stream_->ends[side_].is_held) network_.send(stream_, 1 - side_, std::move(message));
    }
    size_t unsent_bytes() const override { return stream_->ends[1 - side_].bytes_to; }
    void close() override {
      if (!std::exchange(stream_->ends[side_].is_held, false)) return;
      network_.hang_up(stream_, 1 - side_);
    }

   private:
    SimPeerNetwork& network_;
    const StreamPointer stream_;
    const int side_;
  };

  Duration delay() { return Duration(static_cast<int64_t>(random_.below(static_cast<uint64_t>(delay_max_.count())))); }

  void send(const StreamPointer& stream, int to, PeerMessage message) {
    End& end = stream->ends[to];
    ++messages_;
    if (auto* data = std::get_if<Data>(&message); data && damage_one_in_ != 0 && random_.below(damage_one_in_) == 0) {
      damage(*data);
    }
    TimePoint at = scheduler_.clock().now() + delay();
    if (!end.to.empty()) at = std::max(at, end.to.back().first);
    end.bytes_to += batch_bytes(message);
    end.to.emplace_back(at, std::move(message));
    wire_->post(
        [this, stream, at] { wire_->run_after(at - scheduler_.clock().now(), [this, stream] { deliver(stream); }); });
    if (break_one_in_ != 0 && random_.below(break_one_in_) == 0) wire_->post([this, stream] { kill(stream); });
  }
  void damage(Data& data) {
    for (Data::Entry& entry : data.entries) {
      for (Bytes& piece : entry.batches) {
        piece = Bytes::copy_of(piece.view());
        // In the first batch, behind the fields that its CRC does not cover.
        const auto size = 12 + static_cast<size_t>(load_big_endian<int32_t>(piece.data() + 8));
        piece.mutable_data()[21 + random_.below(size - 21)] ^= std::byte{4};
        return;
      }
    }
  }
  void deliver(const StreamPointer& stream) {
    for (int side = 0; side < 2; ++side) {
      End& end = stream->ends[side];
      while (!end.to.empty() && end.to.front().first <= scheduler_.clock().now() && end.is_held &&
             end.events != nullptr && !blocked_.contains({stream->ends[1 - side].broker, end.broker})) {
        auto message = std::make_shared<PeerMessage>(std::move(end.to.front().second));
        end.bytes_to -= batch_bytes(*message);
        end.to.pop_front();
        end.loop->post([stream, side, message] {
          if (stream->ends[side].is_held) stream->ends[side].events->on_message(std::move(*message));
        });
      }
    }
  }
  // The peer hears of it unless the direction is stalled: then it has to notice by itself.
  void hang_up(const StreamPointer& stream, int other) {
    wire_->post([this, stream, other] {
      if (blocked_.contains({stream->ends[1 - other].broker, stream->ends[other].broker})) return;
      wire_->run_after(delay(), [this, stream, other] { close(stream, other); });
    });
  }
  void close(const StreamPointer& stream, int side) {
    End& end = stream->ends[side];
    streams_.erase(stream);
    if (!end.is_held) return;  // nobody is there, or not any more
    end.loop->post([stream, side] {
      End& at = stream->ends[side];
      if (!at.is_held || at.events == nullptr) return;
      at.is_held = false;
      at.events->on_closed(Error{Errc::connection_closed, "by the peer"});
    });
  }
  void kill(const StreamPointer& stream) {
    for (int side = 0; side < 2; ++side) {
      stream->ends[side].to.clear();
      wire_->run_after(delay(), [this, stream, side] { close(stream, side); });
    }
  }

  io::sim::SimScheduler& scheduler_;
  io::sim::SimRandom random_;
  std::unique_ptr<io::sim::SimEventLoop> wire_;
  std::map<BrokerId, PeerAcceptor*> acceptors_;
  std::set<std::pair<BrokerId, BrokerId>> blocked_;
  uint64_t last_stream_ = 0;
  std::set<StreamPointer, InOrder> streams_;
  Duration delay_max_ = std::chrono::milliseconds(3);
  uint64_t damage_one_in_ = 0;
  uint64_t break_one_in_ = 0;
  uint64_t messages_ = 0;
};

// One broker's door to it.
class SimPeerTransport final : public PeerTransport {
 public:
  SimPeerTransport(SimPeerNetwork& network, BrokerId self) : network_(network), self_(self) {}

  std::unique_ptr<PeerLink> connect(BrokerId leader, io::EventLoop& loop, PeerLinkEvents& events) override {
    auto stream = std::make_shared<SimPeerNetwork::Stream>(++network_.last_stream_);
    stream->ends[0] = {.broker = self_, .loop = &loop, .events = &events, .to = {}};
    stream->ends[1].broker = leader;
    network_.streams_.insert(stream);
    SimPeerNetwork& net = network_;
    net.wire_->post([&net, stream, leader, self = self_] {
      net.wire_->run_after(net.delay(), [&net, stream, leader, self] {
        const auto acceptor = net.acceptors_.find(leader);
        if (acceptor == net.acceptors_.end() || net.blocked_.contains({self, leader})) return net.close(stream, 0);
        PeerAcceptor* door = acceptor->second;
        stream->ends[1].loop = &door->loop_for_link();
        stream->ends[1].loop->post([&net, stream, door] {
          stream->ends[1].events = &door->accept(std::make_unique<SimPeerNetwork::Link>(net, stream, 1));
          net.wire_->post([&net, stream] { net.deliver(stream); });
        });
      });
    });
    return std::make_unique<SimPeerNetwork::Link>(network_, stream, 0);
  }
  void set_acceptor(PeerAcceptor* acceptor) override {
    if (acceptor == nullptr) {
      network_.acceptors_.erase(self_);
    } else {
      network_.acceptors_[self_] = acceptor;
    }
  }

 private:
  SimPeerNetwork& network_;
  const BrokerId self_;
};

}  // namespace millrace::replication::testing
