// apply, delete: what changes objects.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "operator/cli/manifests.h"
#include "operator/cli/verbs.h"

namespace millrace::cli {

namespace {

constexpr std::string_view kManager = "millrace-cli";

std::string lower_name(const kube::Object& object) {
  const kube::Kind* kind = kube::find_kind(object.kind());
  std::string name(kind->plural.substr(0, kind->plural.size() - 1));
  return name + "/" + object.name();
}

void remind_when_stopped(World& world, bool is_running) {
  if (!is_running)
    world.out << "The cluster is stopped: this takes effect with the next `millrace local up`." << std::endl;
}

}  // namespace

int apply(World& world, const CommandLine& line, kube::Client& kube, bool is_running) {
  const Result<std::vector<api::Manifest>> manifests = load_manifests(world.fs, line.path);
  if (!manifests) {
    fail(world, manifests.error().context + "\nNothing was changed.");
    return kUsage;
  }
  int code = kDone;
  for (const api::Manifest& manifest : *manifests) {
    const Result<kube::Object> before = kube.get(manifest.object.key());
    const Result<kube::Object> after = kube.apply(manifest.object, kManager);
    if (!after) {
      code = fail(world, manifest.file + ":" + std::to_string(manifest.line) + ": " + after.error().to_string());
      continue;
    }
    const bool same = before && before->resource_version() == after->resource_version();
    world.out << lower_name(manifest.object) << (!before ? " created" : same ? " unchanged" : " changed") << std::endl;
  }
  remind_when_stopped(world, is_running);
  return code;
}

int remove(World& world, const CommandLine& line, kube::Client& kube, bool is_running) {
  const kube::Kind* kind = kube::find_kind(line.kind);
  if (kind == nullptr || !kind->name.starts_with("Kafka")) {
    fail(world, "there is no kind " + line.kind + " to delete; use cluster or topic");
    return kUsage;
  }
  const kube::ObjectKey key{std::string(kind->name), line.name_space, line.name};
  const Result<kube::Object> object = kube.get(key);
  if (!object) {
    return fail(world, object.error().code == Errc::not_found ? "there is no " + key.to_string() + "; `millrace get " +
                                                                    std::string(kind->plural) + "` lists them"
                                                              : object.error().to_string());
  }
  const Status removed = kube.remove(key, object->uid());
  if (!removed) return fail(world, removed.error().to_string());
  world.out << lower_name(*object) << (kube.get(key) ? " is being deleted" : " deleted") << std::endl;
  remind_when_stopped(world, is_running);
  return kDone;
}

}  // namespace millrace::cli
