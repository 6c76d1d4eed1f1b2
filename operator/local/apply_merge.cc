#include <nlohmann/json.hpp>

#include "operator/local/object_rules.h"

namespace millrace::local {

using kube::Json;
using kube::Object;

namespace {

using Owners = std::vector<const Json*>;  // what the other managers applied, at the same path; never null

Owners below(const Owners& owners, const std::string& name) {
  Owners result;
  for (const Json* owner : owners) {
    if (owner->is_object() && owner->contains(name)) result.push_back(&(*owner)[name]);
  }
  return result;
}

// Takes from `live` what `previous` names, `wanted` no longer names, and nobody else does.
void release(Json& live, const Json& previous, const Json* wanted, const Owners& others) {
  for (const auto& [name, before] : previous.items()) {
    const auto member = live.find(name);
    if (member == live.end()) continue;
    const Json* still = wanted != nullptr && wanted->is_object() && wanted->contains(name) ? &(*wanted)[name] : nullptr;
    const Owners owners = below(others, name);
    if (before.is_object() && member->is_object()) {
      release(*member, before, still, owners);
      if (still == nullptr && owners.empty() && member->empty()) live.erase(member);
    } else if (still == nullptr && owners.empty()) {
      live.erase(member);
    }
  }
}

void assign(Json& live, const Json& wanted) {
  for (const auto& [name, value] : wanted.items()) {
    Json& member = live[name];
    if (value.is_object()) {
      if (!member.is_object()) member = Json::object();
      assign(member, value);
    } else {
      member = value;
    }
  }
}

// Lists that several managers share: an item goes when its manager drops it. Owner references are told apart by uid.
Json identity(const Json& item) { return item.is_object() && item.contains("uid") ? item["uid"] : item; }

bool contains(const Json& list, const Json& item) {
  for (const Json& one : list) {
    if (identity(one) == identity(item)) return true;
  }
  return false;
}

Json list_at(const Json& object, const char* name) {
  const Json* metadata = object.contains("metadata") ? &object["metadata"] : nullptr;
  return metadata != nullptr && metadata->is_object() && metadata->contains(name) && (*metadata)[name].is_array()
             ? (*metadata)[name]
             : Json::array();
}

Json merged_list(const Json& live, const Json& previous, const Json& wanted) {
  Json result = Json::array();
  for (const Json& item : live) {
    if (!contains(wanted, item) && !contains(previous, item)) result.push_back(item);
  }
  for (const Json& item : wanted) result.push_back(item);
  return result;
}

}  // namespace

Object as_applied(const Object& object) {
  Json value = object.json();
  value.erase("status");
  for (const char* name : {"uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds",
                           "resourceVersion", "managedFields"}) {
    value["metadata"].erase(name);
  }
  return Object(std::move(value));
}

Object merged(const StoredObject& before, const Object& wanted, std::string_view manager) {
  const Json& live = before.object.json();
  const auto mine = before.applied.find(std::string(manager));
  const Json previous = mine == before.applied.end() ? Json::object() : mine->second.json();
  Owners others;
  for (const auto& [name, applied] : before.applied) {
    if (name != manager) others.push_back(&applied.json());
  }
  Json result = live;
  release(result, previous, &wanted.json(), others);
  assign(result, wanted.json());
  for (const char* name : {"finalizers", "ownerReferences"}) {
    Json list = merged_list(list_at(live, name), list_at(previous, name), list_at(wanted.json(), name));
    if (list.empty()) {
      result["metadata"].erase(name);
    } else {
      result["metadata"][name] = std::move(list);
    }
  }
  return Object(std::move(result));
}

}  // namespace millrace::local
