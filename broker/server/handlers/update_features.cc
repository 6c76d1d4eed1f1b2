#include "broker/protocol/messages/update_features.h"

#include <algorithm>

#include "broker/metadata/controller.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using metadata::UpdateFeatures;
using protocol::UpdateFeaturesRequest;
using protocol::UpdateFeaturesResponse;

constexpr int16_t kFirstWithoutResults = 2;  // all or none: one error says it

// Nothing when the request names a kind of change that nobody knows.
std::optional<UpdateFeatures::Kind> kind_of(const UpdateFeaturesRequest::FeatureUpdateKey& update, int16_t version) {
  using Kind = UpdateFeatures::Kind;
  if (version == 0) return update.allow_downgrade ? Kind::safe_downgrade : Kind::upgrade;
  const auto kind = static_cast<Kind>(update.upgrade_type);
  if (kind != Kind::upgrade && kind != Kind::safe_downgrade && kind != Kind::unsafe_downgrade) return std::nullopt;
  return kind;
}

Result<UpdateFeatures> command_of(const UpdateFeaturesRequest& request, int16_t version) {
  UpdateFeatures command{.features = {}, .validate_only = request.validate_only};
  for (const auto& update : request.feature_updates) {
    const auto kind = kind_of(update, version);
    if (!kind) {
      return Error{Errc::invalid_update_version,
                   update.feature + ": upgrade type " + std::to_string(update.upgrade_type)};
    }
    command.features.push_back({.name = update.feature, .level = update.max_version_level, .kind = *kind});
  }
  return command;
}

UpdateFeaturesResponse whole(const Status& outcome) {
  UpdateFeaturesResponse response;
  set_outcome(response, outcome);
  return response;
}

UpdateFeaturesResponse answer(const metadata::UpdateFeaturesReply& reply, int16_t version) {
  if (version >= kFirstWithoutResults) {
    // The reason, rather than what it kept from happening.
    const auto reason = std::find_if(reply.features.begin(), reply.features.end(), [](const auto& one) {
      return !one.second && one.second.error().code != Errc::feature_update_failed;
    });
    return whole(reason == reply.features.end() ? ok() : reason->second);
  }
  UpdateFeaturesResponse response = whole(ok());
  for (const auto& [name, outcome] : reply.features) {
    auto& out = response.results.emplace_back();
    out.feature = name;
    set_outcome(out, outcome);
  }
  return response;
}

void handle_update_features(Services& services, RequestContext context, UpdateFeaturesRequest request,
                            Reply<UpdateFeaturesResponse> reply) {
  const int16_t version = context.version;
  Result<UpdateFeatures> command = command_of(request, version);
  if (!command) return reply.send(whole(command.error()));
  auto timed = std::make_shared<TimedReply<UpdateFeaturesResponse>>(std::move(reply));
  timed->expire_after(context, request.timeout_ms, [] {
    return whole(Error{Errc::timed_out, "the features may still be changed"});
  });
  services.controller->update_features(std::move(*command),
                                       [timed, version](const Result<metadata::UpdateFeaturesReply>& changed) {
                                         timed->complete(changed ? answer(*changed, version) : whole(changed.error()));
                                       });
}

}  // namespace

void run_update_features(RawRequest request) { run_typed<&handle_update_features>(std::move(request)); }

}  // namespace millrace::server::handlers
