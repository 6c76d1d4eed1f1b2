#pragma once

#include <string_view>

#include "operator/api/kafka_topic.h"
#include "operator/plan/observed.h"
#include "operator/plan/plan.h"

namespace millrace::plan {

inline constexpr std::string_view kTopicFinalizer = "millrace.dev/topic";

// What to do about a KafkaTopic. Pure.
//
// - A topic that does not exist is made; one that exists and was not made from this object is adopted when partitions
//   and replicas are equal, and left alone otherwise. What it is adopted as is its id in status.topicId.
// - Partitions grow; fewer, or another number of replicas, is refused whole with Ready false.
// - Configuration keys of the specification are set; keys that were in it (status.configKeys) and no longer are, are
//   removed. Keys that others set stay.
// - Of two objects for one topic the older has it.
// - With deletionPolicy Delete a finalizer holds the object until its topic is gone; it lets go when the cluster is
// gone
//   or the topic is not this object's.
Plan plan_topic(const api::KafkaTopic& topic, const TopicObserved& observed);

// The status of interfaces.md without conditions, which the writer adds.
kube::Json topic_status(const api::KafkaTopic& topic, const TopicObserved& observed);

}  // namespace millrace::plan
