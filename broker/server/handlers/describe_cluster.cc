#include "broker/protocol/messages/describe_cluster.h"

#include "broker/metadata/image_store.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/cluster_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::DescribeClusterRequest;
using protocol::DescribeClusterResponse;
using protocol::ErrorCode;

constexpr int8_t kBrokers = 1, kControllers = 2;

void handle_describe_cluster(Services& services, RequestContext context, DescribeClusterRequest request,
                             Reply<DescribeClusterResponse> reply) {
  const metadata::ImagePointer image = services.images->load();
  DescribeClusterResponse response;
  response.endpoint_type = request.endpoint_type;
  response.cluster_id = image->cluster_id;
  if (request.endpoint_type != kBrokers) {
    const bool controllers = request.endpoint_type == kControllers;
    response.error_code =
        static_cast<int16_t>(controllers ? ErrorCode::mismatched_endpoint_type : ErrorCode::unsupported_endpoint_type);
    response.error_message = controllers ? "this listener serves brokers, not controllers"
                                         : "endpoint type " + std::to_string(request.endpoint_type);
    return reply.send(response);
  }
  response.controller_id = controller_of(*image);
  for (const BrokerAddress& address :
       brokers_on(*image, context.connection->listener, request.include_fenced_brokers)) {
    auto& out = response.brokers.emplace_back();
    out.broker_id = address.broker->id.value();
    out.host = address.endpoint->host;
    out.port = address.endpoint->port;
    if (!address.broker->rack.empty()) out.rack = address.broker->rack;
    out.is_fenced = address.broker->fenced;
  }
  if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = kClusterOperations;
  reply.send(response);
}

}  // namespace

void run_describe_cluster(RawRequest request) { run_typed<&handle_describe_cluster>(std::move(request)); }

}  // namespace millrace::server::handlers
