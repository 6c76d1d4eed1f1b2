#pragma once

#include <memory>
#include <utility>

#include "broker/metadata/controller.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

// What AlterConfigs and IncrementalAlterConfigs share: `command` goes to the controller, and the answer names every
// resource with its outcome.
template <class Response>
void change_configs(Services& services, metadata::AlterConfigs command, Reply<Response> reply) {
  std::vector<metadata::ConfigResource> asked;
  for (const auto& item : command.resources) asked.push_back(item.resource);
  auto held = std::make_shared<TimedReply<Response>>(std::move(reply));  // without a limit: the request has none
  services.controller->alter_configs(std::move(command),
                                     [held, asked = std::move(asked)](Result<metadata::AlterConfigsReply> changed) {
                                       Response response;
                                       for (size_t i = 0; i < asked.size(); ++i) {
                                         auto& out = response.responses.emplace_back();
                                         out.resource_type = asked[i].type;
                                         out.resource_name = asked[i].name;
                                         set_outcome(out, Unit{});
                                         if (!changed) {
                                           set_outcome(out, changed.error());
                                         } else if (const Status& outcome = changed->resources[i].second; !outcome) {
                                           set_outcome(out, outcome.error());
                                         }
                                       }
                                       held->complete(response);
                                     });
}

}  // namespace millrace::server::handlers
