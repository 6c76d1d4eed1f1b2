#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/kube/object.h"
#include "operator/plan/observed.h"

namespace millrace::plan {

enum class ConditionStatus : uint8_t { yes, no, unknown };

struct Condition {
  std::string type;
  ConditionStatus status = ConditionStatus::unknown;
  std::string reason;   // one word in CamelCase, for programs
  std::string message;  // for people: what, and what to do

  friend bool operator==(const Condition&, const Condition&) = default;
};

// What keeps the next action from happening: which rule, and on account of what.
struct Block {
  std::string rule;
  std::string object;
  std::string message;
  int64_t since_ms = -1;  // -1: since the status says so first

  friend bool operator==(const Block&, const Block&) = default;
};

// Told to users as a Kubernetes event on the object.
struct Note {
  bool is_warning = false;
  std::string reason;
  std::string message;
};

struct ApplyObject {
  kube::Object object;
};
struct RestartPod {  // disruptive: at most one in a plan
  std::string name;
  std::string uid;
};
struct ReleasePermit {
  int32_t broker = 0;
  std::string holder;
};
struct DecommissionBroker {
  int32_t broker = 0;
};
struct CancelDecommission {
  int32_t broker = 0;
};
struct AddVoter {
  int32_t broker = 0;
  std::string directory;
  std::string host;
  uint16_t port = 0;
};
struct RemoveVoter {
  int32_t broker = 0;
  std::string directory;
};
struct RemoveBroker {  // disruptive: the set without the last of its pods
  kube::Object set;
  int32_t broker = 0;
};
struct UnregisterBroker {
  int32_t broker = 0;
};
struct DeleteClaim {
  std::string name;
  std::string uid;
};
struct AddFinalizer {};
struct DropFinalizer {};
struct CreateTopic {
  std::string name;
  int32_t partitions = 0;
  int32_t replicas = 0;
  std::map<std::string, std::string> config;
};
struct GrowTopic {
  std::string name;
  int32_t partitions = 0;
};
struct AlterTopicConfig {
  std::string name;
  std::map<std::string, std::optional<std::string>> changes;  // none removes
};
struct DeleteTopic {
  std::string name;
};
using Step = std::variant<ApplyObject, RestartPod, ReleasePermit, DecommissionBroker, CancelDecommission, AddVoter,
                          RemoveVoter, RemoveBroker, UnregisterBroker, DeleteClaim, AddFinalizer, DropFinalizer,
                          CreateTopic, GrowTopic, AlterTopicConfig, DeleteTopic>;

// In a few words, for logs and events: "apply StatefulSet shop/orders-kafka".
std::string to_string(const Step& step);
bool is_disruptive(const Step& step);

// What to do next about one object. The steps are carried out in order, up to the first that fails; then everything is
// observed and planned again. With no step left, conditions and status say how things are.
//
// With a question nothing is carried out yet: it is asked, and planned again with the answer. At most one in a pass.
struct Plan {
  std::optional<Question> ask;
  std::vector<Step> steps;
  std::vector<Condition> conditions;
  std::vector<Block> blocked_by;
  std::vector<Note> notes;  // of decisions in `steps`: told once they were carried out
  std::chrono::milliseconds check_again{0};
};

// How soon to look again at what no watch tells of.
inline constexpr std::chrono::milliseconds kCheckSoon{500};
inline constexpr std::chrono::milliseconds kCheckMoves{1'000};  // replicas move for long
inline constexpr std::chrono::milliseconds kResync{30'000};

}  // namespace millrace::plan
