#pragma once

#include <string>
#include <vector>

#include "broker/base/bytes.h"

namespace millrace::rpc {

// One message of a stream on its way out: a head that was encoded for it, and slices that follow it and are sent from
// where they lie.
struct Frame {
  std::string head;
  std::vector<Bytes> tail;

  size_t size() const {
    size_t bytes = head.size();
    for (const Bytes& piece : tail) bytes += piece.size();
    return bytes;
  }
};

}  // namespace millrace::rpc
