#include "broker/rpc/admin_service.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include <grpc/support/time.h>

#include "broker/base/logger.h"
#include "broker/rpc/admin_codec.h"
#include "broker/rpc/caller.h"
#include "broker/rpc/wire/admin.pb.h"
#include "broker/rpc/wire/call_error.h"

namespace millrace::rpc {
namespace {

using control::ControllerAnswer;
using control::ControllerCall;
using std::chrono::milliseconds;
using Context = grpc::ServerContext;

const Logger kLog("rpc");

using Call = UnaryCall;

// By who has claimed the call.
void succeed(Call& call) { call.finish(grpc::Status::OK); }
void fail(Call& call, const Error& error) {
  call.context().AddTrailingMetadata(kErrorMetadata, std::string(name_of(error.code)));
  call.finish(to_status(error));
}

// A call that waits for the controller, one of kAdminCallsMax, for as long as an answer may come.
class Waiting {
 public:
  // Null: there are as many as there may be.
  static std::shared_ptr<Waiting> admit(std::shared_ptr<Call> call, const std::shared_ptr<std::atomic<int>>& count) {
    if (count->fetch_add(1) >= kAdminCallsMax) {
      count->fetch_sub(1);
      return nullptr;
    }
    return std::make_shared<Waiting>(std::move(call), count);
  }
  Waiting(std::shared_ptr<Call> call, std::shared_ptr<std::atomic<int>> count)
      : call_(std::move(call)), count_(std::move(count)) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    count_->fetch_sub(1);
    if (call_->claim()) fail(*call_, Error{Errc::shutting_down, "this broker"});
  }
  Call& call() { return *call_; }

 private:
  const std::shared_ptr<Call> call_;
  const std::shared_ptr<std::atomic<int>> count_;
};

milliseconds left_of(const Context& context) {
  const gpr_timespec deadline = gpr_convert_clock_type(context.raw_deadline(), GPR_CLOCK_MONOTONIC);
  return milliseconds(gpr_time_to_millis(gpr_time_sub(deadline, gpr_now(GPR_CLOCK_MONOTONIC))));
}

// A part of what is left to the caller, so that it hears what went wrong.
milliseconds wait_of(const Context& context, milliseconds wait_max, int64_t tenths) {
  return std::clamp(left_of(context) * tenths / 10, milliseconds(1), wait_max);
}

template <class Answer, class Reply>
void tell(const Answer& answer, Reply& reply) {
  encode(answer, reply);
}
template <class Reply>
void tell(const Unit&, Reply&) {}  // that it happened is all there is to say
void tell(const control::WasSo& answer, v1::ReleasePermitReply& reply) { reply.set_was_held(answer.was_so); }
void tell(const control::WasSo& answer, v1::CancelDecommissionReply& reply) {
  reply.set_was_decommissioned(answer.was_so);
}

// The answer, if it is one to this call.
template <class Answer>
Result<Answer> taken(Result<ControllerAnswer> answer) {
  if (!answer) return std::move(answer).error();
  if (auto* value = std::get_if<Answer>(&*answer)) return std::move(*value);
  return Error{Errc::malformed, "the controller's answer is to another call"};
}

class Service final : public UnaryService {
 public:
  Service(Identity self, Admission admission, AdminBackend& backend)
      : self_(std::move(self)), admission_(std::move(admission)), backend_(backend) {
    using metadata::MovePlan;
    serve("/millrace.rpc.v1.ClusterAdmin/DescribeBroker", &Service::describe_broker);
    serve("/millrace.rpc.v1.ClusterAdmin/DescribeCluster", &Service::describe_cluster);
    serve("/millrace.rpc.v1.ClusterAdmin/PlanMoves", &Service::plan_moves);
    serve_forwarded<metadata::MayStopReply, v1::MayStopRequest, v1::MayStopReply>(
        "/millrace.rpc.v1.ClusterAdmin/MayStop");
    serve_forwarded<control::WasSo, v1::ReleasePermitRequest, v1::ReleasePermitReply>(
        "/millrace.rpc.v1.ClusterAdmin/ReleasePermit");
    serve_forwarded<metadata::DrainLeadershipReply, v1::DrainLeadershipRequest, v1::DrainLeadershipReply>(
        "/millrace.rpc.v1.ClusterAdmin/DrainLeadership", "drain leadership");
    serve_forwarded<Unit, v1::DecommissionRequest, v1::DecommissionReply>("/millrace.rpc.v1.ClusterAdmin/Decommission",
                                                                          "decommission");
    serve_forwarded<control::WasSo, v1::CancelDecommissionRequest, v1::CancelDecommissionReply>(
        "/millrace.rpc.v1.ClusterAdmin/CancelDecommission", "cancel a decommission");
    serve_forwarded<MovePlan, v1::RebalanceRequest, v1::MovesReply>("/millrace.rpc.v1.ClusterAdmin/Rebalance");
    serve_forwarded<Unit, v1::UnregisterRequest, v1::UnregisterReply>("/millrace.rpc.v1.ClusterAdmin/Unregister",
                                                                      "unregister");
  }

 private:
  using CallPointer = std::shared_ptr<Call>;

  template <class Request, class Reply>
  void serve(const char* method, void (Service::*handler)(const CallPointer&, const Request&, Reply&)) {
    add<Request, Reply>(method, [this, handler](const CallPointer& call, const Request& request, Reply& reply) {
      (this->*handler)(call, request, reply);
    });
  }
  // A call whose answer is the controller's. `what`: people make it once, and it moves things, so what becomes of it is
  // logged where it was made.
  template <class Answer, class Request, class Reply>
  void serve_forwarded(const char* method, const char* what = nullptr) {
    add<Request, Reply>(method, [this, what](const CallPointer& call, const Request& request, Reply& reply) {
      forward<Answer>(call, request, reply, what);
    });
  }

  void describe_broker(const CallPointer& call, const v1::DescribeBrokerRequest& request, v1::BrokerSelf& reply) {
    if (!begin(*call, request, /*any_cluster=*/true) || !call->claim()) return;
    encode(backend_.self(), reply);
    succeed(*call);
  }
  void describe_cluster(const CallPointer& call, const v1::DescribeClusterRequest& request, v1::ClusterReport& reply) {
    const milliseconds wait = wait_of(call->context(), kDescribeWaitMax, 5);
    relay(call, request, wait, [this, &reply](Call& claimed, Result<ControllerAnswer> answer) {
      auto report = taken<metadata::ClusterReport>(std::move(answer));
      if (report) {
        encode(*report, reply);
      } else {
        encode(backend_.last_seen(), reply);
        reply.set_no_controller(report.error().to_string());
      }
      succeed(claimed);
    });
  }
  void plan_moves(const CallPointer& call, const v1::PlanMovesRequest& request, v1::MovesReply& reply) {
    relay(call, request, wait_of(call->context(), kAdminWaitMax, 9),
          [&reply](Call& claimed, Result<ControllerAnswer> answer) {
            const auto plan = taken<metadata::MovePlan>(std::move(answer));
            if (!plan) return fail(claimed, plan.error());
            encode(*plan, reply);
            // A plan is of all moves, whether they are listed or not.
            reply.set_moves_total(reply.moves_total() + plan->left);
            reply.set_left(0);
            succeed(claimed);
          });
  }

  // The caller is asked who it is before anything else. False: it is not served, and has its answer.
  template <class Request>
  bool begin(Call& call, const Request& request, bool any_cluster) {
    add_identity(call.context(), self_);
    Status good = ok();
    if (const auto caller = identify_operator(call.context(), self_, admission_, any_cluster); !caller) {
      good = caller.error();
    } else if (request.ByteSizeLong() > kAdminRequestBytesMax) {
      good = Error{Errc::message_too_large, "a request of ClusterAdmin"};
    }
    if (!good && call.claim()) fail(call, good.error());
    return good.has_value();
  }

  // Asks the controller; `then` ends the call by its answer. It runs on any thread.
  template <class Request, class Then>
  void relay(const CallPointer& call, const Request& request, milliseconds wait, Then then) {
    if (!begin(*call, request, /*any_cluster=*/false)) return;
    Result<ControllerCall> asked = decode(request);
    std::shared_ptr<Waiting> waiting;
    if (asked) waiting = Waiting::admit(call, waiting_);
    if (waiting == nullptr) {
      const Error why = asked ? Error{Errc::overloaded, "calls of ClusterAdmin under way"} : asked.error();
      if (call->claim()) fail(*call, why);
      return;
    }
    backend_.ask(std::move(*asked), wait,
                 [waiting = std::move(waiting), then = std::move(then)](Result<ControllerAnswer> answer) {
                   if (waiting->call().claim()) then(waiting->call(), std::move(answer));
                 });
  }

  template <class Answer, class Request, class Reply>
  void forward(const CallPointer& call, const Request& request, Reply& reply, const char* what) {
    relay(call, request, wait_of(call->context(), kAdminWaitMax, 9),
          [&request, &reply, what](Call& claimed, Result<ControllerAnswer> answer) {
            const auto value = taken<Answer>(std::move(answer));
            if (what != nullptr) log(what, request, claimed, value ? ok() : Status(value.error()));
            if (!value) return fail(claimed, value.error());
            tell(*value, reply);
            succeed(claimed);
          });
  }
  template <class Request>
  static void log(const char* what, const Request& request, Call& call, const Status& outcome) {
    if constexpr (requires { request.node(); }) {
      kLog.info("asked by an operator", {{"what", what},
                                         {"broker", BrokerId{request.node()}},
                                         {"peer", call.context().peer()},
                                         {"outcome", outcome ? "done" : outcome.error().to_string()}});
    }
  }

  const Identity self_;
  const Admission admission_;
  AdminBackend& backend_;
  const std::shared_ptr<std::atomic<int>> waiting_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace

std::unique_ptr<UnaryService> make_admin_service(const Identity& self, Admission admission, AdminBackend& backend) {
  return std::make_unique<Service>(self, std::move(admission), backend);
}

}  // namespace millrace::rpc
