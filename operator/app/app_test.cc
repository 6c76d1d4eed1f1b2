#include <gtest/gtest.h>
#include <httplib.h>

#include "operator/app/http_endpoint.h"
#include "operator/app/metrics_text.h"

namespace millrace::app {
namespace {

TEST(MetricsText, tells_passes_by_kind_and_outcome) {
  controller::ControllerMetrics metrics;
  metrics.topic_passes.add(3);
  metrics.topic_failures.add(1);
  metrics.pass_duration.record(std::chrono::milliseconds(3));
  const std::string text = metrics_text(metrics);
  EXPECT_NE(text.find("millrace_operator_reconciliations_total{kind=\"KafkaTopic\",outcome=\"ok\"} 2"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("millrace_operator_reconciliations_total{kind=\"KafkaTopic\",outcome=\"failed\"} 1"),
            std::string::npos);
  EXPECT_NE(text.find("millrace_operator_reconcile_seconds_count 1"), std::string::npos);
}

TEST(HttpEndpoint, answers_health_readiness_and_metrics_and_nothing_else) {
  bool ready = false;
  auto endpoint =
      HttpEndpoint::start({.metrics = [] { return std::string("m 1\n"); }, .is_ready = [&] { return ready; }});
  ASSERT_TRUE(endpoint.has_value()) << endpoint.error().to_string();
  httplib::Client client("127.0.0.1", (*endpoint)->port());
  EXPECT_EQ(client.Get("/healthz")->status, 200);
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  ready = true;
  EXPECT_EQ(client.Get("/readyz")->status, 200);
  EXPECT_EQ(client.Get("/metrics")->body, "m 1\n");
  EXPECT_EQ(client.Get("/else")->status, 404);
}

TEST(HttpEndpoint, a_taken_port_is_in_use) {
  const HttpOptions any{.metrics = [] { return std::string(); }, .is_ready = [] { return true; }};
  auto first = HttpEndpoint::start(any);
  ASSERT_TRUE(first.has_value());
  HttpOptions same = any;
  same.port = (*first)->port();
  const auto second = HttpEndpoint::start(same);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::in_use);
}

}  // namespace
}  // namespace millrace::app
