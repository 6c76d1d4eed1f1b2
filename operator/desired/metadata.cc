#include "operator/desired/metadata.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "operator/desired/names.h"

namespace millrace::desired {

namespace {

bool is_named_list(const Json& value) {
  return value.is_array() && !value.empty() && std::all_of(value.begin(), value.end(), [](const Json& item) {
           return item.is_object() && item.contains("name");
         });
}

}  // namespace

Json broker_labels(const api::KafkaCluster& cluster) {
  Json labels{{std::string(kClusterLabel), cluster.name},
              {std::string(kComponentLabel), std::string(kBroker)},
              {"app.kubernetes.io/name", "millrace"},
              {"app.kubernetes.io/instance", cluster.name},
              {"app.kubernetes.io/component", std::string(kBroker)},
              {"app.kubernetes.io/part-of", cluster.name},
              {"app.kubernetes.io/managed-by", "millrace-operator"}};
  return labels;
}

Json owned_metadata(const api::KafkaCluster& cluster, const std::string& name) {
  return {{"name", name},
          {"namespace", cluster.name_space},
          {"labels", broker_labels(cluster)},
          {"ownerReferences", Json::array({{{"apiVersion", "millrace.dev/v1alpha1"},
                                            {"kind", "KafkaCluster"},
                                            {"name", cluster.name},
                                            {"uid", cluster.uid},
                                            {"controller", true},
                                            {"blockOwnerDeletion", true}}})}};
}

Json merged(Json base, const Json& over) {
  if (base.is_object() && over.is_object()) {
    for (const auto& [name, value] : over.items()) {
      if (value.is_null()) {
        base.erase(name);
      } else {
        base[name] = base.contains(name) ? merged(base[name], value) : value;
      }
    }
    return base;
  }
  if (is_named_list(base) && is_named_list(over)) {
    for (const Json& item : over) {
      const auto same =
          std::find_if(base.begin(), base.end(), [&](const Json& one) { return one["name"] == item["name"]; });
      if (same == base.end()) {
        base.push_back(item);
      } else {
        *same = merged(*same, item);
      }
    }
    return base;
  }
  return over;
}

std::string variable_part(const std::string& name) {
  std::string result = name;
  for (char& c : result) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace millrace::desired
