#include "operator/plan/plan.h"

namespace millrace::plan {

namespace {

struct Words {
  std::string operator()(const ApplyObject& step) const { return "apply " + step.object.key().to_string(); }
  std::string operator()(const RestartPod& step) const { return "restart pod " + step.name; }
  std::string operator()(const ReleasePermit& step) const {
    return "release the permit to stop broker " + std::to_string(step.broker);
  }
  std::string operator()(const DecommissionBroker& step) const {
    return "decommission broker " + std::to_string(step.broker);
  }
  std::string operator()(const CancelDecommission& step) const {
    return "cancel the decommission of broker " + std::to_string(step.broker);
  }
  std::string operator()(const AddVoter& step) const {
    return "let broker " + std::to_string(step.broker) + " vote on metadata";
  }
  std::string operator()(const RemoveVoter& step) const {
    return "take the vote on metadata from broker " + std::to_string(step.broker);
  }
  std::string operator()(const RemoveBroker& step) const { return "remove broker " + std::to_string(step.broker); }
  std::string operator()(const UnregisterBroker& step) const {
    return "unregister broker " + std::to_string(step.broker);
  }
  std::string operator()(const DeleteClaim& step) const { return "delete claim " + step.name; }
  std::string operator()(const AddFinalizer&) const { return "add the finalizer"; }
  std::string operator()(const DropFinalizer&) const { return "drop the finalizer"; }
  std::string operator()(const CreateTopic& step) const { return "create topic " + step.name; }
  std::string operator()(const GrowTopic& step) const {
    return "grow topic " + step.name + " to " + std::to_string(step.partitions) + " partitions";
  }
  std::string operator()(const AlterTopicConfig& step) const {
    return "change the configuration of topic " + step.name;
  }
  std::string operator()(const DeleteTopic& step) const { return "delete topic " + step.name; }
};

}  // namespace

std::string to_string(const Step& step) { return std::visit(Words(), step); }

bool is_disruptive(const Step& step) {
  return std::holds_alternative<RestartPod>(step) || std::holds_alternative<RemoveBroker>(step);
}

}  // namespace millrace::plan
