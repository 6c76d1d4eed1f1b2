#include "broker/app/app_metrics.h"

#include <sys/resource.h>

#include "broker/app/metrics_page.h"
#include "broker/protocol/api_key.h"

namespace millrace::app {
namespace {

using prometheus::MetricType;

void add_storage(Page& page, const storage::StorageMetrics& m) {
  page.counter("millrace_storage_appended_bytes_total", "Bytes of record batches appended to partition logs.",
               m.appended_bytes);
  page.counter("millrace_storage_appended_batches_total", "Record batches appended.", m.appended_batches);
  page.counter("millrace_storage_appended_records_total", "Records appended.", m.appended_records);
  page.counter("millrace_storage_duplicate_batches_total", "Batches of idempotent producers that were there already.",
               m.duplicate_batches);
  page.counter("millrace_storage_refused_batches_total", "Batches refused by validation or sequence.",
               m.refused_batches);
  page.counter("millrace_storage_append_failures_total", "Appends that the disk failed.", m.append_failures);
  page.counter("millrace_storage_read_bytes_total", "Bytes of record batches read.", m.read_bytes);
  page.counter("millrace_storage_rolled_segments_total", "Segments begun because the one before was full or old.",
               m.rolled_segments);
  page.counter("millrace_storage_removed_segments_total", "Segments removed by retention or record deletion.",
               m.removed_segments);
  page.counter("millrace_storage_truncated_bytes_total", "Bytes cut from logs: torn tails and diverged histories.",
               m.truncated_bytes);
  page.counter("millrace_storage_corrupt_batches_total", "Damaged batches found; they are never served.",
               m.corrupt_batches);
  page.counter("millrace_storage_recovered_bytes_total", "Bytes scanned by recovery.", m.recovered_bytes);
  page.counter("millrace_storage_compactions_total", "Passes of compaction over a log.", m.compactions);
  page.counter("millrace_storage_compaction_failures_total", "Logs whose compaction failed.", m.compaction_failures);
  page.counter("millrace_storage_compaction_read_bytes_total", "Bytes read by compaction.", m.compaction_read_bytes);
  page.counter("millrace_storage_compaction_written_bytes_total", "Bytes written by compaction.",
               m.compaction_written_bytes);
  page.counter("millrace_storage_compaction_removed_records_total", "Records that compaction removed.",
               m.compaction_removed_records);
  page.counter("millrace_storage_flushes_total", "Flushes of logs to the disk.", m.flushes);
  page.counter("millrace_storage_flush_failures_total", "Flushes that failed; their logs are offline.",
               m.flush_failures);
  page.start("millrace_storage_flush_seconds", "How long a flush took.", MetricType::Histogram);
  page.histogram(m.flush_duration);
  page.start("millrace_storage_append_seconds", "How long an append took.", MetricType::Histogram);
  page.histogram(m.append_duration);
}

void add_server(Page& page, const server::ServerMetrics& m, std::span<const server::Handler> handlers) {
  page.gauge("millrace_server_connections", "Open client connections.", static_cast<double>(m.connections.value()));
  page.counter("millrace_server_accepted_connections_total", "Connections accepted.", m.accepted);
  page.start("millrace_server_closed_connections_total", "Connections closed, by why.", MetricType::Counter);
  for (size_t i = 0; i < server::kCloseReasons.size(); ++i)
    page.count(m.closed[i].value(), {{"reason", std::string(server::kCloseReasons[i])}});
  page.counter("millrace_server_received_bytes_total", "Bytes of requests.", m.received_bytes);
  page.counter("millrace_server_sent_bytes_total", "Bytes of replies.", m.sent_bytes);
  page.gauge("millrace_server_requests_in_progress", "Requests that were read and not answered yet.",
             static_cast<double>(m.requests_in_progress.value()));
  page.counter("millrace_server_memory_pauses_total", "Times a connection waited for queued.max.request.bytes.",
               m.paused_for_memory);
  page.start("millrace_server_requests_total", "Requests answered, by API.", MetricType::Counter);
  for (size_t i = 0; i < handlers.size(); ++i)
    page.count(m.apis[i].requests.value(), {{"api", std::string(protocol::name(handlers[i].api))}});
  page.start("millrace_server_request_seconds", "From the last byte of a request to its reply, by API.",
             MetricType::Histogram);
  for (size_t i = 0; i < handlers.size(); ++i) {
    if (m.apis[i].requests.value() != 0)
      page.histogram(m.apis[i].duration, {{"api", std::string(protocol::name(handlers[i].api))}});
  }
}

void add_follower_reads(Page& page, const server::FollowerReadMetrics& m) {
  page.counter("millrace_server_redirected_fetches_total",
               "Fetches of partitions that this broker, as leader, sent to a follower in the client's rack.",
               m.redirects);
  page.counter("millrace_server_follower_fetches_total",
               "Fetches of partitions that this broker follows that were answered with records.", m.fetches);
  page.counter("millrace_server_follower_fetched_bytes_total", "Bytes of records in them.", m.bytes);
}

void add_coordinator(Page& page, const coordinator::CoordinatorMetrics& m) {
  page.counter("millrace_coordinator_rebalances_total", "Generations of groups that were completed.",
               m.rebalances_completed);
  page.counter("millrace_coordinator_expired_members_total", "Members removed because they were silent.",
               m.members_expired);
  page.counter("millrace_coordinator_committed_offsets_total", "Offsets committed.", m.offsets_committed);
  page.counter("millrace_coordinator_expired_offsets_total", "Committed offsets that expired.", m.offsets_expired);
  page.counter("millrace_coordinator_expired_groups_total", "Groups that expired.", m.groups_expired);
  page.counter("millrace_coordinator_append_failures_total", "Failed writes of group records.", m.append_failures);
  page.gauge("millrace_coordinator_partitions", "Partitions of __consumer_offsets coordinated here.",
             static_cast<double>(m.partitions_loaded.value()));
}

// Names that Prometheus' own client libraries use for every process.
void add_process(Page& page) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  page.start("process_cpu_seconds_total", "CPU time spent, user and system.", MetricType::Counter);
  page.amount(seconds(usage.ru_utime) + seconds(usage.ru_stime));
  page.gauge("process_peak_resident_memory_bytes", "Most memory that was ever resident.",
             static_cast<double>(usage.ru_maxrss) * 1024);
}

}  // namespace

std::string metrics_page(const MetricSources& sources) {
  Page page;
  page.start("millrace_build_info", "Always 1; the version that runs is its label.", MetricType::Gauge);
  page.info({{"version", sources.version}});
  page.gauge("millrace_partitions", "Partition replicas on this broker.",
             static_cast<double>(sources.partitions.replicas));
  page.gauge("millrace_offline_partitions", "Replicas here whose log failed.",
             static_cast<double>(sources.partitions.offline));
  page.gauge("millrace_log_bytes", "Bytes of all logs on this broker.", static_cast<double>(sources.partitions.bytes));
  page.gauge("millrace_waiting_requests", "Requests that wait for records, acknowledgements or members.",
             static_cast<double>(sources.purgatory->parked()));
  add_storage(page, *sources.storage);
  add_server(page, *sources.server, sources.handlers);
  add_follower_reads(page, *sources.follower_reads);
  add_coordinator(page, *sources.coordinator);
  add_raft(page, sources);
  add_control(page, sources);
  add_replication(page, sources);
  add_process(page);
  return page.text();
}

}  // namespace millrace::app
