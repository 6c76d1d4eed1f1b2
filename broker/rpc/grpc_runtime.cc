#include "broker/rpc/grpc_runtime.h"

#include <mutex>

#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include "broker/base/logger.h"

namespace millrace::rpc {

void prepare_grpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc_init();  // never shut down again
    gpr_set_log_function([](gpr_log_func_args* line) {
      static const Logger log("grpc");
      log.debug("gRPC says", {{"message", std::string(line->message)}});
    });
  });
}

}  // namespace millrace::rpc
