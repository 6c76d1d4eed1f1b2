#include "operator/api/rules.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "operator/kube/kinds.h"

namespace millrace::api {

namespace {

constexpr size_t kClusterNameMax = 40;  // names of pods and services are made from it
constexpr size_t kNameMax = 253;

bool is_dns_name(const std::string& name, bool dots) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.empty() || name.size() > kNameMax || !alphanumeric(name.front()) || !alphanumeric(name.back())) return false;
  for (const char c : name) {
    if (!alphanumeric(c) && c != '-' && (c != '.' || !dots)) return false;
  }
  return true;
}

void check_cluster(const kube::Object& after, const kube::Object* before, std::vector<Problem>& problems) {
  if (after.name().size() > kClusterNameMax) {
    problems.push_back(
        {"/metadata/name", "must have at most 40 characters: names of pods and services are made from it"});
  }
  const std::string type = after.text_at({"spec", "storage", "type"});
  if (type == "persistent-claim" && !after.has({"spec", "storage", "size"})) {
    problems.push_back({"/spec/storage/size", "is missing: persistent-claim needs a size"});
  }
  if (before != nullptr && before->text_at({"spec", "storage", "type"}) != type) {
    problems.push_back({"/spec/storage/type", "cannot change: make a new cluster"});
  }
  const int64_t replicas_min = after.number_at({"spec", "autoscaling", "minReplicas"}, 0);
  const int64_t replicas_max = after.number_at({"spec", "autoscaling", "maxReplicas"}, INT64_MAX);
  if (replicas_min > replicas_max) {
    problems.push_back({"/spec/autoscaling/minReplicas", "must not be larger than maxReplicas"});
  }
  std::set<std::string> names;
  std::set<int64_t> ports{9091, 9404};  // gRPC and HTTP of the brokers
  const Json& listeners =
      after.json().at("spec").contains("listeners") ? after.json()["spec"]["listeners"] : Json::array();
  for (size_t i = 0; i < listeners.size(); ++i) {
    const std::string at = "/spec/listeners/" + std::to_string(i);
    if (!names.insert(listeners[i]["name"].get<std::string>()).second)
      problems.push_back({at + "/name", "is there twice"});
    if (!ports.insert(listeners[i]["port"].get<int64_t>()).second) problems.push_back({at + "/port", "is taken"});
  }
  if (listeners.empty()) problems.push_back({"/spec/listeners", "must name at least one listener"});
}

void check_topic(const kube::Object& after, const kube::Object* before, std::vector<Problem>& problems) {
  const std::string topic = after.text_at({"spec", "topicName"});
  if (topic == "." || topic == "..") problems.push_back({"/spec/topicName", "must not be . or .."});
  if (before == nullptr) return;
  if (topic != before->text_at({"spec", "topicName"})) {
    problems.push_back({"/spec/topicName", "cannot change: make a new KafkaTopic"});
  }
  if (after.text_at({"spec", "clusterRef", "name"}) != before->text_at({"spec", "clusterRef", "name"})) {
    problems.push_back({"/spec/clusterRef/name", "cannot change: make a new KafkaTopic"});
  }
}

void check_config(const kube::Object& after, std::vector<Problem>& problems) {
  const Json& spec = after.json().at("spec");
  if (!spec.contains("config") || !spec["config"].is_object()) return;
  for (const auto& [name, value] : spec["config"].items()) {
    if (value.is_object() || value.is_array() || value.is_null()) {
      problems.push_back({"/spec/config/" + name, "must be a number, a text, true or false"});
    }
  }
}

}  // namespace

std::vector<Problem> rule_problems(const kube::Object& after, const kube::Object* before) {
  std::vector<Problem> problems;
  if (after.kind() == "KafkaCluster") check_cluster(after, before, problems);
  if (after.kind() == "KafkaTopic") check_topic(after, before, problems);
  if (after.kind() == "KafkaCluster" || after.kind() == "KafkaTopic") check_config(after, problems);
  return problems;
}

std::vector<Problem> name_problems(const kube::Object& object) {
  std::vector<Problem> problems;
  const kube::Kind* kind = kube::find_kind(object.kind());
  if (kind == nullptr || kind->name != object.kind()) {
    problems.push_back(
        {"/kind", object.kind().empty() ? "is missing" : "is " + object.kind() + ", which is not known here"});
  } else if (object.text_at({"apiVersion"}) != kind->api_version) {
    problems.push_back({"/apiVersion", "must be " + std::string(kind->api_version) + " for a " + object.kind()});
  }
  if (!object.has({"metadata", "name"})) {
    problems.push_back({"/metadata/name", "is missing"});
  } else if (!is_dns_name(object.name(), true)) {
    problems.push_back({"/metadata/name",
                        "must be lower-case letters, digits, '-' and '.', and begin and end with a letter or digit"});
  }
  if (object.has({"metadata", "namespace"}) && !is_dns_name(object.name_space(), false)) {
    problems.push_back({"/metadata/namespace", "must be lower-case letters, digits and '-'"});
  }
  return problems;
}

}  // namespace millrace::api
