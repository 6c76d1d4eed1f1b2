#include "broker/protocol/messages/find_coordinator.h"

#include <string>
#include <vector>

#include "broker/metadata/cluster_image.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image_store.h"
#include "broker/protocol/error_code.h"
#include "broker/protocol/hash.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::ErrorCode;
using protocol::FindCoordinatorRequest;
using protocol::FindCoordinatorResponse;
using Coordinator = FindCoordinatorResponse::Coordinator;

enum KeyType : int8_t { kGroup = 0, kTransaction = 1, kShare = 2 };
constexpr int16_t kShareSince = 6;
constexpr int16_t kBatchedSince = 4;

Coordinator refuse(const std::string& key, ErrorCode error, std::string message) {
  Coordinator answer;
  answer.key = key;
  answer.node_id = -1;
  answer.port = -1;
  answer.error_code = static_cast<int16_t>(error);
  answer.error_message = std::move(message);
  return answer;
}

// The leader of the partition that keeps the group, as the client's listener reaches it.
Coordinator locate(const metadata::ClusterImage& image, const std::string& listener, const std::string& key) {
  const metadata::TopicImage* topic = image.find_topic(metadata::kOffsetsTopic);
  if (topic == nullptr || topic->partitions.empty()) {
    return refuse(key, ErrorCode::coordinator_not_available, "The offsets topic does not exist yet.");
  }
  const int32_t index = protocol::coordinator_partition(key, static_cast<int32_t>(topic->partitions.size()));
  const metadata::BrokerImage* leader = image.find_broker(topic->partitions[static_cast<size_t>(index)].leader);
  const metadata::ListenerEndpoint* endpoint =
      leader == nullptr || leader->fenced ? nullptr : leader->endpoint(listener);
  if (endpoint == nullptr) {
    return refuse(key, ErrorCode::coordinator_not_available, "The group's partition has no leader on this listener.");
  }
  Coordinator answer;
  answer.key = key;
  answer.node_id = leader->id.value();
  answer.host = endpoint->host;
  answer.port = endpoint->port;
  return answer;
}

void send(Reply<FindCoordinatorResponse>& reply, int16_t version, std::vector<Coordinator> answers) {
  FindCoordinatorResponse response;
  if (version >= kBatchedSince) {
    response.coordinators = std::move(answers);
  } else {
    Coordinator& only = answers.front();
    response.error_code = only.error_code;
    response.error_message = std::move(only.error_message);
    response.node_id = only.node_id;
    response.host = std::move(only.host);
    response.port = only.port;
  }
  reply.send(response);
}

}  // namespace

void handle_find_coordinator(Services& services, RequestContext context, FindCoordinatorRequest request,
                             Reply<FindCoordinatorResponse> reply) {
  const int16_t version = context.version;
  std::vector<std::string> keys =
      version >= kBatchedSince ? std::move(request.coordinator_keys) : std::vector<std::string>{std::move(request.key)};
  if (request.key_type != kGroup) {
    // Not 15: clients would ask again for ever for what does not exist.
    const bool is_known = request.key_type == kTransaction || (request.key_type == kShare && version >= kShareSince);
    std::vector<Coordinator> answers;
    for (const std::string& key : keys) {
      answers.push_back(is_known ? refuse(key, ErrorCode::unsupported_version,
                                          request.key_type == kTransaction ? "Transactions are not supported."
                                                                           : "Share groups are not supported.")
                                 : refuse(key, ErrorCode::invalid_request, "Unknown type of coordinator."));
    }
    return send(reply, version, std::move(answers));
  }
  const auto answer = [&services, version, listener = context.connection->listener,
                       keys = std::move(keys)](Reply<FindCoordinatorResponse>& to) {
    const metadata::ImagePointer image = services.images->load();
    std::vector<Coordinator> answers;
    for (const std::string& key : keys) answers.push_back(locate(*image, listener, key));
    send(to, version, std::move(answers));
  };
  if (services.images->load()->find_topic(metadata::kOffsetsTopic) != nullptr) return answer(reply);
  // The first group of the cluster: its topic is there, with leaders, when the controller answers.
  services.controller->ensure_offsets_topic(
      [answer, shared = share(std::move(reply))](Result<int32_t>) { answer(*shared); });
}

void run_find_coordinator(RawRequest request) { run_typed<&handle_find_coordinator>(std::move(request)); }

}  // namespace millrace::server::handlers
