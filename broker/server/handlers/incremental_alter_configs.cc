#include "broker/protocol/messages/incremental_alter_configs.h"

#include "broker/server/handler.h"
#include "broker/server/handlers/change_configs.h"
#include "broker/server/handlers/handlers.h"

namespace millrace::server::handlers {
namespace {

using protocol::IncrementalAlterConfigsRequest;
using protocol::IncrementalAlterConfigsResponse;

void handle_incremental_alter_configs(Services& services, RequestContext, IncrementalAlterConfigsRequest request,
                                      Reply<IncrementalAlterConfigsResponse> reply) {
  metadata::AlterConfigs command{.resources = {}, .replace = false, .validate_only = request.validate_only};
  for (const auto& resource : request.resources) {
    auto& item = command.resources.emplace_back();
    item.resource = {resource.resource_type, resource.resource_name};
    for (const auto& config : resource.configs) {
      item.changes.push_back({config.name, config.config_operation, config.value});
    }
  }
  change_configs(services, std::move(command), std::move(reply));
}

}  // namespace

void run_incremental_alter_configs(RawRequest request) {
  run_typed<&handle_incremental_alter_configs>(std::move(request));
}

}  // namespace millrace::server::handlers
