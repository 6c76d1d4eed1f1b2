#include "broker/rpc/wire/call_error.h"

#include <utility>

namespace millrace::rpc {
namespace {

grpc::StatusCode kind_of(Errc code) {
  switch (code) {
    case Errc::timed_out:
    case Errc::not_controller:
    case Errc::connection_refused:
    case Errc::connection_closed:
    case Errc::shutting_down:
      return grpc::StatusCode::UNAVAILABLE;
    case Errc::overloaded:
    case Errc::message_too_large:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case Errc::invalid_argument:
    case Errc::malformed:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case Errc::not_found:
    case Errc::broker_not_registered:
      return grpc::StatusCode::NOT_FOUND;
    case Errc::outcome_unknown:
      return grpc::StatusCode::ABORTED;
    default:  // what has to change before the same call can succeed
      return grpc::StatusCode::FAILED_PRECONDITION;
  }
}

// Not within a character.
std::string cut(std::string words) {
  if (words.size() <= kErrorWordsMax) return words;
  size_t end = kErrorWordsMax;
  while (end > 0 && (static_cast<unsigned char>(words[end]) & 0xC0) == 0x80) --end;
  words.resize(end);
  return words;
}

}  // namespace

grpc::Status to_status(const Error& error) {
  Error told{error.code, cut(error.context)};
  return {kind_of(error.code), told.to_string()};
}

std::optional<Error> error_of(const grpc::Status& status, const std::string& name) {
  const std::optional<Errc> code = errc_named(name);
  if (status.ok() || !code) return std::nullopt;
  std::string context = status.error_message();
  const std::string words{to_string(*code)};
  const std::string end = ": " + words;
  if (context == words) {
    context.clear();
  } else if (context.size() > end.size() && context.ends_with(end)) {
    context.resize(context.size() - end.size());
  }
  return Error{*code, std::move(context)};
}

Error to_error(const grpc::Status& status, const std::string& what) {
  std::string words = what.empty() || status.error_message().empty() ? what + status.error_message()
                                                                     : what + ": " + status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return {Errc::connection_refused, std::move(words)};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {Errc::timed_out, std::move(words)};
    case grpc::StatusCode::FAILED_PRECONDITION:
      return {Errc::cluster_mismatch, std::move(words)};
    case grpc::StatusCode::UNIMPLEMENTED:
      return {Errc::unsupported_version, std::move(words)};
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return {Errc::permission_denied, std::move(words)};
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return {Errc::overloaded, std::move(words)};
    default:
      return {Errc::connection_closed, std::move(words)};
  }
}

}  // namespace millrace::rpc
