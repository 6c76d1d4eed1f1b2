#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace {

// Every error the product distinguishes, declared once: name and the words a log line shows. server/error_map.cc maps
// them to Kafka's wire codes in one exhaustive switch. Add an error only when some caller acts differently on it; the
// detail belongs in Error::context.
#define MILLRACE_ERRORS(X)                                                                   \
  X(io, "input/output error")                                                                \
  X(disk_full, "no space left on device")                                                    \
  X(not_found, "not found")                                                                  \
  X(already_exists, "already exists")                                                        \
  X(permission_denied, "permission denied")                                                  \
  X(in_use, "in use by another process")                                                     \
  X(would_block, "would block")                                                              \
  X(connection_closed, "connection closed")                                                  \
  X(connection_refused, "connection refused")                                                \
  X(timed_out, "timed out")                                                                  \
  X(shutting_down, "shutting down")                                                          \
  X(overloaded, "a limit was reached")                                                       \
  X(invalid_argument, "invalid argument")                                                    \
  X(invalid_config, "invalid configuration")                                                 \
  X(malformed, "malformed data")                                                             \
  X(unsupported_version, "unsupported version")                                              \
  X(corrupt, "corrupt data")                                                                 \
  X(invalid_record, "invalid record")                                                        \
  X(invalid_timestamp, "invalid timestamp")                                                  \
  X(unsupported_compression, "unsupported compression")                                      \
  X(message_too_large, "message too large")                                                  \
  X(batch_larger_than_segment, "record batch larger than a segment")                         \
  X(offset_out_of_range, "offset out of range")                                              \
  X(unknown_topic_or_partition, "unknown topic or partition")                                \
  X(unknown_topic_id, "unknown topic id")                                                    \
  X(topic_already_exists, "topic already exists")                                            \
  X(invalid_topic, "invalid topic")                                                          \
  X(invalid_partitions, "invalid number of partitions")                                      \
  X(invalid_replication_factor, "invalid replication factor")                                \
  X(invalid_replica_assignment, "invalid replica assignment")                                \
  X(topic_deletion_disabled, "topic deletion is disabled")                                   \
  X(policy_violation, "policy violation")                                                    \
  X(not_leader, "not leader or follower")                                                    \
  X(not_controller, "not controller")                                                        \
  X(broker_not_registered, "broker is not registered")                                       \
  X(not_enough_replicas, "fewer in-sync replicas than required")                             \
  X(not_enough_replicas_after_append, "too few in-sync replicas are left to acknowledge it") \
  X(fenced_leader_epoch, "fenced leader epoch")                                              \
  X(unknown_leader_epoch, "unknown leader epoch")                                            \
  X(duplicate_sequence, "duplicate sequence number")                                         \
  X(out_of_order_sequence, "out of order sequence number")                                   \
  X(invalid_producer_epoch, "invalid producer epoch")                                        \
  X(storage_offline, "storage error")                                                        \
  X(conflict, "the object has changed since it was read")                                    \
  X(cluster_mismatch, "belongs to another cluster or node")                                  \
  X(stale_broker_epoch, "a later registration has replaced it")                              \
  X(duplicate_registration, "another process has replaced this one")                         \
  X(invalid_update_version, "not the current version")                                       \
  X(ineligible_replica, "replica may not be in sync")                                        \
  X(new_leader_elected, "a new leader was elected")                                          \
  X(election_not_needed, "no election is needed")                                            \
  X(preferred_leader_not_available, "preferred leader cannot lead")                          \
  X(eligible_leaders_not_available, "no replica can lead")                                   \
  X(no_reassignment_in_progress, "no reassignment is in progress")                           \
  X(feature_update_failed, "features were not changed")                                      \
  X(duplicate_voter, "votes on the metadata log already")                                    \
  X(voter_not_found, "no such voter of the metadata log")                                    \
  X(outcome_unknown, "it may have happened or may happen yet")

enum class Errc : uint16_t {
#define MILLRACE_ERROR_NAME(name, words) name,
  MILLRACE_ERRORS(MILLRACE_ERROR_NAME)
#undef MILLRACE_ERROR_NAME
};

constexpr std::string_view to_string(Errc code) {
  switch (code) {
#define MILLRACE_ERROR_WORDS(name, words) \
  case Errc::name:                        \
    return words;
    MILLRACE_ERRORS(MILLRACE_ERROR_WORDS)
#undef MILLRACE_ERROR_WORDS
  }
  return "unknown error";
}

// The error's name in this list, by which another process knows it: numbers may differ between builds.
constexpr std::string_view name_of(Errc code) {
  switch (code) {
#define MILLRACE_ERROR_TEXT(name, words) \
  case Errc::name:                       \
    return #name;
    MILLRACE_ERRORS(MILLRACE_ERROR_TEXT)
#undef MILLRACE_ERROR_TEXT
  }
  return "unknown";
}

constexpr std::optional<Errc> errc_named(std::string_view name) {
#define MILLRACE_ERROR_MATCH(known, words) \
  if (name == #known) return Errc::known;
  MILLRACE_ERRORS(MILLRACE_ERROR_MATCH)
#undef MILLRACE_ERROR_MATCH
  return std::nullopt;
}

}  // namespace millrace
