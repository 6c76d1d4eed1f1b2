#pragma once

#include <optional>
#include <string>

#include <grpcpp/support/status.h>

#include "broker/base/result.h"

namespace millrace::rpc {

// The trailing metadata in which a call of ClusterAdmin that failed names its error of broker/base/errc.h.
inline constexpr const char* kErrorMetadata = "millrace-error";
inline constexpr size_t kErrorWordsMax = 1024;  // bytes of a status's message; metadata of a call is small

// The status that ends such a call: its message is one sentence, its code tells other people's tools the kind of it.
grpc::Status to_status(const Error& error);
// The error again; `name` is what the trailing metadata says. none: the status is gRPC's own, or of a later version.
std::optional<Error> error_of(const grpc::Status& status, const std::string& name);

// What a call that gRPC itself failed means here; `what` names the call.
Error to_error(const grpc::Status& status, const std::string& what);

}  // namespace millrace::rpc
