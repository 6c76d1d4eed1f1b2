#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "operator/kube/client.h"
#include "operator/plan/plan.h"

namespace millrace::controller {

// The status to write: `fields` with conditions, observedGeneration, and the times since when conditions and blocks are
// as they are, taken over from `object` where nothing changed. Pure.
kube::Json composed_status(const kube::Object& object, kube::Json fields, const plan::Plan& plan, Timestamp now);
// Writes it unless it is already so. conflict: somebody changed the object meanwhile.
Status write_status(kube::Client& kube, const kube::Object& object, kube::Json status);

// Tells users what was done or refused as an Event of the object: one per reason, counted. Failures are logged only.
void write_event(kube::Client& kube, const kube::Object& object, const plan::Note& note, Timestamp now);

// "2026-01-02T03:04:05Z"
std::string time_text(Timestamp wall_ms);

}  // namespace millrace::controller
