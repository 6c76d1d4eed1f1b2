#include "tests/sim/clients.h"

#include "tests/sim/cluster.h"

#include "broker/protocol/error_code.h"
#include "broker/protocol/messages/create_topics.h"
#include "broker/protocol/messages/fetch.h"
#include "broker/protocol/messages/init_producer_id.h"
#include "broker/protocol/messages/produce.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::sim {
namespace {

using protocol::ErrorCode;
using std::chrono::milliseconds;

constexpr int16_t kProduceVersion = 9, kFetchVersion = 12, kInitProducerIdVersion = 4, kCreateTopicsVersion = 5;
constexpr milliseconds kTimeout{1500};  // of a client's request, and a little more until it gives up the connection
constexpr milliseconds kPatience{2000};
constexpr size_t kInFlightMax = 3;

// Mostly the leader; now and then anybody, as a client with old metadata does.
BrokerId choose_broker(Cluster& cluster, const Place& place) {
  const metadata::PartitionImage* state = cluster.state(place);
  if (state == nullptr || state->leader == kNoBroker || cluster.world().random.chance(12)) {
    return cluster.any_node().id();
  }
  return state->leader;
}

// Whether that broker leads the partition in the newest leader epoch that there is; one that has been deposed and does
// not know it may lack anything.
bool leads_now(Cluster& cluster, BrokerId broker, const Place& place) {
  const metadata::PartitionImage* state = cluster.state(place);
  const auto partition = cluster.node(broker).find(place.first, place.second);
  return state != nullptr && partition != nullptr && state->leader == broker &&
         partition->leader_epoch() == state->leader_epoch;
}

// A batch that was refused so is not in the log.
bool is_passing(int16_t error) {
  return error == protocol::wire(ErrorCode::not_leader_or_follower) ||
         error == protocol::wire(ErrorCode::not_enough_replicas) ||
         error == protocol::wire(ErrorCode::kafka_storage_error);
}

}  // namespace

Producer::Producer(Cluster& cluster, Place place, int64_t number, bool all)
    : cluster_(cluster),
      client_(cluster.world(), "producer-" + std::to_string(number)),
      place_(std::move(place)),
      number_(number),
      all_(all) {}

void Producer::again(Duration after) {
  cluster_.world().timers->run_after(after, [this] { step(); });
}

void Producer::step() {
  if (id_ < 0) return take_id();
  auto& random = cluster_.world().random;
  if (batches_.empty()) {
    if (cluster_.is_draining() || (cluster_.is_healed() && !all_)) return;
    for (uint64_t batches = random.below(kInFlightMax) + 1; batches > 0; --batches) {
      Batch batch{.sequence = next_sequence_};
      for (uint64_t i = random.below(3) + 1; i > 0; --i) batch.values.push_back({number_, next_value_++});
      next_sequence_ += static_cast<int32_t>(batch.values.size());
      batches_.push_back(std::move(batch));
    }
  }
  send_all();
}

void Producer::take_id() {
  protocol::InitProducerIdRequest request;
  request.transactional_id = std::nullopt;
  const BrokerId broker = cluster_.any_node().id();
  client_.call(broker, kInitProducerIdVersion, request, kPatience,
               [this](const Result<protocol::InitProducerIdResponse>& response) {
                 if (response && response->error_code == 0) id_ = response->producer_id;
                 again(milliseconds(id_ < 0 ? 50 : 1));
               });
}

void Producer::send_all() {
  const BrokerId broker = choose_broker(cluster_, place_);
  acked_ = 0;
  failed_ = refused_ = lost_ = false;
  in_flight_ = batches_.size();
  for (size_t which = 0; which < batches_.size(); ++which) {
    const Batch& batch = batches_[which];
    std::vector<std::string> values;
    for (const Value& value : batch.values) values.push_back(value.to_string());
    protocol::ProduceRequest request;
    request.transactional_id = std::nullopt;
    request.acks = all_ ? -1 : 1;
    request.timeout_ms = static_cast<int32_t>(kTimeout.count());
    auto& topic = request.topic_data.emplace_back();
    topic.name = place_.first;
    auto& partition = topic.partition_data.emplace_back();
    partition.index = place_.second;
    partition.records = replication::testing::make_batch({.values = values,
                                                          .first_timestamp = cluster_.world().clock.wall_ms(),
                                                          .producer = ProducerId{id_},
                                                          .producer_epoch = ProducerEpoch{0},
                                                          .first_sequence = Sequence{batch.sequence}});
    client_.call(broker, kProduceVersion, request, kPatience,
                 [this, which, broker](const Result<protocol::ProduceResponse>& response) {
                   if (!response) return answered(which, protocol::wire(ErrorCode::network_exception), -1, broker);
                   const auto& answer = response->responses.at(0).partition_responses.at(0);
                   answered(which, answer.error_code, answer.base_offset, broker);
                 });
  }
}

void Producer::answered(size_t which, int16_t error, int64_t offset, BrokerId broker) {
  if (error == 0 && acked_ == which) {
    for (const Value& value : batches_[which].values) {
      // Who lost its records and was told so does not count on what came before.
      if (all_) cluster_.truth().acknowledged(place_, offset, value);
      ++offset;
    }
    cluster_.world().trace.count(all_ ? "batches acknowledged by all" : "batches acknowledged by one");
    ++acked_;
  } else if (error == protocol::wire(ErrorCode::out_of_order_sequence_number) && all_ && refused_) {
    // A real producer would begin a new epoch, and double what is not acknowledged yet.
    cluster_.world().trace.violation("what was sent behind a refused batch is refused like it",
                                     "broker " + std::to_string(broker.value()) + " refused a batch of producer " +
                                         std::to_string(number_) + " for " + to_string(place_) +
                                         " and then found sequence " + std::to_string(batches_[which].sequence) +
                                         " out of order");
  } else if (error == protocol::wire(ErrorCode::out_of_order_sequence_number) && !failed_ && acked_ == which) {
    if (!all_) {
      lost_ = true;
    } else if (leads_now(cluster_, broker, place_)) {
      cluster_.world().trace.violation("the leader knows what it acknowledged",
                                       "broker " + std::to_string(broker.value()) + " leads " + to_string(place_) +
                                           " and finds sequence " + std::to_string(batches_[which].sequence) +
                                           " of producer " + std::to_string(number_) + " out of order");
    }
  }
  if (error != 0) {
    failed_ = true;
    refused_ = refused_ || is_passing(error);
    cluster_.world().trace.count("produce errors");
  }
  if (--in_flight_ == 0) flight_ended();
}

void Producer::flight_ended() {
  batches_.erase(batches_.begin(), batches_.begin() + static_cast<ptrdiff_t>(acked_));
  if (lost_) {
    cluster_.world().trace.count("producers that lost records of acks=1");
    batches_.clear();
    id_ = -1;
    next_sequence_ = 0;
  }
  again(failed_ ? cluster_.within(10, 100) : cluster_.within(1, 30));
}

Reader::Reader(Cluster& cluster, Place place, int number)
    : cluster_(cluster),
      client_(cluster.world(), "reader-" + std::to_string(number)),
      place_(std::move(place)),
      name_("reader " + std::to_string(number)) {}

void Reader::step() {
  protocol::FetchRequest request;
  request.max_wait_ms = 100;
  request.min_bytes = 1;
  request.max_bytes = 1 << 20;
  auto& topic = request.topics.emplace_back();
  topic.topic = place_.first;
  auto& partition = topic.partitions.emplace_back();
  partition.partition = place_.second;
  partition.fetch_offset = position_;
  partition.partition_max_bytes = static_cast<int32_t>(200 + cluster_.world().random.below(4000));
  const BrokerId broker = choose_broker(cluster_, place_);
  client_.call(
      broker, kFetchVersion, request, kPatience, [this, broker](const Result<protocol::FetchResponse>& response) {
        const auto again = [this](Duration after) { cluster_.world().timers->run_after(after, [this] { step(); }); };
        if (!response || response->responses.empty()) return again(milliseconds(50));
        const auto& answer = response->responses[0].partitions.at(0);
        if (answer.error_code == protocol::wire(ErrorCode::offset_out_of_range) &&
            leads_now(cluster_, broker, place_)) {
          cluster_.world().trace.violation(
              "what was read stays", name_ + " has read " + to_string(place_) + " up to " + std::to_string(position_) +
                                         ", which leader " + std::to_string(broker.value()) + " does not have");
        }
        if (answer.error_code != 0) return again(milliseconds(50));
        if (answer.records.is_bytes()) took(answer.records.bytes(), broker);
        again(cluster_.within(1, 20));
      });
}

void Reader::took(const Bytes& batches, BrokerId broker) {
  for (const Stored& stored : stored_in(batches)) {
    if (stored.offset < position_) continue;  // the batch began before
    if (stored.offset != position_) {
      cluster_.world().trace.violation("readers skip nothing", name_ + " at " + to_string(place_) + " offset " +
                                                                   std::to_string(position_) + " was given " +
                                                                   std::to_string(stored.offset));
    }
    cluster_.truth().note(place_, stored.offset, stored.value,
                          name_ + " from broker " + std::to_string(broker.value()));
    position_ = stored.offset + 1;
    cluster_.world().trace.count("records read");
  }
}

Clients::Clients(Cluster& cluster) : cluster_(cluster), admin_(cluster.world(), "admin") {
  int64_t number = 0;
  for (const SimTopic& topic : cluster.topics()) {
    for (int32_t p = 0; p < topic.partitions; ++p) {
      const Place place{topic.name, p};
      for (const bool all : {true, true, false}) {
        producers_.push_back(std::make_unique<Producer>(cluster, place, ++number, all));
      }
      readers_.push_back(std::make_unique<Reader>(cluster, place, static_cast<int>(readers_.size())));
    }
  }
}

void Clients::start() { create_topics(); }

void Clients::create_topics() {
  protocol::CreateTopicsRequest request;
  request.timeout_ms = static_cast<int32_t>(kTimeout.count());
  for (const SimTopic& topic : cluster_.topics()) {
    auto& asked = request.topics.emplace_back();
    asked.name = topic.name;
    asked.num_partitions = topic.partitions;
    asked.replication_factor = topic.replication;
    const auto set = [&asked](const std::string& name, const std::string& value) {
      asked.configs.push_back({.name = name, .value = value});
    };
    set("min.insync.replicas", std::to_string(topic.min_insync));
    set("segment.ms", "1500");
    if (topic.flushed) set("flush.messages", "1");
  }
  admin_.call(cluster_.any_node().id(), kCreateTopicsVersion, request, kPatience,
              [this](const Result<protocol::CreateTopicsResponse>& response) {
                bool made = response && !response->topics.empty();
                if (response) {
                  for (const auto& topic : response->topics) {
                    made = made && (topic.error_code == 0 ||
                                    topic.error_code == protocol::wire(ErrorCode::topic_already_exists));
                  }
                }
                if (made) return begin();
                cluster_.world().timers->run_after(milliseconds(100), [this] { create_topics(); });
              });
}

void Clients::begin() {
  has_topics_ = true;
  cluster_.world().trace.line("the topics are there");
  for (const auto& producer : producers_) producer->start();
  for (const auto& reader : readers_) reader->start();
}

bool Clients::are_done() const {
  for (const auto& producer : producers_) {
    if (!producer->is_done()) return false;
  }
  return true;
}

void Clients::lose(BrokerId broker, bool silently) {
  admin_.lose(broker, silently);
  for (const auto& producer : producers_) producer->lose(broker, silently);
  for (const auto& reader : readers_) reader->lose(broker, silently);
}

}  // namespace millrace::sim
