#include "broker/protocol/messages/alter_configs.h"

#include "broker/server/handler.h"
#include "broker/server/handlers/change_configs.h"
#include "broker/server/handlers/handlers.h"

namespace millrace::server::handlers {
namespace {

using protocol::AlterConfigsRequest;
using protocol::AlterConfigsResponse;

void handle_alter_configs(Services& services, RequestContext, AlterConfigsRequest request,
                          Reply<AlterConfigsResponse> reply) {
  metadata::AlterConfigs command{.resources = {}, .replace = true, .validate_only = request.validate_only};
  for (const auto& resource : request.resources) {
    auto& item = command.resources.emplace_back();
    item.resource = {resource.resource_type, resource.resource_name};
    for (const auto& config : resource.configs) item.changes.push_back({config.name, 0, config.value});
  }
  change_configs(services, std::move(command), std::move(reply));
}

}  // namespace

void run_alter_configs(RawRequest request) { run_typed<&handle_alter_configs>(std::move(request)); }

}  // namespace millrace::server::handlers
