#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "operator/kube/object.h"

namespace millrace::api {

using kube::Json;

// The openAPIV3Schema of a kind of ours as JSON, read once from the text of crds/ that the build compiled in; null for
// other kinds. Thread-safe.
const Json* schema_of(std::string_view kind);

}  // namespace millrace::api
