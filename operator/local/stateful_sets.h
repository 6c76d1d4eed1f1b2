#pragma once

#include <string_view>

#include "operator/kube/client.h"

namespace millrace::local {

// Holds a pod object until its process has ended; taken off by Pods.
inline constexpr std::string_view kProcessFinalizer = "millrace.dev/local-process";
// Holds a claim until its directory is removed; taken off by Pods.
inline constexpr std::string_view kVolumeFinalizer = "millrace.dev/local-volume";

// What Kubernetes' controllers do for StatefulSets, as far as operator/README.md promises: pods 0…N-1 at once
// (Parallel), surplus pods removed from the highest, claims made and kept, status counted. A pod keeps its template
// until somebody deletes it (OnDelete). No thread, no state: each call looks at everything anew.
class StatefulSets {
 public:
  explicit StatefulSets(kube::Client& client) : client_(client) {}
  // The first error; the other sets are cared for all the same. Conflicts are no errors: the next call decides again.
  Status reconcile();

 private:
  Status reconcile(const kube::Object& set);
  Status make_claims(const kube::Object& set, int64_t ordinal);
  Status write_status(const kube::Object& set, const std::vector<kube::Object>& pods, const std::string& revision);

  kube::Client& client_;
};

}  // namespace millrace::local
