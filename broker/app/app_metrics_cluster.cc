// The metrics of what a broker is in its cluster: a member of the quorum, a broker, a replica.

#include <algorithm>

#include "broker/app/app_metrics.h"
#include "broker/app/metrics_page.h"

namespace millrace::app {
namespace {

using prometheus::MetricType;

double number(uint64_t value) { return static_cast<double>(value); }
double number(int64_t value) { return static_cast<double>(value); }
double number(raft::Index index) { return static_cast<double>(index.value()); }

std::string name_of(raft::NodeStatus::Follower::Kind kind) {
  using Kind = raft::NodeStatus::Follower::Kind;
  return kind == Kind::voter ? "voter" : kind == Kind::learner ? "learner" : "observer";
}

// Of a leader: what each other member lacks.
void add_members(Page& page, const raft::NodeStatus& status) {
  page.start("millrace_raft_member_lag_entries",
             "Entries of the metadata log that a member lacks, as the leader knows; members are voters or follow.",
             MetricType::Gauge);
  for (const raft::NodeStatus::Follower& follower : status.followers) {
    page.row(std::max(0.0, number(status.last) - number(follower.match)),
             {{"broker", std::to_string(follower.member.node.value())}, {"member", name_of(follower.kind)}});
  }
  page.start("millrace_raft_member_silent_seconds", "Since when the leader has not heard a member.", MetricType::Gauge);
  for (const raft::NodeStatus::Follower& follower : status.followers) {
    page.row(std::max(0.0, std::chrono::duration<double>(status.as_of - follower.heard).count()),
             {{"broker", std::to_string(follower.member.node.value())}, {"member", name_of(follower.kind)}});
  }
}

int64_t leaderless(const metadata::ClusterImage& image) {
  int64_t count = 0;
  for (const auto& [name, topic] : image.topics()) {
    count += std::count_if(topic->partitions.begin(), topic->partitions.end(),
                           [](const metadata::PartitionImage& partition) { return partition.leader == kNoBroker; });
  }
  return count;
}

void add_brokers(Page& page, const metadata::ClusterImage& image) {
  int64_t serving = 0, fenced = 0, stopping = 0;
  for (const auto& [id, broker] : image.brokers) {
    (broker.fenced ? fenced : broker.in_controlled_shutdown ? stopping : serving) += 1;
  }
  page.start("millrace_control_brokers", "Registered brokers of the cluster, by state, as this broker knows them.",
             MetricType::Gauge);
  page.row(number(serving), {{"state", "serving"}});
  page.row(number(fenced), {{"state", "fenced"}});
  page.row(number(stopping), {{"state", "stopping"}});
}

}  // namespace

void PartitionCounts::add(const replication::PartitionSummary& one) {
  ++replicas;
  offline += one.is_offline;
  led += one.leads;
  under_replicated += one.is_under_replicated;
  under_min_isr += one.is_under_min_isr;
  bytes += one.bytes;
  uncommitted_bytes_max = std::max(uncommitted_bytes_max, one.uncommitted_bytes);
  lag_records_max = std::max(lag_records_max, one.lag_records_max);
}

void add_raft(Page& page, const MetricSources& sources) {
  const raft::NodeStatus& status = sources.quorum;
  const raft::NodeMetrics& m = *sources.raft;
  page.gauge("millrace_raft_leader", "Id of the broker that leads the metadata quorum; -1: nobody that is known here.",
             status.state.leader ? static_cast<double>(status.state.leader->node.value()) : -1);
  page.gauge("millrace_raft_is_leader", "1 on the broker that leads the metadata quorum.",
             status.state.role == raft::Role::leader ? 1 : 0);
  page.gauge("millrace_raft_term", "Term of the metadata quorum: its leader epoch.",
             static_cast<double>(status.state.term.value()));
  page.gauge("millrace_raft_commit_index", "Up to which entry the metadata log is committed.", number(status.commit));
  page.gauge("millrace_raft_applied_index", "Up to which entry it is in this broker's image.", number(status.applied));
  page.gauge("millrace_raft_last_index", "The last entry of the metadata log here.", number(status.last));
  page.gauge("millrace_raft_snapshot_index", "The last entry in this broker's snapshot.", number(status.snapshot));
  page.gauge("millrace_raft_voters", "Voters of the metadata quorum.", number(status.configuration.voters.size()));
  page.counter("millrace_raft_elections_total", "Elections in which this broker stood.", m.elections);
  page.counter("millrace_raft_elections_won_total", "Elections that this broker won.", m.elections_won);
  page.counter("millrace_raft_leader_changes_total", "Leaders of the metadata quorum that this broker heard of.",
               m.leader_changes);
  page.start("millrace_raft_dropped_messages_total", "Messages of the quorum lost because too many waited.",
             MetricType::Counter);
  page.count(status.messages_dropped);
  page.start("millrace_raft_append_seconds", "From the beginning of a write to the metadata log until it is durable.",
             MetricType::Histogram);
  page.histogram(m.append_duration);
  if (status.state.role == raft::Role::leader) add_members(page, status);
}

void add_control(Page& page, const MetricSources& sources) {
  const control::ControlMetrics& m = *sources.control;
  page.gauge("millrace_topics", "Topics of the cluster.", number(sources.image->topics().size()));
  page.gauge("millrace_control_is_controller", "1 on the broker that is the controller.", sources.is_controller);
  page.gauge("millrace_control_isolated", "1 while no controller has answered this broker for a session.",
             sources.is_isolated);
  add_brokers(page, *sources.image);
  page.gauge("millrace_control_leaderless_partitions",
             "Partitions of the cluster without a leader; told by the controller, 0 elsewhere.",
             sources.is_controller ? number(leaderless(*sources.image)) : 0);
  page.counter("millrace_control_heartbeats_total", "Heartbeats of this broker that the controller answered.",
               m.heartbeats);
  page.counter("millrace_control_failed_heartbeats_total", "Heartbeats of this broker that failed.",
               m.failed_heartbeats);
  page.start("millrace_control_calls_total", "Calls of the controller by this broker, by outcome.",
             MetricType::Counter);
  for (size_t i = 0; i < control::kCallOutcomes.size(); ++i) {
    page.count(m.calls[i].value(), {{"outcome", std::string(control::kCallOutcomes[i])}});
  }
  page.counter("millrace_control_call_retries_total", "Further attempts of such calls.", m.call_retries);
  page.start("millrace_control_event_seconds",
             "From the arrival of a call at the controller here to its answer, commit included, by call.",
             MetricType::Histogram);
  for (size_t i = 0; i < control::kCallNames.size(); ++i) {
    page.histogram(m.served[i], {{"call", std::string(control::kCallNames[i])}});
  }
}

void add_replication(Page& page, const MetricSources& sources) {
  const replication::ReplicationMetrics& m = *sources.replication;
  const PartitionCounts& partitions = sources.partitions;
  page.gauge("millrace_replication_led_partitions", "Partitions that this broker leads.", number(partitions.led));
  page.gauge("millrace_replication_under_replicated_partitions",
             "Partitions led here that have replicas outside of the in-sync set.", number(partitions.under_replicated));
  page.gauge("millrace_replication_under_min_isr_partitions",
             "Partitions led here with fewer in-sync replicas than min.insync.replicas.",
             number(partitions.under_min_isr));
  page.gauge("millrace_replication_refusing_partitions",
             "Partitions led here that refuse writes because no controller answers.",
             number(m.refusing_partitions.value()));
  page.counter("millrace_replication_refused_writes_total", "Writes refused because of that.", m.refused_writes);
  page.gauge("millrace_replication_lag_records_max",
             "What the replica that is farthest behind lacks, over all partitions led here.",
             number(partitions.lag_records_max));
  page.gauge("millrace_replication_uncommitted_bytes_max",
             "Bytes of a partition led here that some in-sync replica lacks, at most over all partitions.",
             number(partitions.uncommitted_bytes_max));
  page.counter("millrace_replication_isr_shrinks_total", "In-sync sets led here that lost members.", m.isr_shrinks);
  page.counter("millrace_replication_isr_expands_total", "In-sync sets led here that gained members.", m.isr_expands);
  page.counter("millrace_replication_sent_messages_total", "Messages with records to followers.", m.sent_messages);
  page.counter("millrace_replication_sent_catch_up_bytes_total",
               "Bytes of records to followers that were behind, read from the log.", m.sent_catch_up_bytes);
  page.start("millrace_replication_sent_bytes_total", "Bytes of records to followers, by broker.", MetricType::Counter);
  const auto name = [](std::optional<BrokerId> peer) { return peer ? std::to_string(peer->value()) : "other"; };
  m.peers.each([&](std::optional<BrokerId> peer, const replication::PeerTraffic::Peer& traffic) {
    page.count(traffic.sent_bytes.value(), {{"peer", name(peer)}});
  });
  page.start("millrace_replication_received_bytes_total", "Bytes of records from leaders, by broker.",
             MetricType::Counter);
  m.peers.each([&](std::optional<BrokerId> peer, const replication::PeerTraffic::Peer& traffic) {
    page.count(traffic.received_bytes.value(), {{"peer", name(peer)}});
  });
  page.counter("millrace_replication_tail_hits_total", "Times records for a follower were in memory.", m.tail_hits);
  page.counter("millrace_replication_tail_misses_total", "Times they had to be read from the log.", m.tail_misses);
  page.gauge("millrace_replication_tail_bytes", "Bytes of records held in memory for followers.",
             number(sources.tail_bytes));
  page.counter("millrace_replication_truncations_total", "Logs cut to follow a new leader's.", m.truncations);
  page.counter("millrace_replication_refused_truncations_total",
               "Truncations refused because they would have dropped what is committed.", m.refused_truncations);
  page.counter("millrace_replication_damaged_messages_total", "Records that did not arrive as they were stored.",
               m.damaged_messages);
  page.counter("millrace_replication_refetches_total", "Damaged records dropped here, to be fetched again.",
               m.refetches);
  page.counter("millrace_replication_broken_links_total", "Streams from and to other brokers that broke.",
               m.broken_links);
}

}  // namespace millrace::app
