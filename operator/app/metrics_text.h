#pragma once

#include <string>

#include "operator/controller/controller_metrics.h"

namespace millrace::app {

// The operator's metrics in Prometheus' text format, as they are now.
std::string metrics_text(const controller::ControllerMetrics& metrics);

}  // namespace millrace::app
