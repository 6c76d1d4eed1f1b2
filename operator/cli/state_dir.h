#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "broker/io/file_system.h"
#include "operator/cli/world.h"
#include "operator/local/store.h"

namespace millrace::cli {

// The directory of a local cluster (--data-dir):
//
//   up.lock    held by the process of `local up` for as long as it runs
//   up.json    who that is: {"pid":…,"http":…}
//   up.log     what it says when it runs in the background
//   api/       the objects (operator/local/object_files.h)
//   pods/ volumes/ logs/   of the brokers (operator/local/pods.h)
class StateDir {
 public:
  StateDir(World& world, std::string path) : world_(world), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string log_path() const { return io::join_path(path_, "up.log"); }
  std::string broker_logs() const { return io::join_path(path_, "logs"); }
  Result<bool> exists() const { return world_.fs.exists(io::join_path(path_, "api")); }

  // in_use when a cluster runs here.
  Result<std::unique_ptr<io::FileLock>> lock();
  Result<bool> is_running();

  struct Owner {
    int64_t pid = 0;
    int64_t http = 0;
  };
  Status write_owner(const Owner& owner);
  std::optional<Owner> owner();

  // The objects; also while another process runs the cluster.
  Result<std::unique_ptr<local::Store>> open_store();
  Status purge() { return world_.fs.remove_all(path_); }

 private:
  World& world_;
  const std::string path_;
};

}  // namespace millrace::cli
