#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

using kube::Json;

// KafkaCluster `orders` of one broker, up and equal to its specification; each test changes what it is about.
class ClusterPlanTest : public testing::Test {
 protected:
  ClusterPlanTest() {
    object_ = Json::parse(R"({"apiVersion":"millrace.dev/v1alpha1","kind":"KafkaCluster",
      "metadata":{"name":"orders","namespace":"shop","uid":"u1"},"spec":{}})");
    seen_.owned = desired::objects_of(cluster(), defaults_, "c1");
    seen_.pods = {pod(0)};
    seen_.kafka = {.is_reachable = true, .cluster_id = "c1", .brokers = {{.id = 0}}};
  }
  Json& spec() { return object_["spec"]; }
  api::KafkaCluster cluster() { return *api::KafkaCluster::from(kube::Object(object_)); }
  std::string hash() { return desired::template_hash_of(desired::stateful_set(cluster(), defaults_, "c1")); }
  PodFacts pod(int32_t ordinal) {
    return {.name = desired::pod_name("orders", ordinal),
            .uid = "p" + std::to_string(ordinal),
            .ordinal = ordinal,
            .template_hash = hash(),
            .is_ready = true};
  }
  // As many as the specification will ask for; all ready, up to date and in sync.
  void have_brokers(int32_t count) {
    spec()["replicas"] = count;
    spec()["storage"] = {{"type", "persistent-claim"}, {"size", "1Gi"}};
    seen_.owned = desired::objects_of(cluster(), defaults_, "c1");
    seen_.pods.clear();
    seen_.kafka.brokers.clear();
    for (int32_t i = 0; i < count; ++i) {
      seen_.pods.push_back(pod(i));
      seen_.kafka.brokers.push_back({.id = i});
    }
  }
  // With the controller's answer, if something is to be asked.
  Plan plan() {
    ClusterObserved seen = seen_;
    Plan made = plan_cluster(cluster(), seen, defaults_);
    if (!made.ask) return made;
    EXPECT_FALSE(std::any_of(made.steps.begin(), made.steps.end(), is_disruptive)) << "it asks first";
    seen.answer = answer_;
    seen.answer->question = *made.ask;
    made = plan_cluster(cluster(), seen, defaults_);
    EXPECT_FALSE(made.ask) << "one question at a time";
    return made;
  }
  std::vector<std::string> steps() {
    std::vector<std::string> words;
    for (const Step& step : plan().steps) words.push_back(to_string(step));
    return words;
  }
  static int disruptive(const Plan& plan) {
    return static_cast<int>(std::count_if(plan.steps.begin(), plan.steps.end(), is_disruptive));
  }
  Condition ready() { return plan().conditions.at(0); }

  using Words = std::vector<std::string>;
  desired::Defaults defaults_{.image = "millrace:dev", .version = "0.1.0"};
  Json object_;
  ClusterObserved seen_;
  Answer answer_{.is_granted = true};
  const std::string holder_ = "the operator of KafkaCluster shop/orders";
};

}  // namespace millrace::plan
