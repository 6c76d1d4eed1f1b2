#pragma once

#include <optional>

#include "broker/base/bytes.h"

namespace millrace::machine {

// What a machine decides: one record of its log. A null value is a tombstone; the metadata log has no keys.
struct Record {
  std::optional<Bytes> key;
  std::optional<Bytes> value;
};

}  // namespace millrace::machine
