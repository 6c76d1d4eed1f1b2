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

}  // namespace millrace::metadata
