#include "broker/rpc/raft_transport.h"

#include <utility>

#include "broker/base/logger.h"
#include "broker/rpc/raft_codec.h"

namespace millrace::rpc {
namespace {

const Logger kLog("rpc");

raft::NodeId sender_of(const RaftMessage& message) {
  return std::visit([](const auto& either) { return either.from.node; }, message);
}

}  // namespace

// The stream to one member, or the pause before it is opened again.
class GrpcRaftTransport::Outgoing final : public ByteStreamEvents {
 public:
  Outgoing(GrpcRaftTransport& transport, raft::NodeId node) : transport_(transport), node_(node) {}

  bool send(Frame frame) {
    if (stream_ == nullptr) {
      if (transport_.clock_.now() < open_at_) return false;
      stream_ = transport_.channels_.open_stream(node_, Purpose::quorum, kMethod, transport_.loop_, *this);
    }
    if (stream_->unsent_bytes() > kUnsentBytesMax) return false;
    stream_->send(std::move(frame));
    return true;
  }

 private:
  void on_frame(Bytes) override {}  // nothing is said on the way back
  void on_closed(const Error& why) override {
    stream_.reset();
    open_at_ = transport_.clock_.now() + kReopenPause;
    transport_.broken_(node_);
    const std::string words = why.to_string();
    if (words == last_words_) return;  // one line for each new reason
    last_words_ = words;
    kLog.info("no way to a member of the quorum", {{"broker", node_}, {"why", words}});
  }

  GrpcRaftTransport& transport_;
  const raft::NodeId node_;
  std::unique_ptr<ByteStream> stream_;
  TimePoint open_at_{};
  std::string last_words_;
};

// The stream on which one member sends.
class GrpcRaftTransport::Incoming final : public ByteStreamEvents {
 public:
  Incoming(GrpcRaftTransport& transport, std::unique_ptr<ByteStream> stream, BrokerId caller)
      : transport_(transport), stream_(std::move(stream)), caller_(caller) {}
  BrokerId caller() const { return caller_; }

 private:
  void on_frame(Bytes frame) override {
    Result<RaftMessage> message = decode_raft_message(frame);
    if (!message || sender_of(*message) != caller_) {
      kLog.warn("a member of the quorum sends what is no message of its own",
                {{"broker", caller_}, {"why", message ? "wrong sender" : message.error().to_string()}});
      transport_.forget(*this);
      return;
    }
    transport_.receive_(std::move(message).value());
  }
  void on_closed(const Error&) override { transport_.forget(*this); }

  GrpcRaftTransport& transport_;
  std::unique_ptr<ByteStream> stream_;
  const BrokerId caller_;
};

GrpcRaftTransport::GrpcRaftTransport(Channels& channels, io::EventLoop& loop, const Clock& clock, Receive receive,
                                     Broken broken)
    : channels_(channels), loop_(loop), clock_(clock), receive_(std::move(receive)), broken_(std::move(broken)) {}

GrpcRaftTransport::~GrpcRaftTransport() { stop(); }

void GrpcRaftTransport::send_to(raft::NodeId node, Frame frame) {
  if (stopped_) return;
  std::unique_ptr<Outgoing>& outgoing = outgoing_[node];
  if (outgoing == nullptr) outgoing = std::make_unique<Outgoing>(*this, node);
  if (!outgoing->send(std::move(frame))) dropped_.add();
}

void GrpcRaftTransport::stop() {
  stopped_ = true;
  outgoing_.clear();
  incoming_.clear();
}

ByteStreamEvents* GrpcRaftTransport::accept(std::unique_ptr<ByteStream> stream, const Identity& caller) {
  if (stopped_) return nullptr;
  auto incoming = std::make_unique<Incoming>(*this, std::move(stream), caller.node);
  Incoming* events = incoming.get();
  incoming_[caller.node] = std::move(incoming);  // a member that comes again has given its earlier stream up
  return events;
}

void GrpcRaftTransport::forget(Incoming& incoming) {
  const auto found = incoming_.find(incoming.caller());
  if (found != incoming_.end() && found->second.get() == &incoming) incoming_.erase(found);
}

}  // namespace millrace::rpc
