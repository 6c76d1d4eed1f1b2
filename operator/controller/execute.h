#pragma once

#include "operator/admin/client.h"
#include "operator/admin/cluster_admin.h"
#include "operator/kube/client.h"
#include "operator/plan/plan.h"

namespace millrace::controller {

// Whom steps are carried out at.
struct Hands {
  kube::Client& kube;
  admin::Client* kafka = nullptr;          // null: no step is about a topic
  admin::ClusterAdmin* brokers = nullptr;  // null: no step is about a broker
};

// Carries out the steps of a plan about one object, in order, up to the first that fails; returns its error. The
// object's finalizers change through `object`, which is as newly read.
Status execute(const plan::Plan& plan, const Hands& hands, kube::Object object);

}  // namespace millrace::controller
