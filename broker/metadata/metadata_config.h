#pragma once

#include <array>
#include <span>

#include "broker/base/config_table.h"

namespace millrace::metadata {

// Broker keys that this folder reads: defaults of new topics and, as log.* and the like, of topic configurations.
std::span<const ConfigKey> metadata_config();

inline constexpr ConfigKey kNumPartitions{.name = "num.partitions",
                                          .type = ConfigType::int32,
                                          .fallback = "1",
                                          .min = 1,
                                          .doc = "Partitions of a topic that is created without a number of them."};
inline constexpr ConfigKey kDefaultReplicationFactor{
    .name = "default.replication.factor",
    .type = ConfigType::int32,
    .fallback = "1",
    .min = 1,
    .max = 32'767,
    .doc = "Replicas of each partition of a topic that is created without a number of them."};
inline constexpr ConfigKey kAutoCreateTopics{.name = "auto.create.topics.enable",
                                             .type = ConfigType::boolean,
                                             .fallback = "true",
                                             .doc = "Whether a topic is created when a client asks for it by name."};
inline constexpr ConfigKey kDeleteTopicEnable{
    .name = "delete.topic.enable",
    .type = ConfigType::boolean,
    .fallback = "true",
    .doc = "Whether topics can be deleted; when false, DeleteTopics is refused."};
inline constexpr ConfigKey kOffsetsTopicPartitions{
    .name = "offsets.topic.num.partitions",
    .type = ConfigType::int32,
    .fallback = "50",
    .min = 1,
    .doc = "Partitions of __consumer_offsets; takes effect when the topic is created."};
inline constexpr ConfigKey kOffsetsTopicReplicationFactor{
    .name = "offsets.topic.replication.factor",
    .type = ConfigType::int32,
    .fallback = "3",
    .min = 1,
    .max = 32'767,
    .doc = "Replicas of __consumer_offsets; as many as there are live brokers when they are fewer at its creation."};
inline constexpr ConfigKey kOffsetsTopicSegmentBytes{.name = "offsets.topic.segment.bytes",
                                                     .type = ConfigType::int32,
                                                     .fallback = "104857600",
                                                     .min = 1,
                                                     .doc = "Segment size of __consumer_offsets."};
inline constexpr ConfigKey kBrokerSessionTimeoutMs{
    .name = "broker.session.timeout.ms",
    .type = ConfigType::int32,
    .fallback = "2000",
    .min = 200,
    .doc = "Silence after which the controller fences a broker and moves what it leads; Kafka's default is 9000."};
inline constexpr ConfigKey kBrokerHeartbeatIntervalMs{
    .name = "broker.heartbeat.interval.ms",
    .type = ConfigType::int32,
    .fallback = "500",
    .min = 50,
    .doc = "Time between a broker's heartbeats to the controller; Kafka's default is 2000."};
inline constexpr ConfigKey kLeaderRebalanceEnable{
    .name = "auto.leader.rebalance.enable",
    .type = ConfigType::boolean,
    .fallback = "true",
    .doc = "Whether the controller gives leadership back to preferred leaders."};
inline constexpr ConfigKey kLeaderImbalanceCheckSeconds{
    .name = "leader.imbalance.check.interval.seconds",
    .type = ConfigType::int64,
    .fallback = "300",
    .min = 1,
    .doc = "Time between two looks at whether preferred leaders lead."};
inline constexpr ConfigKey kLeaderImbalancePercentage{
    .name = "leader.imbalance.per.broker.percentage",
    .type = ConfigType::int32,
    .fallback = "10",
    .min = 0,
    .max = 100,
    .doc = "Share of the partitions that a broker should lead but does not, above which it gets them back."};

}  // namespace millrace::metadata
