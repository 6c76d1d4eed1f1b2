#pragma once

#include <cstdint>

namespace millrace::coordinator {

// What a group operation can answer. The numbers are Kafka's error codes and go to the wire as they are.
enum class GroupErrc : int16_t {
  unknown_server_error = -1,
  none = 0,
  unknown_topic_or_partition = 3,
  offset_metadata_too_large = 12,
  coordinator_load_in_progress = 14,
  coordinator_not_available = 15,
  not_coordinator = 16,
  illegal_generation = 22,
  inconsistent_group_protocol = 23,
  invalid_group_id = 24,
  unknown_member_id = 25,
  invalid_session_timeout = 26,
  rebalance_in_progress = 27,
  invalid_commit_offset_size = 28,
  invalid_request = 42,
  non_empty_group = 68,
  group_id_not_found = 69,
  member_id_required = 79,
  group_max_size_reached = 81,
  fenced_instance_id = 82,
};

}  // namespace millrace::coordinator
