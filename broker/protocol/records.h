#pragma once

#include <cstddef>
#include <utility>
#include <variant>

#include "broker/base/byte_source.h"
#include "broker/base/bytes.h"

namespace millrace::protocol {

// The record data of a Produce request or a Fetch response: null, bytes in memory (a slice of the frame, when decoded)
// or a range of a file, which a connection sends without reading it. Copying shares.
class Records {
 public:
  Records() = default;                                     // null
  Records(Bytes bytes) : data_(std::move(bytes)) {}        // NOLINT(google-explicit-constructor)
  Records(SourceRange range) : data_(std::move(range)) {}  // NOLINT(google-explicit-constructor)
  Records(std::variant<Bytes, SourceRange> data) {         // NOLINT(google-explicit-constructor)
    std::visit([this](auto&& held) { data_ = std::move(held); }, std::move(data));
  }

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bytes() const { return std::holds_alternative<Bytes>(data_); }
  size_t size() const {  // bytes; 0 for null
    if (const Bytes* held = std::get_if<Bytes>(&data_)) return held->size();
    if (const SourceRange* held = std::get_if<SourceRange>(&data_)) return held->size;
    return 0;
  }
  const Bytes& bytes() const { return std::get<Bytes>(data_); }              // is_bytes() only
  const SourceRange& range() const { return std::get<SourceRange>(data_); }  // neither null nor bytes

  // Bytes are compared by content; a range equals nothing.
  friend bool operator==(const Records& a, const Records& b) {
    if (a.is_null() || b.is_null()) return a.is_null() && b.is_null();
    return a.is_bytes() && b.is_bytes() && a.bytes() == b.bytes();
  }

 private:
  std::variant<std::monostate, Bytes, SourceRange> data_;
};

}  // namespace millrace::protocol
