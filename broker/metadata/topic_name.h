#pragma once

#include <string>
#include <string_view>

#include "broker/base/result.h"

namespace millrace::metadata {

inline constexpr size_t kTopicNameBytesMax = 249;  // so that "<topic>-<partition>" fits a file name

// invalid_topic unless the name is 1 to 249 of [a-zA-Z0-9._-] and neither "." nor "..".
Status check_topic_name(std::string_view name);

// The name with '.' as '_': two topics whose names are equal in this form collide (metric names of clients fold them).
std::string folded_topic_name(std::string_view name);

}  // namespace millrace::metadata
