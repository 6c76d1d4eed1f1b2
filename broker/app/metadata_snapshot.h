#pragma once

#include <string>

#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/metadata/image_builder.h"

namespace millrace::app {

// The file that holds an image as the records that build it. Bytes, big-endian: "MRSN", int16 version (0), int64 offset
// of the last record that is in it, uint32 number of records, for each uint32 length and value, uint32 CRC-32C of all
// before it.
//
// Errors: too large a state is overloaded (more than io::kSmallFileBytesMax), a damaged file corrupt, a newer format
// unsupported_version, none not_found.
Status save_snapshot(io::FileSystem& fs, const std::string& path, const metadata::ClusterImage& image);
Result<metadata::ImageBuilder> load_snapshot(io::FileSystem& fs, const std::string& path);

}  // namespace millrace::app
