#pragma once

#include <grpcpp/support/status.h>

#include "broker/rpc/wire/handshake.h"

namespace grpc {
class ServerContextBase;
}

namespace millrace::rpc {

// The caller of a call, when it may be served: the check that every service makes first. Otherwise the status to end
// the call with, whose words were logged (once for each new sentence, so that a peer that keeps trying fills no log).
struct Caller {
  grpc::Status status;
  Identity identity;
};
Caller identify(const grpc::ServerContextBase& context, const Identity& self, const Admission& admission);

// The same of a call that operators may make, too; `any_cluster`: even one that does not know the cluster. The errors
// are those of check_operator(), of the admission, and malformed.
Result<Identity> identify_operator(const grpc::ServerContextBase& context, const Identity& self,
                                   const Admission& admission, bool any_cluster);

// Tells the caller who answers.
void add_identity(grpc::ServerContextBase& context, const Identity& self);

}  // namespace millrace::rpc
