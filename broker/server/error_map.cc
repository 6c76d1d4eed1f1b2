#include "broker/server/error_map.h"

#include <cstdlib>

namespace millrace::server {

using protocol::ErrorCode;

protocol::ErrorCode to_error_code(Errc code) {
  switch (code) {
    // Of the disk: the client refreshes metadata and tries again.
    case Errc::io:
    case Errc::disk_full:
    case Errc::storage_offline:
    case Errc::permission_denied:
      return ErrorCode::kafka_storage_error;
    // Our inner workings, which no request should meet.
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::in_use:
    case Errc::would_block:
    case Errc::invalid_argument:
      return ErrorCode::unknown_server_error;
    case Errc::connection_closed:
    case Errc::connection_refused:
      return ErrorCode::network_exception;
    case Errc::timed_out:
    case Errc::outcome_unknown:
    case Errc::overloaded:
      return ErrorCode::request_timed_out;
    // Another broker may be what is asked for by then.
    case Errc::shutting_down:
    case Errc::not_leader:
      return ErrorCode::not_leader_or_follower;
    case Errc::invalid_config:
      return ErrorCode::invalid_config;
    case Errc::malformed:
      return ErrorCode::invalid_request;
    case Errc::unsupported_version:
      return ErrorCode::unsupported_version;
    case Errc::corrupt:
      return ErrorCode::corrupt_message;
    case Errc::invalid_record:
      return ErrorCode::invalid_record;
    case Errc::invalid_timestamp:
      return ErrorCode::invalid_timestamp;
    case Errc::unsupported_compression:
      return ErrorCode::unsupported_compression_type;
    case Errc::message_too_large:
      return ErrorCode::message_too_large;
    case Errc::batch_larger_than_segment:
      return ErrorCode::record_list_too_large;
    case Errc::offset_out_of_range:
      return ErrorCode::offset_out_of_range;
    case Errc::unknown_topic_or_partition:
      return ErrorCode::unknown_topic_or_partition;
    case Errc::unknown_topic_id:
      return ErrorCode::unknown_topic_id;
    case Errc::topic_already_exists:
      return ErrorCode::topic_already_exists;
    case Errc::invalid_topic:
      return ErrorCode::invalid_topic_exception;
    case Errc::invalid_partitions:
      return ErrorCode::invalid_partitions;
    case Errc::invalid_replication_factor:
      return ErrorCode::invalid_replication_factor;
    case Errc::invalid_replica_assignment:
      return ErrorCode::invalid_replica_assignment;
    case Errc::topic_deletion_disabled:
      return ErrorCode::topic_deletion_disabled;
    case Errc::policy_violation:
      return ErrorCode::policy_violation;
    case Errc::not_controller:
      return ErrorCode::not_controller;
    case Errc::broker_not_registered:
      return ErrorCode::broker_id_not_registered;
    case Errc::not_enough_replicas:
      return ErrorCode::not_enough_replicas;
    case Errc::not_enough_replicas_after_append:
      return ErrorCode::not_enough_replicas_after_append;
    case Errc::fenced_leader_epoch:
      return ErrorCode::fenced_leader_epoch;
    case Errc::unknown_leader_epoch:
      return ErrorCode::unknown_leader_epoch;
    case Errc::duplicate_sequence:
      return ErrorCode::duplicate_sequence_number;
    case Errc::out_of_order_sequence:
      return ErrorCode::out_of_order_sequence_number;
    case Errc::invalid_producer_epoch:
      return ErrorCode::invalid_producer_epoch;
    case Errc::conflict:
    case Errc::stale_broker_epoch:
      return ErrorCode::stale_broker_epoch;
    case Errc::duplicate_registration:
      return ErrorCode::duplicate_broker_registration;
    case Errc::invalid_update_version:
      return ErrorCode::invalid_update_version;
    case Errc::ineligible_replica:
      return ErrorCode::ineligible_replica;
    case Errc::new_leader_elected:
      return ErrorCode::new_leader_elected;
    case Errc::election_not_needed:
      return ErrorCode::election_not_needed;
    case Errc::preferred_leader_not_available:
      return ErrorCode::preferred_leader_not_available;
    case Errc::eligible_leaders_not_available:
      return ErrorCode::eligible_leaders_not_available;
    case Errc::no_reassignment_in_progress:
      return ErrorCode::no_reassignment_in_progress;
    case Errc::feature_update_failed:
      return ErrorCode::feature_update_failed;
    case Errc::duplicate_voter:
      return ErrorCode::duplicate_voter;
    case Errc::voter_not_found:
      return ErrorCode::voter_not_found;
    case Errc::cluster_mismatch:
      return ErrorCode::inconsistent_cluster_id;
  }
  std::abort();
}

}  // namespace millrace::server
