#pragma once

#include <span>

#include "broker/server/handler.h"

namespace millrace::server::handlers {

// The table of handlers.cc: which APIs exist and in which versions. Sorted by API key.
std::span<const Handler> table();

// One per handler file.
void run_add_raft_voter(RawRequest request);
void run_alter_configs(RawRequest request);
void run_alter_partition_reassignments(RawRequest request);
void run_api_versions(RawRequest request);
void run_create_partitions(RawRequest request);
void run_create_topics(RawRequest request);
void run_delete_groups(RawRequest request);
void run_delete_topics(RawRequest request);
void run_describe_cluster(RawRequest request);
void run_describe_configs(RawRequest request);
void run_describe_groups(RawRequest request);
void run_describe_log_dirs(RawRequest request);
void run_describe_quorum(RawRequest request);
void run_describe_topic_partitions(RawRequest request);
void run_elect_leaders(RawRequest request);
void run_fetch(RawRequest request);
void run_find_coordinator(RawRequest request);
void run_heartbeat(RawRequest request);
void run_incremental_alter_configs(RawRequest request);
void run_init_producer_id(RawRequest request);
void run_join_group(RawRequest request);
void run_leave_group(RawRequest request);
void run_list_groups(RawRequest request);
void run_list_offsets(RawRequest request);
void run_list_partition_reassignments(RawRequest request);
void run_metadata(RawRequest request);
void run_offset_commit(RawRequest request);
void run_offset_fetch(RawRequest request);
void run_offset_for_leader_epoch(RawRequest request);
void run_produce(RawRequest request);
void run_remove_raft_voter(RawRequest request);
void run_sync_group(RawRequest request);
void run_unregister_broker(RawRequest request);
void run_update_features(RawRequest request);

}  // namespace millrace::server::handlers
