#pragma once

#include "operator/local/pod_command.h"

namespace millrace::local {

// The real Prober: one GET on a new connection, waiting at most the probe's timeout.
bool probe_http(const Probe& probe);

}  // namespace millrace::local
