#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "operator/kube/kinds.h"
#include "operator/kube/object.h"

namespace millrace::kube {

// lost: the watch fell too far behind, or its connection broke, and what happened since cannot be told any more (410
// Gone). It is the last event of its watch and has no object. A new watch tells of everything that is there, not of
// what went meanwhile.
enum class Change : uint8_t { added, modified, deleted, lost };

struct WatchEvent {
  Change change;
  Object object;
};

// Ends when destroyed; no callback runs afterwards.
class Watch {
 public:
  virtual ~Watch() = default;
};

inline constexpr std::string_view kFieldManager = "millrace-operator";

// The API server as the operator uses it: get, list, watch, server-side apply and status with optimistic concurrency.
// Implementations: operator/local (objects in a directory, no Kubernetes). Synchronous and thread-safe. Errors:
//   not_found          no such object (the call names it)
//   already_exists     create of a name that is taken
//   conflict           update of an object whose resourceVersion is not the newest: read it again and decide again
//   invalid_argument   the object breaks its schema; the context names the field
//   connection_refused, timed_out, io   the server could not be reached
class Client {
 public:
  virtual ~Client() = default;

  virtual Result<Object> get(const ObjectKey& key) = 0;
  // In `name_space`, or in all of them when it is empty; those that carry all of `selector`. Ascending by namespace
  // and name.
  virtual Result<std::vector<Object>> list(std::string_view kind, std::string_view name_space,
                                           const Labels& selector) = 0;
  // Returns the stored object: with uid, resourceVersion, generation and defaults.
  virtual Result<Object> create(const Object& object) = 0;
  // Replaces metadata and spec; `object` carries the resourceVersion it was read with. Status is untouched. The
  // generation grows when something other than metadata changed. An object under deletion goes with its last
  // finalizer.
  virtual Result<Object> update(const Object& object) = 0;
  // Replaces the status only, under the same rule.
  virtual Result<Object> update_status(const Object& object) = 0;
  // Server-side apply: makes the fields of `object` what it says, removes those that `manager` applied before and no
  // longer names, leaves the others, creates the object when absent. No write happens when nothing changes.
  virtual Result<Object> apply(const Object& object, std::string_view manager) = 0;
  // Ends the object, or marks it as deleting while it has finalizers. What it owns goes with it. `uid`, when not empty,
  // must be the object's (conflict otherwise).
  virtual Status remove(const ObjectKey& key, std::string_view uid) = 0;
  // Tells of every present object as added, then of each change, in order per object; an event may tell of a state that
  // is already outdated, and the last may be `lost`. `handler` must not block; it runs on threads of the client, one
  // call at a time per watch.
  virtual Result<std::unique_ptr<Watch>> watch(std::string_view kind, std::string_view name_space,
                                               std::function<void(const WatchEvent&)> handler) = 0;
};

}  // namespace millrace::kube
