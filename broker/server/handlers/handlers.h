#pragma once

#include <span>

#include "broker/server/handler.h"

namespace millrace::server::handlers {

// The table of handlers.cc: which APIs exist and in which versions. Sorted by API key.
std::span<const Handler> table();

// One per handler file.
void run_api_versions(RawRequest request);

}  // namespace millrace::server::handlers
