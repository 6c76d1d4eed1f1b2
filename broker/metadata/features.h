#pragma once

#include <string>
#include <string_view>

#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

// What all brokers of a cluster have to know before any of them uses it (KIP-584): what records of the metadata log and
// messages between brokers may hold. A build that adds something which older ones cannot read raises the upper end, and
// writes the new once that level is finalized, which UpdateFeatures refuses while a broker does not know it. A new
// cluster begins at the newest level of its first controller; a broker that does not know the cluster's is refused.
inline constexpr std::string_view kVersionFeature = "millrace.version";
inline constexpr FeatureRange kVersionRange{.min = 1, .max = 1};

// Of this build.
inline FeatureRanges own_features() { return {{std::string(kVersionFeature), kVersionRange}}; }

}  // namespace millrace::metadata
