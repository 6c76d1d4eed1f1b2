#include "operator/admin/grpc_cluster_admin.h"

#include <future>

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include "broker/rpc/admin_test_support.h"
#include "broker/rpc/wire/admin.grpc.pb.h"

namespace millrace::admin {
namespace {

using control::ControllerAnswer;
using rpc::PlayedBroker;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Error kNoController{Errc::timed_out, "controller: no broker leads the metadata quorum"};
// A port of 127.0.0.1 on which nobody listens: of a broker that has stopped.
io::Endpoint dead_address() {
  PlayedBroker gone;
  io::Endpoint at = gone.at();
  gone.stop();
  return at;
}
std::unique_ptr<ClusterAdmin> client(std::vector<io::Endpoint> brokers, const std::string& cluster = "c",
                                     milliseconds timeout = seconds(30), milliseconds attempt = seconds(10)) {
  auto made = GrpcClusterAdminConnector().connect(
      {.brokers = std::move(brokers), .cluster_id = cluster, .timeout = timeout, .attempt_timeout = attempt});
  EXPECT_TRUE(made);
  return std::move(*made);
}
metadata::DrainLeadershipReply drained(int32_t moved) { return {.moved = moved}; }

// ---- one broker

TEST(GrpcClusterAdmin, asks_whether_a_broker_may_stop) {
  PlayedBroker broker;
  const auto admin = client({broker.at()});
  broker.answer(ControllerAnswer(metadata::MayStopReply{.expires_ms = 500}));
  const auto granted = admin->may_stop({BrokerId{2}, "me", seconds(60), true});
  ASSERT_TRUE(granted) << granted.error().to_string();
  EXPECT_TRUE(granted->granted);
  EXPECT_EQ(granted->expires_ms, 500);
  const auto question = std::get<metadata::MayStop>(broker.calls().at(0));
  EXPECT_EQ(question.node, BrokerId{2});
  EXPECT_EQ(question.holder, "me");
  EXPECT_EQ(question.ttl, seconds(60));
  EXPECT_TRUE(question.accept_single_replicas);

  metadata::MayStopReply refused{.refusals = {}, .refusals_total = 9};
  using From = metadata::StopRule;
  using To = StopRefusal::Rule;
  const std::vector<std::pair<From, To>> rules{{From::other_permit, To::other_permit},
                                               {From::min_insync, To::min_insync},
                                               {From::no_other_leader, To::no_other_leader},
                                               {From::quorum_majority, To::quorum_majority}};
  for (const auto& [from, to] : rules) refused.refusals.push_back({.rule = from, .words = "w"});
  refused.refusals[1].partition = {"t", PartitionIndex{3}};
  refused.refusals[1].since_ms = 4;
  broker.answer(ControllerAnswer(refused));
  const auto answer = admin->may_stop({BrokerId{2}, "me", seconds(60)});
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->granted);
  EXPECT_EQ(answer->refusals_total, 9);
  ASSERT_EQ(answer->refusals.size(), rules.size());
  for (size_t i = 0; i < rules.size(); ++i) EXPECT_EQ(answer->refusals[i].rule, rules[i].second);
  EXPECT_EQ(answer->refusals[1].partition->to_string(), "t-3");
  EXPECT_EQ(answer->refusals[1].since_ms, 4);
  EXPECT_FALSE(answer->refusals[0].partition);
}

TEST(GrpcClusterAdmin, releases_a_permit_and_hears_whether_it_was_held) {
  PlayedBroker broker;
  const auto admin = client({broker.at()});
  for (const bool held : {true, false}) {
    broker.answer(ControllerAnswer(control::WasSo{held}));
    EXPECT_EQ(*admin->release_permit(BrokerId{1}, "me"), held);
    EXPECT_EQ(*admin->cancel_decommission(BrokerId{1}), held);
  }
}

TEST(GrpcClusterAdmin, drains_leadership) {
  PlayedBroker broker;
  broker.answer(ControllerAnswer(metadata::DrainLeadershipReply{4, 2, {{"t", PartitionIndex{1}}}, true}));
  const auto outcome = client({broker.at()})->drain_leadership(BrokerId{3});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->moved, 4);
  EXPECT_EQ(outcome->left, 2);
  EXPECT_EQ(outcome->first_left.at(0).to_string(), "t-1");
  EXPECT_TRUE(outcome->more);
  EXPECT_EQ(std::get<metadata::DrainLeadership>(broker.calls().at(0)).node, BrokerId{3});
}

TEST(GrpcClusterAdmin, moves_replicas_and_plans_to) {
  PlayedBroker broker;
  const auto admin = client({broker.at()});
  metadata::MovePlan plan{.moves = {}, .moving = 1, .left = 2, .stuck = 3};
  plan.moves.push_back({{"t", PartitionIndex{5}}, {BrokerId{1}, BrokerId{2}}, {BrokerId{3}, BrokerId{2}}});
  broker.answer(ControllerAnswer(plan));
  const auto step = admin->rebalance(7);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->total, 1);
  EXPECT_EQ(step->moving, 1);
  EXPECT_EQ(step->left, 2);
  EXPECT_EQ(step->stuck, 3);
  EXPECT_EQ(step->moves.at(0).partition.to_string(), "t-5");
  EXPECT_EQ(step->moves.at(0).before, (std::vector{BrokerId{1}, BrokerId{2}}));
  EXPECT_EQ(step->moves.at(0).after, (std::vector{BrokerId{3}, BrokerId{2}}));
  EXPECT_FALSE(step->is_done());
  EXPECT_EQ(admin->plan_rebalance()->total, 3) << "a plan is of all moves";
  EXPECT_EQ(admin->plan_decommission(BrokerId{0})->left, 0);
  EXPECT_EQ(std::get<metadata::Rebalance>(broker.calls().at(0)).moves_max, 7);
  EXPECT_EQ(std::get<control::PlanMoves>(broker.calls().at(1)).decommission, std::nullopt);
  EXPECT_EQ(std::get<control::PlanMoves>(broker.calls().at(2)).decommission, BrokerId{0});

  broker.answer(ControllerAnswer(Unit{}));
  EXPECT_TRUE(admin->decommission(BrokerId{4}, 0));
  EXPECT_EQ(std::get<metadata::Decommission>(broker.calls().at(3)).moves_max, metadata::kDecommissionMovesDefault);
  EXPECT_TRUE(admin->unregister(BrokerId{4}));
  EXPECT_EQ(std::get<metadata::UnregisterBroker>(broker.calls().at(4)).id, BrokerId{4});
}

TEST(GrpcClusterAdmin, describes_the_cluster_as_the_controller_sees_it) {
  PlayedBroker broker;
  const metadata::ClusterReport report = rpc::full_report();
  broker.answer(ControllerAnswer(report));
  const auto state = client({broker.at()})->describe();
  ASSERT_TRUE(state) << state.error().to_string();
  EXPECT_EQ(state->no_controller, "");
  EXPECT_EQ(state->cluster_id, "c");
  EXPECT_EQ(state->controller, report.controller);
  EXPECT_EQ(state->metadata_offset, report.applied.value());
  EXPECT_EQ(state->now_ms, report.now_ms);
  EXPECT_EQ(state->topics, 1);
  EXPECT_EQ(state->partitions, 100'000);
  EXPECT_EQ(state->leaderless, INT32_MAX);
  ASSERT_EQ(state->voters.size(), 2u);
  EXPECT_TRUE(state->voters[0].live);
  EXPECT_FALSE(state->voters[1].live);

  const BrokerState* full = state->find(BrokerId{INT32_MAX});
  ASSERT_NE(full, nullptr);
  EXPECT_EQ(full->epoch, INT64_MAX);
  EXPECT_FALSE(full->fenced);
  EXPECT_TRUE(full->shutting_down);
  EXPECT_EQ(full->heard_ago, milliseconds(0));
  EXPECT_EQ(full->directory_id, report.brokers[2].directory_id.to_string());
  EXPECT_EQ(full->listeners.at(0).at.to_string(), "a:65535");
  EXPECT_EQ(full->rpc.to_string(), "r:9091");
  EXPECT_EQ(full->leaders, 3);
  EXPECT_EQ(full->replicas, 100'000);
  EXPECT_EQ(full->in_sync, 99'999);
  EXPECT_EQ(full->permit->holder, "me");
  EXPECT_EQ(full->permit->granted_ms, 1);
  EXPECT_EQ(full->permit->expires_ms, 2);
  EXPECT_EQ(full->decommission->left, 7);
  EXPECT_EQ(full->decommission->moving, 2);
  EXPECT_EQ(full->decommission->first_stuck->to_string(), "t-0");
  EXPECT_EQ(full->decommission->remaining, std::chrono::hours(900));

  const BrokerState* bare = state->find(BrokerId{0});
  EXPECT_EQ(bare->heard_ago, std::nullopt);
  EXPECT_FALSE(bare->permit);
  EXPECT_FALSE(bare->decommission);
  EXPECT_EQ(state->find(BrokerId{1})->decommission->remaining, std::nullopt);
}

TEST(GrpcClusterAdmin, the_controllers_refusal_is_the_callers_and_nobody_else_is_asked) {
  PlayedBroker first(1), second(2);
  first.answer(Result<ControllerAnswer>(Error{Errc::policy_violation, "broker 4 holds 3 replicas"}));
  const auto refused = client({first.at(), second.at()})->unregister(BrokerId{4});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::policy_violation);
  EXPECT_EQ(refused.error().context, "broker 4 holds 3 replicas");
  EXPECT_TRUE(second.calls().empty());
}

// ---- several addresses

TEST(GrpcClusterAdmin, an_address_where_nobody_is_costs_nothing_but_the_next_one) {
  PlayedBroker broker;
  broker.answer(ControllerAnswer(drained(1)));
  const auto admin = client({dead_address(), broker.at()});
  ASSERT_TRUE(admin->drain_leadership(BrokerId{1}));
  ASSERT_TRUE(admin->drain_leadership(BrokerId{1}));
  EXPECT_EQ(broker.calls().size(), 2u);
}

TEST(GrpcClusterAdmin, an_address_of_another_cluster_is_passed_over) {
  PlayedBroker foreign(1, "d"), broker(1, "c");
  broker.answer(ControllerAnswer(drained(1)));
  ASSERT_TRUE(client({foreign.at(), broker.at()})->drain_leadership(BrokerId{1}));
  EXPECT_TRUE(foreign.calls().empty());
}

TEST(GrpcClusterAdmin, who_reaches_nobody_but_another_cluster_hears_of_it) {
  PlayedBroker foreign(1, "d");
  const io::Endpoint dead = dead_address();
  const auto refused = client({foreign.at(), dead})->describe();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::cluster_mismatch) << "that nobody is at the other address says less";
  EXPECT_NE(refused.error().context.find("the operator belongs to cluster c, broker 1 to cluster d"), std::string::npos)
      << refused.error().context;
  EXPECT_NE(refused.error().context.find(dead.to_string()), std::string::npos) << "the words name each address";
}

TEST(GrpcClusterAdmin, a_broker_of_another_version_is_refused_by_name) {
  PlayedBroker later(1, "c", rpc::kProtocolVersion + 1);
  EXPECT_EQ(client({later.at()})->describe().error().code, Errc::unsupported_version);
}

// Takes every caller and says what it is told to say of itself.
struct Impostor final : rpc::v1::ClusterAdmin::Service {
  explicit Impostor(rpc::CallMetadata says) : metadata(std::move(says)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server = builder.BuildAndStart();
  }
  ~Impostor() override { server->Shutdown(); }
  grpc::Status DrainLeadership(grpc::ServerContext* context, const rpc::v1::DrainLeadershipRequest*,
                               rpc::v1::DrainLeadershipReply*) override {
    for (const auto& [name, value] : metadata) context->AddInitialMetadata(name, value);
    return grpc::Status::OK;
  }
  io::Endpoint at() const { return {"127.0.0.1", static_cast<uint16_t>(port)}; }

  const rpc::CallMetadata metadata;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

TEST(GrpcClusterAdmin, an_answer_is_believed_only_of_who_says_that_it_belongs_to_the_cluster) {
  Impostor nobody({}), foreign(to_metadata(rpc::Identity{.cluster_id = "d", .node = BrokerId{1}}));
  Impostor good(to_metadata(rpc::Identity{.cluster_id = "c", .node = BrokerId{1}}));
  EXPECT_EQ(client({nobody.at()})->drain_leadership(BrokerId{1}).error().code, Errc::unsupported_version);
  EXPECT_EQ(client({foreign.at()})->drain_leadership(BrokerId{1}).error().code, Errc::cluster_mismatch);
  EXPECT_TRUE(client({nobody.at(), foreign.at(), good.at()})->drain_leadership(BrokerId{1}));
  EXPECT_EQ(client({good.at()})->rebalance(0).error().code, Errc::unsupported_version) << "it does not serve that";
}

TEST(GrpcClusterAdmin, a_broker_that_reaches_no_controller_is_passed_over) {
  PlayedBroker isolated(1), broker(2);
  isolated.answer(Result<ControllerAnswer>(kNoController));
  broker.answer(ControllerAnswer(drained(6)));
  const auto admin = client({isolated.at(), broker.at()});
  EXPECT_EQ(admin->drain_leadership(BrokerId{1})->moved, 6);
  EXPECT_EQ(admin->drain_leadership(BrokerId{1})->moved, 6);
  EXPECT_EQ(isolated.calls().size(), 1u) << "the address that served last comes first";
}

TEST(GrpcClusterAdmin, with_no_controller_anywhere_a_change_times_out_and_a_description_is_of_what_was_seen_last) {
  PlayedBroker first(1), second(2);
  for (PlayedBroker* broker : {&first, &second}) broker->answer(Result<ControllerAnswer>(kNoController));
  first.have_seen({.cluster_id = "c", .applied = Offset{11}});
  second.have_seen({.cluster_id = "c", .applied = Offset{22}});
  const auto admin = client({first.at(), second.at(), dead_address()});
  const auto drain = admin->drain_leadership(BrokerId{1});
  ASSERT_FALSE(drain);
  EXPECT_EQ(drain.error().code, Errc::timed_out);
  EXPECT_NE(drain.error().context.find(second.at().to_string() + ": controller: no broker leads"), std::string::npos)
      << drain.error().context;
  const auto state = admin->describe();
  ASSERT_TRUE(state);
  EXPECT_EQ(state->no_controller, "controller: no broker leads the metadata quorum: timed out");
  EXPECT_EQ(state->metadata_offset, 11) << "the first broker's";

  second.answer(ControllerAnswer(metadata::ClusterReport{.cluster_id = "c", .applied = Offset{33}}));
  EXPECT_EQ(admin->describe()->metadata_offset, 33) << "the controller's word counts more";
}

TEST(GrpcClusterAdmin, an_address_that_does_not_answer_in_time_is_passed_over) {
  PlayedBroker silent(1), broker(2);
  broker.answer(ControllerAnswer(drained(6)));
  const auto admin = client({silent.at(), broker.at()}, "c", seconds(30), seconds(1));
  EXPECT_EQ(admin->drain_leadership(BrokerId{1})->moved, 6);
}

TEST(GrpcClusterAdmin, a_call_ends_with_its_time_though_addresses_are_left) {
  PlayedBroker silent(1), other(2);
  const auto admin = client({silent.at(), other.at()}, "c", milliseconds(100), seconds(30));
  const auto drain = admin->drain_leadership(BrokerId{1});
  ASSERT_FALSE(drain);
  EXPECT_EQ(drain.error().code, Errc::timed_out);
  EXPECT_NE(drain.error().context.find("no time was left to ask"), std::string::npos) << drain.error().context;
  EXPECT_TRUE(other.calls().empty());
}

TEST(GrpcClusterAdmin, a_broker_that_was_forgotten_without_a_word_is_not_missed) {
  PlayedBroker silent(1), broker(2);
  broker.answer(Result<ControllerAnswer>(Error{Errc::broker_not_registered, "broker 4"}));
  EXPECT_TRUE(client({silent.at(), broker.at()}, "c", seconds(30), seconds(1))->unregister(BrokerId{4}));
  EXPECT_EQ(client({broker.at()})->unregister(BrokerId{4}).error().code, Errc::broker_not_registered);
}

// ---- which cluster

TEST(GrpcClusterAdmin, who_does_not_know_the_cluster_takes_that_of_the_first_broker_that_answers) {
  PlayedBroker first(1, "d"), second(2, "c");
  first.answer(ControllerAnswer(drained(1)));
  second.answer(ControllerAnswer(drained(2)));
  const auto admin = client({dead_address(), first.at(), second.at()}, "");
  EXPECT_EQ(admin->drain_leadership(BrokerId{1})->moved, 1);
  first.stop();
  EXPECT_EQ(admin->drain_leadership(BrokerId{1}).error().code, Errc::cluster_mismatch) << "and stays with it";
}

TEST(GrpcClusterAdmin, nobody_there_is_a_refused_connection) {
  const auto refused = client({dead_address(), dead_address()}, "")->describe();
  EXPECT_EQ(refused.error().code, Errc::connection_refused);
}

// ---- each by itself

TEST(GrpcClusterAdmin, each_broker_tells_what_it_knows_itself_in_the_order_of_the_addresses) {
  PlayedBroker first(1), foreign(7, "d"), second(2);
  const Uuid directory = Uuid::from_random(1, 2);
  second.know({.id = BrokerId{2},
               .cluster_id = "c",
               .version = "1.2",
               .waits_for = "a controller",
               .fenced = true,
               .isolated = true,
               .isolated_since_ms = 9,
               .quorum = {.role = rpc::QuorumSelf::Role::leader,
                          .leader = BrokerId{2},
                          .term = 5,
                          .committed = 6,
                          .last = 7,
                          .voters = {{BrokerId{1}, directory, {"h", 1}}, {BrokerId{2}, directory, {}}}},
               .log_bytes = UINT64_MAX,
               .now_ms = 10});
  for (const std::string cluster : {"c", ""}) {
    const auto admin = client({first.at(), dead_address(), foreign.at(), second.at()}, cluster);
    const auto answers = admin->ask_each();
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[0]->id, BrokerId{1});
    EXPECT_EQ(answers[1].error().code, Errc::connection_refused);
    EXPECT_EQ(answers[2].error().code, Errc::cluster_mismatch);
    EXPECT_NE(answers[2].error().context.find(foreign.at().to_string()), std::string::npos);
    ASSERT_TRUE(answers[3]);
    const BrokerSelf& self = *answers[3];
    EXPECT_EQ(self.version, "1.2");
    EXPECT_EQ(self.waits_for, "a controller");
    EXPECT_TRUE(self.fenced);
    EXPECT_TRUE(self.isolated);
    EXPECT_EQ(self.isolated_since_ms, 9);
    EXPECT_EQ(self.quorum.role, QuorumSelf::Role::leader);
    EXPECT_EQ(self.quorum.leader, BrokerId{2});
    EXPECT_EQ(self.quorum.term, 5);
    EXPECT_EQ(self.quorum.committed, 6);
    EXPECT_EQ(self.quorum.last, 7);
    EXPECT_EQ(self.quorum.voters.at(0).rpc->to_string(), "h:1");
    EXPECT_EQ(self.quorum.voters.at(0).directory_id, directory.to_string());
    EXPECT_FALSE(self.quorum.voters.at(1).rpc);
    EXPECT_EQ(self.log_bytes, UINT64_MAX);
    EXPECT_EQ(self.now_ms, 10);
  }
  EXPECT_TRUE(first.calls().empty()) << "nobody asks the controller";
}

TEST(GrpcClusterAdmin, several_callers_share_a_client) {
  PlayedBroker broker;
  broker.answer(ControllerAnswer(drained(1)));
  const auto admin = client({broker.at()}, "");
  std::vector<std::future<Result<Drained>>> calls;
  for (int i = 0; i < 8; ++i) {
    calls.push_back(std::async(std::launch::async, [&] { return admin->drain_leadership(BrokerId{1}); }));
  }
  for (auto& call : calls) EXPECT_TRUE(call.get());
}

TEST(GrpcClusterAdmin, a_client_needs_an_address_and_time) {
  GrpcClusterAdminConnector connector;
  EXPECT_EQ(connector.connect({}).error().code, Errc::invalid_argument);
  EXPECT_EQ(connector.connect({.brokers = {{"", 1}}}).error().code, Errc::invalid_argument);
  EXPECT_EQ(connector.connect({.brokers = {{"h", 0}}}).error().code, Errc::invalid_argument);
  EXPECT_EQ(connector.connect({.brokers = {{"h", 1}}, .timeout = milliseconds(0)}).error().code,
            Errc::invalid_argument);
}

}  // namespace
}  // namespace millrace::admin
