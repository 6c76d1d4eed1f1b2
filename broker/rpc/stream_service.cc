#include "broker/rpc/stream_service.h"

#include <utility>

#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include "broker/base/ensure.h"
#include "broker/rpc/caller.h"
#include "broker/rpc/pipe.h"

namespace millrace::rpc {

// One stream; before that, the place for it.
class ServerStream final : public Pipe {
 public:
  ServerStream(QueueEventLoop& loop, StreamService& service, int index) : Pipe(loop), service_(service), index_(index) {
    context_.AsyncNotifyWhenDone(done_.tag());
  }

  void wait() {
    waiting_ = std::static_pointer_cast<ServerStream>(shared_from_this());
    service_.calls_.begin();
    service_.RequestAsyncBidiStreaming(index_, &context_, &call_, loop().queue(), loop().queue(), arrived_.tag());
  }

 private:
  void start_read(grpc::ByteBuffer* into, void* tag) override { call_.Read(into, tag); }
  void start_write(const grpc::ByteBuffer& from, void* tag) override { call_.Write(from, tag); }
  void cancel() override { context_.TryCancel(); }
  void peer_ended() override { cancel(); }
  Status may_take_frame() override { return ok(); }

  void arrived(bool good) {
    const std::shared_ptr<ServerStream> self = std::move(waiting_);
    if (!good) {  // the server stops, and done_ is never told
      service_.calls_.end();
      return;
    }
    service_.take_next(index_);
    open();
    begin();  // until done()
    Caller caller = identify(context_, service_.self_, service_.admission_);
    if (!caller.status.ok()) return finish(caller.status);
    add_identity(context_, service_.self_);
    begin();
    call_.SendInitialMetadata(told_.tag());
    ByteStreamAcceptor& acceptor = *service_.methods_[static_cast<size_t>(index_)].acceptor;
    ByteStreamEvents* events = acceptor.accept(std::make_unique<PipeStream>(self), caller.identity);
    if (events == nullptr) {
      return finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "not served here now"));
    }
    use(*events);
    read_next();
  }
  void told(bool good) {
    if (good) allow_writes();
    ended();
  }
  void finish(const grpc::Status& status) {
    end(Error{Errc::overloaded, {}});
    begin();
    call_.Finish(status, finished_.tag());
  }
  void finished(bool) { ended(); }
  // The call is over, whoever ended it.
  void done(bool) {
    end(Error{Errc::connection_closed, {}});
    ended();
  }
  void is_over() override { service_.calls_.end(); }

  StreamService& service_;
  const int index_;
  std::shared_ptr<ServerStream> waiting_;  // itself, until the call arrives
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> call_{&context_};
  MemberTag<ServerStream> arrived_{*this, &ServerStream::arrived};
  MemberTag<ServerStream> told_{*this, &ServerStream::told};
  MemberTag<ServerStream> finished_{*this, &ServerStream::finished};
  MemberTag<ServerStream> done_{*this, &ServerStream::done};
};

StreamService::StreamService(std::map<std::string, ByteStreamAcceptor*> streams, Identity self, Admission admission)
    : self_(std::move(self)), admission_(std::move(admission)) {
  for (auto& [name, acceptor] : streams) methods_.push_back({name, acceptor});
  for (size_t i = 0; i < methods_.size(); ++i) {  // gRPC keeps the pointers to names
    AddMethod(new grpc::internal::RpcServiceMethod(methods_[i].name.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING,
                                                   nullptr));
    MarkMethodAsync(static_cast<int>(i));
  }
}

void StreamService::serve() {
  for (size_t i = 0; i < methods_.size(); ++i) take_next(static_cast<int>(i));
}

void StreamService::take_next(int index) {
  auto* loop = dynamic_cast<QueueEventLoop*>(&methods_[static_cast<size_t>(index)].acceptor->loop_for_stream());
  ENSURE(loop != nullptr);
  std::make_shared<ServerStream>(*loop, *this, index)->wait();
}

}  // namespace millrace::rpc
