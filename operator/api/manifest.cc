#include "operator/api/manifest.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "operator/api/rules.h"
#include "operator/api/schema.h"
#include "operator/api/yaml_json.h"

namespace millrace::api {

namespace {

std::string place(const std::string& file, int line) { return file + ":" + std::to_string(line); }

std::vector<Problem> problems_of(const kube::Object& object) {
  std::vector<Problem> problems = name_problems(object);
  if (problems.empty() && object.kind() != "KafkaCluster" && object.kind() != "KafkaTopic") {
    problems.push_back({"/kind", "is " + object.kind() + "; manifests hold KafkaCluster and KafkaTopic"});
  }
  for (Problem& problem : schema_problems(object)) problems.push_back(std::move(problem));
  if (problems.empty()) problems = rule_problems(object, nullptr);
  return problems;
}

kube::Object in_namespace(const kube::Object& object) {
  if (!object.name_space().empty()) return object;
  Json value = object.json();
  value["metadata"]["namespace"] = std::string(kDefaultNamespace);
  return kube::Object(std::move(value));
}

}  // namespace

Result<std::vector<Manifest>> read_manifests(std::string_view file, std::string_view text) {
  TRY_ASSIGN(const std::vector<YamlDocument> documents, read_yaml(file, text));
  std::vector<Manifest> result;
  std::string all;
  for (const YamlDocument& document : documents) {
    const kube::Object object = with_defaults(document.object);
    for (const Problem& problem : problems_of(object)) {
      all += (all.empty() ? "" : "\n") + place(std::string(file), document.line_of(problem.pointer)) + ": " +
             words_of(problem.pointer) + " " + problem.message;
    }
    result.push_back({in_namespace(object), std::string(file), document.line_of("/kind")});
  }
  if (!all.empty()) return Error{Errc::invalid_argument, all};
  return result;
}

Status check_manifests_together(const std::vector<Manifest>& manifests) {
  std::map<kube::ObjectKey, const Manifest*> objects;
  std::map<std::string, const Manifest*> topics;
  for (const Manifest& manifest : manifests) {
    const kube::Object& object = manifest.object;
    const auto [first, is_new] = objects.emplace(object.key(), &manifest);
    if (!is_new) {
      return Error{Errc::invalid_argument, place(manifest.file, manifest.line) + ": " + object.kind() + " " +
                                               object.name() + " is there twice; the first is at " +
                                               place(first->second->file, first->second->line)};
    }
    if (object.kind() != "KafkaTopic") continue;
    const std::string given = object.text_at({"spec", "topicName"});
    const std::string topic = given.empty() ? object.name() : given;
    const std::string where = object.name_space() + "/" + object.text_at({"spec", "clusterRef", "name"}) + "/" + topic;
    const auto [other, is_alone] = topics.emplace(where, &manifest);
    if (!is_alone) {
      return Error{Errc::invalid_argument, place(manifest.file, manifest.line) + ": KafkaTopic " + object.name() +
                                               " describes topic " + topic + ", which KafkaTopic " +
                                               other->second->object.name() + " at " +
                                               place(other->second->file, other->second->line) + " already describes"};
    }
  }
  return ok();
}

}  // namespace millrace::api
