#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "broker/io/file_system.h"
#include "operator/kube/object.h"

namespace millrace::local {

// An object as the store keeps it: with what each manager applied last, so that the next apply knows what to remove.
struct StoredObject {
  using Applied = std::map<std::string, kube::Object>;  // by manager

  kube::Object object;
  Applied applied;
};

// The store's directory:
//
//   revision                              the number of the newest change, decimal
//   lock                                  held by the process that changes something
//   objects/PLURAL/NAMESPACE/NAME.json    {"object": {…}, "applied": {MANAGER: {…}}}
//
// Each file is replaced whole, so that readers need no lock for one file. No state but the path; not thread-safe for
// writers. Errors: as FileSystem; corrupt names the file that is not what we write.
class ObjectFiles {
 public:
  ObjectFiles(io::FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  Status create_directories();
  Result<std::unique_ptr<io::FileLock>> lock();
  Result<int64_t> revision();  // 0 when nothing was ever changed
  Status set_revision(int64_t revision);
  Result<std::map<kube::ObjectKey, StoredObject>> read_all();
  Status write(const StoredObject& stored);
  Status remove(const kube::ObjectKey& key);

 private:
  Result<StoredObject> read(const std::string& path);
  std::string path_of(const kube::ObjectKey& key) const;

  io::FileSystem& fs_;
  const std::string directory_;
};

}  // namespace millrace::local
