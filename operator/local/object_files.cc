#include "operator/local/object_files.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "operator/kube/kinds.h"

namespace millrace::local {

using kube::Json;

namespace {
constexpr std::string_view kSuffix = ".json";
}

Status ObjectFiles::create_directories() { return fs_.create_directories(io::join_path(directory_, "objects")); }

Result<std::unique_ptr<io::FileLock>> ObjectFiles::lock() { return fs_.lock(io::join_path(directory_, "lock")); }

Result<int64_t> ObjectFiles::revision() {
  const std::string path = io::join_path(directory_, "revision");
  Result<std::string> text = io::read_small_file(fs_, path);
  if (!text && text.error().code == Errc::not_found) return int64_t{0};
  if (!text) return text.error();
  int64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) return Error{Errc::corrupt, path};
  return value;
}

Status ObjectFiles::set_revision(int64_t revision) {
  return io::write_file_atomically(fs_, io::join_path(directory_, "revision"), std::to_string(revision));
}

Result<std::map<kube::ObjectKey, StoredObject>> ObjectFiles::read_all() {
  std::map<kube::ObjectKey, StoredObject> result;
  for (const kube::Kind& kind : kube::all_kinds()) {
    const std::string of_kind = io::join_path(io::join_path(directory_, "objects"), kind.plural);
    TRY_ASSIGN(const bool exists, fs_.exists(of_kind));
    if (!exists) continue;
    TRY_ASSIGN(const std::vector<io::DirectoryEntry> spaces, fs_.list(of_kind));
    for (const io::DirectoryEntry& space : spaces) {
      if (!space.is_directory) continue;
      const std::string directory = io::join_path(of_kind, space.name);
      TRY_ASSIGN(const std::vector<io::DirectoryEntry> files, fs_.list(directory));
      for (const io::DirectoryEntry& file : files) {
        if (file.is_directory || !file.name.ends_with(kSuffix)) continue;  // a write that a crash cut short
        TRY_ASSIGN(StoredObject stored, read(io::join_path(directory, file.name)));
        kube::ObjectKey key = stored.object.key();
        result.insert_or_assign(std::move(key), std::move(stored));
      }
    }
  }
  return result;
}

Result<StoredObject> ObjectFiles::read(const std::string& path) {
  TRY_ASSIGN(const std::string text, io::read_small_file(fs_, path));
  const Json whole = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!whole.is_object() || !whole.contains("object") || !whole["object"].is_object()) {
    return Error{Errc::corrupt, path + " is not a file of this store"};
  }
  StoredObject result{.object = kube::Object(whole["object"]), .applied = {}};
  if (path_of(result.object.key()) != path) return Error{Errc::corrupt, path + " holds an object of another name"};
  if (whole.contains("applied") && whole["applied"].is_object()) {
    for (const auto& [manager, applied] : whole["applied"].items()) {
      if (applied.is_object()) result.applied.emplace(manager, kube::Object(applied));
    }
  }
  return result;
}

Status ObjectFiles::write(const StoredObject& stored) {
  const std::string path = path_of(stored.object.key());
  TRY(fs_.create_directories(io::parent_path(path)));
  Json whole{{"object", stored.object.json()}};
  for (const auto& [manager, applied] : stored.applied) whole["applied"][manager] = applied.json();
  return io::write_file_atomically(fs_, path, whole.dump(1, ' ', false, Json::error_handler_t::replace));
}

Status ObjectFiles::remove(const kube::ObjectKey& key) {
  const std::string path = path_of(key);
  TRY(fs_.remove(path));
  return fs_.flush_directory(io::parent_path(path));
}

std::string ObjectFiles::path_of(const kube::ObjectKey& key) const {
  const kube::Kind* kind = kube::find_kind(key.kind);
  std::string path = io::join_path(directory_, "objects");
  path = io::join_path(path, kind == nullptr ? std::string_view("unknown") : kind->plural);
  path = io::join_path(path, key.name_space);
  return io::join_path(path, key.name + std::string(kSuffix));
}

}  // namespace millrace::local
