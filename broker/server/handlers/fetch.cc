// Fetch (1): the request's partitions, with or without a session; the wait for bytes; the reply.

#include "broker/protocol/messages/fetch.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "broker/server/handlers/fetch_operation.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/leader_hints.h"
#include "broker/server/purgatory.h"
#include "broker/server/server_config.h"
#include "broker/server/server_metrics.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

namespace {

using protocol::ErrorCode;
using protocol::FetchRequest;
using protocol::FetchResponse;
using replication::Isolation;
using TopicAnswer = decltype(FetchResponse::responses)::value_type;
using PartitionAnswer = decltype(TopicAnswer::partitions)::value_type;

constexpr int16_t kFirstRackVersion = 11;     // KIP-392
constexpr int16_t kFirstTopicIdVersion = 13;  // KIP-516
constexpr int16_t kFirstReplicaStateVersion = 15;
constexpr int32_t kInitialEpoch = 0;  // of sessions, KIP-227
constexpr int32_t kFinalEpoch = -1;

std::vector<FetchTarget> targets_of(FetchRequest& request) {
  std::vector<FetchTarget> targets;
  for (auto& topic : request.topics) {
    const auto named = std::make_shared<const FetchTopic>(FetchTopic{std::move(topic.topic), topic.topic_id});
    for (const auto& partition : topic.partitions) {
      targets.push_back({.topic = named,
                         .partition = PartitionIndex{partition.partition},
                         .offset = Offset{partition.fetch_offset},
                         .bytes_max = partition.partition_max_bytes,
                         .current_epoch = LeaderEpoch{partition.current_leader_epoch},
                         .last_fetched_epoch = LeaderEpoch{partition.last_fetched_epoch}});
    }
  }
  return targets;
}

// What a request means for its session, and the partitions that it asks for in the end.
struct SessionPlan {
  ErrorCode error = ErrorCode::none;
  std::shared_ptr<FetchSession> session;  // null: without one
  bool incremental = false;
  std::vector<FetchTarget> targets;
};

SessionPlan plan_session(FetchSessionCache& sessions, FetchRequest& request, bool by_topic_id) {
  SessionPlan plan;
  std::vector<FetchTarget> targets = targets_of(request);
  if (request.session_epoch == kInitialEpoch || request.session_epoch == kFinalEpoch) {
    if (request.session_id != 0) sessions.close(request.session_id);
    if (request.session_epoch == kInitialEpoch) plan.session = sessions.create(by_topic_id, targets);
    plan.targets = std::move(targets);
    return plan;
  }
  plan.session = sessions.find(request.session_id);
  if (plan.session == nullptr) return {.error = ErrorCode::fetch_session_id_not_found};
  if (plan.session->by_topic_id() != by_topic_id) return {.error = ErrorCode::fetch_session_topic_id_error};
  std::vector<std::pair<FetchTopic, PartitionIndex>> forgotten;
  for (auto& topic : request.forgotten_topics_data) {
    const FetchTopic named{std::move(topic.topic), topic.topic_id};
    for (const int32_t partition : topic.partitions) forgotten.emplace_back(named, PartitionIndex{partition});
  }
  if (!plan.session->update(request.session_epoch, targets, forgotten)) {
    return {.error = ErrorCode::invalid_fetch_session_epoch};
  }
  plan.incremental = true;
  plan.targets = plan.session->targets();
  if (plan.targets.empty()) {
    sessions.close(plan.session->id());
    plan.session = nullptr;
  } else if (!targets.empty() || !forgotten.empty()) {
    sessions.resized(*plan.session);
  }
  return plan;
}

// One fetch from its decoding to its reply.
class Fetch {
 public:
  Fetch(Services& services, RequestContext context, FetchLimits limits, SessionPlan plan, Reply<FetchResponse> reply)
      : services_(services),
        context_(std::move(context)),
        session_(std::move(plan.session)),
        incremental_(plan.incremental),
        isolation_(limits.isolation),
        operation_(services, std::move(limits), context_.connection->listener, std::move(plan.targets)),
        reply_(std::move(reply)) {}

  FetchOperation& operation() { return operation_; }
  void send();

 private:
  void fill(PartitionAnswer& answer, FetchItem& item, LeaderHints& hints) const;
  bool is_sent(const FetchItem& item) const;
  void count(const FetchItem& item) const;

  Services& services_;
  RequestContext context_;
  std::shared_ptr<FetchSession> session_;
  const bool incremental_;
  const Isolation isolation_;
  FetchOperation operation_;
  Reply<FetchResponse> reply_;
};

// Also notes in the session what the client will know.
bool Fetch::is_sent(const FetchItem& item) const {
  if (session_ == nullptr) return true;
  const bool failed = item.error != ErrorCode::none;
  const bool changed =
      session_->note_reply(*item.target.topic, item.target.partition,
                           {.always_sent = failed || item.is_diverging() || item.is_redirected() || item.bytes() > 0,
                            .failed = failed,
                            .high_watermark = item.result.offsets.high_watermark,
                            .log_start = item.result.offsets.log_start},
                           item.bytes() > 0);
  return changed || !incremental_;
}

void Fetch::fill(PartitionAnswer& answer, FetchItem& item, LeaderHints& hints) const {
  answer.partition_index = item.target.partition.value();
  answer.error_code = protocol::wire(item.error);
  answer.records = Bytes();
  answer.high_watermark = -1;
  // Without transactions none are aborted; who reads uncommitted records gets null.
  if (isolation_ == Isolation::read_committed) {
    answer.aborted_transactions.emplace();
  } else {
    answer.aborted_transactions.reset();
  }
  if (item.error != ErrorCode::none) {
    const bool elsewhere =
        item.error == ErrorCode::not_leader_or_follower || item.error == ErrorCode::fenced_leader_epoch;
    if (elsewhere) {
      hints.fill(item.target.topic->name, item.target.topic->id, item.target.partition, answer.current_leader);
    }
    return;
  }
  answer.high_watermark = item.result.offsets.high_watermark.value();
  answer.last_stable_offset = item.result.offsets.last_stable.value();
  answer.log_start_offset = item.result.offsets.log_start.value();
  if (item.is_diverging()) {
    answer.diverging_epoch.epoch = item.diverging.epoch.value();
    answer.diverging_epoch.end_offset = item.diverging.end_offset.value();
    return;
  }
  if (item.is_redirected()) {
    answer.preferred_read_replica = item.preferred.value();
    return;
  }
  answer.records = protocol::Records(std::move(item.result.read.data));
}

void Fetch::count(const FetchItem& item) const {
  FollowerReadMetrics* metrics = services_.follower_reads;
  if (metrics == nullptr || item.error != ErrorCode::none) return;
  if (item.is_redirected()) metrics->redirects.add();
  if (item.bytes() == 0 || !item.result.is_follower) return;
  metrics->fetches.add();
  metrics->bytes.add(item.bytes());
}

void Fetch::send() {
  FetchResponse response;
  response.session_id = session_ == nullptr ? 0 : session_->id();
  LeaderHints hints(services_, context_);
  const FetchTopic* last = nullptr;
  for (FetchItem& item : operation_.items()) {
    if (!is_sent(item)) continue;
    count(item);
    const FetchTopic& topic = *item.target.topic;
    if (last == nullptr || *last != topic) {
      TopicAnswer& answer = response.responses.emplace_back();
      answer.topic = topic.name;
      answer.topic_id = topic.id;
      last = &topic;
    }
    fill(response.responses.back().partitions.emplace_back(), item, hints);
  }
  hints.add_endpoints(response.node_endpoints);
  reply_.send(response);
}

void handle_fetch(Services& services, RequestContext context, FetchRequest request, Reply<FetchResponse> reply) {
  // Followers replicate over another protocol; what calls itself one here is not of this cluster.
  const int32_t replica =
      context.version >= kFirstReplicaStateVersion ? request.replica_state.replica_id : request.replica_id;
  if (replica >= 0) return reply.close_connection("a fetch of a follower");

  SessionPlan plan = plan_session(*services.fetch_sessions, request, context.version >= kFirstTopicIdVersion);
  if (plan.error != ErrorCode::none) {
    FetchResponse refused;
    refused.error_code = protocol::wire(plan.error);
    return reply.send(refused);
  }
  FetchLimits limits{
      .bytes_min = request.min_bytes,
      .bytes_max = std::min(request.max_bytes, services.config->fetch_bytes_max),
      .isolation = request.isolation_level == 1 ? Isolation::read_committed : Isolation::read_uncommitted,
      .whom = replication::ReadFrom::leader,
      .rack = {}};
  if (context.version >= kFirstRackVersion) {
    limits.whom = replication::ReadFrom::any_replica;
    if (services.config->selects_by_rack) limits.rack = std::move(request.rack_id);
  }
  io::EventLoop& loop = context.loop();
  auto fetch =
      std::make_shared<Fetch>(services, std::move(context), std::move(limits), std::move(plan), std::move(reply));
  FetchOperation& operation = fetch->operation();
  operation.serve();
  if (request.max_wait_ms <= 0 || operation.is_complete()) return fetch->send();
  services.purgatory->park({.loop = &loop,
                            .ready = [fetch] { return fetch->operation().is_ready(); },
                            .finish =
                                [fetch](WakeReason) {
                                  fetch->operation().serve();
                                  fetch->send();
                                }},
                           operation.keys(), services.clock->now() + std::chrono::milliseconds(request.max_wait_ms));
}

}  // namespace

void run_fetch(RawRequest request) { run_typed<&handle_fetch>(std::move(request)); }

}  // namespace millrace::server::handlers
