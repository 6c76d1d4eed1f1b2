#include "broker/rpc/caller.h"

#include <grpcpp/server_context.h>

#include "broker/base/logger.h"
#include "broker/base/mutex.h"

namespace millrace::rpc {
namespace {

const Logger kLog("rpc");

// Remembers the last refusal only: a peer that is refused tries again and again with the same words.
bool is_news(const std::string& words) {
  static Mutex mutex;
  static std::string last;
  MutexLock lock(mutex);
  if (words == last) return false;
  last = words;
  return true;
}

}  // namespace

Caller identify(const grpc::ServerContextBase& context, const Identity& self, const Admission& admission) {
  CallMetadata metadata;
  for (const auto& [name, value] : context.client_metadata()) {
    metadata.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  Result<Identity> caller = from_metadata(metadata);
  Status good = caller ? check_caller(self, *caller) : Status(caller.error());
  if (good && admission) good = admission(*caller);
  if (good) return {grpc::Status::OK, std::move(caller).value()};
  const std::string words = good.error().to_string();
  if (is_news(words)) kLog.warn("a caller is refused", {{"peer", context.peer()}, {"why", words}});
  return {grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, words), {}};
}

void add_identity(grpc::ServerContextBase& context, const Identity& self) {
  for (const auto& [name, value] : to_metadata(self)) context.AddInitialMetadata(name, value);
}

}  // namespace millrace::rpc
