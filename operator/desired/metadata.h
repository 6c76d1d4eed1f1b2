#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "operator/api/kafka_cluster.h"

namespace millrace::desired {

using kube::Json;

// metadata of an object that `cluster` owns: name, namespace, labels, and an owner reference, so that it goes with the
// cluster.
Json owned_metadata(const api::KafkaCluster& cluster, const std::string& name);
// The labels of everything that belongs to a cluster's brokers.
Json broker_labels(const api::KafkaCluster& cluster);

// `over` over `base`: objects member by member, lists of named things by name, anything else replaced; null removes.
Json merged(Json base, const Json& over);

// A name as a part of an environment variable's: "tcp-prometheus" -> "TCP_PROMETHEUS".
std::string variable_part(const std::string& name);

}  // namespace millrace::desired
