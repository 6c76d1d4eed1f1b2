#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "broker/base/bytes.h"
#include "broker/base/output_chain.h"
#include "broker/server/request_context.h"
#include "broker/server/server_metrics.h"

namespace millrace::protocol {
class Writer;
}

namespace millrace::server {

using EncodeBody = void (*)(const void* response, int16_t version, protocol::Writer& writer);

// Where finished replies go: the connection, from any thread.
class ReplySink {
 public:
  enum class Outcome : uint8_t { reply, last_reply, no_response };
  virtual ~ReplySink() = default;
  // `frame` is the whole reply, size prefix included; empty for no_response. Nothing is read behind the last reply, and
  // the connection is closed once everything has left. `mute_for`: see Reply::send.
  virtual void complete(uint64_t sequence, Outcome outcome, OutputChain frame, std::chrono::milliseconds mute_for) = 0;
  // False once the connection is gone: its replies have no reader and may be dropped.
  virtual bool is_open() const = 0;
  // Ends the connection instead of a reply.
  virtual void refuse(uint64_t sequence, CloseReason reason, std::string_view detail) = 0;
  // What the request takes beside its frame, until it is completed. On the connection's loop.
  virtual void count_memory(uint64_t sequence, size_t bytes) { (void)sequence, (void)bytes; }
  // See Reply::hold.
  virtual bool hold() { return false; }
  virtual void go_on(bool in_vain) { (void)in_vain; }
};

// The place of one request's reply in the order of its connection. Move-only; completed exactly once, from any thread:
// destroying one that was not completed while its connection is open is a bug of ours and aborts. Untyped; handlers use
// Reply<Response>.
class ReplySlot {
 public:
  ReplySlot(std::shared_ptr<ReplySink> sink, uint64_t sequence, protocol::ApiKey api, int16_t version,
            int32_t correlation_id)
      : sink_(std::move(sink)), sequence_(sequence), correlation_id_(correlation_id), version_(version), api_(api) {}
  ReplySlot(ReplySlot&& other) noexcept = default;
  ReplySlot& operator=(ReplySlot&& other) = delete;
  ~ReplySlot();

  void encode_and_send(EncodeBody encode, const void* response, int16_t body_version,
                       std::chrono::milliseconds mute_for);
  // A reply that another broker made for this request: header and body.
  void send_frame(const Bytes& frame);
  // The next reply ends the connection, so that the client asks another broker.
  void be_last() { is_last_ = true; }
  void no_response();
  void close_connection(std::string_view reason, CloseReason kind = CloseReason::handler);
  // The decoded request takes so many bytes until it is answered. Small ones cost less than counting them.
  void count_memory(size_t bytes) {
    if (bytes >= kCountedBytesMin) sink_->count_memory(sequence_, bytes);
  }
  static constexpr size_t kCountedBytesMin = 4 << 10;
  bool hold() { return sink_->hold(); }
  void go_on(bool in_vain) { sink_->go_on(in_vain); }
  bool is_connection_open() const { return sink_ != nullptr && sink_->is_open(); }
  int16_t version() const { return version_; }
  protocol::ApiKey api() const { return api_; }

 private:
  std::shared_ptr<ReplySink> take_sink();

  std::shared_ptr<ReplySink> sink_;  // null once completed or moved from
  uint64_t sequence_;
  int32_t correlation_id_;
  int16_t version_;
  protocol::ApiKey api_;
  bool is_last_ = false;
};

// What a handler answers with: exactly one of the calls below, once, from any thread. Replies leave in the order of the
// requests of their connection, whichever order they are completed in. Encoding happens on the calling thread; file
// ranges in the response are sent with sendfile later, on the connection's reactor.
template <class Response>
class Reply {
 public:
  explicit Reply(ReplySlot slot) : slot_(std::move(slot)) {}

  // `mute_for` (KIP-219): the reply leaves at once, then nothing is read from the connection for that time; the handler
  // has put the same time into throttle_time_ms.
  void send(const Response& response, std::chrono::milliseconds mute_for = {}) {
    send_as(response, slot_.version(), mute_for);
  }
  void operator()(const Response& response) { send(response); }
  // KIP-511: ApiVersions of a version we do not know is answered in version 0.
  void send_as(const Response& response, int16_t body_version, std::chrono::milliseconds mute_for = {}) {
    slot_.encode_and_send(&encode, &response, body_version, mute_for);
  }
  // The connection is closed behind this reply: a client that is told to look for another leader asks the broker that
  // it has used last, and this one knows of no other.
  void send_last(const Response& response) {
    slot_.be_last();
    send(response);
  }
  // Produce with acks=0: the client expects no frame.
  void no_response() { slot_.no_response(); }
  // The protocol has no reply for this, or the client must notice (an error under acks=0). Logged and counted with
  // `reason`, a constant text.
  void close_connection(std::string_view reason) { slot_.close_connection(reason); }
  // What follows on the connection waits until go_on(), for it must not overtake this request, which waits for
  // something that should be here in a moment. False: it may not, for it did so in vain a short time ago. On the
  // connection's loop.
  bool hold() { return slot_.hold(); }
  // On that loop, before the reply is sent. `in_vain`: what was waited for has not come.
  void go_on(bool in_vain) { slot_.go_on(in_vain); }
  // False when nobody will read the reply any more: waiting for it may be cut short. It must still be completed.
  bool is_connection_open() const { return slot_.is_connection_open(); }

 private:
  static void encode(const void* response, int16_t version, protocol::Writer& writer) {
    static_cast<const Response*>(response)->encode(writer, version);
  }
  ReplySlot slot_;
};

}  // namespace millrace::server
