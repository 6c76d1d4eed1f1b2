#include "broker/rpc/admin_service.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include <grpc/support/time.h>

#include "broker/base/logger.h"
#include "broker/rpc/admin_codec.h"
#include "broker/rpc/caller.h"
#include "broker/rpc/wire/admin.grpc.pb.h"
#include "broker/rpc/wire/call_error.h"

namespace millrace::rpc {
namespace {

using control::ControllerAnswer;
using control::ControllerCall;
using std::chrono::milliseconds;
using Context = grpc::CallbackServerContext;
using Reactor = grpc::ServerUnaryReactor;

const Logger kLog("rpc");

// One call. Whoever claims it ends it: the answer, or the caller that gives up. Kept by whoever may end it, and by
// itself until gRPC is through with it.
class Call final : public Reactor {
 public:
  static std::shared_ptr<Call> begin(Context& context) {
    auto call = std::make_shared<Call>(context);
    call->self_ = call;
    return call;
  }
  explicit Call(Context& context) : context_(context) {}

  bool claim() { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  bool is_claimed() const { return claimed_.load(std::memory_order_acquire); }

  // By who has claimed it: the context and the reply are there until then.
  void succeed() { Finish(grpc::Status::OK); }
  void fail(const Error& error) {
    context_.AddTrailingMetadata(kErrorMetadata, std::string(name_of(error.code)));
    Finish(to_status(error));
  }
  std::string peer() const { return context_.peer(); }

 private:
  void OnCancel() override {
    if (claim()) Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the caller has given up, or the broker stops"));
  }
  void OnDone() override { const auto last = std::move(self_); }

  Context& context_;
  std::shared_ptr<Call> self_;
  std::atomic<bool> claimed_{false};
};

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
    if (call_->claim()) call_->fail(Error{Errc::shutting_down, "this broker"});
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

class Service final : public v1::ClusterAdmin::CallbackService {
 public:
  Service(Identity self, Admission admission, AdminBackend& backend)
      : self_(std::move(self)), admission_(std::move(admission)), backend_(backend) {}

 private:
  Reactor* DescribeBroker(Context* context, const v1::DescribeBrokerRequest* request, v1::BrokerSelf* reply) override {
    const auto call = begin(*context, *request, /*any_cluster=*/true);
    if (call->claim()) {
      encode(backend_.self(), *reply);
      call->succeed();
    }
    return call.get();
  }
  Reactor* DescribeCluster(Context* context, const v1::DescribeClusterRequest* request,
                           v1::ClusterReport* reply) override {
    const milliseconds wait = wait_of(*context, kDescribeWaitMax, 5);
    return relay(*context, *request, wait, [this, reply](Call& call, Result<ControllerAnswer> answer) {
      auto report = taken<metadata::ClusterReport>(std::move(answer));
      if (report) {
        encode(*report, *reply);
      } else {
        encode(backend_.last_seen(), *reply);
        reply->set_no_controller(report.error().to_string());
      }
      call.succeed();
    });
  }
  Reactor* MayStop(Context* context, const v1::MayStopRequest* request, v1::MayStopReply* reply) override {
    return forward<metadata::MayStopReply>(*context, *request, *reply);
  }
  Reactor* ReleasePermit(Context* context, const v1::ReleasePermitRequest* request,
                         v1::ReleasePermitReply* reply) override {
    return forward<control::WasSo>(*context, *request, *reply);
  }
  Reactor* DrainLeadership(Context* context, const v1::DrainLeadershipRequest* request,
                           v1::DrainLeadershipReply* reply) override {
    return forward<metadata::DrainLeadershipReply>(*context, *request, *reply, logged("drain leadership", *request));
  }
  Reactor* Decommission(Context* context, const v1::DecommissionRequest* request,
                        v1::DecommissionReply* reply) override {
    return forward<Unit>(*context, *request, *reply, logged("decommission", *request));
  }
  Reactor* CancelDecommission(Context* context, const v1::CancelDecommissionRequest* request,
                              v1::CancelDecommissionReply* reply) override {
    return forward<control::WasSo>(*context, *request, *reply, logged("cancel a decommission", *request));
  }
  Reactor* PlanMoves(Context* context, const v1::PlanMovesRequest* request, v1::MovesReply* reply) override {
    return relay(*context, *request, wait_of(*context, kAdminWaitMax, 9),
                 [reply](Call& call, Result<ControllerAnswer> answer) {
                   const auto plan = taken<metadata::MovePlan>(std::move(answer));
                   if (!plan) return call.fail(plan.error());
                   encode(*plan, *reply);
                   // A plan is of all moves, whether they are listed or not.
                   reply->set_moves_total(reply->moves_total() + plan->left);
                   reply->set_left(0);
                   call.succeed();
                 });
  }
  Reactor* Rebalance(Context* context, const v1::RebalanceRequest* request, v1::MovesReply* reply) override {
    return forward<metadata::MovePlan>(*context, *request, *reply);
  }
  Reactor* Unregister(Context* context, const v1::UnregisterRequest* request, v1::UnregisterReply* reply) override {
    return forward<Unit>(*context, *request, *reply, logged("unregister", *request));
  }

  // The caller is asked who it is before anything else; one that is not served has its answer.
  template <class Request>
  std::shared_ptr<Call> begin(Context& context, const Request& request, bool any_cluster) {
    auto call = Call::begin(context);
    add_identity(context, self_);
    Status good = ok();
    if (const auto caller = identify_operator(context, self_, admission_, any_cluster); !caller) {
      good = caller.error();
    } else if (request.ByteSizeLong() > kAdminRequestBytesMax) {
      good = Error{Errc::message_too_large, "a request of ClusterAdmin"};
    }
    if (!good && call->claim()) call->fail(good.error());
    return call;
  }

  // Asks the controller; `then` ends the call by its answer. It runs on any thread.
  template <class Request, class Then>
  Reactor* relay(Context& context, const Request& request, milliseconds wait, Then then) {
    const auto call = begin(context, request, /*any_cluster=*/false);
    if (call->is_claimed()) return call.get();
    Result<ControllerCall> asked = decode(request);
    std::shared_ptr<Waiting> waiting;
    if (asked) waiting = Waiting::admit(call, waiting_);
    if (waiting == nullptr) {
      const Error why = asked ? Error{Errc::overloaded, "calls of ClusterAdmin under way"} : asked.error();
      if (call->claim()) call->fail(why);
      return call.get();
    }
    backend_.ask(std::move(*asked), wait,
                 [waiting = std::move(waiting), then = std::move(then)](Result<ControllerAnswer> answer) {
                   if (waiting->call().claim()) then(waiting->call(), std::move(answer));
                 });
    return call.get();
  }

  // What becomes of a call that people make once, and that moves things, is logged where it was made.
  using Log = std::function<void(const Call& call, const Status& outcome)>;
  template <class Request>
  static Log logged(const char* what, const Request& request) {
    return [what, node = BrokerId{request.node()}](const Call& call, const Status& outcome) {
      kLog.info("asked by an operator", {{"what", what},
                                         {"broker", node},
                                         {"peer", call.peer()},
                                         {"outcome", outcome ? "done" : outcome.error().to_string()}});
    };
  }

  template <class Answer, class Request, class Reply>
  Reactor* forward(Context& context, const Request& request, Reply& reply, Log log = {}) {
    return relay(context, request, wait_of(context, kAdminWaitMax, 9),
                 [&reply, log = std::move(log)](Call& call, Result<ControllerAnswer> answer) {
                   const auto value = taken<Answer>(std::move(answer));
                   if (log) log(call, value ? ok() : Status(value.error()));
                   if (!value) return call.fail(value.error());
                   tell(*value, reply);
                   call.succeed();
                 });
  }

  const Identity self_;
  const Admission admission_;
  AdminBackend& backend_;
  const std::shared_ptr<std::atomic<int>> waiting_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace

std::unique_ptr<grpc::Service> make_admin_service(const Identity& self, Admission admission, AdminBackend& backend) {
  return std::make_unique<Service>(self, std::move(admission), backend);
}

}  // namespace millrace::rpc
