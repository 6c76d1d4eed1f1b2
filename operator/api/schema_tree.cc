#include "operator/api/schema_tree.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "operator/api/crd_texts.h"
#include "operator/api/yaml_json.h"

namespace millrace::api {

namespace {

std::map<std::string, Json, std::less<>> read_schemas() {
  std::map<std::string, Json, std::less<>> result;
  for (const std::string_view text : kCrdTexts) {
    const Result<std::vector<YamlDocument>> documents = read_yaml("crds", text);
    ENSURE(documents.has_value() && documents->size() == 1);
    const Json& crd = documents->front().object.json();
    const Json::json_pointer schema("/spec/versions/0/schema/openAPIV3Schema");
    result.emplace(crd.at("spec").at("names").at("kind").get<std::string>(), crd.at(schema));
  }
  return result;
}

}  // namespace

const Json* schema_of(std::string_view kind) {
  static const std::map<std::string, Json, std::less<>> schemas = read_schemas();
  const auto found = schemas.find(kind);
  return found == schemas.end() ? nullptr : &found->second;
}

}  // namespace millrace::api
