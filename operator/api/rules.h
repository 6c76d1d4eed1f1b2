#pragma once

#include <vector>

#include "operator/api/schema.h"

namespace millrace::api {

// What schemas cannot say, the same as the x-kubernetes-validations of crds/: rules between fields, and what may not
// change from `before` (null for a new object). `after` keeps its schema.
std::vector<Problem> rule_problems(const kube::Object& after, const kube::Object* before);

// apiVersion, and metadata.name and namespace as Kubernetes allows them (RFC 1123); any kind.
std::vector<Problem> name_problems(const kube::Object& object);

}  // namespace millrace::api
