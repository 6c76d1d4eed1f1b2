#pragma once

#include <atomic>
#include <memory>

#include "broker/base/mutex.h"
#include "broker/replication/peer_transport.h"
#include "broker/rpc/channels.h"

namespace millrace::rpc {

// replication::PeerTransport over gRPC: links are streams of one method. Register it with the RpcServer under kMethod.
// Thread-safe. Outlives its links and the server.
class GrpcPeerTransport final : public replication::PeerTransport, public ByteStreamAcceptor {
 public:
  static constexpr const char* kMethod = "/millrace.rpc.v1.Replication/Follow";

  // `idle` is the loop on which links are refused while there is no acceptor.
  GrpcPeerTransport(Channels& channels, io::EventLoop& idle) : channels_(channels), idle_(idle) {}

  std::unique_ptr<replication::PeerLink> connect(BrokerId leader, io::EventLoop& loop,
                                                 replication::PeerLinkEvents& events) override;
  void set_acceptor(replication::PeerAcceptor* acceptor) override EXCLUDES(mutex_);

  io::EventLoop& loop_for_stream() override EXCLUDES(mutex_);
  ByteStreamEvents* accept(std::unique_ptr<ByteStream> stream, const Identity& caller) override EXCLUDES(mutex_);

 private:
  Channels& channels_;
  io::EventLoop& idle_;
  Mutex mutex_;  // held while the acceptor takes a link, so that set_acceptor() waits for it
  replication::PeerAcceptor* acceptor_ GUARDED_BY(mutex_) = nullptr;
};

}  // namespace millrace::rpc
