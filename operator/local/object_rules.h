#pragma once

#include <string>
#include <string_view>

#include "broker/base/clock.h"
#include "broker/base/uuid.h"
#include "operator/kube/object.h"
#include "operator/local/object_files.h"

// What an API server does to objects on their way in, as pure functions.
namespace millrace::local {

inline constexpr std::string_view kDefaultNamespace = "default";
inline constexpr size_t kNameLengthMax = 253;

// invalid_argument unless kind, apiVersion, name and namespace are such as an API server takes.
Status check_identity(const kube::Object& object);
// A copy whose namespace is set.
kube::Object with_namespace(const kube::Object& object);
// The object as it is first kept: with uid, generation 1 and creationTimestamp, without status and what only a server
// may set.
kube::Object as_created(const kube::Object& object, const Uuid& uid, Timestamp now);
// `wanted` in place of `before`: what only the server may set, and the status, stay; the generation grows when
// something but metadata differs. invalid_argument when it adds a finalizer to an object under deletion.
Result<kube::Object> as_replaced(const kube::Object& before, const kube::Object& wanted);
// Marked as deleting, for an object with finalizers.
kube::Object as_deleting(const kube::Object& object, Timestamp now);
kube::Object with_resource_version(const kube::Object& object, int64_t revision);
bool has_finalizers(const kube::Object& object);

// What is kept of an applied object: only what a manager can own.
kube::Object as_applied(const kube::Object& object);
// Server-side apply of `wanted` by `manager` over the object; see kube::Client.
kube::Object merged(const StoredObject& before, const kube::Object& wanted, std::string_view manager);

// RFC 3339 in UTC with whole seconds, such as 2026-01-31T10:00:00Z.
std::string rfc3339(Timestamp wall_ms);

}  // namespace millrace::local
