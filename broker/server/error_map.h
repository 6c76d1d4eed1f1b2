#pragma once

#include "broker/base/errc.h"
#include "broker/protocol/error_code.h"

namespace millrace::server {

// The only map from our errors to Kafka's. Handlers override it where an API asks for another code in a special case.
protocol::ErrorCode to_error_code(Errc code);

}  // namespace millrace::server
