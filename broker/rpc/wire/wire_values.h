#pragma once

#include <cstring>
#include <string>

#include "broker/base/result.h"
#include "broker/base/uuid.h"

namespace millrace::rpc {

// Values that several messages have in common, as protobuf carries them.

inline std::string to_wire(const Uuid& id) { return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()}; }

inline Result<Uuid> uuid_from_wire(const std::string& text) {
  Uuid id;
  if (text.size() != id.bytes.size()) return Error{Errc::malformed, "an id that is not of 16 bytes"};
  std::memcpy(id.bytes.data(), text.data(), text.size());
  return id;
}

template <class CallError>
void error_to_wire(CallError& to, const Error& from) {
  to.set_code(std::string(name_of(from.code)));
  to.set_words(from.context);
}

// A code that this build does not know is one that nothing here acts upon.
template <class CallError>
Error error_from_wire(const CallError& from) {
  return {errc_named(from.code()).value_or(Errc::invalid_argument), from.words()};
}

}  // namespace millrace::rpc
