#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/io/network.h"

namespace millrace::rpc {

// The version of the protocol between brokers as a whole; each call names it. A peer with another one is refused; a
// later version may learn to serve several.
inline constexpr int32_t kProtocolVersion = 1;

// Who is at one end of a call. A caller's identity travels in the metadata of each call, the server's in the initial
// metadata of its answer, so that each side knows whom it talks to before it acts on anything the other says.
struct Identity {
  int32_t version = kProtocolVersion;
  std::string cluster_id;     // "": an operator that does not know it yet
  BrokerId node = kNoBroker;  // none: an operator, who has neither of the next two and may call ClusterAdmin only
  Uuid directory_id;          // of its data directory
  Uuid incarnation;           // of its process
  io::Endpoint at;            // where others reach it; host "" or port 0: it does not say
  bool is_operator() const { return node == kNoBroker; }
  friend bool operator==(const Identity&, const Identity&) = default;
};

// Decides whether a caller may be served, beyond version and cluster. Any thread; must not block. The error's words are
// what both sides log.
using Admission = std::function<Status(const Identity& caller)>;

// Names and values of metadata; names are lower-case and begin with "millrace-". An operator says so by "millrace-role"
// and leaves out what it has not.
using CallMetadata = std::map<std::string, std::string>;
CallMetadata to_metadata(const Identity& identity);
// malformed: something is missing or cannot be read, so the other end is none of this product.
Result<Identity> from_metadata(const CallMetadata& metadata);

// Whether `caller` may talk to `self` as another broker; each error is one sentence for both logs. unsupported_version:
// another version of the protocol; cluster_mismatch: another cluster, no broker at all, or one with this one's own id.
Status check_caller(const Identity& self, const Identity& caller);
// The same of who may also be an operator; `any_cluster`: even one that does not know the cluster.
Status check_operator(const Identity& self, const Identity& caller, bool any_cluster);
// The same from the caller's side, whichever that is: `called` is whom it meant to reach, kNoBroker if any will do;
// `address` is for words.
Status check_server(const Identity& self, const Identity& server, BrokerId called, const std::string& address);

}  // namespace millrace::rpc
