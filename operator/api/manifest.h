#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"
#include "operator/kube/object.h"

namespace millrace::api {

inline constexpr std::string_view kDefaultNamespace = "default";

// An object that a user wrote, checked, with its namespace and defaults filled in, and where it stands.
struct Manifest {
  kube::Object object;
  std::string file;
  int line = 1;
};

// The KafkaClusters and KafkaTopics of one file. invalid_argument or malformed: every problem on a line of its own as
// "FILE:LINE: field: what is wrong".
Result<std::vector<Manifest>> read_manifests(std::string_view file, std::string_view text);

// Refuses two manifests of one object, and two KafkaTopics for one topic of one cluster.
Status check_manifests_together(const std::vector<Manifest>& manifests);

}  // namespace millrace::api
