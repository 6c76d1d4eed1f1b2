#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"
#include "operator/kube/object.h"

namespace millrace::api {

using kube::Json;

// A breach of a schema: where (a JSON pointer, such as /spec/partitions) and what people should know about it.
struct Problem {
  std::string pointer;
  std::string message;
};

// The schemas of crds/*.yaml, compiled in. Of OpenAPI's words those that structural schemas of our kinds use: type,
// properties, additionalProperties, items, required, enum, minimum, maximum, minLength, maxLength, pattern, maxItems,
// default, x-kubernetes-int-or-string, x-kubernetes-preserve-unknown-fields. Rules in CEL are for API servers; the same
// rules hold in rules.h for the local one.
//
// All problems of `object`, in document order; empty for kinds that are not ours.
std::vector<Problem> schema_problems(const kube::Object& object);
// A copy with the defaults filled in; fields that are null count as absent.
kube::Object with_defaults(const kube::Object& object);

// A copy without its status, which is not its author's to answer for.
kube::Object without_status(const kube::Object& object);

// The API server's view of a new or changed object: schema, names, and the rules between fields and between `before`
// and `after`. invalid_argument with every problem named.
Status check_object(const kube::Object& after, const kube::Object* before);

// "/spec/listeners/0/port" -> "spec.listeners[0].port", as people write it.
std::string words_of(std::string_view pointer);

}  // namespace millrace::api
