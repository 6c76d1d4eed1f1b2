#include "operator/desired/quorum.h"

#include "broker/base/uuid.h"
#include "operator/desired/names.h"

namespace millrace::desired {

namespace {

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

int32_t voters_at_first(int32_t replicas) { return replicas < kVotersAtFirst ? 1 : kVotersAtFirst; }

int32_t voters_of(int32_t replicas) { return replicas < 3 ? 1 : replicas < 5 ? 3 : 5; }

std::string quorum_voters(const api::KafkaCluster& cluster) {
  std::string result;
  for (int32_t ordinal = 0; ordinal < voters_at_first(cluster.replicas); ++ordinal) {
    result += (ordinal == 0 ? "" : ",") + std::to_string(ordinal) + "@" + pod_host(cluster, ordinal) + ":" +
              std::to_string(kRpcPort);
  }
  return result;
}

std::string cluster_id_from(std::string_view uid) {
  Uuid id;
  size_t nibbles = 0;
  for (const char c : uid) {
    const int digit = digit_of(c);
    if (digit < 0 || nibbles == 2 * id.bytes.size()) continue;
    id.bytes[nibbles / 2] |= static_cast<std::byte>(nibbles % 2 == 0 ? digit << 4 : digit);
    ++nibbles;
  }
  return id.to_string();
}

}  // namespace millrace::desired
