#pragma once

#include "operator/admin/client.h"
#include "operator/kube/client.h"
#include "operator/plan/plan.h"

namespace millrace::controller {

// Carries out the steps of a plan about one object, in order, up to the first that fails; returns its error. `kafka`
// may be null when no step is about a topic. The object's finalizers change through `object`, which is as newly read.
Status execute(const plan::Plan& plan, kube::Client& kube, admin::Client* kafka, kube::Object object);

}  // namespace millrace::controller
