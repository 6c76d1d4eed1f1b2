#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "operator/api/kafka_cluster.h"
#include "operator/api/kafka_topic.h"
#include "operator/controller/kafka_clients.h"
#include "operator/controller/topic_index.h"
#include "operator/kube/client.h"
#include "operator/plan/observed.h"

namespace millrace::controller {

// Reads everything that a plan is made from. Errors are those of kube::Client: what the Kafka cluster says or does not
// say is part of the observation.
Result<plan::ClusterObserved> observe_cluster(kube::Client& kube, KafkaClients& clients,
                                              const api::KafkaCluster& cluster);

// What the plan wishes to know beyond that, over Kafka's protocol.
void look_further(KafkaClients& clients, const api::KafkaCluster& cluster, plan::ClusterObserved& observed);

// How long a permit lasts that is not given back: longer than a restart takes, and no longer than anybody would wait
// for an operator that is gone. One that ends early costs nothing: the next is given only while all is in sync.
inline constexpr std::chrono::minutes kPermitTime{10};
// What the brokers say of their cluster.
plan::KafkaFacts kafka_facts(KafkaClients& clients, const api::KafkaCluster& cluster,
                             const plan::ClusterObserved& observed);
// Asks the brokers' controller. That it could not be asked is an answer, too.
plan::Answer ask(KafkaClients& clients, const api::KafkaCluster& cluster, const plan::ClusterObserved& observed,
                 const plan::Question& question);
// The client of the cluster's brokers, those that are ready first. connection_refused: none is running yet.
Result<admin::ClusterAdmin*> brokers_of(KafkaClients& clients, const api::KafkaCluster& cluster,
                                        const std::vector<plan::PodFacts>& pods, const std::string& cluster_id);
// Where the broker of a pod answers other brokers and operators; host "" while that is not known.
io::Endpoint rpc_address(const api::KafkaCluster& cluster, const plan::PodFacts& pod);
// `index` is listed when it is not yet.
Result<plan::TopicObserved> observe_topic(kube::Client& kube, KafkaClients& clients, TopicIndex& index,
                                          const api::KafkaTopic& topic);
// Reads all KafkaTopics of a namespace into the index and returns them.
Result<std::vector<kube::Object>> list_topics(kube::Client& kube, TopicIndex& index, const std::string& name_space);

// The broker pods of a cluster, ascending by ordinal.
Result<std::vector<plan::PodFacts>> observe_pods(kube::Client& kube, const std::string& name_space,
                                                 const std::string& cluster);
// The client of a cluster that has a broker to talk to. Errors: connection_refused (none is running yet), and those of
// kube::Client.
Result<admin::Client*> client_of(KafkaClients& clients, const api::KafkaCluster& cluster,
                                 const std::vector<plan::PodFacts>& pods);

}  // namespace millrace::controller
