#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_event_loop.h"
#include "broker/metadata/image_builder.h"
#include "broker/metadata/image_store.h"
#include "broker/protocol/writer.h"
#include "broker/replication/partition_manager.h"
#include "broker/replication/replication_test_support.h"
#include "broker/server/handlers/fetch_session.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/reply_test_support.h"
#include "broker/server/purgatory.h"
#include "broker/server/server_config.h"
#include "broker/server/services.h"

// For tests of the handlers that move records: a broker of simulated disk and time, and requests that go through the
// handler's whole path, encoded and decoded as on the wire.
namespace millrace::server::testing {

inline constexpr BrokerId kSelf{1};
inline constexpr BrokerId kOther{2};

class DataPlaneTest : public ::testing::Test, private replication::PartitionListener {
 protected:
  DataPlaneTest() {
    services_.clock = &machine_.clock;
    services_.random = &random_;
    services_.config = &config_;
    services_.purgatory = &purgatory_;
    services_.images = &images_;
    services_.broker = &broker_;
    services_.fetch_sessions = &sessions_;
    auto dir = storage::LogDir::open(machine_.fs, random_, {.path = "/data", .cluster_id = "c", .node = kSelf});
    ENSURE(dir);
    dir_ = std::move(*dir);
    auto opened = replication::PartitionManager::open({.fs = &machine_.fs,
                                                       .clock = &machine_.clock,
                                                       .background = loop_.get(),
                                                       .random = &random_,
                                                       .dir = dir_.get(),
                                                       .flusher = &machine_.flusher,
                                                       .files = &machine_.files,
                                                       .metrics = &metrics_,
                                                       .config = broker_,
                                                       .listener = this,
                                                       .threads = 1},
                                                      builder_.image());
    ENSURE(opened);
    partitions_ = std::move(*opened);
    services_.partitions = partitions_.get();
    record(metadata::RegisterBrokerRecord{.id = kOther,
                                          .rack = "r2",
                                          .fenced = false,
                                          .listeners = {{.listener = "PLAINTEXT", .host = "other", .port = 9999}}});
  }
  ~DataPlaneTest() override { purgatory_.shut_down(); }

  void on_progress(const replication::Partition& partition) override { purgatory_.wake(watch_key(&partition)); }
  void on_opened() override { purgatory_.wake(kPartitionsOpened); }

  // ---- the cluster
  Uuid create(const std::string& topic, int32_t partitions = 1, BrokerId leader = kSelf,
              std::vector<std::pair<std::string, std::string>> config = {}) {
    const Uuid id = random_.uuid();
    record(metadata::TopicRecord{.id = id, .name = topic});
    for (int32_t i = 0; i < partitions; ++i) {
      record(metadata::PartitionRecord{
          .topic = id, .index = PartitionIndex{i}, .state = replication::testing::led_by(leader, LeaderEpoch{3})});
    }
    for (auto& [name, value] : config) {
      record(metadata::ConfigRecord{.resource_type = 2, .resource = topic, .name = name, .value = value});
    }
    publish();
    return id;
  }
  void remove(const Uuid& topic) {
    record(metadata::RemoveTopicRecord{.id = topic});
    publish();
  }
  void record(const metadata::MetadataRecord& change) { builder_.apply(Offset{next_++}, change); }
  void publish() {
    images_.publish(builder_.image());
    partitions_->apply(images_.load());
  }
  std::shared_ptr<replication::Partition> partition(const std::string& topic, int32_t index = 0) {
    return partitions_->find(topic, PartitionIndex{index});
  }
  void flush() { machine_.flusher.run_due(); }
  void append(const std::string& topic, std::vector<std::string> values, int32_t index = 0) {
    const auto appended =
        partition(topic, index)->append(replication::testing::make_batch(std::move(values)), replication::Acks::leader);
    ASSERT_TRUE(appended) << appended.error().to_string();
  }

  // ---- requests
  template <class Response, class Request>
  Sent<Response> send(void (*run)(RawRequest), protocol::ApiKey api, int16_t version, bool flexible,
                      const Request& request) {
    protocol::Writer writer;
    request.encode(writer, version);
    // Record data becomes one block, as it arrives in a frame.
    std::vector<std::byte> body;
    const OutputChain chain = writer.take();
    for (const OutputChain::Piece& piece : chain.pieces()) {
      const Bytes& bytes = std::get<Bytes>(piece);
      body.insert(body.end(), bytes.data(), bytes.data() + bytes.size());
    }
    auto catcher = std::make_shared<ReplyCatcher>();
    catcher->may_hold = connections_hold_;
    run({.services = services_,
         .context = {.api = api,
                     .version = version,
                     .correlation_id = 7,
                     .client_id = std::make_shared<const std::string>(client_id_),
                     .connection = connection_,
                     .received_at = machine_.clock.now()},
         .body = Bytes::adopt(std::move(body)),
         .reply = ReplySlot(catcher, 0, api, version, 7)});
    return {.reply = std::move(catcher), .version = version, .flexible = flexible};
  }

  replication::testing::Machine machine_;
  io::sim::SimRandom random_{17};
  io::sim::SimScheduler scheduler_{machine_.clock, 17};
  std::unique_ptr<io::sim::SimEventLoop> loop_ = scheduler_.make_loop();
  std::string client_id_ = "client";
  bool connections_hold_ = false;  // when asked to
  std::shared_ptr<const ConnectionInfo> connection_ = std::make_shared<const ConnectionInfo>(
      ConnectionInfo{.id = 1, .peer = {}, .local = {}, .listener = "PLAINTEXT", .loop = loop_.get()});
  ConfigValues static_values_;
  metadata::BrokerConfigView broker_{.keys = {}, .static_values = &static_values_, .self = kSelf};
  ServerConfig config_;
  storage::StorageMetrics metrics_;
  metadata::ImageStore images_;
  metadata::ImageBuilder builder_;
  int64_t next_ = 0;
  Purgatory purgatory_{machine_.clock};
  FetchSessionCache sessions_{{.slots = 100}, machine_.clock, random_};
  Services services_;
  std::unique_ptr<storage::LogDir> dir_;
  std::unique_ptr<replication::PartitionManager> partitions_;
};

}  // namespace millrace::server::testing
