#include "operator/controller/execute.h"

#include <utility>
#include <vector>

#include "broker/base/logger.h"
#include "broker/base/uuid.h"
#include "operator/plan/topic_plan.h"

namespace millrace::controller {

namespace {

const Logger kLog("controller");

// That what is asked for is so already is what was wanted.
Status unless_so(Status status, Errc so_already) {
  return !status && status.error().code == so_already ? ok() : std::move(status);
}

class Executor {
 public:
  Executor(const Hands& hands, kube::Object object) : hands_(hands), object_(std::move(object)) {}

  Status operator()(const plan::ApplyObject& step) {
    TRY(hands_.kube.apply(step.object, kube::kFieldManager));
    return ok();
  }
  Status operator()(const plan::RestartPod& step) {
    return unless_so(hands_.kube.remove({"Pod", object_.name_space(), step.name}, step.uid), Errc::not_found);
  }
  Status operator()(const plan::ReleasePermit& step) {
    TRY(brokers().release_permit(BrokerId(step.broker), step.holder));
    return ok();
  }
  Status operator()(const plan::DecommissionBroker& step) {
    return brokers().decommission(BrokerId(step.broker), /*moves_max=*/0);
  }
  Status operator()(const plan::CancelDecommission& step) {
    TRY(brokers().cancel_decommission(BrokerId(step.broker)));
    return ok();
  }
  Status operator()(const plan::AddVoter& step) {
    TRY_ASSIGN(const Uuid directory, Uuid::parse(step.directory));
    return unless_so(
        kafka().add_voter({.id = BrokerId(step.broker), .directory = directory, .host = step.host, .port = step.port}),
        Errc::duplicate_voter);
  }
  Status operator()(const plan::RemoveVoter& step) {
    TRY_ASSIGN(const Uuid directory, Uuid::parse(step.directory));
    return unless_so(kafka().remove_voter(BrokerId(step.broker), directory), Errc::voter_not_found);
  }
  Status operator()(const plan::RemoveBroker& step) {
    TRY(hands_.kube.apply(step.set, kube::kFieldManager));
    return ok();
  }
  Status operator()(const plan::UnregisterBroker& step) {
    return unless_so(brokers().unregister(BrokerId(step.broker)), Errc::broker_not_registered);
  }
  Status operator()(const plan::DeleteClaim& step) {
    return unless_so(hands_.kube.remove({"PersistentVolumeClaim", object_.name_space(), step.name}, step.uid),
                     Errc::not_found);
  }
  Status operator()(const plan::AddFinalizer&) { return replace(object_.with_finalizer(plan::kTopicFinalizer)); }
  Status operator()(const plan::DropFinalizer&) { return replace(object_.without_finalizer(plan::kTopicFinalizer)); }
  Status operator()(const plan::CreateTopic& step) {
    return kafka().create_topic(
        {.name = step.name, .partitions = step.partitions, .replicas = step.replicas, .config = step.config});
  }
  Status operator()(const plan::GrowTopic& step) { return kafka().grow_topic(step.name, step.partitions); }
  Status operator()(const plan::AlterTopicConfig& step) {
    std::vector<admin::ConfigChange> changes;
    for (const auto& [key, value] : step.changes) changes.push_back({key, value});
    return kafka().alter_topic_config(step.name, changes);
  }
  Status operator()(const plan::DeleteTopic& step) {
    return unless_so(kafka().delete_topic(step.name), Errc::unknown_topic_or_partition);
  }

 private:
  admin::Client& kafka() {
    ENSURE(hands_.kafka != nullptr);
    return *hands_.kafka;
  }
  admin::ClusterAdmin& brokers() {
    ENSURE(hands_.brokers != nullptr);
    return *hands_.brokers;
  }
  Status replace(const kube::Object& object) {
    TRY_ASSIGN(object_, hands_.kube.update(object));
    return ok();
  }

  const Hands& hands_;
  kube::Object object_;
};

}  // namespace

Status execute(const plan::Plan& plan, const Hands& hands, kube::Object object) {
  const std::string about = object.key().to_string();
  Executor executor(hands, std::move(object));
  for (const plan::Step& step : plan.steps) {
    const std::string words = plan::to_string(step);
    TRY(std::visit(executor, step));
    kLog.info("step done", {{"object", about}, {"step", words}});
  }
  return ok();
}

}  // namespace millrace::controller
