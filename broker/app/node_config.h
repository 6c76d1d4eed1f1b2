#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/config_table.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/io/file_system.h"
#include "broker/metadata/cluster_image.h"
#include "broker/server/server.h"

namespace millrace::app {

// What the command line says; each beats what stands before it: defaults, the file, --set, --data-dir.
struct ConfigSources {
  std::string file;               // path of a YAML map of properties; "": none
  std::vector<std::string> sets;  // key=value
  std::string data_dir;           // "": log.dirs
};

// A node's configuration, checked and typed as far as app/ reads it itself.
struct NodeConfig {
  ConfigValues values;                // normalized; only what was set
  std::vector<std::string> warnings;  // to be logged once
  BrokerId id;
  std::string data_dir;
  std::vector<server::ListenerOptions> listeners;
  std::vector<metadata::ListenerEndpoint> advertised;  // by the same names; port 0: the listener's own
  io::Endpoint http;
  io::Endpoint rpc;                         // where it listens
  io::Endpoint rpc_advertised;              // port 0: the listener's own
  std::map<BrokerId, io::Endpoint> voters;  // that begin the quorum; this broker alone if nothing was set
  std::string cluster_id;
  std::string rack;
};

// Errors (invalid_config, and those of reading the file) name the key, its source and, for an unknown key, the nearest
// known one.
Result<NodeConfig> read_node_config(io::FileSystem& fs, const ConfigSources& sources);

// "host:port"; the host may be an IPv6 address in brackets, or empty.
Result<io::Endpoint> parse_endpoint(std::string_view text);

}  // namespace millrace::app
