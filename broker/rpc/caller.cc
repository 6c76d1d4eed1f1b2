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

// `check` decides by what the caller says of itself; the admission, about brokers only.
template <class Check>
Result<Identity> admitted(const grpc::ServerContextBase& context, const Admission& admission, Check check) {
  CallMetadata metadata;
  for (const auto& [name, value] : context.client_metadata()) {
    metadata.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  Result<Identity> caller = from_metadata(metadata);
  Status good = caller ? check(*caller) : Status(caller.error());
  if (good && admission && !caller->is_operator()) good = admission(*caller);
  if (good) return caller;
  const std::string words = good.error().to_string();
  if (is_news(words)) kLog.warn("a caller is refused", {{"peer", context.peer()}, {"why", words}});
  return good.error();
}

}  // namespace

Caller identify(const grpc::ServerContextBase& context, const Identity& self, const Admission& admission) {
  Result<Identity> caller =
      admitted(context, admission, [&](const Identity& says) { return check_caller(self, says); });
  if (caller) return {grpc::Status::OK, std::move(caller).value()};
  return {grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, caller.error().to_string()), {}};
}

Result<Identity> identify_operator(const grpc::ServerContextBase& context, const Identity& self,
                                   const Admission& admission, bool any_cluster) {
  return admitted(context, admission, [&](const Identity& says) { return check_operator(self, says, any_cluster); });
}

void add_identity(grpc::ServerContextBase& context, const Identity& self) {
  for (const auto& [name, value] : to_metadata(self)) context.AddInitialMetadata(name, value);
}

}  // namespace millrace::rpc
