#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"
#include "operator/kube/object.h"

namespace millrace::api {

// One document of a YAML stream as JSON, and where its values stand (1-based lines by JSON pointer; a member's line is
// its key's).
struct YamlDocument {
  kube::Object object;
  std::map<std::string, int> lines;

  // The line of the value, or of the nearest parent that is known.
  int line_of(std::string_view pointer) const;
};

inline constexpr size_t kManifestBytesMax = 4u << 20;
inline constexpr int kYamlDepthMax = 64;

// Empty documents are left out. malformed: context is "FILE:LINE: what is wrong"; also for repeated keys, aliases that
// nest too deep, and documents that are not maps.
Result<std::vector<YamlDocument>> read_yaml(std::string_view file, std::string_view text);
// Block style, as people write manifests.
std::string to_yaml(const kube::Json& value);

}  // namespace millrace::api
