#include "broker/metadata/topic_name.h"

#include <algorithm>

namespace millrace::metadata {

Status check_topic_name(std::string_view name) {
  if (name.empty()) return Error{Errc::invalid_topic, "a topic's name is empty"};
  if (name == "." || name == "..") return Error{Errc::invalid_topic, "'" + std::string(name) + "'"};
  if (name.size() > kTopicNameBytesMax) {
    return Error{Errc::invalid_topic, "a name of " + std::to_string(name.size()) + " characters is longer than " +
                                          std::to_string(kTopicNameBytesMax)};
  }
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (!std::all_of(name.begin(), name.end(), allowed)) {
    return Error{Errc::invalid_topic,
                 "'" + std::string(name) + "' has a character other than letters, digits, '.', '_' and '-'"};
  }
  return ok();
}

std::string folded_topic_name(std::string_view name) {
  std::string folded(name);
  std::replace(folded.begin(), folded.end(), '.', '_');
  return folded;
}

}  // namespace millrace::metadata
