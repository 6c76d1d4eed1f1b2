#include "operator/local/pod_command.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

namespace millrace::local {
namespace {

using kube::Object;

Object pod(const std::string& container) {
  return *Object::parse(R"({"kind":"Pod","metadata":{"name":"p-0","namespace":"ns","labels":{"a/b":"7"}},"spec":{
    "volumes":[{"name":"config","configMap":{"name":"cm"}},{"name":"data","persistentVolumeClaim":{"claimName":"c"}}],
    "containers":[)" + container +
                        "]}}");
}

std::vector<std::string> arguments(const std::string& args, const std::string& env = "[]") {
  const Object object = pod(R"({"command":["run"],"args":)" + args + R"(,"env":)" + env + "}");
  return *arguments_of(object, environment_of(object, {{"plain", 1111}, {"tcp-prometheus", 2222}}),
                       {{"/etc/millrace", "/here/config"}});
}
using Words = std::vector<std::string>;

TEST(PodCommand, variables_are_replaced_and_unknown_ones_left) {
  EXPECT_EQ(arguments(R"~(["a=$(PORT_PLAIN)","$(PORT_TCP_PROMETHEUS)","$(NOBODY)","$$(PORT_PLAIN)","$"])~"),
            Words({"run", "a=1111", "2222", "$(NOBODY)", "$(PORT_PLAIN)", "$"}));
}

TEST(PodCommand, local_addresses_replace_those_of_the_template) {
  const std::string env = R"~([{"name":"LISTEN_HOST","value":"0.0.0.0"},{"name":"PORT_PLAIN","value":"9092"},
    {"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
    {"name":"ID","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['a/b']"}}},{"name":"BOTH","value":"$(POD).$(ID)"}])~";
  EXPECT_EQ(arguments(R"~(["$(LISTEN_HOST):$(PORT_PLAIN)","$(BOTH)"])~", env),
            Words({"run", "127.0.0.1:1111", "p-0.7"}));
}

TEST(PodCommand, paths_below_a_mount_become_paths_of_the_machine) {
  EXPECT_EQ(arguments(R"(["/etc/millrace/x.yaml","d=/etc/millrace","/etc/millrace-other","/opt/etc/millrace"])"),
            Words({"run", "/here/config/x.yaml", "d=/here/config", "/etc/millrace-other", "/opt/etc/millrace"}));
}

TEST(PodCommand, a_container_without_command_is_refused) {
  const Object object = pod(R"({"args":["x"]})");
  EXPECT_EQ(arguments_of(object, {}, {}).error().code, Errc::invalid_argument);
}

TEST(PodCommand, a_volume_with_no_local_form_is_refused) {
  const Object object = *Object::parse(R"({"kind":"Pod","spec":{"volumes":[{"name":"s","secret":{}}]}})");
  EXPECT_EQ(volumes_of(object).error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace millrace::local
