#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include "broker/rpc/calls_under_way.h"
#include "broker/rpc/queue_event_loop.h"

namespace millrace::rpc {

// One unary call that is served. Whoever claims it ends it: the answer, or the caller that gives up. Request, reply and
// context are there as long as it is held.
class UnaryCall : public std::enable_shared_from_this<UnaryCall> {
 public:
  virtual ~UnaryCall() = default;
  UnaryCall(const UnaryCall&) = delete;
  UnaryCall& operator=(const UnaryCall&) = delete;

  grpc::ServerContext& context() { return context_; }
  // Any thread.
  bool claim() { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  bool is_claimed() const { return claimed_.load(std::memory_order_acquire); }
  void finish(const grpc::Status& status);  // by who has claimed it

 protected:
  UnaryCall(QueueEventLoop& loop, CallsUnderWay& calls) : loop_(loop), calls_(calls) {
    context_.AsyncNotifyWhenDone(done_.tag());
  }
  void wait();  // for the call to arrive: before it is requested
  virtual void serve() = 0;
  virtual void send(const grpc::Status& status, void* tag) = 0;

  QueueEventLoop& loop_;
  grpc::ServerContext context_;
  MemberTag<UnaryCall> arrived_{*this, &UnaryCall::arrived};

 private:
  void arrived(bool good);
  void done(bool);
  void finished(bool);
  void ended();
  void let_go();

  CallsUnderWay& calls_;
  std::shared_ptr<UnaryCall> self_;  // until gRPC is through with it
  int under_way_ = 0;                // the loop's
  std::atomic<bool> claimed_{false};
  MemberTag<UnaryCall> done_{*this, &UnaryCall::done};
  MemberTag<UnaryCall> finished_{*this, &UnaryCall::finished};
};

// Unary methods, to be registered with the RpcServer, which calls serve(). Handlers run on the loop that it names and
// must not block it; they may answer later, on any thread. gRPC's callback services would be polled by threads of
// gRPC's own, which then also read what arrives for the loops (queue_event_loop.h). Outlives the server.
class UnaryService : public grpc::Service {
 public:
  void serve(QueueEventLoop& loop);
  CallsUnderWay& calls() { return calls_; }

 protected:
  template <class Request, class Reply>
  using Handler = std::function<void(const std::shared_ptr<UnaryCall>& call, const Request&, Reply&)>;

  // `method` ("/package.Service/Method") is a literal.
  template <class Request, class Reply>
  void add(const char* method, Handler<Request, Reply> handler) {
    const int index = static_cast<int>(takers_.size());
    AddMethod(new grpc::internal::RpcServiceMethod(method, grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
    MarkMethodAsync(index);
    takers_.emplace_back([this, index, handler = std::move(handler)](QueueEventLoop& loop) {
      std::make_shared<TypedCall<Request, Reply>>(*this, index, loop, handler)->take();
    });
  }

 private:
  template <class Request, class Reply>
  class TypedCall final : public UnaryCall {
   public:
    TypedCall(UnaryService& service, int index, QueueEventLoop& loop, const Handler<Request, Reply>& handler)
        : UnaryCall(loop, service.calls_), service_(service), index_(index), handler_(handler) {}
    void take() {
      wait();
      service_.RequestAsyncUnary(index_, &context_, &request_, &writer_, loop_.queue(), loop_.queue(), arrived_.tag());
    }

   private:
    void serve() override {
      service_.takers_[static_cast<size_t>(index_)](loop_);  // the next one
      handler_(shared_from_this(), request_, reply_);
    }
    void send(const grpc::Status& status, void* tag) override {
      if (status.ok()) {
        writer_.Finish(reply_, status, tag);
      } else {
        writer_.FinishWithError(status, tag);
      }
    }

    UnaryService& service_;
    const int index_;
    const Handler<Request, Reply>& handler_;  // the service's
    Request request_;
    Reply reply_;
    grpc::ServerAsyncResponseWriter<Reply> writer_{&context_};
  };

  std::vector<std::function<void(QueueEventLoop&)>> takers_;
  CallsUnderWay calls_;
};

}  // namespace millrace::rpc
