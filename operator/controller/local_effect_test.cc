// Which fields of a KafkaCluster do something on the local backend is found out here by trying each: what they make of
// a pod's process is compared. Every field of the schema must change something, be refused, or be named in the warning.

#include <algorithm>
#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/io/sim/sim_random.h"
#include "operator/api/schema.h"
#include "operator/api/schema_tree.h"
#include "operator/desired/names.h"
#include "operator/local/pod_command.h"
#include "operator/local/stateful_sets.h"
#include "operator/local/store.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::controller {
namespace {

using kube::Json;
using Pointer = Json::json_pointer;

kube::Object cluster_object(Json spec) {
  return kube::Object(Json{{"apiVersion", "millrace.dev/v1alpha1"},
                           {"kind", "KafkaCluster"},
                           {"metadata", {{"name", "orders"}, {"namespace", "default"}, {"uid", "u1"}}},
                           {"spec", std::move(spec)}});
}

Json words(const Json& whole, std::initializer_list<const char*> names) {
  Json result = Json::object();
  for (const char* name : names) result[name] = whole.contains(name) ? whole[name] : Json();
  return result;
}

// All that a specification makes of the processes, their files and what their pods are called.
Json footprint(const api::KafkaCluster& cluster) {
  io::sim::SimFileSystem fs;
  io::sim::SimClock clock;
  io::sim::SimRandom random{1};
  const auto store =
      *local::Store::open({.directory = "/state", .fs = &fs, .clock = &clock, .random = &random, .admit = {}});
  Json result;
  for (const kube::Object& object : desired::objects_of(cluster, {.is_local = true}, "id")) {
    // Its owner is not in this store.
    Json free = object.json();
    free["metadata"].erase("ownerReferences");
    EXPECT_TRUE(store->create(kube::Object(free)).has_value());
    if (object.kind() == "ConfigMap") result["files"] = object.json()["data"];
  }
  EXPECT_TRUE(local::StatefulSets(*store).reconcile().has_value());
  const std::vector<kube::Object> pods = *store->list("Pod", "", {});
  for (const kube::Object& pod : pods) {
    const local::Ports ports = local::wanted_ports(pod);
    const auto environment = local::environment_of(pod, ports);
    const auto arguments = local::arguments_of(pod, environment, {});
    const local::Probe probe = local::readiness_of(pod, ports);
    Json metadata = words(pod.json()["metadata"], {"labels", "annotations"});
    metadata["labels"].erase("controller-revision-hash");
    metadata["annotations"].erase(std::string(desired::kTemplateHash));
    Json volumes;
    if (const auto all = local::volumes_of(pod)) {
      for (const local::Volume& one : *all) {
        volumes.push_back({one.name, static_cast<int>(one.source), one.object, one.mount_path});
      }
    }
    result["pods"].push_back(
        {{"metadata", std::move(metadata)},
         {"environment", environment},
         {"arguments", arguments ? Json(*arguments) : Json(arguments.error().context)},
         {"ports", local::ports_text(ports)},
         {"volumes", std::move(volumes)},
         {"probe", {probe.path, probe.port, probe.period.count(), probe.timeout.count(), probe.failures_max}},
         {"grace", local::grace_of(pod).count()}});
  }
  const std::vector<kube::Object> claims = *store->list("PersistentVolumeClaim", "", {});
  for (const kube::Object& claim : claims) {
    result["claims"].push_back(claim.json()["metadata"].contains("ownerReferences"));
  }
  return result;
}

// "effect", "refused" or "named": what becomes of `spec` compared with `base`, which lacks the field `words`.
std::string fate(const Json& base, const Json& spec, const std::string& field) {
  const auto before = api::KafkaCluster::from(cluster_object(base));
  const auto after = api::KafkaCluster::from(cluster_object(spec));
  if (!after) return "invalid: " + after.error().context;
  const auto named = plan::ignored_locally(*after);
  const bool is_named = std::any_of(named.begin(), named.end(), [&](const std::string& one) {
    return one == field || field.starts_with(one + ".") || field.starts_with(one + "[");
  });
  std::string result;
  if (!plan::refusals(*after, {.version = "1", .is_local = true}).empty()) result += "refused ";
  if (is_named) result += "named ";
  if (footprint(*before) != footprint(*after)) result += "effect ";
  if (!result.empty()) result.pop_back();
  return result.empty() ? "ignored in silence" : result;
}

void leaves_of(const Json& schema, const std::string& at, std::vector<std::string>& found) {
  if (schema.contains("properties")) {
    for (const auto& [name, below] : schema["properties"].items())
      leaves_of(below, std::string(at).append("/").append(name), found);
  } else if (schema.contains("items")) {
    leaves_of(schema["items"], at + "/0", found);
  } else {
    found.push_back(at);
  }
}

TEST(LocalEffect, every_field_of_the_schema_does_something_is_refused_or_is_named) {
  const Json listener{{"name", "plain"}, {"port", 9092}, {"type", "internal"}};
  const Json base{{"storage", {{"type", "ephemeral"}}}, {"listeners", Json::array({listener})}};
  const Json claims{{"storage", {{"type", "persistent-claim"}, {"size", "1Gi"}}},
                    {"listeners", Json::array({listener})}};
  const struct {
    const char* field;
    Json value;
    const char* fate;
  } cases[] = {
      {"/replicas", 3, "effect"},
      {"/version", "9", "refused"},
      {"/image", "other:1", "named"},
      {"/storage/type", "persistent-claim", "effect"},
      {"/storage/size", "2Gi", "named"},
      {"/storage/class", "fast", "named"},
      {"/storage/deleteClaim", true, "effect"},
      {"/listeners/0/name", "other", "effect"},
      {"/listeners/0/port", 9095, "effect"},
      {"/listeners/0/type", "nodeport", "named"},
      {"/listeners/0/tls", true, "refused"},
      {"/config", {{"log.retention.hours", 1}}, "effect"},
      {"/resources/requests", {{"cpu", 1}}, "named"},
      {"/resources/limits", {{"memory", "1Gi"}}, "named"},
      {"/rack/topologyKey", "zone", "named"},
      {"/autoscaling/mode", "Auto", "named"},
      {"/autoscaling/minReplicas", 1, "named"},
      {"/autoscaling/maxReplicas", 3, "named"},
      {"/metrics/strimziCompatible", true, "effect"},
      {"/template/pod", {{"spec", {{"nodeSelector", {{"a", "b"}}}}}}, "named"},
      {"/template/service", {{"spec", {{"type", "NodePort"}}}}, "named"},
  };
  std::vector<std::string> leaves;
  leaves_of((*api::schema_of("KafkaCluster"))["properties"]["spec"], "", leaves);
  std::vector<std::string> tried;
  for (const auto& one : cases) {
    const std::string field(one.field);
    const Json& without = field.starts_with("/storage/") && field != "/storage/type" ? claims : base;
    Json with = without;
    with[Pointer(field)] = one.value;
    if (field == "/storage/type") with["storage"]["size"] = "1Gi";
    std::string path = "spec" + field;
    if (field.starts_with("/listeners")) {
      path = "spec.listeners[plain]." + field.substr(13);
    } else {
      std::replace(path.begin(), path.end(), '/', '.');
    }
    if (field == "/template/pod") path += ".spec.nodeSelector";
    EXPECT_EQ(fate(without, with, path), one.fate) << field;
    tried.push_back(field);
  }
  std::sort(leaves.begin(), leaves.end());
  std::sort(tried.begin(), tried.end());
  EXPECT_EQ(tried, leaves) << "every field of the schema is tried";
  Json kept = base;
  kept["storage"]["deleteClaim"] = true;
  EXPECT_EQ(fate(base, kept, "spec.storage.deleteClaim"), "named") << "there are no claims to delete";
}

TEST(LocalEffect, the_parts_of_a_pod_template_do_something_or_are_named) {
  const auto in_container = [](Json more) {
    more["name"] = "kafka";
    return Json{{"spec", {{"containers", Json::array({std::move(more)})}}}};
  };
  const auto env = [&](Json value) { return in_container({{"env", Json::array({std::move(value)})}}); };
  const struct {
    Json pod;
    const char* field;
    const char* fate;
  } cases[] = {
      {{{"metadata", {{"labels", {{"team", "a"}}}}}}, "metadata.labels", "effect"},
      {{{"metadata", {{"annotations", {{"team", "a"}}}}}}, "metadata.annotations", "effect"},
      {{{"metadata", {{"finalizers", Json::array({"a/b"})}}}}, "metadata.finalizers", "named"},
      {{{"spec", {{"terminationGracePeriodSeconds", 5}}}}, "spec.terminationGracePeriodSeconds", "effect"},
      {{{"spec", {{"priorityClassName", "high"}}}}, "spec.priorityClassName", "named"},
      {{{"spec", {{"initContainers", Json::array({{{"name", "a"}}})}}}}, "spec.initContainers", "named"},
      {{{"spec", {{"containers", Json::array({{{"name", "side"}, {"image", "a"}}})}}}},
       "spec.containers[side]",
       "named"},
      {{{"spec", {{"volumes", Json::array({{{"name", "x"}, {"emptyDir", Json::object()}}})}}}},
       "spec.volumes[x]",
       "effect"},
      {{{"spec", {{"volumes", Json::array({{{"name", "data"}, {"emptyDir", {{"sizeLimit", "1Gi"}}}}})}}}},
       "spec.volumes[data].emptyDir.sizeLimit",
       "named"},
      {in_container({{"image", "a"}}), "spec.containers[kafka].image", "named"},
      {in_container({{"args", Json::array({"a"})}}), "spec.containers[kafka].args", "effect"},
      {in_container({{"command", Json::array({"a"})}}), "spec.containers[kafka].command", "effect"},
      {in_container({{"resources", {{"limits", {{"cpu", 1}}}}}}), "spec.containers[kafka].resources", "named"},
      {in_container({{"livenessProbe", {{"periodSeconds", 1}}}}), "spec.containers[kafka].livenessProbe", "named"},
      {in_container({{"readinessProbe", {{"periodSeconds", 1}}}}),
       "spec.containers[kafka].readinessProbe.periodSeconds", "effect"},
      {in_container({{"readinessProbe", {{"timeoutSeconds", 9}}}}),
       "spec.containers[kafka].readinessProbe.timeoutSeconds", "named"},
      {in_container({{"readinessProbe", {{"initialDelaySeconds", 9}}}}),
       "spec.containers[kafka].readinessProbe.initialDelaySeconds", "named"},
      {in_container({{"readinessProbe", nullptr}}), "spec.containers[kafka].readinessProbe", "effect"},
      {env({{"name", "X"}, {"value", "y"}}), "spec.containers[kafka].env[X].value", "effect"},
      {in_container({{"envFrom", Json::array()}}), "spec.containers[kafka].envFrom", "named"},
  };
  const Json base{{"storage", {{"type", "ephemeral"}}}};
  for (const auto& one : cases) {
    Json with = base;
    with["template"]["pod"] = one.pod;
    EXPECT_EQ(fate(base, with, std::string("spec.template.pod.") + one.field), one.fate) << one.pod.dump();
  }
  // A variable whose source is not known here is there, and empty.
  const Json secret{{"name", "X"}, {"valueFrom", {{"secretKeyRef", {{"name", "s"}, {"key", "k"}}}}}};
  Json with = base;
  with["template"]["pod"] = env(secret);
  EXPECT_EQ(fate(base, with, "spec.template.pod.spec.containers[kafka].env[X].valueFrom.secretKeyRef"), "named effect");
}

}  // namespace
}  // namespace millrace::controller
