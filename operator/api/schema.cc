#include "operator/api/schema.h"

#include <nlohmann/json.hpp>
#include <regex>
#include <utility>

#include "operator/api/rules.h"
#include "operator/api/schema_tree.h"

namespace millrace::api {

namespace {

constexpr std::string_view kAnything = "x-kubernetes-preserve-unknown-fields";

bool flag(const Json& schema, std::string_view name) {
  const auto found = schema.find(name);
  return found != schema.end() && found->is_boolean() && found->get<bool>();
}

std::string type_of(const Json& value) {
  if (value.is_number_integer()) return "integer";
  if (value.is_number()) return "number";
  return value.type_name();
}

bool has_type(const Json& value, const std::string& type) {
  return type_of(value) == type || (type == "number" && value.is_number_integer());
}

// How far two short names are apart: an insertion, a removal or an exchange of a letter costs one.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view name, const Json& properties) {
  std::string best;
  size_t best_distance = 3;  // further apart is another word
  for (const auto& [known, schema] : properties.items()) {
    if (const size_t apart = distance(name, known); apart < best_distance) {
      best_distance = apart;
      best = known;
    }
  }
  return best;
}

class Checker {
 public:
  std::vector<Problem> take() { return std::move(problems_); }

  void check(const Json& value, const Json& schema, const std::string& at) {
    if (flag(schema, "x-kubernetes-int-or-string")) {
      if (!value.is_number_integer() && !value.is_string()) report(at, "must be an integer or a string");
      return;
    }
    if (schema.contains("type")) {
      const auto& type = schema["type"].get_ref<const std::string&>();
      if (!has_type(value, type)) {
        return report(at, "must be " + with_article(type) + ", not " + with_article(type_of(value)) + " (" +
                              value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60) + ")");
      }
    }
    if (schema.contains("enum")) check_enum(value, schema["enum"], at);
    if (value.is_object()) check_object_fields(value, schema, at);
    if (value.is_array()) check_array(value, schema, at);
    if (value.is_string()) check_string(value.get_ref<const std::string&>(), schema, at);
    if (value.is_number_integer()) check_integer(value.get<int64_t>(), schema, at);
  }

 private:
  static std::string with_article(const std::string& type) {
    if (type == "null") return "empty";
    return (type == "integer" || type == "object" || type == "array" ? "an " : "a ") + type;
  }

  void report(const std::string& at, std::string message) { problems_.push_back({at, std::move(message)}); }

  void check_enum(const Json& value, const Json& allowed, const std::string& at) {
    std::string words;
    for (const Json& one : allowed) {
      if (one == value) return;
      words += (words.empty() ? "" : ", ") + (one.is_string() ? one.get<std::string>() : one.dump());
    }
    report(at, "must be one of " + words);
  }

  void check_object_fields(const Json& value, const Json& schema, const std::string& at) {
    static const Json none = Json::object();
    const Json& properties = schema.contains("properties") ? schema["properties"] : none;
    if (schema.contains("required")) {
      for (const Json& name : schema["required"]) {
        const auto found = value.find(name.get_ref<const std::string&>());
        if (found == value.end() || found->is_null()) report(at + "/" + name.get<std::string>(), "is missing");
      }
    }
    for (const auto& [name, member] : value.items()) {
      const std::string below = std::string(at).append("/").append(name);
      if (properties.contains(name)) {
        if (!member.is_null()) check(member, properties[name], below);
      } else if (schema.contains("additionalProperties")) {
        check(member, schema["additionalProperties"], below);
      } else if (!flag(schema, kAnything) && !properties.empty()) {
        const std::string near = nearest(name, properties);
        report(below, "is not a field that is known here" + (near.empty() ? "" : "; did you mean " + near + "?"));
      }
    }
  }

  void check_array(const Json& value, const Json& schema, const std::string& at) {
    if (schema.contains("maxItems") && value.size() > schema["maxItems"].get<size_t>()) {
      report(at, "must have at most " + schema["maxItems"].dump() + " items");
    }
    for (size_t i = 0; i < value.size(); ++i) check(value[i], schema["items"], at + "/" + std::to_string(i));
  }

  void check_string(const std::string& value, const Json& schema, const std::string& at) {
    if (schema.contains("minLength") && value.size() < schema["minLength"].get<size_t>()) {
      return report(at, "must not be empty");
    }
    if (schema.contains("maxLength") && value.size() > schema["maxLength"].get<size_t>()) {
      return report(at, "must have at most " + schema["maxLength"].dump() + " characters");
    }
    if (schema.contains("pattern")) {
      const auto& pattern = schema["pattern"].get_ref<const std::string&>();
      if (!std::regex_search(value, std::regex(pattern, std::regex::ECMAScript))) {
        report(at, "is " + value + ", which does not match " + pattern);
      }
    }
  }

  void check_integer(int64_t value, const Json& schema, const std::string& at) {
    const bool is_int32 = schema.contains("format") && schema["format"] == "int32";
    const int64_t min = schema.contains("minimum") ? schema["minimum"].get<int64_t>()
                        : is_int32                 ? INT32_MIN
                                                   : INT64_MIN;
    const int64_t max = schema.contains("maximum") ? schema["maximum"].get<int64_t>()
                        : is_int32                 ? INT32_MAX
                                                   : INT64_MAX;
    if (value < min) report(at, "must be at least " + std::to_string(min));
    if (value > max) report(at, "must be at most " + std::to_string(max));
  }

  std::vector<Problem> problems_;
};

void fill_defaults(Json& value, const Json& schema) {
  if (value.is_object() && schema.contains("properties")) {
    for (const auto& [name, below] : schema["properties"].items()) {
      const auto found = value.find(name);
      if (found != value.end() && found->is_null()) value.erase(found);
      if (!value.contains(name) && below.contains("default")) value[name] = below["default"];
      if (value.contains(name)) fill_defaults(value[name], below);
    }
  }
  if (value.is_array() && schema.contains("items")) {
    for (Json& item : value) fill_defaults(item, schema["items"]);
  }
}

}  // namespace

std::vector<Problem> schema_problems(const kube::Object& object) {
  const Json* schema = schema_of(object.kind());
  if (schema == nullptr) return {};
  Checker checker;
  checker.check(object.json(), *schema, "");
  return checker.take();
}

kube::Object with_defaults(const kube::Object& object) {
  const Json* schema = schema_of(object.kind());
  if (schema == nullptr) return object;
  Json value = object.json();
  fill_defaults(value, *schema);
  return kube::Object(std::move(value));
}

kube::Object without_status(const kube::Object& object) {
  if (!object.has({"status"})) return object;
  Json value = object.json();
  value.erase("status");
  return kube::Object(std::move(value));
}

Status check_object(const kube::Object& after, const kube::Object* before) {
  std::vector<Problem> problems = schema_problems(after);
  for (Problem& problem : name_problems(after)) problems.push_back(std::move(problem));
  if (problems.empty()) problems = rule_problems(after, before);
  if (problems.empty()) return ok();
  std::string all;
  for (const Problem& problem : problems) {
    all += (all.empty() ? "" : "; ") + words_of(problem.pointer) + " " + problem.message;
  }
  return Error{Errc::invalid_argument, all};
}

std::string words_of(std::string_view pointer) {
  std::string result;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    const std::string_view name = pointer.substr(0, end);
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos) {
      result += "[" + std::string(name) + "]";
    } else {
      result += (result.empty() ? "" : ".") + std::string(name);
    }
    pointer.remove_prefix(end);
  }
  return result;
}

}  // namespace millrace::api
