#pragma once

#include <iosfwd>
#include <string>

#include "broker/base/clock.h"
#include "broker/io/file_system.h"
#include "broker/io/random.h"
#include "operator/admin/cluster_admin.h"

namespace millrace::cli {

// What a command touches besides the cluster's objects. Tests hand in their own.
struct World {
  std::ostream& out;
  std::ostream& err;
  bool is_terminal = false;  // of `out`: progress may rewrite its line
  io::FileSystem& fs;
  Clock& clock;
  io::Random& random;
  admin::ClusterAdminConnector& brokers;
};

// What the command answers to its caller.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  // it could not be done; standard error says why and what to do
inline constexpr int kUsage = 2;   // the command line or a manifest is wrong; nothing was changed

// "millrace: …" on standard error; returns kFailed.
int fail(World& world, const std::string& what);

}  // namespace millrace::cli
