#include "operator/local/object_rules.h"

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "operator/kube/kinds.h"

namespace millrace::local {

using kube::Json;
using kube::Object;

namespace {

constexpr std::array kServerFields{"uid",
                                   "creationTimestamp",
                                   "generation",
                                   "namespace",
                                   "deletionTimestamp",
                                   "deletionGracePeriodSeconds",
                                   "resourceVersion"};

// RFC 1123 subdomain: what the API server asks of most names. It is also what makes a name fit to be a file's.
bool is_legal_name(std::string_view name) {
  if (name.empty() || name.size() > kNameLengthMax) return false;
  const auto is_alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  char before = '.';
  for (const char c : name) {
    if (!is_alphanumeric(c) && c != '-' && c != '.') return false;
    if (!is_alphanumeric(c) && c == '.' && !is_alphanumeric(before)) return false;
    if (c == '-' && before == '.') return false;
    before = c;
  }
  return is_alphanumeric(before);
}

std::string hex(const Uuid& uid) {
  std::string result;
  char digits[3];
  for (size_t i = 0; i < uid.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) result += '-';
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(uid.bytes[i]));
    result += digits;
  }
  return result;
}

bool same_but_metadata(Json a, Json b) {
  for (const char* name : {"metadata", "status"}) {
    a.erase(name);
    b.erase(name);
  }
  return a == b;
}

}  // namespace

Status check_identity(const Object& object) {
  const std::string name = object.name();
  const kube::Kind* kind = kube::find_kind(object.kind());
  if (kind == nullptr || kind->name != object.kind()) {
    return Error{Errc::invalid_argument, "kind " + object.kind() + " is not known here"};
  }
  if (object.text_at({"apiVersion"}) != kind->api_version) {
    return Error{Errc::invalid_argument,
                 "apiVersion of a " + object.kind() + " must be " + std::string(kind->api_version)};
  }
  if (name.empty()) return Error{Errc::invalid_argument, "metadata.name is missing"};
  if (!is_legal_name(name)) {
    return Error{Errc::invalid_argument,
                 "metadata.name " + name +
                     " may only have lower case letters, digits, '-' and '.', and must begin and "
                     "end with a letter or digit"};
  }
  const std::string space = object.name_space();
  if (!space.empty() && (!is_legal_name(space) || space.find('.') != std::string::npos)) {
    return Error{Errc::invalid_argument, "metadata.namespace " + space + " is not a legal name"};
  }
  return ok();
}

Object with_namespace(const Object& object) {
  if (!object.name_space().empty()) return object;
  Json value = object.json();
  value["metadata"]["namespace"] = kDefaultNamespace;
  return Object(std::move(value));
}

Object as_created(const Object& object, const Uuid& uid, Timestamp now) {
  Json value = object.json();
  Json& metadata = value["metadata"];
  const std::string space = object.name_space();
  for (const char* name : kServerFields) metadata.erase(name);
  metadata.erase("managedFields");
  metadata["namespace"] = space;
  metadata["uid"] = hex(uid);
  metadata["generation"] = 1;
  metadata["creationTimestamp"] = rfc3339(now);
  value.erase("status");
  return Object(std::move(value));
}

Result<Object> as_replaced(const Object& before, const Object& wanted) {
  Json value = wanted.json();
  Json& metadata = value["metadata"];
  for (const char* name : kServerFields) {
    metadata.erase(name);
    if (before.has({"metadata", name})) metadata[name] = before.json()["metadata"][name];
  }
  metadata.erase("managedFields");
  value.erase("status");
  if (before.has({"status"})) value["status"] = before.json()["status"];
  if (before.is_deleting() && metadata.contains("finalizers")) {
    for (const Json& finalizer : metadata["finalizers"]) {
      if (!before.has_finalizer(finalizer.get<std::string>())) {
        return Error{Errc::invalid_argument,
                     "metadata.finalizers: none can be added while the object is being deleted"};
      }
    }
  }
  if (!same_but_metadata(before.json(), value)) metadata["generation"] = before.generation() + 1;
  return Object(std::move(value));
}

Object as_deleting(const Object& object, Timestamp now) {
  Json value = object.json();
  value["metadata"]["deletionTimestamp"] = rfc3339(now);
  value["metadata"]["deletionGracePeriodSeconds"] = 0;
  value["metadata"]["generation"] = object.generation() + 1;
  return Object(std::move(value));
}

Object with_resource_version(const Object& object, int64_t revision) {
  Json value = object.json();
  value["metadata"]["resourceVersion"] = std::to_string(revision);
  return Object(std::move(value));
}

bool has_finalizers(const Object& object) {
  return object.has({"metadata", "finalizers"}) && !object.json()["metadata"]["finalizers"].empty();
}

std::string rfc3339(Timestamp wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

}  // namespace millrace::local
