#pragma once

#include <memory>

#include "broker/rpc/admin_backend.h"
#include "broker/rpc/unary_service.h"
#include "broker/rpc/wire/handshake.h"

namespace millrace::rpc {

inline constexpr size_t kAdminRequestBytesMax = 16 * 1024;  // message_too_large
inline constexpr int kAdminCallsMax = 64;                   // that wait for the controller; one more is `overloaded`
// For how long a controller is waited for, unless the caller's deadline comes first: then a little less, so that the
// words of what went wrong still arrive in time.
inline constexpr std::chrono::milliseconds kAdminWaitMax{30'000};
inline constexpr std::chrono::milliseconds kDescribeWaitMax{1'500};  // then it is told what was seen last

// Millrace's ClusterAdmin, as every broker serves it to operators and other brokers (wire/admin.proto); to be
// registered with the RpcServer. What fails ends with an error as wire/call_error.h carries it. Waits on no thread: a
// call that the caller gives up, or that the server's end catches, ends at once, whatever becomes of it at the
// controller. `backend` outlives the RpcServer.
std::unique_ptr<UnaryService> make_admin_service(const Identity& self, Admission admission, AdminBackend& backend);

}  // namespace millrace::rpc
