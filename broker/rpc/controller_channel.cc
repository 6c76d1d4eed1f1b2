#include "broker/rpc/controller_channel.h"

#include <utility>

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>

#include "broker/rpc/caller.h"
#include "broker/rpc/controller.grpc.pb.h"
#include "broker/rpc/controller_codec.h"

namespace millrace::rpc {
namespace {

// One call on its way; deletes itself with the answer.
struct Outgoing {
  std::unique_ptr<v1::Controller::Stub> stub;
  grpc::ClientContext context;
  grpc::Alarm alarm;
  v1::ControllerCall request;
  v1::ControllerAnswer answer;
};

Status check_identity(const grpc::ClientContext& context, const Identity& self, BrokerId called) {
  CallMetadata metadata;
  for (const auto& [name, value] : context.GetServerInitialMetadata()) {
    metadata.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  TRY_ASSIGN(const Identity server, from_metadata(metadata));
  return check_server(self, server, called, context.peer());
}

class Service final : public UnaryService {
 public:
  Service(Identity self, Admission admission, control::ControllerServer& server)
      : self_(std::move(self)), admission_(std::move(admission)), server_(server) {
    add<v1::ControllerCall, v1::ControllerAnswer>(
        "/millrace.rpc.v1.Controller/Call",
        [this](const std::shared_ptr<UnaryCall>& call, const v1::ControllerCall& request,
               v1::ControllerAnswer& answer) { serve_call(call, request, answer); });
  }

 private:
  void serve_call(const std::shared_ptr<UnaryCall>& call, const v1::ControllerCall& request,
                  v1::ControllerAnswer& answer) {
    const Caller caller = identify(call->context(), self_, admission_);
    add_identity(call->context(), self_);
    if (!caller.status.ok()) return refuse(*call, caller.status);
    Result<control::ControllerCall> asked = decode(request);
    if (!asked) return refuse(*call, grpc::Status(grpc::StatusCode::UNIMPLEMENTED, asked.error().context));
    server_.serve(caller.identity.node, std::move(asked).value(),
                  [call, &answer](const Result<control::ControllerAnswer>& reply) {
                    if (!call->claim()) return;
                    encode(reply, answer);
                    call->finish(grpc::Status::OK);
                  });
  }
  static void refuse(UnaryCall& call, const grpc::Status& why) {
    if (call.claim()) call.finish(why);
  }

  const Identity self_;
  const Admission admission_;
  control::ControllerServer& server_;
};

}  // namespace

void GrpcControllerChannel::call(BrokerId controller, control::ControllerCall call, Duration timeout,
                                 control::ControllerDone done) {
  auto channel = channels_.to(controller, Purpose::control);
  auto outgoing = std::make_shared<Outgoing>();
  const Identity& self = channels_.self();
  for (const auto& [name, value] : to_metadata(self)) outgoing->context.AddMetadata(name, value);
  outgoing->context.set_deadline(gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC),
      gpr_time_from_millis(std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count(), GPR_TIMESPAN)));
  encode(call, outgoing->request);
  if (!channel) {  // told by one of gRPC's threads, like every other outcome
    grpc::Alarm& alarm = outgoing->alarm;
    alarm.Set(gpr_now(GPR_CLOCK_MONOTONIC),
              [outgoing = std::move(outgoing), done = std::move(done), why = channel.error()](bool) mutable {
                const auto held = std::move(outgoing);  // the alarm holds this function, which must not hold the alarm
                done(why);
              });
    return;
  }
  outgoing->stub = v1::Controller::NewStub(*channel);
  auto& async = *outgoing->stub->async();
  async.Call(&outgoing->context, &outgoing->request, &outgoing->answer,
             [outgoing, done = std::move(done), &self, controller](const grpc::Status& status) {
               if (!status.ok())
                 return done(to_error(status, "controller on broker " + std::to_string(controller.value())));
               if (const Status who = check_identity(outgoing->context, self, controller); !who)
                 return done(who.error());
               done(decode(outgoing->answer));
             });
}

std::unique_ptr<UnaryService> make_controller_service(const Identity& self, Admission admission,
                                                      control::ControllerServer& server) {
  return std::make_unique<Service>(self, std::move(admission), server);
}

}  // namespace millrace::rpc
