#pragma once

#include <string>
#include <vector>

#include "broker/io/file_system.h"
#include "operator/api/manifest.h"

namespace millrace::cli {

inline constexpr size_t kManifestFilesMax = 10'000;

// The manifests of a file, or of the *.yaml and *.yml files of a directory in the order of their names. Errors:
// not_found; those of read_manifests, all files' together; invalid_argument when there is nothing.
Result<std::vector<api::Manifest>> load_manifests(io::FileSystem& fs, const std::string& path);

}  // namespace millrace::cli
