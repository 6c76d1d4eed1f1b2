#include "operator/cli/progress.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ostream>

#include "operator/cli/views.h"

namespace millrace::cli {

namespace {

// Reasons that only a change of the manifest, or somebody else's, ends.
constexpr std::array<std::string_view, 9> kRefusals{"NotSupported",           "InvalidSpec",          "KafkaRefused",
                                                    "PartitionsCannotShrink", "ReplicasCannotChange", "TopicExists",
                                                    "TopicNameTaken",         "ClusterNotFound",      "TooFewBrokers"};

std::string words_for(const kube::Object& object) { return object.kind() + " " + object.name(); }

}  // namespace

Result<Standing> standing_of(kube::Client& kube, const std::vector<api::Manifest>& manifests) {
  Standing standing;
  size_t ready = 0;
  bool cluster_is_refused = false;
  for (const api::Manifest& manifest : manifests) {
    TRY_ASSIGN(const kube::Object object, kube.get(manifest.object.key()));
    const std::optional<ConditionView> condition = ready_of(object);
    if (condition && condition->status == "True") {
      ++ready;
      continue;
    }
    const bool refused =
        condition && std::find(kRefusals.begin(), kRefusals.end(), condition->reason) != kRefusals.end();
    if (refused) {
      standing.is_refused = true;
      cluster_is_refused = cluster_is_refused || object.kind() == "KafkaCluster";
      standing.refusals.push_back(words_for(object) + ": " + condition->message);
    }
    if (standing.now.empty() && !refused) {
      standing.now =
          words_for(object) + ": " + (condition && !condition->message.empty() ? condition->message : "starting");
    }
  }
  standing.is_ready = ready == manifests.size();
  // Somebody is still on the way: a refusal may be about the order in which things come up. Nothing comes up without
  // its cluster.
  if (!standing.now.empty() && !cluster_is_refused) standing.is_refused = false;
  standing.now = std::to_string(ready) + "/" + std::to_string(manifests.size()) + " ready" +
                 (standing.now.empty() ? "" : "; " + standing.now);
  return standing;
}

Status forget_readiness(kube::Client& kube) {
  for (const std::string_view kind : {"KafkaCluster", "KafkaTopic", "Pod"}) {
    TRY_ASSIGN(const std::vector<kube::Object> objects, kube.list(kind, "", {}));
    for (const kube::Object& object : objects) {
      if (!object.has({"status", "conditions"})) continue;
      kube::Json status = object.json()["status"];
      status.erase("conditions");
      if (kind == "Pod") status = kube::Json::object();
      TRY(kube.update_status(object.with_status(std::move(status))));
    }
  }
  return ok();
}

void Progress::show(const std::string& line) {
  if (line == shown_) return;
  if (world_.is_terminal) {
    world_.out << "\r\x1b[K" << line << std::flush;
  } else {
    world_.out << line << std::endl;
  }
  shown_ = line;
}

void Progress::finish() {
  if (world_.is_terminal && !shown_.empty()) world_.out << std::endl;
  shown_.clear();
}

}  // namespace millrace::cli
