#include "broker/server/handlers/handlers.h"

#include <array>

#include "broker/protocol/api_key.h"

namespace millrace::server::handlers {
namespace {

using protocol::ApiKey;

Handler serve(ApiKey api, int16_t version_min, int16_t version_max, void (*run)(RawRequest)) {
  return {
      .api = api, .version_min = version_min, .version_max = version_max, .advertised_min = version_min, .run = run};
}

Handler on_controller(ApiKey api, int16_t version_min, int16_t version_max, void (*run)(RawRequest)) {
  Handler row = serve(api, version_min, version_max, run);
  row.on_controller = true;
  return row;
}

}  // namespace

std::span<const Handler> table() {
  // A row is added when its API works as clients expect. The ranges let all supported clients speak; Produce is
  // advertised from 0 although older versions than 3 are refused (KAFKA-18659: older librdkafka would turn compression
  // off).
  static const std::array kTable{
      Handler{.api = ApiKey::produce, .version_min = 3, .version_max = 13, .advertised_min = 0, .run = run_produce},
      serve(ApiKey::fetch, 4, 18, run_fetch),
      serve(ApiKey::list_offsets, 1, 11, run_list_offsets),
      serve(ApiKey::metadata, 0, 13, run_metadata),
      serve(ApiKey::offset_commit, 1, 10, run_offset_commit),
      serve(ApiKey::offset_fetch, 1, 10, run_offset_fetch),
      serve(ApiKey::find_coordinator, 0, 6, run_find_coordinator),
      serve(ApiKey::join_group, 0, 9, run_join_group),
      serve(ApiKey::heartbeat, 0, 4, run_heartbeat),
      serve(ApiKey::leave_group, 0, 5, run_leave_group),
      serve(ApiKey::sync_group, 0, 5, run_sync_group),
      serve(ApiKey::describe_groups, 0, 6, run_describe_groups),
      serve(ApiKey::list_groups, 0, 5, run_list_groups),
      serve(ApiKey::api_versions, 0, 5, run_api_versions),
      on_controller(ApiKey::create_topics, 0, 7, run_create_topics),
      on_controller(ApiKey::delete_topics, 0, 6, run_delete_topics),
      serve(ApiKey::init_producer_id, 0, 5, run_init_producer_id),
      serve(ApiKey::offset_for_leader_epoch, 0, 4, run_offset_for_leader_epoch),
      serve(ApiKey::describe_configs, 0, 4, run_describe_configs),
      on_controller(ApiKey::alter_configs, 0, 2, run_alter_configs),
      serve(ApiKey::describe_log_dirs, 1, 5, run_describe_log_dirs),
      on_controller(ApiKey::create_partitions, 0, 3, run_create_partitions),
      serve(ApiKey::delete_groups, 0, 3, run_delete_groups),
      on_controller(ApiKey::elect_leaders, 0, 2, run_elect_leaders),
      on_controller(ApiKey::incremental_alter_configs, 0, 1, run_incremental_alter_configs),
      on_controller(ApiKey::alter_partition_reassignments, 0, 1, run_alter_partition_reassignments),
      on_controller(ApiKey::list_partition_reassignments, 0, 0, run_list_partition_reassignments),
      on_controller(ApiKey::describe_quorum, 0, 2, run_describe_quorum),
      on_controller(ApiKey::update_features, 0, 2, run_update_features),
      serve(ApiKey::describe_cluster, 0, 2, run_describe_cluster),
      on_controller(ApiKey::unregister_broker, 0, 0, run_unregister_broker),
      serve(ApiKey::describe_topic_partitions, 0, 0, run_describe_topic_partitions),
      on_controller(ApiKey::add_raft_voter, 0, 1, run_add_raft_voter),
      on_controller(ApiKey::remove_raft_voter, 0, 0, run_remove_raft_voter),
  };
  return kTable;
}

}  // namespace millrace::server::handlers
