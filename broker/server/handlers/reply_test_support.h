#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/replication/replication_test_support.h"
#include "broker/server/reply.h"

namespace millrace::server::testing {

// A connection that keeps the one reply it gets.
class ReplyCatcher final : public ReplySink {
 public:
  void complete(uint64_t, Outcome outcome, OutputChain frame, std::chrono::milliseconds) override {
    ENSURE(is_open());
    outcome_ = outcome;
    for (const OutputChain::Piece& piece : frame.pieces()) {
      const Bytes bytes = std::holds_alternative<Bytes>(piece)
                              ? std::get<Bytes>(piece)
                              : replication::testing::bytes_of({.data = std::get<SourceRange>(piece)});
      frame_.insert(frame_.end(), bytes.data(), bytes.data() + bytes.size());
    }
  }
  void refuse(uint64_t, CloseReason, std::string_view reason) override {
    ENSURE(is_open());
    closed_ = true;
    reason_ = reason;
  }
  bool is_open() const override { return !outcome_ && !closed_; }
  bool hold() override { return may_hold && !std::exchange(is_held, true); }
  void go_on(bool in_vain) override {
    is_held = false;
    waited_in_vain = in_vain;
  }
  bool may_hold = false, is_held = false, waited_in_vain = false;
  bool is_closed() const { return closed_; }

  std::optional<Outcome> outcome() const { return outcome_; }
  const std::string& reason() const { return reason_; }
  // The body of the reply; null while there is none.
  template <class Response>
  std::optional<Response> response(int16_t version, bool flexible) const {
    if (!outcome_ || outcome_ == Outcome::no_response) return std::nullopt;
    const size_t header = 8 + (flexible ? 1 : 0);
    const Bytes body = Bytes::copy_of(BytesView(frame_).subspan(header));
    Result<Response> decoded = Response::decode(body, version);
    EXPECT_TRUE(decoded) << decoded.error().to_string();
    return std::move(*decoded);
  }

 private:
  std::optional<Outcome> outcome_;
  bool closed_ = false;
  std::string reason_;
  std::vector<std::byte> frame_;
};

// A request that was sent and may be answered later.
template <class Response>
struct Sent {
  std::shared_ptr<ReplyCatcher> reply;
  int16_t version = 0;
  bool flexible = false;
  bool is_answered() const { return !reply->is_open(); }
  bool is_closed() const { return reply->is_closed(); }
  Response response() const {
    std::optional<Response> response = reply->response<Response>(version, flexible);
    EXPECT_TRUE(response) << "not answered";
    return response ? std::move(*response) : Response{};
  }
};

}  // namespace millrace::server::testing
