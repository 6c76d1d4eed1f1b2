#include "broker/control/controller_host.h"

#include <utility>

#include "broker/base/logger.h"
#include "broker/control/metadata_machine.h"

namespace millrace::control {
namespace {

const Logger kLog("control");

}  // namespace

// Appends the controller's records to the quorum's log.
class ControllerHost::Writer final : public machine::LogWriter {
 public:
  // `drained` is called once: when a proposal was refused and none is without an outcome any more.
  Writer(Quorum& quorum, raft::Tenure tenure, Offset next, std::function<void()> drained)
      : quorum_(quorum), tenure_(tenure), next_(next), progress_(std::make_shared<Progress>()) {
    progress_->drained = std::move(drained);
  }

  // Called by one thread at a time: the machine's.
  void append(std::vector<machine::Record> records, Committed committed) override {
    next_ = next_.next(static_cast<int64_t>(records.size()));
    ++progress_->open;
    quorum_.propose(tenure_, encode_payload(records),
                    [last = next_.previous(), committed = std::move(committed), progress = progress_](Status done) {
                      if (!done) progress->refused = true;
                      committed(done ? Result<Offset>(last) : Result<Offset>(done.error()));
                      if (--progress->open == 0 && progress->refused && !progress->told.exchange(true)) {
                        progress->drained();
                      }
                    });
  }
  size_t batch_bytes_max() const override { return kPayloadBytesMax; }

 private:
  // Outlives the writer by its last answer.
  struct Progress {
    std::function<void()> drained;
    std::atomic<size_t> open{0};
    std::atomic<bool> refused{false};
    std::atomic<bool> told{false};
  };
  Quorum& quorum_;
  const raft::Tenure tenure_;
  Offset next_;
  const std::shared_ptr<Progress> progress_;
};

// One term of this broker as the controller.
struct ControllerHost::Active {
  Active(Quorum& quorum, raft::Tenure tenure, Offset next, std::function<void()> drained)
      : writer(quorum, tenure, next, std::move(drained)) {}
  Writer writer;
  std::shared_ptr<metadata::LocalController> controller;
};

ControllerHost::ControllerHost(ControllerHostOptions options) : options_(std::move(options)) {}
ControllerHost::~ControllerHost() { follow(); }

void ControllerHost::lead(metadata::ImagePointer image, raft::Tenure tenure) {
  follow();
  const Offset from = image->applied;
  auto active =
      std::make_shared<Active>(*options_.quorum, tenure, image->applied.next(), [failed = options_.on_failed, tenure] {
        if (failed) failed(tenure);
      });
  active->controller =
      metadata::LocalController::start({.log = &active->writer,
                                        .clock = options_.clock,
                                        .config = options_.config,
                                        .new_uuid = options_.new_uuid,
                                        .quorum = [quorum = options_.quorum] { return quorum->view(); },
                                        .recovered = metadata::ImageBuilder(std::move(image)),
                                        .on_failed =
                                            [](const Error& why) {
                                              kLog.info("the controller stops", {{"why", why.to_string()}});
                                            }});
  {
    MutexLock lock(mutex_);
    active_ = active;
    active_flag_.store(true, std::memory_order_release);
  }
  kLog.info("this broker is the controller now", {{"offset", from}});
  active->controller->initialize(options_.cluster_id, options_.features, [](const Result<Unit>& done) {
    if (!done) kLog.warn("the metadata log was not initialized", {{"why", done.error().to_string()}});
  });
  options_.loop->post([this, waiting = std::weak_ptr<Active>(active)] { tick(waiting); });
}

void ControllerHost::follow() {
  std::shared_ptr<Active> ended;
  {
    MutexLock lock(mutex_);
    ended = std::exchange(active_, nullptr);
    active_flag_.store(false, std::memory_order_release);
  }
  if (ended == nullptr) return;
  ended->controller->stop();
  kLog.info("this broker is not the controller any more");
}

std::shared_ptr<metadata::LocalController> ControllerHost::controller() const {
  MutexLock lock(mutex_);
  if (active_ == nullptr) return nullptr;
  // Shares its term's lifetime: the machine uses the writer until its last command is answered.
  return {active_, active_->controller.get()};
}

void ControllerHost::note_gone(metadata::BrokerGone gone) {
  const std::shared_ptr<metadata::LocalController> active = controller();
  if (active == nullptr) return;
  active->note_gone(gone, [active, gone](const Result<Unit>& done) {
    if (done) {
      kLog.info("nobody listens any more where a broker did: its process is gone", {{"broker", gone.id}});
    } else {
      kLog.info("a broker that seems to be gone is not fenced",
                {{"broker", gone.id}, {"why", done.error().to_string()}});
    }
  });
}

void ControllerHost::tick(std::weak_ptr<Active> waiting) {
  const std::shared_ptr<Active> active = waiting.lock();
  if (active == nullptr || !is_active()) return;
  active->controller->tick([this, waiting](const Result<metadata::TickReply>& reply) {
    const bool more = reply && reply->more;
    options_.loop->post([this, waiting, more] {
      if (more) return tick(waiting);
      options_.loop->run_after(metadata::kTickInterval, [this, waiting] { tick(waiting); });
    });
  });
}

namespace {

// Hands the controller's answer on as the answer of a call.
template <class Reply, class Make>
auto answering(ControllerDone done, Make make) {
  return [done = std::move(done), make](Result<Reply> reply) {
    if (!reply) {
      // A controller that was stopped under a command's feet leads no more.
      if (reply.error().code == Errc::shutting_down) return done(Error{Errc::not_controller, "it has just ended"});
      return done(reply.error());
    }
    done(make(std::move(*reply)));
  };
}
template <class Reply>
auto answering(ControllerDone done) {
  return answering<Reply>(std::move(done), [](Reply reply) { return ControllerAnswer(std::move(reply)); });
}

// The end of what may not be there: that it was not is an answer, too.
std::function<void(Result<Unit>)> whether_it_was(ControllerDone done) {
  ControllerDone told = [done = std::move(done)](Result<ControllerAnswer> answer) {
    if (!answer && answer.error().code == Errc::not_found) return done(ControllerAnswer(WasSo{false}));
    done(std::move(answer));
  };
  return answering<Unit>(std::move(told), [](Unit) { return ControllerAnswer(WasSo{true}); });
}

struct Ask {
  metadata::LocalController& controller;
  const std::function<void(ForwardedRequest, ControllerDone)>& serve_forwarded;
  ControllerDone done;

  void operator()(metadata::RegisterBroker call) {
    controller.register_broker(std::move(call), answering<metadata::RegisterBrokerReply>(std::move(done)));
  }
  void operator()(metadata::BrokerHeartbeat call) {
    controller.broker_heartbeat(call, answering<metadata::BrokerHeartbeatReply>(std::move(done)));
  }
  void operator()(metadata::AlterPartition call) {
    controller.alter_partition(std::move(call), answering<metadata::AlterPartitionReply>(std::move(done)));
  }
  void operator()(metadata::AllocateProducerIds call) {
    controller.allocate_producer_ids(call, answering<metadata::ProducerIdBlock>(std::move(done)));
  }
  void operator()(EnsureOffsetsTopic) {
    controller.ensure_offsets_topic(answering<int32_t>(
        std::move(done), [](int32_t partitions) { return ControllerAnswer(OffsetsTopicReply{partitions}); }));
  }
  void operator()(AutoCreateTopic call) {
    metadata::CreateTopics command;
    command.topics.push_back({.name = std::move(call.name)});
    controller.create_topics(std::move(command), [done = std::move(done)](Result<metadata::CreateTopicsReply> reply) {
      if (!reply) return done(reply.error());
      if (reply->topics.empty()) return done(Error{Errc::invalid_topic, {}});
      const Result<metadata::CreatedTopic>& topic = reply->topics.front().second;
      if (!topic) return done(topic.error());
      done(ControllerAnswer(Unit{}));
    });
  }
  void operator()(metadata::MayStop call) {
    controller.may_stop(std::move(call), answering<metadata::MayStopReply>(std::move(done)));
  }
  void operator()(metadata::ReleasePermit call) {
    controller.release_permit(std::move(call), whether_it_was(std::move(done)));
  }
  void operator()(metadata::DrainLeadership call) {
    controller.drain_leadership(call, answering<metadata::DrainLeadershipReply>(std::move(done)));
  }
  void operator()(metadata::Decommission call) { controller.decommission(call, answering<Unit>(std::move(done))); }
  void operator()(metadata::CancelDecommission call) {
    controller.cancel_decommission(call, whether_it_was(std::move(done)));
  }
  void operator()(metadata::Rebalance call) {
    controller.rebalance(call, answering<metadata::MovePlan>(std::move(done)));
  }
  void operator()(PlanMoves call) {
    controller.plan_moves(call.decommission, answering<metadata::MovePlan>(std::move(done)));
  }
  void operator()(metadata::UnregisterBroker call) {
    controller.unregister_broker(call, answering<Unit>(std::move(done)));
  }
  void operator()(DescribeCluster) { controller.describe_cluster(answering<metadata::ClusterReport>(std::move(done))); }
  void operator()(ForwardedRequest call) {
    if (!serve_forwarded) return done(Error{Errc::unsupported_version, "forwarded requests"});
    serve_forwarded(std::move(call), std::move(done));
  }
};

}  // namespace

void ControllerHost::serve(BrokerId, ControllerCall call, ControllerDone done) {
  const std::shared_ptr<metadata::LocalController> active = controller();
  if (active == nullptr) {
    const BrokerId leader = options_.quorum->leader();
    return done(Error{Errc::not_controller, leader == kNoBroker ? "no broker leads the metadata quorum"
                                                                : "broker " + std::to_string(leader.value()) + " is"});
  }
  // Keeps the controller until the answer is given.
  ControllerDone held = [this, active, done = std::move(done), kind = call.index(),
                         began = options_.clock->now()](Result<ControllerAnswer> answer) {
    if (options_.metrics != nullptr) options_.metrics->served[kind].record(options_.clock->now() - began);
    done(std::move(answer));
  };
  std::visit([&](auto& of) { Ask{*active, serve_forwarded, std::move(held)}(std::move(of)); }, call);
}

}  // namespace millrace::control
