#include "operator/admin/wire_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "broker/protocol/messages/api_versions.h"
#include "operator/admin/wire_call.h"
#include "operator/admin/wire_wait.h"

namespace millrace::admin {

using protocol::ErrorCode;

WireClient::~WireClient() { drop_link(); }

void WireClient::drop_link() {
  if (!link_) return;
  options_.loop->post([link = std::move(link_)] { link->close(); });
  link_.reset();
}

Result<std::shared_ptr<Link>> WireClient::connect(const io::Endpoint& to) {
  Waiter<std::shared_ptr<Link>> waiter;
  options_.loop->post([this, to, completion = waiter.completion()] {
    options_.network->connect(*options_.loop, to, options_.connect_timeout,
                              [loop = options_.loop, completion](Result<std::unique_ptr<io::Stream>> stream) {
                                if (!stream) return completion->complete(std::move(stream).error());
                                completion->complete(std::make_shared<Link>(*loop, std::move(*stream)));
                              });
  });
  return waiter.wait();
}

Status WireClient::ensure_link() {
  if (link_) return ok();
  Error last{Errc::connection_refused, "no address"};
  for (const io::Endpoint& address : bootstrap_) {
    const Status linked = link_to(address);
    if (linked) return ok();
    last = linked.error();
  }
  return last;
}

Status WireClient::link_to(const io::Endpoint& address) {
  drop_link();
  TRY_ASSIGN(link_, connect(address));
  linked_to_ = address;
  Status learned = learn_versions();
  if (!learned) drop_link();
  return learned;
}

Status WireClient::at_controller(const std::function<Status()>& change) {
  for (int hops = 0;; ++hops) {
    Status done = change();
    if (done || done.error().code != Errc::not_controller || hops == kControllerHopsMax) return done;
    TRY(move_to_controller());
  }
}

Status WireClient::move_to_controller() {
  TRY_ASSIGN(const Brokers brokers, describe_brokers());
  const auto controller = brokers.addresses.find(brokers.controller);
  // One that names itself and is not says what is outdated.
  if (controller != brokers.addresses.end() && controller->second != linked_to_) return link_to(controller->second);
  return Error{Errc::not_controller, linked_to_.to_string() + " knows no other controller"};
}

// Version 0, which every broker answers; a broker that knows no version of ours says so in it, too.
Status WireClient::learn_versions() {
  protocol::ApiVersionsRequest request;
  TRY_ASSIGN(const Bytes frame, exchange(encode_request(request, 0, next_correlation_id_, options_.client_id)));
  TRY_ASSIGN(const protocol::ApiVersionsResponse response,
             (decode_response<protocol::ApiVersionsRequest>(frame, 0, next_correlation_id_++)));
  TRY(status_of(response.error_code, std::nullopt, "ApiVersions"));
  versions_.clear();
  for (const auto& api : response.api_keys) versions_[api.api_key] = {api.min_version, api.max_version};
  return ok();
}

Result<int16_t> WireClient::version_for(protocol::ApiKey api, VersionRange ours) const {
  const auto theirs = versions_.find(static_cast<int16_t>(api));
  if (theirs == versions_.end()) {
    return Error{Errc::unsupported_version, "the broker does not serve " + std::string(protocol::name(api))};
  }
  const int16_t version = std::min(ours.max, theirs->second.max);
  if (version < ours.min || version < theirs->second.min) {
    return Error{Errc::unsupported_version, std::string(protocol::name(api)) + " of the broker"};
  }
  return version;
}

Result<Bytes> WireClient::exchange(OutputChain frame) {
  Waiter<Bytes> waiter;
  options_.loop->post(
      [link = link_, frame = std::move(frame), timeout = options_.request_timeout, completion = waiter.completion()] {
        link->exchange(frame, timeout, [completion](Result<Bytes> reply) { completion->complete(std::move(reply)); });
      });
  return waiter.wait();
}

int32_t WireClient::request_timeout_ms() const {
  return static_cast<int32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(options_.request_timeout).count());
}

Result<std::unique_ptr<Client>> WireConnector::connect(const std::string& bootstrap) {
  TRY_ASSIGN(std::vector<io::Endpoint> endpoints, parse_bootstrap(bootstrap));
  return std::unique_ptr<Client>(std::make_unique<WireClient>(options_, std::move(endpoints)));
}

Result<std::vector<io::Endpoint>> parse_bootstrap(const std::string& text) {
  std::vector<io::Endpoint> result;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t colon = one.rfind(':');
    const Error bad{Errc::invalid_argument, "bootstrap address '" + std::string(one) + "' is not HOST:PORT"};
    if (colon == std::string_view::npos || colon == 0) return bad;
    io::Endpoint endpoint{.host = std::string(one.substr(0, colon))};
    const std::string_view port = one.substr(colon + 1);
    const auto read = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (read.ec != std::errc() || read.ptr != port.data() + port.size() || endpoint.port == 0) return bad;
    result.push_back(std::move(endpoint));
  }
  if (result.empty()) return Error{Errc::invalid_argument, "no bootstrap address"};
  return result;
}

namespace {

Errc errc_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::unknown_topic_or_partition:
      return Errc::unknown_topic_or_partition;
    case ErrorCode::unknown_topic_id:
      return Errc::unknown_topic_id;
    case ErrorCode::topic_already_exists:
      return Errc::topic_already_exists;
    case ErrorCode::invalid_topic_exception:
      return Errc::invalid_topic;
    case ErrorCode::invalid_partitions:
      return Errc::invalid_partitions;
    case ErrorCode::invalid_replication_factor:
      return Errc::invalid_replication_factor;
    case ErrorCode::invalid_config:
      return Errc::invalid_config;
    case ErrorCode::policy_violation:
      return Errc::policy_violation;
    case ErrorCode::topic_deletion_disabled:
      return Errc::topic_deletion_disabled;
    case ErrorCode::not_controller:
      return Errc::not_controller;
    case ErrorCode::unsupported_version:
      return Errc::unsupported_version;
    case ErrorCode::request_timed_out:
      return Errc::timed_out;
    case ErrorCode::duplicate_voter:
      return Errc::duplicate_voter;
    case ErrorCode::voter_not_found:
      return Errc::voter_not_found;
    default:  // nobody acts on the difference between the others; the name of the code is in the context
      return Errc::invalid_argument;
  }
}

}  // namespace

Status status_of(int16_t code, const std::optional<std::string>& message, const std::string& subject) {
  const auto error = static_cast<ErrorCode>(code);
  if (error == ErrorCode::none) return ok();
  const std::string words = message && !message->empty() ? *message : std::string(protocol::name(error));
  return Error{errc_of(error), subject + ": " + words};
}

}  // namespace millrace::admin
