#include "operator/app/metrics_text.h"

#include <limits>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "operator/app/metric_names.h"

namespace millrace::app {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(const MetricName& name, MetricType type) {
  return {std::string(name.name), std::string(name.help), type, {}};
}

ClientMetric counted(uint64_t value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = static_cast<double>(value);
  return metric;
}

void add_passes(MetricFamily& family, const char* kind, uint64_t passes, uint64_t failures) {
  family.metric.push_back(counted(passes - failures, {{"kind", kind}, {"outcome", "ok"}}));
  family.metric.push_back(counted(failures, {{"kind", kind}, {"outcome", "failed"}}));
}

ClientMetric histogram(const DurationHistogram& durations) {
  ClientMetric metric;
  uint64_t count = 0;
  for (size_t i = 0; i < DurationHistogram::kBucketCount; ++i) {
    count += durations.bucket(i);
    const bool last = i + 1 == DurationHistogram::kBucketCount;
    metric.histogram.bucket.push_back(
        {count, last ? std::numeric_limits<double>::infinity() : DurationHistogram::bound_seconds(i)});
  }
  metric.histogram.sample_count = count;
  metric.histogram.sample_sum = static_cast<double>(durations.sum_ns()) * 1e-9;
  return metric;
}

}  // namespace

std::string metrics_text(const controller::ControllerMetrics& metrics) {
  MetricFamily passes = family(kReconciliations, MetricType::Counter);
  // Failures are read first: a pass that ends in between must not make the difference negative.
  const uint64_t cluster_failures = metrics.cluster_failures.value();
  const uint64_t topic_failures = metrics.topic_failures.value();
  add_passes(passes, "KafkaCluster", metrics.cluster_passes.value(), cluster_failures);
  add_passes(passes, "KafkaTopic", metrics.topic_passes.value(), topic_failures);
  MetricFamily duration = family(kReconcileSeconds, MetricType::Histogram);
  duration.metric.push_back(histogram(metrics.pass_duration));
  MetricFamily keys = family(kQueueKeys, MetricType::Gauge);
  keys.metric.emplace_back().gauge.value = static_cast<double>(metrics.queue_keys.value());
  MetricFamily dropped = family(kQueueDropped, MetricType::Counter);
  dropped.metric.push_back(counted(metrics.dropped_keys.value()));
  return prometheus::TextSerializer().Serialize({passes, duration, keys, dropped});
}

}  // namespace millrace::app
