#include "operator/local/pod_names.h"

#include <gtest/gtest.h>

namespace millrace::local {
namespace {

using kube::Object;

class PodNames : public testing::Test {
 protected:
  Result<std::string> local(const std::string& text) {
    return with_local_addresses(text, pod_, [this](const kube::ObjectKey& key) -> std::optional<Ports> {
      EXPECT_EQ(key.kind, "Pod");
      EXPECT_EQ(key.name_space, "shop");
      const auto found = ports_.find(key.name);
      return found == ports_.end() ? std::nullopt : std::optional(found->second);
    });
  }

  Object pod_ = *Object::parse(R"({"kind":"Pod","metadata":{"name":"c-kafka-1","namespace":"shop"},"spec":{
    "subdomain":"c-kafka-brokers","containers":[{"name":"kafka","ports":[
      {"name":"plain","containerPort":9092},{"name":"rpc","containerPort":9091}]}]}})");
  std::map<std::string, Ports> ports_{{"c-kafka-0", {{"plain", 9092}, {"rpc", 9091}}},
                                      {"c-kafka-1", {{"plain", 9192}, {"rpc", 9191}}},
                                      {"c-kafka-12", {{"plain", 40000}, {"rpc", 40001}}}};
};

TEST_F(PodNames, names_of_siblings_become_addresses_of_this_machine) {
  EXPECT_EQ(*local("voters: 0@c-kafka-0.c-kafka-brokers.shop.svc:9091,1@c-kafka-1.c-kafka-brokers.shop.svc:9091\n"),
            "voters: 0@127.0.0.1:9091,1@127.0.0.1:9191\n");
  EXPECT_EQ(*local("PLAIN://c-kafka-12.c-kafka-brokers.shop.svc:9092"), "PLAIN://127.0.0.1:40000");
}

TEST_F(PodNames, whatever_else_looks_alike_stays) {
  for (const char* text : {"c-kafka-0.c-kafka-brokers.other.svc:9091", "c-kafka-0.b-kafka-brokers.shop.svc:9091",
                           "c-kafka-0.c-kafka-brokers.shop.svc:7777",
                           "c-kafka-0.c-kafka-brokers.shop.svc:", "c-kafka-0.c-kafka-brokers.shop.svc:99999",
                           "c-kafka-0.c-kafka-brokers.shop.svc", ".c-kafka-brokers.shop.svc:9091", "orders:9092", ""}) {
    EXPECT_EQ(*local(text), text);
  }
}

TEST_F(PodNames, a_pod_whose_ports_are_not_chosen_yet_is_named) {
  const Result<std::string> made = local("2@c-kafka-2.c-kafka-brokers.shop.svc:9091");
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, Errc::not_found);
  EXPECT_NE(made.error().context.find("c-kafka-2"), std::string::npos);
}

TEST_F(PodNames, a_pod_without_a_service_has_no_siblings) {
  pod_ = *Object::parse(R"({"kind":"Pod","metadata":{"name":"p","namespace":"shop"},"spec":{}})");
  EXPECT_EQ(*local("c-kafka-0.c-kafka-brokers.shop.svc:9091"), "c-kafka-0.c-kafka-brokers.shop.svc:9091");
}

}  // namespace
}  // namespace millrace::local
