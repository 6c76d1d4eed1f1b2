#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_event_loop.h"
#include "broker/metadata/cluster_test_support.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/memory_log_test_support.h"
#include "broker/protocol/api_key.h"
#include "broker/protocol/writer.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

// Calls handlers through their contract, encoded request to encoded reply, over a real controller on a log in memory.
struct AdminTest : testing::Test {
  struct Sink final : ReplySink {
    std::vector<Bytes> frames;
    void complete(uint64_t, Outcome outcome, OutputChain frame, std::chrono::milliseconds) override {
      ASSERT_EQ(outcome, Outcome::reply);
      ASSERT_EQ(frame.pieces().size(), 1u);
      frames.push_back(std::get<Bytes>(frame.pieces().front()));
    }
    void refuse(uint64_t, CloseReason, std::string_view reason) override { FAIL() << reason; }
    bool is_open() const override { return true; }
  };

  io::sim::SimClock clock;
  io::sim::SimScheduler scheduler{clock, 1};
  std::unique_ptr<io::sim::SimEventLoop> loop = scheduler.make_loop();
  metadata::MemoryLog log;
  metadata::TestCluster cluster;  // its keys, static configuration and ids
  metadata::BrokerConfigView view = cluster.context().config;
  metadata::ImageStore& images = log.images;
  std::unique_ptr<metadata::LocalController> controller =
      metadata::LocalController::start({.log = &log,
                                        .clock = &clock,
                                        .config = view,
                                        .new_uuid = [this] { return cluster.uuid(); },
                                        .recovered = {},
                                        .on_failed = {}});
  Services services;
  std::string listener = "PLAINTEXT";

  AdminTest() {
    services.clock = &clock;
    services.images = &images;
    services.controller = controller.get();
    services.broker = &view;
    controller->initialize("the-cluster", {}, [](Result<Unit> done) { ENSURE(done.has_value()); });
    add_broker(0);
  }
  void add_broker(int id, const std::string& rack = "") {
    controller->register_broker(cluster.registration(id, rack),
                                [](Result<metadata::RegisterBrokerReply> done) { ENSURE(done.has_value()); });
  }
  void fence(int id) {
    const int64_t epoch = images.load()->find_broker(BrokerId{id})->epoch;
    controller->set_fenced({BrokerId{id}, epoch, true}, [](Result<Unit> done) { ENSURE(done.has_value()); });
  }
  Uuid create(const std::string& name, int32_t partitions = 1, int32_t replicas = 1) {
    controller->create_topics(
        {{{.name = name, .partitions = partitions, .replication_factor = replicas}}},
        [](Result<metadata::CreateTopicsReply> done) { ENSURE(done && done->topics.front().second.has_value()); });
    return images.load()->find_topic(name)->id;
  }

  template <class Request>
  std::shared_ptr<Sink> start(void (*run)(RawRequest), const Request& request, int16_t version) {
    auto sink = std::make_shared<Sink>();
    protocol::Writer writer;
    request.encode(writer, version);
    auto connection = std::make_shared<ConnectionInfo>();
    connection->listener = listener;
    connection->loop = loop.get();
    RequestContext context{.api = Request::kApiKey, .version = version, .correlation_id = 7};
    context.client_id = std::make_shared<const std::string>("test");
    context.connection = connection;
    run(RawRequest{services, std::move(context), writer.take_bytes(),
                   ReplySlot(sink, 0, Request::kApiKey, version, 7)});
    return sink;
  }
  // The reply that has come, if one has.
  template <class Response>
  static std::optional<Response> reply(const Sink& sink, int16_t version) {
    if (sink.frames.empty()) return std::nullopt;
    EXPECT_EQ(sink.frames.size(), 1u);
    const size_t header = 8u + (protocol::response_header_version(Response::kApiKey, version) == 1 ? 1 : 0);
    const Bytes& frame = sink.frames.front();
    auto decoded = Response::decode(frame.slice(header, frame.size() - header), version);
    EXPECT_TRUE(decoded.has_value());
    return decoded.has_value() ? std::optional<Response>(std::move(*decoded)) : std::nullopt;
  }
  // Of a request that is answered at once.
  template <class Request>
  typename Request::Response call(void (*run)(RawRequest), const Request& request, int16_t version) {
    const auto sink = start(run, request, version);
    auto answer = reply<typename Request::Response>(*sink, version);
    EXPECT_TRUE(answer.has_value()) << "no answer yet";
    return answer ? std::move(*answer) : typename Request::Response{};
  }
};

}  // namespace millrace::server::handlers
