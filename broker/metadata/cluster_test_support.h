#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/metadata/controller_state.h"
#include "broker/metadata/decisions.h"
#include "broker/metadata/image_builder.h"
#include "broker/metadata/metadata_config.h"
#include "broker/metadata/placement.h"

namespace millrace::metadata {

// The language of this folder's tests: a cluster that commands are decided and applied on, without a log.
class TestCluster {
 public:
  ConfigValues static_config;
  std::vector<ConfigKey> keys{metadata_config().begin(), metadata_config().end()};
  ControllerState state;
  ImageBuilder& builder = state.builder;  // changes through it bypass what is kept beside the image
  machine::Now now{.monotonic = TimePoint{std::chrono::hours{1}}, .wall_ms = 1'000'000};
  QuorumView quorum;

  TestCluster() = default;
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;
  explicit TestCluster(int brokers, bool racks = false) {
    for (int i = 0; i < brokers; ++i) add_broker(i, racks ? std::string(1, static_cast<char>('a' + i % 3)) : "");
  }

  const ClusterImage& image() const { return state.image(); }
  DecisionContext context() {
    return {.config = {.keys = keys, .static_values = &static_config, .self = BrokerId{0}},
            .new_uuid = [this] { return uuid(); },
            .now = now,
            .quorum = [this] { return quorum; }};
  }
  Uuid uuid() {
    ++uuids_;
    return Uuid::from_random(uuids_, uuids_ * 0x9E3779B97F4A7C15u);
  }

  // Decides, applies the records, answers.
  template <class Reply>
  Reply run(Decision<Reply> decision) {
    records_made = decision.records.size();
    for (const machine::Record& record : decision.records) {
      history.push_back(*record.value);
      state.apply(image().applied.next(), record);
    }
    if (decision.also) decision.also(state);
    return std::move(decision.reply);
  }
  void pass(std::chrono::milliseconds time) {
    now.monotonic += time;
    now.wall_ms += time.count();
  }
  template <class Command>
  auto operator()(const Command& command) {
    if constexpr (requires { decide(state, command, context()); }) {
      return run(decide(state, command, context()));
    } else if constexpr (requires { decide(image(), command, context()); }) {
      return run(decide(image(), command, context()));
    } else {
      return run(decide(image(), command));
    }
  }

  RegisterBroker registration(int id, std::string rack = "") {
    return {.id = BrokerId{id},
            .incarnation = uuid(),
            .directory_id = Uuid::from_random(1000, static_cast<uint64_t>(id)),
            .listeners = {{"PLAINTEXT", "host" + std::to_string(id), 9092}},
            .rack = std::move(rack)};
  }
  void add_broker(int id, std::string rack = "") { ENSURE((*this)(registration(id, std::move(rack))).has_value()); }
  // As a broker among many: starts fenced, and serves when it has caught up.
  void start(int id, bool clean = true) {
    RegisterBroker again = registration(id);
    again.fenced = true;
    again.clean_start = clean;
    ENSURE((*this)(again).has_value());
  }
  BrokerHeartbeatReply beat(int id, bool want_shutdown = false) {
    const auto reply = (*this)(BrokerHeartbeat{.id = BrokerId{id},
                                               .epoch = epoch(id),
                                               .metadata_offset = image().applied,
                                               .want_fence = false,
                                               .want_shutdown = want_shutdown});
    ENSURE(reply.has_value());
    return *reply;
  }
  int64_t epoch(int id) const { return image().find_broker(BrokerId{id})->epoch; }
  // A topic whose partitions have these replicas, also ones that no command would make.
  void place(const std::string& topic, std::vector<std::vector<int>> replicas) {
    const Uuid id = uuid();
    std::vector<machine::Record> records;
    add(records, TopicRecord{id, topic});
    for (size_t i = 0; i < replicas.size(); ++i) {
      Replicas ids;
      for (const int each : replicas[i]) ids.emplace_back(each);
      add(records, PartitionRecord{id, PartitionIndex{static_cast<int32_t>(i)},
                                   new_partition(image(), std::move(ids), now.wall_ms)});
    }
    (void)run(Decision<Unit>{.records = std::move(records), .reply = {}, .also = {}});
  }
  const PartitionImage& partition(const std::string& topic, int index = 0) const {
    return *image().find_partition(topic, PartitionIndex{index});
  }
  // What the leader asks, who knows everything.
  AlterPartition isr_change(const std::string& topic, std::vector<int> isr, int index = 0) {
    const PartitionImage& now_is = partition(topic, index);
    AlterPartition command{.leader = now_is.leader, .epoch = epoch(now_is.leader.value()), .partitions = {}};
    auto& item = command.partitions.emplace_back();
    item = {.topic = image().find_topic(topic)->id,
            .partition = PartitionIndex{index},
            .leader_epoch = now_is.leader_epoch,
            .partition_epoch = now_is.partition_epoch,
            .isr = {}};
    for (const int id : isr) item.isr.push_back({BrokerId{id}, epoch(id)});
    return command;
  }
  Status set_isr(const std::string& topic, std::vector<int> isr, int index = 0) {
    auto reply = (*this)(isr_change(topic, std::move(isr), index));
    ENSURE(reply.has_value());
    return reply->partitions.front().outcome;
  }
  void fence(int id, bool fenced = true) {
    const int64_t epoch = image().find_broker(BrokerId{id})->epoch;
    ENSURE((*this)(SetFenced{BrokerId{id}, epoch, fenced}).has_value());
  }
  Result<CreatedTopic> create(NewTopic topic, bool validate_only = false) {
    return std::move((*this)(CreateTopics{{std::move(topic)}, validate_only}).topics.front().second);
  }
  // The words of the error, or "ok".
  template <class Value>
  static std::string words(const Result<Value>& result) {
    return result ? "ok" : result.error().to_string();
  }
  template <class Value>
  static Errc code(const Result<Value>& result) {
    ENSURE(!result.has_value());
    return result.error().code;
  }

  size_t records_made = 0;     // by the last command
  std::vector<Bytes> history;  // every record so far

 private:
  uint64_t uuids_ = 0;
};

inline std::vector<BrokerId> brokers(std::vector<int> ids) {
  std::vector<BrokerId> result;
  for (const int id : ids) result.emplace_back(id);
  return result;
}

}  // namespace millrace::metadata
