#include "broker/rpc/peer_transport.h"

#include <utility>

#include "broker/rpc/peer_codec.h"

namespace millrace::rpc {
namespace {

// A link and the events of its stream, which come on the link's loop. The user owns the link; the link owns the stream
// and ends it when it goes, so that no event can come for a link that is gone.
class GrpcPeerLink final : public replication::PeerLink, public ByteStreamEvents {
 public:
  void use(std::unique_ptr<ByteStream> stream) { stream_ = std::move(stream); }
  void tell(replication::PeerLinkEvents& events) { events_ = &events; }

  void send(replication::PeerMessage message) override {
    if (stream_) stream_->send(encode(message));
  }
  size_t unsent_bytes() const override { return stream_ ? stream_->unsent_bytes() : 0; }
  void close() override {
    stream_.reset();
    events_ = nullptr;
  }

 private:
  void on_frame(Bytes frame) override {
    auto message = decode_peer_message(frame);
    if (message) {
      events_->on_message(std::move(message).value());  // may destroy this
    } else {
      on_closed(message.error());
    }
  }
  void on_closed(const Error& why) override {
    auto* events = std::exchange(events_, nullptr);
    stream_.reset();
    events->on_closed(why);  // may destroy this
  }

  std::unique_ptr<ByteStream> stream_;
  replication::PeerLinkEvents* events_ = nullptr;
};

}  // namespace

std::unique_ptr<replication::PeerLink> GrpcPeerTransport::connect(BrokerId leader, io::EventLoop& loop,
                                                                  replication::PeerLinkEvents& events) {
  auto link = std::make_unique<GrpcPeerLink>();
  link->tell(events);
  link->use(channels_.open_stream(leader, Purpose::replication, kMethod, loop, *link));
  return link;
}

void GrpcPeerTransport::set_acceptor(replication::PeerAcceptor* acceptor) {
  MutexLock lock(mutex_);
  acceptor_ = acceptor;
}

io::EventLoop& GrpcPeerTransport::loop_for_stream() {
  MutexLock lock(mutex_);
  return acceptor_ != nullptr ? acceptor_->loop_for_link() : idle_;
}

ByteStreamEvents* GrpcPeerTransport::accept(std::unique_ptr<ByteStream> stream, const Identity&) {
  MutexLock lock(mutex_);
  if (acceptor_ == nullptr) return nullptr;
  auto made = std::make_unique<GrpcPeerLink>();
  GrpcPeerLink* link = made.get();  // the acceptor must keep it: events are told to it from here on
  link->use(std::move(stream));
  link->tell(acceptor_->accept(std::move(made)));
  return link;
}

}  // namespace millrace::rpc
