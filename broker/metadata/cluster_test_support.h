#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/metadata/controller_state.h"
#include "broker/metadata/decisions.h"
#include "broker/metadata/image_builder.h"
#include "broker/metadata/metadata_config.h"

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
            .quorum = quorum};
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
