#pragma once

#include <array>

#include "broker/base/config_table.h"

namespace millrace::storage {

// What the logs of one broker share: node-level keys, read once at start. Topic-level ones are of metadata/.
inline constexpr ConfigKey kOpenFilesMax{.name = "millrace.log.open.files.max",
                                         .type = ConfigType::int32,
                                         .fallback = "1000",
                                         .min = 16,
                                         .doc =
                                             "Segment and index files kept open at the same time; more are opened on "
                                             "demand and the least recently used closed."};
inline constexpr ConfigKey kProducerIdExpirationMs{
    .name = "producer.id.expiration.ms",
    .type = ConfigType::int64,
    .fallback = "86400000",
    .min = 1,
    .doc = "How long a partition remembers an idempotent producer that sends nothing, in milliseconds."};
inline constexpr ConfigKey kProducersMax{
    .name = "millrace.producer.ids.per.partition.max",
    .type = ConfigType::int32,
    .fallback = "10000",
    .min = 1,
    .doc =
        "Idempotent producers that one partition remembers; beyond it the one that was silent longest is forgotten."};

inline constexpr std::array kStorageConfig{kOpenFilesMax, kProducerIdExpirationMs, kProducersMax};

}  // namespace millrace::storage
