#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <grpc/support/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "broker/base/result.h"
#include "broker/io/network.h"
#include "broker/rpc/wire/handshake.h"

namespace millrace::admin {

// Parts of GrpcClusterAdmin: what one call at one address needs, and what is remembered of those that failed.

std::shared_ptr<grpc::Channel> channel_to(const io::Endpoint& at);  // which is not connected yet

// When something has to be over; monotonic.
class Deadline {
 public:
  static Deadline in(std::chrono::milliseconds time);
  std::chrono::milliseconds left() const;
  Deadline but_within(std::chrono::milliseconds time) const;
  gpr_timespec at() const { return at_; }

 private:
  explicit Deadline(gpr_timespec at) : at_(at) {}
  gpr_timespec at_;
};

// Why one address did not serve a call, by how much it says of the cluster: others are asked after each of these. A
// refusal is of the whole cluster.
struct Failure {
  enum class Kind : uint8_t { unreachable, stranger, no_controller, refusal };
  Kind kind = Kind::unreachable;
  Error why;
};
// What callers distinguish of the errors of failures.
Errc told_as(Errc code);

// What became of a call at the addresses that did not serve it. Not thread-safe.
class Failures {
 public:
  void add(const io::Endpoint& at, const Failure& failure);
  // The call may have been done at one of them, although nobody said so.
  bool may_have_happened() const { return may_have_happened_; }
  Error error() const;  // once there is one: of the one that says the most; the words name them all

 private:
  std::string words_;
  std::optional<Failure> worst_;
  bool may_have_happened_ = false;
};

// A call's own part: metadata, time, and afterwards who has answered.
class Attempt {
 public:
  Attempt(std::string cluster_id, Deadline deadline);  // "": it is not known
  grpc::ClientContext* context() { return &context_; }

  // Once the call has ended. Nothing: the reply is one of this cluster.
  std::optional<Failure> failure(const grpc::Status& status, const io::Endpoint& at) const;

 private:
  std::string trailing(const std::string& wanted) const;
  Status check_server(const io::Endpoint& at) const;

  const rpc::Identity self_;
  grpc::ClientContext context_;
};

}  // namespace millrace::admin
