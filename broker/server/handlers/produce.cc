// Produce (0): record batches from the request's own bytes into the logs, and the wait for their acknowledgement.

#include "broker/protocol/messages/produce.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "broker/base/endian.h"
#include "broker/metadata/image_store.h"
#include "broker/replication/partition_manager.h"
#include "broker/server/error_map.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/leader_hints.h"
#include "broker/server/handlers/partition_lookup.h"
#include "broker/server/purgatory.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

namespace {

using protocol::ErrorCode;
using protocol::ProduceRequest;
using protocol::ProduceResponse;
using replication::Acks;
using TopicAnswer = decltype(ProduceResponse::responses)::value_type;
using PartitionAnswer = decltype(TopicAnswer::partition_responses)::value_type;

constexpr int16_t kFirstZstdVersion = 7;   // KIP-110
constexpr int16_t kFirstHintVersion = 10;  // KIP-951
constexpr std::string_view kAdminClientId = "__admin_client";

// A client may hear of a new partition from another broker before this one has it. Its records wait so long, because
// it would otherwise wait for its own pause before it sends them again, and behind those that follow.
constexpr std::chrono::milliseconds kArrivalWaitMax{100};

// A partition of the request, by its place there and in the response.
struct Place {
  size_t topic = 0;
  size_t index = 0;
};

// An append that is not acknowledged yet.
struct Unacknowledged {
  std::shared_ptr<replication::Partition> partition;
  replication::Appended appended;
  Place place;
};

struct Refusal {
  ErrorCode code = ErrorCode::none;
  std::string message;
};

void fail(PartitionAnswer& answer, ErrorCode code, std::string message = {}) {
  answer.error_code = protocol::wire(code);
  answer.base_offset = -1;
  answer.log_append_time_ms = kNoTimestamp;
  answer.log_start_offset = -1;
  if (!message.empty()) answer.error_message = std::move(message);
}

void fill(PartitionAnswer& answer, const replication::Appended& appended) {
  answer.base_offset = appended.info.first_offset.value();
  answer.log_append_time_ms = appended.info.log_append_time_ms;
  answer.log_start_offset = appended.log_start.value();
}

bool holds_batch(const protocol::Records& records) {
  return records.is_bytes() && records.size() >= protocol::kBatchHeaderBytes &&
         records.bytes().data()[protocol::kMagicAt] == std::byte{protocol::kMagic};
}

// What the protocol's rules refuse before the log checks the batch itself; what is too short or of another magic is the
// log's to judge.
Refusal refuse(const protocol::Records& records, int16_t version) {
  constexpr int16_t kZstd = 4;
  if (records.is_null() || records.size() == 0) {
    return {ErrorCode::invalid_record, "a partition needs exactly one record batch"};
  }
  if (!holds_batch(records)) return {};
  const auto attributes = load_big_endian<int16_t>(records.bytes().data() + protocol::kAttributesAt);
  if ((attributes & protocol::kCodecMask) == kZstd && version < kFirstZstdVersion) {
    return {ErrorCode::unsupported_compression_type, "zstd needs Produce version 7 or newer"};
  }
  if ((attributes & protocol::kTransactionalBit) != 0)
    return {ErrorCode::invalid_txn_state, "transactions are not available"};
  return {};
}

// Not known here, or known to be led here and not open yet.
bool should_be_here_soon(const PartitionLookup& found) {
  return found.partition == nullptr &&
         (found.error == ErrorCode::unknown_topic_or_partition || found.error == ErrorCode::unknown_topic_id ||
          found.error == ErrorCode::kafka_storage_error);
}

// One produce request from its decoding to its reply. On the connection's reactor, but for settle(), which runs
// wherever a partition makes progress, one call at a time.
class Produce {
 public:
  Produce(Services& services, RequestContext context, Acks acks, Reply<ProduceResponse> reply)
      : services_(services), context_(std::move(context)), acks_(acks), reply_(std::move(reply)) {}

  void append_all(ProduceRequest& request);
  // Some partitions are not here, and should be soon: nothing was done for them, and the connection is held.
  bool is_early() const { return !early_.empty(); }
  bool have_arrived() const;
  void append_early(ProduceRequest& request);  // or refuses what has not come
  void refuse_all(const ProduceRequest& request, ErrorCode code);
  bool is_settled() const { return waiting_.empty(); }
  bool settle();
  std::vector<WatchKey> keys() const;
  void time_out();
  void send();

 private:
  void append(protocol::Records& records, const Place& place);
  PartitionLookup find(const Place& place) const;
  PartitionAnswer& answer(const Place& place) {
    return response_.responses[place.topic].partition_responses[place.index];
  }
  void add_leader_hints();

  Services& services_;
  RequestContext context_;
  const Acks acks_;
  bool is_cut_off_ = false;  // a partition's other replicas may have a leader that this broker does not hear of
  Reply<ProduceResponse> reply_;
  ProduceResponse response_;
  std::vector<Unacknowledged> waiting_;
  std::vector<Place> early_;
  bool is_held_ = false;  // the connection, by this
  bool may_hold_ = true;
};

void Produce::append_all(ProduceRequest& request) {
  response_.responses.resize(request.topic_data.size());
  for (size_t t = 0; t < request.topic_data.size(); ++t) {
    auto& topic = request.topic_data[t];
    TopicAnswer& topic_answer = response_.responses[t];
    topic_answer.name = std::move(topic.name);
    topic_answer.topic_id = topic.topic_id;
    topic_answer.partition_responses.resize(topic.partition_data.size());
    for (size_t p = 0; p < topic.partition_data.size(); ++p) {
      topic_answer.partition_responses[p].index = topic.partition_data[p].index;
      append(topic.partition_data[p].records, {t, p});
    }
  }
}

PartitionLookup Produce::find(const Place& place) const {
  const TopicAnswer& topic = response_.responses[place.topic];
  return find_partition(services_, topic.name, topic.topic_id,
                        PartitionIndex{topic.partition_responses[place.index].index});
}

bool Produce::have_arrived() const {
  return std::all_of(early_.begin(), early_.end(),
                     [this](const Place& place) { return !should_be_here_soon(find(place)); });
}

void Produce::append_early(ProduceRequest& request) {
  may_hold_ = false;
  const bool in_vain = !have_arrived();
  for (const Place& place : std::exchange(early_, {})) {
    append(request.topic_data[place.topic].partition_data[place.index].records, place);
  }
  if (std::exchange(is_held_, false)) reply_.go_on(in_vain);
}

void Produce::append(protocol::Records& records, const Place& place) {
  PartitionAnswer& answer = this->answer(place);
  PartitionLookup found = find(place);
  if (found.partition == nullptr && should_be_here_soon(found) && may_hold_) {
    is_held_ = is_held_ || reply_.hold();
    may_hold_ = is_held_;
    if (is_held_) return early_.push_back(place);
  }
  if (found.partition == nullptr && holds_batch(records)) {
    const TopicAnswer& topic = response_.responses[place.topic];
    found.partition = services_.partitions->note_refused(
        {.topic = topic.name,
         .topic_id = topic.topic_id,
         .partition = PartitionIndex{answer.index},
         .header = protocol::BatchHeader::decode(records.bytes().data()),
         .reason = found.error == ErrorCode::not_leader_or_follower ? Errc::not_leader
                   : found.error == ErrorCode::kafka_storage_error  ? Errc::storage_offline
                                                                    : Errc::unknown_topic_or_partition});
  }
  if (found.partition == nullptr) return fail(answer, found.error);
  if (found.partition->is_internal() && *context_.client_id != kAdminClientId) {
    return fail(answer, ErrorCode::invalid_topic_exception, "internal topics are written by the brokers only");
  }
  if (Refusal refusal = refuse(records, context_.version); refusal.code != ErrorCode::none) {
    return fail(answer, refusal.code, std::move(refusal.message));
  }
  // The slice of the frame becomes the log's: nobody else has it any more.
  Bytes batch = records.bytes();
  records = {};
  Result<replication::Appended> appended = found.partition->append(std::move(batch), acks_);
  if (!appended) {
    is_cut_off_ = is_cut_off_ || found.partition->is_cut_off();
    return fail(answer, to_error_code(appended.error().code), std::move(appended.error().context));
  }
  fill(answer, *appended);
  if (appended->acknowledged || acks_ == Acks::none) return;
  waiting_.push_back({.partition = std::move(found.partition), .appended = *appended, .place = place});
}

void Produce::refuse_all(const ProduceRequest& request, ErrorCode code) {
  for (const auto& topic : request.topic_data) {
    TopicAnswer& topic_answer = response_.responses.emplace_back();
    topic_answer.name = topic.name;
    topic_answer.topic_id = topic.topic_id;
    for (const auto& partition : topic.partition_data) {
      PartitionAnswer& answer = topic_answer.partition_responses.emplace_back();
      answer.index = partition.index;
      fail(answer, code);
    }
  }
}

bool Produce::settle() {
  std::erase_if(waiting_, [this](const Unacknowledged& one) {
    const Result<bool> acknowledged = one.partition->is_acknowledged(one.appended);
    if (!acknowledged) {
      is_cut_off_ = is_cut_off_ || one.partition->is_cut_off();
      fail(answer(one.place), to_error_code(acknowledged.error().code), acknowledged.error().context);
    }
    return !acknowledged || *acknowledged;
  });
  return waiting_.empty();
}

std::vector<WatchKey> Produce::keys() const {
  std::vector<WatchKey> keys;
  keys.reserve(waiting_.size());
  for (const Unacknowledged& one : waiting_) keys.push_back(watch_key(one.partition.get()));
  return keys;
}

// The records may be there all the same: the client is told that we do not know.
void Produce::time_out() {
  for (const Unacknowledged& one : waiting_) fail(answer(one.place), ErrorCode::request_timed_out);
  waiting_.clear();
}

void Produce::send() {
  if (acks_ == Acks::none) {
    for (const TopicAnswer& topic : response_.responses) {
      for (const PartitionAnswer& partition : topic.partition_responses) {
        // The only way to tell a client that expects no reply, so that it looks up who leads.
        if (partition.error_code != 0) return reply_.close_connection("a produce with acks=0 failed");
      }
    }
    return reply_.no_response();
  }
  if (context_.version >= kFirstHintVersion) add_leader_hints();
  if (is_cut_off_) return reply_.send_last(response_);
  reply_.send(response_);
}

void Produce::add_leader_hints() {
  LeaderHints hints(services_, context_);
  for (TopicAnswer& topic : response_.responses) {
    for (PartitionAnswer& partition : topic.partition_responses) {
      if (partition.error_code != protocol::wire(ErrorCode::not_leader_or_follower)) continue;
      hints.fill(topic.name, topic.topic_id, PartitionIndex{partition.index}, partition.current_leader);
    }
  }
  hints.add_endpoints(response_.node_endpoints);
}

// Answers once everything is acknowledged.
void answer_when_settled(Services& services, io::EventLoop& loop, const std::shared_ptr<Produce>& produce,
                         TimePoint deadline) {
  if (produce->is_settled()) return produce->send();
  services.purgatory->park({.loop = &loop,
                            .ready = [produce] { return produce->settle(); },
                            .finish =
                                [produce](WakeReason reason) {
                                  if (reason != WakeReason::ready && !produce->settle()) produce->time_out();
                                  produce->send();
                                }},
                           produce->keys(), deadline);
}

void handle_produce(Services& services, RequestContext context, ProduceRequest request, Reply<ProduceResponse> reply) {
  const bool known_acks = request.acks >= -1 && request.acks <= 1;
  const Acks acks = known_acks ? static_cast<Acks>(request.acks) : Acks::all;
  io::EventLoop& loop = context.loop();
  const TimePoint now = services.clock->now();
  const TimePoint deadline = now + std::chrono::milliseconds(std::max(request.timeout_ms, 0));
  auto produce = std::make_shared<Produce>(services, std::move(context), acks, std::move(reply));
  if (!known_acks) {
    produce->refuse_all(request, ErrorCode::invalid_required_acks);
  } else if (request.transactional_id) {
    produce->refuse_all(request, ErrorCode::invalid_txn_state);
  } else {
    produce->append_all(request);
  }
  if (!produce->is_early()) return answer_when_settled(services, loop, produce, deadline);
  const WatchKey key = kPartitionsOpened;
  services.purgatory->park({.loop = &loop,
                            .ready = [produce] { return produce->have_arrived(); },
                            .finish =
                                [&services, &loop, produce, deadline,
                                 kept = std::make_shared<ProduceRequest>(std::move(request))](WakeReason) {
                                  produce->append_early(*kept);
                                  answer_when_settled(services, loop, produce, deadline);
                                }},
                           {&key, 1}, std::min(deadline, now + kArrivalWaitMax));
}

}  // namespace

void run_produce(RawRequest request) { run_typed<&handle_produce>(std::move(request)); }

}  // namespace millrace::server::handlers
