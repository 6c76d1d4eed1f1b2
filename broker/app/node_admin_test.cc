#include <array>
#include <cstdlib>
#include <filesystem>
#include <future>

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/app/node.h"
#include "broker/io/posix/posix_file_system.h"
#include "broker/rpc/wire/admin.grpc.pb.h"
#include "broker/rpc/wire/call_error.h"
#include "broker/rpc/wire/handshake.h"

namespace millrace::app {
namespace {

namespace v1 = rpc::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Stub = v1::ClusterAdmin::Stub;

constexpr const char* kCluster = "AAAAAAAAAAAAAAAAAAAAAA";

// Brokers 1 to 3 in this process, all of them voters, and what operators hear from each.
struct NodeAdminTest : testing::Test {
  struct One {
    std::unique_ptr<Node> node;
    std::promise<void> serving;
    std::unique_ptr<Stub> stub;
  };
  struct Outcome {
    grpc::Status status;
    std::string error;
  };

  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "millrace-admin-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    // Ports below those that the system gives to clients.
    auto port = static_cast<uint16_t>(10'000 + getpid() % 10'000);
    for (uint16_t& each : ports) {
      while (!is_free(port)) ++port;
      each = port++;
    }
  }
  void TearDown() override {
    stop_all();
    std::filesystem::remove_all(directory);
  }

  static bool is_free(uint16_t candidate) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(candidate);
    const bool is_bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return is_bound;
  }

  void start(int id) {
    std::string voters;
    for (size_t i = 0; i < ports.size(); ++i) {
      voters += (i == 0 ? "" : ",") + std::to_string(i + 1) + "@127.0.0.1:" + std::to_string(ports[i]);
    }
    const std::string rpc = "127.0.0.1:" + std::to_string(ports[static_cast<size_t>(id - 1)]);
    const ConfigSources sources{
        .file = {},
        .sets = {"node.id=" + std::to_string(id), "listeners=PLAINTEXT://127.0.0.1:0",
                 "millrace.http.listener=127.0.0.1:0", "millrace.rpc.listener=" + rpc,
                 "controller.quorum.voters=" + voters, std::string("millrace.cluster.id=") + kCluster,
                 "millrace.controlled.shutdown.timeout.ms=500"},
        .data_dir = directory + "/" + std::to_string(id)};
    io::posix::PosixFileSystem fs;
    auto config = read_node_config(fs, sources);
    ASSERT_TRUE(config) << config.error().to_string();
    One& one = brokers[static_cast<size_t>(id - 1)];
    auto node = Node::open(*std::move(config), {.on_serving = [&one] { one.serving.set_value(); }});
    ASSERT_TRUE(node) << node.error().to_string();
    one.node = std::move(*node);
    one.stub = v1::ClusterAdmin::NewStub(grpc::CreateChannel(rpc, grpc::InsecureChannelCredentials()));
  }
  void start_all() {
    for (const int id : {1, 2, 3}) ASSERT_NO_FATAL_FAILURE(start(id));
    for (One& one : brokers) {
      ASSERT_EQ(one.serving.get_future().wait_for(seconds(60)), std::future_status::ready);
    }
  }
  void stop(int id) {
    One& one = brokers[static_cast<size_t>(id - 1)];
    if (one.node) {
      EXPECT_TRUE(one.node->stop());
    }
    one.node.reset();
  }
  void stop_all() {
    for (const int id : {1, 2, 3}) stop(id);
  }

  // Asks broker `id`.
  template <class Request, class Reply>
  Outcome ask(int id, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
              const Request& request, Reply& reply, milliseconds timeout = seconds(30)) {
    grpc::ClientContext context;
    for (const auto& [name, value] : to_metadata(rpc::Identity{.cluster_id = kCluster})) {
      context.AddMetadata(name, value);
    }
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout.count(), GPR_TIMESPAN)));
    Outcome outcome;
    outcome.status = (brokers[static_cast<size_t>(id - 1)].stub.get()->*method)(&context, request, &reply);
    for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
      if (name == rpc::kErrorMetadata) outcome.error = {value.data(), value.size()};
    }
    return outcome;
  }
  v1::ClusterReport describe(int id) {
    v1::ClusterReport report;
    const Outcome outcome = ask(id, &Stub::DescribeCluster, v1::DescribeClusterRequest{}, report);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status.error_message();
    return report;
  }
  v1::BrokerSelf self(int id) {
    v1::BrokerSelf self;
    const Outcome outcome = ask(id, &Stub::DescribeBroker, v1::DescribeBrokerRequest{}, self);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status.error_message();
    return self;
  }
  v1::MayStopReply may_stop(int asked, int node) {
    v1::MayStopRequest request;
    request.set_node(node);
    request.set_holder("test");
    request.set_ttl_ms(60'000);
    v1::MayStopReply reply;
    const Outcome outcome = ask(asked, &Stub::MayStop, request, reply);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status.error_message();
    return reply;
  }
  // A voter that was not heard from for a moment, as on a busy machine, is reason enough to refuse; whoever wants to
  // stop asks again.
  v1::MayStopReply granted_stop(int asked, int node) {
    v1::MayStopReply reply = may_stop(asked, node);
    for (int again = 0; !reply.granted() && again < 10'000; ++again) reply = may_stop(asked, node);
    return reply;
  }
  bool release(int asked, int node) {
    v1::ReleasePermitRequest request;
    request.set_node(node);
    request.set_holder("test");
    v1::ReleasePermitReply reply;
    const Outcome outcome = ask(asked, &Stub::ReleasePermit, request, reply);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status.error_message();
    return reply.was_held();
  }

  std::string directory;
  std::array<uint16_t, 3> ports{};
  std::array<One, 3> brokers;
};

TEST_F(NodeAdminTest, a_broker_that_waits_for_the_others_tells_what_it_knows_and_what_it_waits_for) {
  ASSERT_NO_FATAL_FAILURE(start(1));
  const v1::BrokerSelf known = self(1);
  EXPECT_EQ(known.id(), 1);
  EXPECT_EQ(known.cluster_id(), kCluster);
  EXPECT_EQ(known.version(), kBuildVersion);
  EXPECT_EQ(known.waits_for(), "is not registered: no controller has answered yet");
  EXPECT_TRUE(known.fenced());
  EXPECT_TRUE(known.isolated());
  EXPECT_GT(known.isolated_since_ms(), 0);
  EXPECT_LE(known.isolated_since_ms(), known.now_ms());
  EXPECT_EQ(known.quorum().leader(), -1);

  const v1::ClusterReport report = describe(1);
  EXPECT_NE(report.no_controller().find("no broker leads the metadata quorum"), std::string::npos)
      << report.no_controller();
  EXPECT_EQ(report.cluster_id(), kCluster);
  EXPECT_EQ(report.controller(), -1);
  EXPECT_EQ(report.metadata_offset(), -1);
  EXPECT_EQ(report.brokers_size(), 0);

  v1::DrainLeadershipReply drained;
  EXPECT_EQ(ask(1, &Stub::DrainLeadership, v1::DrainLeadershipRequest{}, drained, milliseconds(500)).error,
            "timed_out");
}

TEST_F(NodeAdminTest, whichever_broker_is_asked_the_controller_decides) {
  ASSERT_NO_FATAL_FAILURE(start_all());
  for (const int id : {1, 2, 3}) {
    const v1::ClusterReport report = describe(id);
    EXPECT_EQ(report.no_controller(), "");
    EXPECT_EQ(report.brokers_size(), 3);
    EXPECT_EQ(report.voters_size(), 3);
    EXPECT_EQ(report.controller(), describe(1).controller());
    for (const v1::BrokerReport& broker : report.brokers()) {
      EXPECT_FALSE(broker.fenced());
      EXPECT_GE(broker.heard_ago_ms(), 0);
      EXPECT_EQ(broker.rpc().port(), ports[static_cast<size_t>(broker.id() - 1)]);
      EXPECT_NE(broker.directory_id(), "");
    }
    const v1::BrokerSelf known = self(id);
    EXPECT_EQ(known.waits_for(), "");
    EXPECT_FALSE(known.isolated());
    EXPECT_EQ(known.isolated_since_ms(), -1);
    EXPECT_EQ(known.quorum().leader(), report.controller());
    EXPECT_EQ(known.quorum().role() == v1::QuorumSelf::LEADER, report.controller() == id);
    EXPECT_EQ(known.quorum().voters_size(), 3);
    EXPECT_EQ(known.quorum().voters(0).rpc().port(), ports[static_cast<size_t>(known.quorum().voters(0).id() - 1)]);
  }

  const v1::MayStopReply granted = granted_stop(1, 3);
  ASSERT_TRUE(granted.granted()) << granted.ShortDebugString();
  const v1::MayStopReply refused = may_stop(2, 1);
  EXPECT_FALSE(refused.granted()) << "the quorum would lose its majority";
  EXPECT_EQ(refused.refusals(0).rule(), v1::StopRefusal::QUORUM_MAJORITY);
  EXPECT_EQ(describe(2).brokers(2).permit().holder(), "test");
  EXPECT_TRUE(release(3, 3));
  EXPECT_FALSE(release(1, 3)) << "not held any more";
}

TEST_F(NodeAdminTest, replicas_are_moved_off_a_broker_and_brokers_forgotten_from_any_broker) {
  ASSERT_NO_FATAL_FAILURE(start_all());
  for (const int asked : {1, 2, 3}) {
    v1::DecommissionRequest decommission;
    decommission.set_node(2);
    v1::DecommissionReply begun;
    ASSERT_TRUE(ask(asked, &Stub::Decommission, decommission, begun).status.ok());
    EXPECT_EQ(describe(asked).brokers(1).decommission().moves_max(), 20);
    v1::CancelDecommissionRequest cancel;
    cancel.set_node(2);
    v1::CancelDecommissionReply cancelled;
    ASSERT_TRUE(ask(asked, &Stub::CancelDecommission, cancel, cancelled).status.ok());
    EXPECT_TRUE(cancelled.was_decommissioned());
    ASSERT_TRUE(ask(asked, &Stub::CancelDecommission, cancel, cancelled).status.ok());
    EXPECT_FALSE(cancelled.was_decommissioned());

    v1::PlanMovesRequest plan;
    plan.set_decommission(9);
    v1::MovesReply moves;
    EXPECT_EQ(ask(asked, &Stub::PlanMoves, plan, moves).error, "broker_not_registered");
    plan.set_rebalance(true);
    EXPECT_TRUE(ask(asked, &Stub::PlanMoves, plan, moves).status.ok());
    v1::RebalanceRequest rebalance;
    EXPECT_TRUE(ask(asked, &Stub::Rebalance, rebalance, moves).status.ok());
    rebalance.set_moves_max(-1);
    EXPECT_EQ(ask(asked, &Stub::Rebalance, rebalance, moves).error, "invalid_argument");
    v1::DrainLeadershipRequest drain;
    drain.set_node(1);
    v1::DrainLeadershipReply drained;
    EXPECT_TRUE(ask(asked, &Stub::DrainLeadership, drain, drained).status.ok());
    v1::UnregisterRequest unregister;
    unregister.set_node(1);
    v1::UnregisterReply gone;
    const Outcome refused = ask(asked, &Stub::Unregister, unregister, gone);
    EXPECT_EQ(refused.error, "policy_violation");
    EXPECT_NE(refused.status.error_message().find("member of the metadata quorum"), std::string::npos);
  }
}

TEST_F(NodeAdminTest, a_broker_that_lost_the_others_tells_the_cluster_as_it_saw_it_last) {
  ASSERT_NO_FATAL_FAILURE(start_all());
  const v1::ClusterReport before = describe(1);
  stop(3);
  stop(2);
  v1::ClusterReport report = describe(1);
  // It may lead for as long as it takes to notice.
  for (int i = 0; i < 10'000 && report.no_controller().empty(); ++i) report = describe(1);
  EXPECT_NE(report.no_controller(), "");
  EXPECT_EQ(report.brokers_size(), 3);
  EXPECT_GE(report.metadata_offset(), before.metadata_offset());
  EXPECT_EQ(report.voters_size(), 0);
  EXPECT_EQ(report.brokers(0).heard_ago_ms(), -1);
  EXPECT_EQ(report.brokers(0).rpc().port(), ports[0]);
  v1::DrainLeadershipReply drained;
  EXPECT_EQ(ask(1, &Stub::DrainLeadership, v1::DrainLeadershipRequest{}, drained, milliseconds(500)).error,
            "timed_out");
}

}  // namespace
}  // namespace millrace::app
