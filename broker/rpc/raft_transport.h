#pragma once

#include <functional>
#include <map>
#include <memory>

#include "broker/base/clock.h"
#include "broker/base/metrics.h"
#include "broker/rpc/channels.h"
#include "broker/rpc/raft_codec.h"

namespace millrace::rpc {

// Carries the quorum's messages over gRPC, one stream to each member that is written to, opened when there is something
// to say and again, after a pause, when it broke. Fire and forget: what cannot be sent now is lost, which the protocol
// bears. Register it with the RpcServer under kMethod. Everything on the loop but what comes in; outlives the server.
class GrpcRaftTransport final : public raft::Transport, public ByteStreamAcceptor {
 public:
  static constexpr const char* kMethod = "/millrace.rpc.v1.Raft/Send";
  static constexpr std::chrono::milliseconds kReopenPause{50};
  static constexpr size_t kUnsentBytesMax = 32 << 20;  // to one member; more is dropped

  using Receive = std::function<void(RaftMessage)>;
  using Broken = std::function<void(BrokerId)>;

  // Both are called on the loop: for a message that came; for a stream to a member that broke, or could not be opened.
  GrpcRaftTransport(Channels& channels, io::EventLoop& loop, const Clock& clock, Receive receive, Broken broken);
  ~GrpcRaftTransport() override;

  void send(raft::Message message) override { send_to(message.to.node, encode(message)); }
  void send(raft::Introduction introduction) override { send_to(introduction.to.node, encode(introduction)); }
  // Ends all streams; nothing is sent or received from here on. On the loop, or when it has stopped.
  void stop();
  uint64_t dropped() const { return dropped_.value(); }  // messages that were not sent; any thread

  io::EventLoop& loop_for_stream() override { return loop_; }
  ByteStreamEvents* accept(std::unique_ptr<ByteStream> stream, const Identity& caller) override;

 private:
  class Outgoing;
  class Incoming;
  void send_to(raft::NodeId node, Frame frame);
  void forget(Incoming& incoming);

  Channels& channels_;
  io::EventLoop& loop_;
  const Clock& clock_;
  Receive receive_;
  Broken broken_;
  bool stopped_ = false;
  Counter dropped_;
  std::map<raft::NodeId, std::unique_ptr<Outgoing>> outgoing_;  // bounded by the brokers of the cluster
  std::map<BrokerId, std::unique_ptr<Incoming>> incoming_;      // the newest of each caller
};

}  // namespace millrace::rpc
