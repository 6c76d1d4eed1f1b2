#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>

namespace millrace::api {

// A struct of ours, const or not: what visit_fields() takes.
template <class T, class Struct>
concept SameBut = std::same_as<std::remove_const_t<T>, Struct>;

// A row of status.conditions, as Kubernetes writes them.
struct Condition {
  std::string type;
  std::string status;                // True, False, Unknown
  std::string reason;                // one word in CamelCase, for programs
  std::string message;               // for people
  std::string last_transition_time;  // RFC 3339; since when `status` is what it is
  int64_t observed_generation = 0;
};
template <class Visitor, SameBut<Condition> S>
void visit_fields(Visitor& visit, S& condition) {
  auto& [type, status, reason, message, last_transition_time, observed_generation] = condition;
  visit("type", type), visit("status", status), visit("reason", reason), visit("message", message);
  visit("lastTransitionTime", last_transition_time), visit("observedGeneration", observed_generation);
}

}  // namespace millrace::api
