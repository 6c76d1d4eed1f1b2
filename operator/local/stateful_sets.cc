#include "operator/local/stateful_sets.h"

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "broker/base/bytes.h"
#include "broker/base/crc32c.h"

namespace millrace::local {

using kube::Json;
using kube::Object;

namespace {

constexpr std::string_view kIndexLabel = "apps.kubernetes.io/pod-index";
constexpr std::string_view kNameLabel = "statefulset.kubernetes.io/pod-name";
constexpr std::string_view kRevisionLabel = "controller-revision-hash";
constexpr int64_t kReplicasMax = 1000;

const Json& member(const Json& object, std::string_view name) {
  static const Json nothing = Json::object();
  const auto found = object.is_object() ? object.find(name) : object.end();
  return !object.is_object() || found == object.end() ? nothing : *found;
}

Json owner_reference(const Object& set) {
  return {{"apiVersion", set.text_at({"apiVersion"})},
          {"kind", set.kind()},
          {"name", set.name()},
          {"uid", set.uid()},
          {"controller", true},
          {"blockOwnerDeletion", true}};
}

bool is_owned(const Object& object, const std::string& uid) {
  const Json& owners = member(member(object.json(), "metadata"), "ownerReferences");
  for (const Json& owner : owners) {
    if (owner.is_object() && owner.value("uid", "") == uid) return true;
  }
  return false;
}

bool is_ready(const Object& pod) {
  for (const Json& condition : member(member(pod.json(), "status"), "conditions")) {
    if (condition.value("type", "") == "Ready") return condition.value("status", "") == "True";
  }
  return false;
}

int64_t ordinal_of(const Object& set, const Object& pod) {
  const std::string name = pod.name();
  const std::string prefix = set.name() + "-";
  int64_t ordinal = -1;
  if (!name.starts_with(prefix)) return -1;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + prefix.size(), end, ordinal);
  return read.ec == std::errc() && read.ptr == end ? ordinal : -1;
}

std::string revision_of(const Object& set) {
  const std::string text = member(member(set.json(), "spec"), "template").dump();
  const uint32_t hash = crc32c(std::as_bytes(std::span(text.data(), text.size())));
  return set.name() + "-" + std::to_string(hash);
}

std::string claim_name(const Json& claim, const Object& set, int64_t ordinal) {
  return member(claim, "metadata").value("name", "") + "-" + set.name() + "-" + std::to_string(ordinal);
}

Object pod_of(const Object& set, int64_t ordinal, const std::string& revision) {
  const Json& spec = member(set.json(), "spec");
  const Json& pattern = member(spec, "template");
  const std::string name = set.name() + "-" + std::to_string(ordinal);
  Json metadata{{"name", name}, {"namespace", set.name_space()}};
  metadata["labels"] = member(member(pattern, "metadata"), "labels");
  metadata["labels"][std::string(kIndexLabel)] = std::to_string(ordinal);
  metadata["labels"][std::string(kNameLabel)] = name;
  metadata["labels"][std::string(kRevisionLabel)] = revision;
  metadata["annotations"] = member(member(pattern, "metadata"), "annotations");
  metadata["ownerReferences"] = Json::array({owner_reference(set)});
  metadata["finalizers"] = Json::array({std::string(kProcessFinalizer)});
  Json pod_spec = member(pattern, "spec");
  pod_spec["hostname"] = name;
  if (spec.contains("serviceName")) pod_spec["subdomain"] = spec["serviceName"];
  for (const Json& claim : member(spec, "volumeClaimTemplates")) {
    pod_spec["volumes"].push_back({{"name", member(claim, "metadata").value("name", "")},
                                   {"persistentVolumeClaim", {{"claimName", claim_name(claim, set, ordinal)}}}});
  }
  return Object(Json{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", metadata}, {"spec", pod_spec}});
}

// Somebody else was faster; the next look decides again.
Status unless_raced(Status status) {
  if (!status) {
    const Errc code = status.error().code;
    if (code == Errc::conflict || code == Errc::already_exists || code == Errc::not_found) return ok();
  }
  return status;
}
Status unless_raced(const Result<Object>& result) { return result ? ok() : unless_raced(Status(result.error())); }

}  // namespace

Status StatefulSets::reconcile() {
  TRY_ASSIGN(const std::vector<Object> sets, client_.list("StatefulSet", "", {}));
  Status first = ok();
  for (const Object& set : sets) {
    if (set.is_deleting()) continue;
    Status done = reconcile(set);
    if (!done && first) first = std::move(done);
  }
  return first;
}

Status StatefulSets::reconcile(const Object& set) {
  const int64_t replicas = std::min(set.number_at({"spec", "replicas"}, 1), kReplicasMax);
  const std::string revision = revision_of(set);
  TRY_ASSIGN(const std::vector<Object> all, client_.list("Pod", set.name_space(), {}));
  std::map<int64_t, Object> pods;
  for (const Object& pod : all) {
    if (is_owned(pod, set.uid()) && ordinal_of(set, pod) >= 0) pods.emplace(ordinal_of(set, pod), pod);
  }
  for (int64_t ordinal = 0; ordinal < replicas; ++ordinal) {
    if (pods.contains(ordinal)) continue;
    TRY(make_claims(set, ordinal));
    TRY(unless_raced(client_.create(pod_of(set, ordinal, revision))));
  }
  std::vector<Object> counted;
  for (auto it = pods.rbegin(); it != pods.rend(); ++it) {
    if (it->first >= replicas && !it->second.is_deleting()) {
      TRY(unless_raced(client_.remove(it->second.key(), it->second.uid())));
    }
    counted.push_back(it->second);
  }
  return write_status(set, counted, revision);
}

Status StatefulSets::make_claims(const Object& set, int64_t ordinal) {
  const Json& spec = member(set.json(), "spec");
  for (const Json& pattern : member(spec, "volumeClaimTemplates")) {
    const std::string name = claim_name(pattern, set, ordinal);
    const Result<Object> present = client_.get({"PersistentVolumeClaim", set.name_space(), name});
    if (present) continue;
    if (present.error().code != Errc::not_found) return present.error();
    Json metadata{{"name", name}, {"namespace", set.name_space()}};
    metadata["labels"] = member(member(pattern, "metadata"), "labels");
    metadata["annotations"] = member(member(pattern, "metadata"), "annotations");
    metadata["finalizers"] = Json::array({std::string(kVolumeFinalizer)});
    if (member(spec, "persistentVolumeClaimRetentionPolicy").value("whenDeleted", "Retain") == "Delete") {
      metadata["ownerReferences"] = Json::array({owner_reference(set)});
    }
    const Object claim(Json{{"apiVersion", "v1"},
                            {"kind", "PersistentVolumeClaim"},
                            {"metadata", metadata},
                            {"spec", member(pattern, "spec")}});
    TRY(unless_raced(client_.create(claim)));
  }
  return ok();
}

Status StatefulSets::write_status(const Object& set, const std::vector<Object>& pods, const std::string& revision) {
  int64_t ready = 0;
  int64_t updated = 0;
  for (const Object& pod : pods) {
    if (is_ready(pod) && !pod.is_deleting()) ++ready;
    if (pod.label(kRevisionLabel) == revision) ++updated;
  }
  return unless_raced(client_.update_status(set.with_status({{"observedGeneration", set.generation()},
                                                             {"replicas", pods.size()},
                                                             {"readyReplicas", ready},
                                                             {"availableReplicas", ready},
                                                             {"updatedReplicas", updated},
                                                             {"updateRevision", revision}})));
}

}  // namespace millrace::local
