#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"

namespace millrace::kube {

using Json = nlohmann::json;
using Labels = std::map<std::string, std::string>;

struct ObjectKey {
  std::string kind;
  std::string name_space;
  std::string name;

  std::string to_string() const { return kind + " " + name_space + "/" + name; }
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

// An API object as JSON, immutable and shared: copies cost a pointer. Changing one means copying its JSON into a new
// Object. Safe to hand between threads.
class Object {
 public:
  Object();  // {}
  explicit Object(Json value);
  // malformed when it is not a JSON object.
  static Result<Object> parse(std::string_view text);

  const Json& json() const { return *json_; }
  std::string to_text() const;

  // "" or 0 when absent or of another type.
  std::string kind() const;
  std::string name() const;
  std::string name_space() const;
  std::string uid() const;
  std::string resource_version() const;
  std::string label(std::string_view name) const;
  std::string annotation(std::string_view name) const;
  int64_t generation() const;
  bool is_deleting() const;  // metadata.deletionTimestamp is set
  bool has_finalizer(std::string_view finalizer) const;
  ObjectKey key() const { return {kind(), name_space(), name()}; }

  // Text at a path of member names, or "".
  std::string text_at(std::initializer_list<std::string_view> path) const;
  int64_t number_at(std::initializer_list<std::string_view> path, int64_t fallback = 0) const;
  bool has(std::initializer_list<std::string_view> path) const;

  // A copy with the finalizer added or removed.
  Object with_finalizer(std::string_view finalizer) const;
  Object without_finalizer(std::string_view finalizer) const;
  // A copy with `status` replaced.
  Object with_status(Json status) const;

 private:
  const Json* find(std::initializer_list<std::string_view> path) const;

  std::shared_ptr<const Json> json_;  // never null
};

}  // namespace millrace::kube
