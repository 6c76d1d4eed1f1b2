#pragma once

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "broker/base/metrics.h"

namespace millrace::app {

// Builds families one after another; a row is a value with its labels.
class Page {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  void counter(const char* name, const char* help, const Counter& value) {
    start(name, help, prometheus::MetricType::Counter);
    count(value.value());
  }
  void gauge(const char* name, const char* help, double value) {
    start(name, help, prometheus::MetricType::Gauge);
    prometheus::ClientMetric metric;
    metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void info(Labels labels) { row(1, std::move(labels)); }
  void row(double value, Labels labels) {  // of a gauge that was started
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void start(const char* name, const char* help, prometheus::MetricType type) {
    families_.push_back({name, help, type, {}});
  }
  void count(uint64_t value, Labels labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = static_cast<double>(value);
    families_.back().metric.push_back(std::move(metric));
  }
  void amount(double value) {
    prometheus::ClientMetric metric;
    metric.counter.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void histogram(const DurationHistogram& durations, Labels labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    uint64_t total = 0;
    for (size_t i = 0; i < DurationHistogram::kBucketCount; ++i) {
      total += durations.bucket(i);
      const bool last = i + 1 == DurationHistogram::kBucketCount;
      metric.histogram.bucket.push_back(
          {total, last ? std::numeric_limits<double>::infinity() : DurationHistogram::bound_seconds(i)});
    }
    metric.histogram.sample_count = total;
    metric.histogram.sample_sum = static_cast<double>(durations.sum_ns()) * 1e-9;
    families_.back().metric.push_back(std::move(metric));
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace millrace::app
