#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "operator/api/kafka_cluster.h"

// How the brokers of a cluster find each other.
namespace millrace::desired {

// How many of the first brokers begin the metadata quorum. With two of them the loss of either would stop it.
inline constexpr int32_t kVotersAtFirst = 3;
int32_t voters_at_first(int32_t replicas);
// How many of the first brokers vote once all of them are there: 1, 3 or 5. More would make every change wait for more
// of them, and protect from no loss that is likely.
int32_t voters_of(int32_t replicas);

// controller.quorum.voters: the same on every broker; whoever is not in it follows the quorum and is told where it is.
std::string quorum_voters(const api::KafkaCluster& cluster);

// The id of a new cluster, as Kafka writes them: the uid of its object, whose hexadecimal digits are 16 random bytes.
std::string cluster_id_from(std::string_view uid);

}  // namespace millrace::desired
