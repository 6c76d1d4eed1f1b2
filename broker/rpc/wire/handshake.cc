#include "broker/rpc/wire/handshake.h"

#include <charconv>

namespace millrace::rpc {
namespace {

constexpr const char* kVersionName = "millrace-version";
constexpr const char* kClusterName = "millrace-cluster";
constexpr const char* kNodeName = "millrace-node";
constexpr const char* kDirectoryName = "millrace-directory";
constexpr const char* kIncarnationName = "millrace-incarnation";
constexpr const char* kRoleName = "millrace-role";
constexpr const char* kOperatorRole = "operator";
constexpr const char* kHostName = "millrace-host";  // may be absent, with the port
constexpr const char* kPortName = "millrace-port";
constexpr size_t kHostBytesMax = 255;

Result<std::string> text_of(const CallMetadata& metadata, const char* name) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) return Error{Errc::malformed, std::string("no ") + name + " in the call's metadata"};
  return found->second;
}

Result<int32_t> number_of(const CallMetadata& metadata, const char* name) {
  TRY_ASSIGN(const std::string text, text_of(metadata, name));
  int32_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc{} || end != text.data() + text.size()) {
    return Error{Errc::malformed, std::string(name) + " is no number"};
  }
  return number;
}

Result<io::Endpoint> address_in(const CallMetadata& metadata) {
  const auto host = metadata.find(kHostName);
  if (host == metadata.end()) return io::Endpoint{};
  TRY_ASSIGN(const int32_t port, number_of(metadata, kPortName));
  if (host->second.empty() || host->second.size() > kHostBytesMax || port <= 0 || port > UINT16_MAX) {
    return Error{Errc::malformed, "the caller's address in the call's metadata"};
  }
  return io::Endpoint{host->second, static_cast<uint16_t>(port)};
}

std::string name_of(BrokerId node) {
  return node == kNoBroker ? "the operator" : "broker " + std::to_string(node.value());
}

Status check_version_and_cluster(const Identity& self, const Identity& other) {
  if (other.version != self.version) {
    return Error{Errc::unsupported_version, name_of(other.node) + " speaks version " + std::to_string(other.version) +
                                                " of the protocol between brokers, " + name_of(self.node) +
                                                " version " + std::to_string(self.version)};
  }
  if (other.cluster_id != self.cluster_id) {
    return Error{Errc::cluster_mismatch, name_of(other.node) + " belongs to cluster " + other.cluster_id + ", " +
                                             name_of(self.node) + " to cluster " + self.cluster_id};
  }
  return ok();
}

}  // namespace

CallMetadata to_metadata(const Identity& identity) {
  if (identity.is_operator()) {
    return {{kVersionName, std::to_string(identity.version)},
            {kClusterName, identity.cluster_id},
            {kRoleName, kOperatorRole}};
  }
  CallMetadata metadata{{kVersionName, std::to_string(identity.version)},
                        {kClusterName, identity.cluster_id},
                        {kNodeName, std::to_string(identity.node.value())},
                        {kDirectoryName, identity.directory_id.to_string()},
                        {kIncarnationName, identity.incarnation.to_string()}};
  if (!identity.at.host.empty() && identity.at.port != 0) {
    metadata.emplace(kHostName, identity.at.host);
    metadata.emplace(kPortName, std::to_string(identity.at.port));
  }
  return metadata;
}

Result<Identity> from_metadata(const CallMetadata& metadata) {
  Identity identity;
  TRY_ASSIGN(identity.version, number_of(metadata, kVersionName));
  TRY_ASSIGN(identity.cluster_id, text_of(metadata, kClusterName));
  const auto role = metadata.find(kRoleName);
  if (role != metadata.end() && role->second == kOperatorRole) return identity;
  TRY_ASSIGN(const int32_t node, number_of(metadata, kNodeName));
  identity.node = BrokerId{node};
  TRY_ASSIGN(const std::string directory, text_of(metadata, kDirectoryName));
  TRY_ASSIGN(identity.directory_id, Uuid::parse(directory));
  TRY_ASSIGN(const std::string incarnation, text_of(metadata, kIncarnationName));
  TRY_ASSIGN(identity.incarnation, Uuid::parse(incarnation));
  TRY_ASSIGN(identity.at, address_in(metadata));
  return identity;
}

Status check_caller(const Identity& self, const Identity& caller) {
  TRY(check_version_and_cluster(self, caller));
  if (caller.node.value() < 0)
    return Error{Errc::cluster_mismatch, "only brokers may call this; operators have ClusterAdmin"};
  if (caller.node == self.node && caller.incarnation != self.incarnation) {
    return Error{Errc::cluster_mismatch, "another process has this broker's node.id " +
                                             std::to_string(self.node.value()) +
                                             ": give each broker its own node.id and data directory"};
  }
  return ok();
}

Status check_operator(const Identity& self, const Identity& caller, bool any_cluster) {
  if (!caller.is_operator()) return check_caller(self, caller);
  if (!caller.cluster_id.empty() || !any_cluster) return check_version_and_cluster(self, caller);
  Identity same = caller;
  same.cluster_id = self.cluster_id;
  return check_version_and_cluster(self, same);
}

Status check_server(const Identity& self, const Identity& server, BrokerId called, const std::string& address) {
  TRY(check_version_and_cluster(self, server));
  if (called != kNoBroker && server.node != called) {
    return Error{Errc::cluster_mismatch, address + " is said to be of broker " + std::to_string(called.value()) +
                                             ", but broker " + std::to_string(server.node.value()) + " answers there"};
  }
  return ok();
}

}  // namespace millrace::rpc
