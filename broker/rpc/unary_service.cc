#include "broker/rpc/unary_service.h"

namespace millrace::rpc {

void UnaryCall::wait() {
  self_ = shared_from_this();
  calls_.begin();
}

void UnaryCall::arrived(bool good) {
  if (good) {
    under_way_ = 2;  // done() and finished()
    serve();
    return;
  }
  let_go();  // the server stops, and done() is never told
}

void UnaryCall::finish(const grpc::Status& status) {
  const auto alive = shared_from_this();
  send(status, finished_.tag());
}

void UnaryCall::done(bool) {
  if (context_.IsCancelled() && claim()) {
    finish(grpc::Status(grpc::StatusCode::CANCELLED, "the caller has given up, or the broker stops"));
  }
  ended();
}

void UnaryCall::finished(bool) { ended(); }

void UnaryCall::ended() {
  if (--under_way_ == 0) let_go();
}

void UnaryCall::let_go() {
  CallsUnderWay& calls = calls_;
  self_.reset();
  calls.end();
}

void UnaryService::serve(QueueEventLoop& loop) {
  for (const auto& take : takers_) take(loop);
}

}  // namespace millrace::rpc
