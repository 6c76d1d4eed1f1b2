#include "broker/rpc/wire/grpc_runtime.h"

#include <cstdlib>
#include <memory>
#include <mutex>

#include <absl/synchronization/mutex.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include "broker/base/logger.h"

namespace millrace::rpc {
namespace {

// A channel to nowhere with one call on it, never destroyed: as long as it is there, so are the threads and the queue
// that all calls share.
struct Anchor {
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel("unix:/dev/null/nowhere", grpc::InsecureChannelCredentials());
  grpc::GenericStub stub{channel};
  grpc::ClientContext context;
  grpc::Slice nothing;
  grpc::ByteBuffer request{&nothing, 1};
  grpc::ByteBuffer answer;
};

}  // namespace

void prepare_grpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args* line) {
      static const Logger log("grpc");
      log.debug("gRPC says", {{"message", std::string(line->message)}});
    });
    // Each queue polls the sockets of its own calls (rpc/queue_event_loop.h); read when gRPC starts.
    ::setenv("GRPC_POLL_STRATEGY", "poll", 1);
    // Debian's Abseil looks for cycles in the order of gRPC's locks, in one graph for all threads.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc_init();  // never shut down again
    static Anchor* const anchor = new Anchor;
    anchor->stub.UnaryCall(&anchor->context, "/none", grpc::StubOptions(), &anchor->request, &anchor->answer,
                           [](const grpc::Status&) {});
  });
}

std::string target_of(const io::Endpoint& at) {
  return at.host.find(':') == std::string::npos ? "dns:" + at.to_string()
                                                : "dns:[" + at.host + "]:" + std::to_string(at.port);
}

}  // namespace millrace::rpc
