#include <set>

#include "broker/metadata/decisions.h"

namespace millrace::metadata {
namespace {

Status check_level(const ClusterImage& image, const UpdateFeatures::Item& item) {
  const auto found = image.features.find(item.name);
  const int16_t current = found == image.features.end() ? int16_t{0} : found->second;
  const std::string words = item.name + " at level " + std::to_string(item.level);
  if (item.name.empty() || item.level < 0) return Error{Errc::invalid_update_version, words};
  if (item.level < current && item.kind == UpdateFeatures::Kind::upgrade) {
    return Error{Errc::invalid_update_version,
                 words + " would be a downgrade from " + std::to_string(current) + ": ask for one"};
  }
  if (item.level > current && item.kind != UpdateFeatures::Kind::upgrade) {
    return Error{Errc::invalid_update_version, words + " would be an upgrade from " + std::to_string(current)};
  }
  if (item.level == 0) return ok();
  if (image.brokers.empty()) return Error{Errc::invalid_update_version, words + ": no broker is registered"};
  for (const auto& [id, broker] : image.brokers) {
    const auto range = broker.features.find(item.name);
    const std::string name = ": broker " + std::to_string(id.value());
    if (range == broker.features.end()) {
      return Error{Errc::invalid_update_version, words + name + " does not know it"};
    }
    if (item.level < range->second.min || item.level > range->second.max) {
      return Error{Errc::invalid_update_version, words + name + " works at " + std::to_string(range->second.min) +
                                                     " to " + std::to_string(range->second.max)};
    }
  }
  return ok();
}

}  // namespace

Decision<UpdateFeaturesReply> decide(const ClusterImage& image, const UpdateFeatures& command) {
  Decision<UpdateFeaturesReply> decision;
  std::set<std::string_view> seen;
  bool all_right = true;
  for (const UpdateFeatures::Item& item : command.features) {
    Status outcome = seen.insert(item.name).second
                         ? check_level(image, item)
                         : Status(Error{Errc::invalid_update_version, item.name + " is in the request more than once"});
    all_right = all_right && outcome.has_value();
    decision.reply.features.emplace_back(item.name, std::move(outcome));
  }
  if (!all_right) {
    for (auto& [name, outcome] : decision.reply.features) {
      if (outcome) outcome = Error{Errc::feature_update_failed, name + ": another feature of the request is refused"};
    }
    return decision;
  }
  if (command.validate_only) return decision;
  for (const UpdateFeatures::Item& item : command.features) {
    const auto found = image.features.find(item.name);
    if (item.level != (found == image.features.end() ? 0 : found->second)) {
      add(decision.records, FeatureRecord{item.name, item.level});
    }
  }
  return decision;
}

Decision<Status> decide(const ClusterImage& image, const SetVoters& command) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  if (image.voters != command.voters) add(decision.records, VotersRecord{command.voters});
  return decision;
}

}  // namespace millrace::metadata
