#include "operator/kube/object.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace millrace::kube {

Object::Object() : json_(std::make_shared<const Json>(Json::object())) {}

Object::Object(Json value) : json_(std::make_shared<const Json>(std::move(value))) { ENSURE(json_->is_object()); }

Result<Object> Object::parse(std::string_view text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return Error{Errc::malformed, "not JSON"};
  if (!value.is_object()) return Error{Errc::malformed, "not a JSON object"};
  return Object(std::move(value));
}

// Strings of the world may hold bytes that are not UTF-8; they are shown, not thrown.
std::string Object::to_text() const { return json_->dump(2, ' ', false, Json::error_handler_t::replace); }

const Json* Object::find(std::initializer_list<std::string_view> path) const {
  const Json* at = json_.get();
  for (const std::string_view name : path) {
    if (!at->is_object()) return nullptr;
    const auto member = at->find(name);
    if (member == at->end()) return nullptr;
    at = &*member;
  }
  return at;
}

std::string Object::text_at(std::initializer_list<std::string_view> path) const {
  const Json* at = find(path);
  return at != nullptr && at->is_string() ? at->get<std::string>() : std::string();
}

int64_t Object::number_at(std::initializer_list<std::string_view> path, int64_t fallback) const {
  const Json* at = find(path);
  return at != nullptr && at->is_number_integer() ? at->get<int64_t>() : fallback;
}

bool Object::has(std::initializer_list<std::string_view> path) const {
  const Json* at = find(path);
  return at != nullptr && !at->is_null();
}

std::string Object::kind() const { return text_at({"kind"}); }
std::string Object::name() const { return text_at({"metadata", "name"}); }
std::string Object::name_space() const { return text_at({"metadata", "namespace"}); }
std::string Object::uid() const { return text_at({"metadata", "uid"}); }
std::string Object::resource_version() const { return text_at({"metadata", "resourceVersion"}); }
std::string Object::label(std::string_view name) const { return text_at({"metadata", "labels", name}); }
std::string Object::annotation(std::string_view name) const { return text_at({"metadata", "annotations", name}); }
int64_t Object::generation() const { return number_at({"metadata", "generation"}); }
bool Object::is_deleting() const { return has({"metadata", "deletionTimestamp"}); }

bool Object::has_finalizer(std::string_view finalizer) const {
  const Json* all = find({"metadata", "finalizers"});
  if (all == nullptr || !all->is_array()) return false;
  for (const Json& one : *all) {
    if (one.is_string() && one.get_ref<const std::string&>() == finalizer) return true;
  }
  return false;
}

Object Object::with_finalizer(std::string_view finalizer) const {
  Json copy = *json_;
  copy["metadata"]["finalizers"].push_back(std::string(finalizer));
  return Object(std::move(copy));
}

Object Object::without_finalizer(std::string_view finalizer) const {
  Json copy = *json_;
  Json kept = Json::array();
  if (copy["metadata"].contains("finalizers")) {
    for (const Json& one : copy["metadata"]["finalizers"]) {
      if (!one.is_string() || one.get_ref<const std::string&>() != finalizer) kept.push_back(one);
    }
  }
  if (kept.empty()) {
    copy["metadata"].erase("finalizers");
  } else {
    copy["metadata"]["finalizers"] = std::move(kept);
  }
  return Object(std::move(copy));
}

Object Object::with_status(Json status) const {
  Json copy = *json_;
  copy["status"] = std::move(status);
  return Object(std::move(copy));
}

}  // namespace millrace::kube
