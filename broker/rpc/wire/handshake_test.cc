#include "broker/rpc/wire/handshake.h"

#include <gtest/gtest.h>

namespace millrace::rpc {
namespace {

const Identity kSelf{.cluster_id = "c",
                     .node = BrokerId{1},
                     .directory_id = Uuid::from_random(1, 2),
                     .incarnation = Uuid::from_random(3, 4)};

Identity other() {
  Identity identity = kSelf;
  identity.node = BrokerId{2};
  identity.incarnation = Uuid::from_random(5, 6);
  return identity;
}

TEST(Handshake, metadata_carries_an_identity_unchanged) {
  const auto read = from_metadata(to_metadata(kSelf));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, kSelf);
}

TEST(Handshake, metadata_carries_the_address_of_who_says_one) {
  Identity said = kSelf;
  said.at = {"b.example", 9191};
  const auto read = from_metadata(to_metadata(said));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, said);
  said.at.port = 0;
  EXPECT_EQ(from_metadata(to_metadata(said))->at, io::Endpoint{}) << "no port, no address";
  for (const auto& [host, port] : std::map<std::string, std::string>{
           {"a", "0"}, {"b", "65536"}, {"c", "-1"}, {"d", "x"}, {"", "1"}, {std::string(256, 'h'), "1"}}) {
    CallMetadata spoiled = to_metadata(kSelf);
    spoiled["millrace-host"] = host;
    spoiled["millrace-port"] = port;
    EXPECT_EQ(from_metadata(spoiled).error().code, Errc::malformed) << host << ":" << port;
  }
  CallMetadata without = to_metadata(kSelf);
  without["millrace-host"] = "a";
  EXPECT_EQ(from_metadata(without).error().code, Errc::malformed);
}

TEST(Handshake, an_identity_that_lacks_a_part_or_has_an_unreadable_one_is_malformed) {
  for (const auto& [name, value] : to_metadata(kSelf)) {
    CallMetadata without = to_metadata(kSelf);
    without.erase(name);
    EXPECT_EQ(from_metadata(without).error().code, Errc::malformed) << name;
    if (name == "millrace-cluster") continue;  // any text is one
    CallMetadata spoiled = to_metadata(kSelf);
    spoiled[name] = "12x";
    EXPECT_FALSE(from_metadata(spoiled)) << name;
  }
}

TEST(Handshake, a_broker_of_the_same_cluster_and_version_may_call) {
  EXPECT_TRUE(check_caller(kSelf, other()));
  EXPECT_TRUE(check_caller(kSelf, kSelf));
}

TEST(Handshake, another_version_or_cluster_is_refused_in_words_that_name_both) {
  Identity old = other();
  old.version = kProtocolVersion + 1;
  const Status version = check_caller(kSelf, old);
  EXPECT_EQ(version.error().code, Errc::unsupported_version);
  EXPECT_NE(version.error().context.find("broker 2 speaks version 2"), std::string::npos) << version.error().context;

  Identity foreign = other();
  foreign.cluster_id = "d";
  const Status cluster = check_caller(kSelf, foreign);
  EXPECT_EQ(cluster.error().code, Errc::cluster_mismatch);
  EXPECT_EQ(cluster.error().context, "broker 2 belongs to cluster d, broker 1 to cluster c");
}

TEST(Handshake, who_is_no_broker_is_refused) {
  Identity nobody = other();
  nobody.node = kNoBroker;
  EXPECT_EQ(check_caller(kSelf, nobody).error().code, Errc::cluster_mismatch);
}

Identity an_operator(const std::string& cluster = "c") { return {.cluster_id = cluster}; }

TEST(Handshake, an_operator_is_a_caller_that_says_so_and_has_no_node) {
  const auto read = from_metadata(to_metadata(an_operator()));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, an_operator());
  EXPECT_TRUE(read->is_operator());
  CallMetadata other_role = to_metadata(an_operator());
  other_role["millrace-role"] = "guest";
  EXPECT_EQ(from_metadata(other_role).error().code, Errc::malformed);
}

TEST(Handshake, an_operator_may_call_as_an_operator_only) {
  EXPECT_TRUE(check_operator(kSelf, an_operator(), false));
  EXPECT_TRUE(check_operator(kSelf, other(), false)) << "a broker may ask what an operator may";
  EXPECT_EQ(check_caller(kSelf, an_operator()).error().code, Errc::cluster_mismatch);
}

TEST(Handshake, an_operator_that_does_not_know_the_cluster_may_ask_for_it_and_nothing_else) {
  EXPECT_TRUE(check_operator(kSelf, an_operator(""), true));
  EXPECT_FALSE(check_operator(kSelf, an_operator(""), false));
  const Status foreign = check_operator(kSelf, an_operator("d"), true);
  EXPECT_EQ(foreign.error().context, "the operator belongs to cluster d, broker 1 to cluster c");
  Identity nameless_broker = other();
  nameless_broker.cluster_id = "";
  EXPECT_FALSE(check_operator(kSelf, nameless_broker, true));
  Identity old = an_operator("");
  old.version = kProtocolVersion + 1;
  EXPECT_EQ(check_operator(kSelf, old, true).error().code, Errc::unsupported_version);
}

TEST(Handshake, a_second_process_with_this_brokers_id_is_refused) {
  Identity twin = other();
  twin.node = kSelf.node;
  const Status refused = check_caller(kSelf, twin);
  EXPECT_EQ(refused.error().code, Errc::cluster_mismatch);
  EXPECT_NE(refused.error().context.find("node.id 1"), std::string::npos);
}

TEST(Handshake, a_caller_that_reaches_another_broker_than_it_meant_hears_who_answers) {
  EXPECT_TRUE(check_server(kSelf, other(), BrokerId{2}, "here:1"));
  EXPECT_TRUE(check_server(kSelf, other(), kNoBroker, "here:1"));
  const Status wrong = check_server(kSelf, other(), BrokerId{3}, "here:1");
  EXPECT_EQ(wrong.error().context, "here:1 is said to be of broker 3, but broker 2 answers there");
}

}  // namespace
}  // namespace millrace::rpc
