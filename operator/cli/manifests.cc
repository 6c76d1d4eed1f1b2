#include "operator/cli/manifests.h"

#include <algorithm>
#include <utility>

namespace millrace::cli {

namespace {

Result<std::vector<std::string>> files_at(io::FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const bool exists, fs.exists(path));
  if (!exists) return Error{Errc::not_found, path};
  const Result<std::vector<io::DirectoryEntry>> entries = fs.list(path);
  if (!entries) return std::vector<std::string>{path};  // not a directory
  std::vector<std::string> files;
  for (const io::DirectoryEntry& entry : *entries) {
    if (!entry.is_directory && (entry.name.ends_with(".yaml") || entry.name.ends_with(".yml"))) {
      files.push_back(io::join_path(path, entry.name));
    }
  }
  std::sort(files.begin(), files.end());
  if (files.size() > kManifestFilesMax) return Error{Errc::overloaded, path + ": more than 10,000 manifests"};
  return files;
}

}  // namespace

Result<std::vector<api::Manifest>> load_manifests(io::FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const std::vector<std::string> files, files_at(fs, path));
  std::vector<api::Manifest> result;
  std::string problems;
  for (const std::string& file : files) {
    TRY_ASSIGN(const std::string text, io::read_small_file(fs, file));
    Result<std::vector<api::Manifest>> read = api::read_manifests(file, text);
    if (!read) {
      problems += (problems.empty() ? "" : "\n") + read.error().context;
      continue;
    }
    std::move(read->begin(), read->end(), std::back_inserter(result));
  }
  if (!problems.empty()) return Error{Errc::invalid_argument, problems};
  if (result.empty()) return Error{Errc::invalid_argument, path + ": no manifest in it; it should hold *.yaml files"};
  TRY(api::check_manifests_together(result));
  return result;
}

}  // namespace millrace::cli
