#include <nlohmann/json.hpp>
#include <set>

#include "operator/local/object_rules.h"
#include "operator/local/store.h"
#include "operator/local/store_subscription.h"

namespace millrace::local {

using kube::Change;
using kube::Json;

namespace {

Error named(const ObjectKey& key, const Error& error) { return {error.code, key.to_string() + ": " + error.context}; }

// Owned, and every owner is gone.
bool is_garbage(const Object& object, const std::set<std::string>& uids) {
  if (object.is_deleting() || !object.has({"metadata", "ownerReferences"})) return false;
  const Json& owners = object.json()["metadata"]["ownerReferences"];
  if (!owners.is_array() || owners.empty()) return false;
  for (const Json& owner : owners) {
    if (owner.is_object() && uids.contains(owner.value("uid", ""))) return false;
  }
  return true;
}

}  // namespace

Result<Object> Store::create(const Object& given) {
  TRY(check_identity(given));
  const Object object = with_namespace(given);
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const auto changing, begin_change());
  if (objects_.contains(object.key())) return Error{Errc::already_exists, object.key().to_string()};
  return create_locked(object, {});
}

Result<Object> Store::create_locked(const Object& given, StoredObject::Applied applied) {
  Object object = as_created(given, options_.random->uuid(), options_.clock->wall_ms());
  if (options_.admit) {
    Result<Object> admitted = options_.admit(object, nullptr);
    if (!admitted) return named(object.key(), admitted.error());
    object = std::move(*admitted);
  }
  const bool is_owned = object.has({"metadata", "ownerReferences"});
  TRY_ASSIGN(Object kept, put({.object = std::move(object), .applied = std::move(applied)}, Change::added));
  if (is_owned) TRY(collect_garbage());  // its owner may have gone meanwhile
  return kept;
}

Result<Object> Store::update(const Object& given) {
  TRY(check_identity(given));
  const Object object = with_namespace(given);
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const auto changing, begin_change());
  TRY_ASSIGN(const StoredObject* found, find_newest(object));
  const StoredObject before = *found;
  return replace_locked(before, object, before.applied);
}

Result<Object> Store::replace_locked(const StoredObject& before, const Object& wanted, StoredObject::Applied applied) {
  const ObjectKey key = before.object.key();
  Result<Object> replaced = as_replaced(before.object, wanted);
  if (replaced && options_.admit) replaced = options_.admit(*replaced, &before.object);
  // Defaults that are filled in must not count as a change.
  if (replaced) replaced = as_replaced(before.object, *replaced);
  if (!replaced) return named(key, replaced.error());
  const bool same_object = replaced->json() == before.object.json();
  if (!same_object) {
    if (replaced->is_deleting() && !has_finalizers(*replaced)) {
      TRY(drop(key));
      return *replaced;
    }
    return put({.object = std::move(*replaced), .applied = std::move(applied)}, Change::modified);
  }
  const auto text_of = [](const StoredObject::Applied& all) {
    std::string text;
    for (const auto& [manager, one] : all) text += manager + one.to_text();
    return text;
  };
  if (text_of(applied) == text_of(before.applied)) return before.object;
  // Who applied what has changed, the object has not: other processes must see it, watches need not.
  TRY(raise_revision());
  StoredObject stored{.object = before.object, .applied = std::move(applied)};
  if (Status written = files_.write(stored); !written) {
    revision_ = -1;
    return written.error();
  }
  objects_.insert_or_assign(key, std::move(stored));
  return before.object;
}

Result<Object> Store::update_status(const Object& given) {
  TRY(check_identity(given));
  const Object object = with_namespace(given);
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const auto changing, begin_change());
  TRY_ASSIGN(const StoredObject* found, find_newest(object));
  Json value = found->object.json();
  value.erase("status");
  if (object.has({"status"})) value["status"] = object.json()["status"];
  if (value == found->object.json()) return found->object;
  const Object changed(std::move(value));
  if (options_.admit) {
    const Result<Object> admitted = options_.admit(changed, &found->object);
    // An object that broke its schema before, as after an upgrade, still gets a status that can say so.
    if (!admitted && options_.admit(found->object, &found->object)) return named(object.key(), admitted.error());
  }
  return put({.object = changed, .applied = found->applied}, Change::modified);
}

Result<Object> Store::apply(const Object& given, std::string_view manager) {
  TRY(check_identity(given));
  const Object object = with_namespace(given);
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const auto changing, begin_change());
  const auto found = objects_.find(object.key());
  if (found == objects_.end()) return create_locked(object, {{std::string(manager), as_applied(object)}});
  const StoredObject before = found->second;
  const std::string version = object.resource_version();
  if (!version.empty() && version != before.object.resource_version()) {
    return Error{Errc::conflict, object.key().to_string()};
  }
  StoredObject::Applied applied = before.applied;
  applied.insert_or_assign(std::string(manager), as_applied(object));
  return replace_locked(before, merged(before, as_applied(object), manager), std::move(applied));
}

Status Store::remove(const ObjectKey& given, std::string_view uid) {
  ObjectKey key = given;
  if (key.name_space.empty()) key.name_space = kDefaultNamespace;
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const auto changing, begin_change());
  const auto found = objects_.find(key);
  if (found == objects_.end()) return Error{Errc::not_found, key.to_string()};
  if (!uid.empty() && found->second.object.uid() != uid) return Error{Errc::conflict, key.to_string()};
  return end(key);
}

Status Store::end(const ObjectKey& key) {
  const StoredObject stored = objects_.at(key);
  if (!has_finalizers(stored.object)) return drop(key);
  if (stored.object.is_deleting()) return ok();
  const Object marked = as_deleting(stored.object, options_.clock->wall_ms());
  TRY(put({.object = marked, .applied = stored.applied}, Change::modified));
  return ok();
}

Status Store::drop(const ObjectKey& key) {
  TRY(raise_revision());
  const Object last = with_resource_version(objects_.at(key).object, revision_);
  if (Status removed = files_.remove(key); !removed) {
    revision_ = -1;
    return removed;
  }
  objects_.erase(key);
  tell(Change::deleted, last);
  return collect_garbage();
}

Status Store::collect_garbage() {
  std::set<std::string> uids;
  for (const auto& [key, stored] : objects_) uids.insert(stored.object.uid());
  std::vector<ObjectKey> garbage;
  for (const auto& [key, stored] : objects_) {
    if (is_garbage(stored.object, uids)) garbage.push_back(key);
  }
  for (const ObjectKey& key : garbage) {
    if (objects_.contains(key)) TRY(end(key));  // an earlier one may have taken it along
  }
  return ok();
}

}  // namespace millrace::local
