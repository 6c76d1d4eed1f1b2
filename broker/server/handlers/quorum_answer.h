#pragma once

#include <optional>
#include <string>

#include "broker/control/quorum_membership.h"
#include "broker/metadata/image_store.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

// What the handlers of the metadata quorum share.
inline control::QuorumMembership& quorum_of(const Services& services) {
  ENSURE(services.quorum != nullptr);
  return *services.quorum;
}

// A request that names a cluster is meant for no other.
inline Status check_cluster(const Services& services, const std::optional<std::string>& cluster_id) {
  const metadata::ImagePointer image = services.images->load();
  if (!cluster_id || *cluster_id == image->cluster_id) return ok();
  return Error{Errc::cluster_mismatch, "the request is for cluster " + *cluster_id + ", this is " + image->cluster_id};
}

// The answer to a change of the quorum: one error of the whole.
template <class Response>
Response membership_answer(const Result<Unit>& changed) {
  Response response;
  set_outcome(response, changed);
  return response;
}

}  // namespace millrace::server::handlers
