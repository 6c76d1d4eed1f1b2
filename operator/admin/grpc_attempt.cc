#include "operator/admin/grpc_attempt.h"

#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "broker/rpc/wire/call_error.h"
#include "broker/rpc/wire/grpc_runtime.h"

namespace millrace::admin {
namespace {

using std::chrono::milliseconds;

constexpr int kReplyBytesMax = 16 << 20;
constexpr int kReconnectMsMin = 50;
constexpr int kReconnectMsMax = 500;
constexpr int kConnectMs = 1000;     // an attempt to connect is given up after this
constexpr int kKeepaliveMs = 1000;   // without a sign of life on a connection before it is asked for one,
constexpr int kSilenceMsMax = 2000;  // and before it is given up then

std::string text_of(const grpc::string_ref& text) { return {text.data(), text.size()}; }

Failure::Kind kind_of(Errc code) {
  switch (code) {
    case Errc::cluster_mismatch:
    case Errc::unsupported_version:
    case Errc::malformed:
      return Failure::Kind::stranger;
    case Errc::timed_out:
    case Errc::not_controller:
    case Errc::outcome_unknown:
    case Errc::shutting_down:
    case Errc::connection_refused:
    case Errc::connection_closed:
      return Failure::Kind::no_controller;
    default:
      return Failure::Kind::refusal;
  }
}

}  // namespace

std::shared_ptr<grpc::Channel> channel_to(const io::Endpoint& at) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMsMin);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);  // its real meaning
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kSilenceMsMax);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no limit
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kReplyBytesMax);
  return grpc::CreateCustomChannel(rpc::target_of(at), grpc::InsecureChannelCredentials(), arguments);
}

Deadline Deadline::in(milliseconds time) {
  return Deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(time.count(), GPR_TIMESPAN)));
}
milliseconds Deadline::left() const {
  return milliseconds(gpr_time_to_millis(gpr_time_sub(at_, gpr_now(GPR_CLOCK_MONOTONIC))));
}
Deadline Deadline::but_within(milliseconds time) const {
  const Deadline other = in(time);
  return gpr_time_cmp(at_, other.at_) < 0 ? *this : other;
}

Errc told_as(Errc code) {
  switch (code) {
    case Errc::not_controller:
    case Errc::outcome_unknown:
      return Errc::timed_out;
    case Errc::shutting_down:
      return Errc::connection_closed;
    case Errc::malformed:
      return Errc::unsupported_version;
    default:
      return code;
  }
}

void Failures::add(const io::Endpoint& at, const Failure& failure) {
  words_ += (words_.empty() ? "" : "; ") + at.to_string() + ": " + failure.why.to_string();
  // Whoever could not be connected to was not asked.
  if (failure.kind != Failure::Kind::stranger && failure.why.code != Errc::connection_refused) {
    may_have_happened_ = true;
  }
  if (!worst_ || failure.kind >= worst_->kind) worst_ = failure;
}

Error Failures::error() const {
  ENSURE(worst_.has_value());
  return {told_as(worst_->why.code), words_};
}

Attempt::Attempt(std::string cluster_id, Deadline deadline) : self_{.cluster_id = std::move(cluster_id)} {
  for (const auto& [name, value] : rpc::to_metadata(self_)) context_.AddMetadata(name, value);
  context_.set_deadline(deadline.at());
}

std::optional<Failure> Attempt::failure(const grpc::Status& status, const io::Endpoint& at) const {
  if (status.ok()) {
    const Status known = check_server(at);
    if (known) return std::nullopt;
    return Failure{Failure::Kind::stranger, known.error()};
  }
  if (auto told = rpc::error_of(status, trailing(rpc::kErrorMetadata))) {
    return Failure{kind_of(told->code), std::move(*told)};
  }
  Error why = rpc::to_error(status, {});
  if (why.code == Errc::unsupported_version || why.code == Errc::cluster_mismatch) {
    return Failure{Failure::Kind::stranger, {Errc::unsupported_version, "no broker that operators can talk to"}};
  }
  if (why.code == Errc::timed_out) why.context = "no answer";
  return Failure{Failure::Kind::unreachable, std::move(why)};
}

std::string Attempt::trailing(const std::string& wanted) const {
  for (const auto& [name, value] : context_.GetServerTrailingMetadata()) {
    if (text_of(name) == wanted) return text_of(value);
  }
  return {};
}

Status Attempt::check_server(const io::Endpoint& at) const {
  rpc::CallMetadata metadata;
  for (const auto& [name, value] : context_.GetServerInitialMetadata()) metadata.emplace(text_of(name), text_of(value));
  TRY_ASSIGN(const rpc::Identity server, rpc::from_metadata(metadata));
  rpc::Identity self = self_;
  if (self.cluster_id.empty()) self.cluster_id = server.cluster_id;
  return rpc::check_server(self, server, kNoBroker, at.to_string());
}

}  // namespace millrace::admin
