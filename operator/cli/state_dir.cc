#include "operator/cli/state_dir.h"

#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "operator/api/schema.h"

namespace millrace::cli {

using kube::Json;

int fail(World& world, const std::string& what) {
  world.err << "millrace: " << what << std::endl;
  return kFailed;
}

Result<std::unique_ptr<io::FileLock>> StateDir::lock() {
  TRY(world_.fs.create_directories(path_));
  return world_.fs.lock(io::join_path(path_, "up.lock"));
}

Result<bool> StateDir::is_running() {
  TRY_ASSIGN(const bool present, world_.fs.exists(io::join_path(path_, "up.lock")));
  if (!present) return false;
  const Result<std::unique_ptr<io::FileLock>> taken = lock();
  if (taken) return false;
  if (taken.error().code == Errc::in_use) return true;
  return taken.error();
}

Status StateDir::write_owner(const Owner& owner) {
  return io::write_file_atomically(world_.fs, io::join_path(path_, "up.json"),
                                   Json{{"pid", owner.pid}, {"http", owner.http}}.dump() + "\n");
}

std::optional<StateDir::Owner> StateDir::owner() {
  const Result<std::string> text = io::read_small_file(world_.fs, io::join_path(path_, "up.json"));
  if (!text) return std::nullopt;
  const Result<kube::Object> read = kube::Object::parse(*text);
  if (!read || read->number_at({"pid"}) <= 0) return std::nullopt;
  return Owner{read->number_at({"pid"}), read->number_at({"http"})};
}

Result<std::unique_ptr<local::Store>> StateDir::open_store() {
  return local::Store::open(
      {.directory = io::join_path(path_, "api"),
       .fs = &world_.fs,
       .clock = &world_.clock,
       .random = &world_.random,
       .admit = [](const kube::Object& after, const kube::Object* before) -> Result<kube::Object> {
         kube::Object filled = api::with_defaults(after);
         TRY(api::check_object(filled, before));
         return filled;
       }});
}

}  // namespace millrace::cli
