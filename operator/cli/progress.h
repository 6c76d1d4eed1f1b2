#pragma once

#include <string>
#include <vector>

#include "operator/api/manifest.h"
#include "operator/cli/world.h"
#include "operator/kube/client.h"

namespace millrace::cli {

// How far the objects of some manifests are.
struct Standing {
  bool is_ready = false;              // all of them
  bool is_refused = false;            // one needs its author: waiting longer does not help
  std::string now;                    // one line: what is being waited for
  std::vector<std::string> refusals;  // in full, one line each
};
Result<Standing> standing_of(kube::Client& kube, const std::vector<api::Manifest>& manifests);

// Takes away what the objects say of a run that has ended: conditions, and the readiness of pods. To be called while
// nothing runs; what was learned of topics stays.
Status forget_readiness(kube::Client& kube);

// Says a line again and again while it changes: in place on a terminal, as new lines elsewhere.
class Progress {
 public:
  explicit Progress(World& world) : world_(world) {}
  void show(const std::string& line);
  void finish();  // the last line stays as it is

 private:
  World& world_;
  std::string shown_;
};

}  // namespace millrace::cli
