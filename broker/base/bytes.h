#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/ensure.h"

namespace millrace {

using BytesView = std::span<const std::byte>;

inline BytesView as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(BytesView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// A slice of a reference-counted block. Copying shares the block and costs one atomic increment; slicing never copies
// bytes. The content is immutable once shared, except through mutable_data(), whose caller must be the only one to
// touch that range (a produce request's batch gets its base offset written in place before anyone else sees it). Safe
// to hand between threads.
class Bytes {
 public:
  Bytes() = default;

  static Bytes copy_of(BytesView bytes) {
    Bytes result = uninitialized(bytes.size());
    if (!bytes.empty()) std::memcpy(result.mutable_data(), bytes.data(), bytes.size());
    return result;
  }
  static Bytes copy_of(std::string_view text) { return copy_of(as_bytes(text)); }
  static Bytes uninitialized(size_t size) {
    if (size == 0) return {};
    auto block = std::make_shared_for_overwrite<std::byte[]>(size);
    std::byte* data = block.get();
    return Bytes(std::shared_ptr<void>(std::move(block), data), data, size);
  }
  // Takes over what the vector or string holds, without a copy.
  static Bytes adopt(std::vector<std::byte> bytes) {
    auto block = std::make_shared<std::vector<std::byte>>(std::move(bytes));
    std::byte* data = block->data();
    const size_t size = block->size();
    return Bytes(std::shared_ptr<void>(std::move(block), data), data, size);
  }

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  BytesView view() const { return {data_, size_}; }
  std::string_view text() const { return as_text(view()); }
  std::byte* mutable_data() { return data_; }

  Bytes slice(size_t offset, size_t size) const {
    ENSURE(offset <= size_ && size <= size_ - offset);
    return Bytes(block_, data_ + offset, size);
  }

  friend bool operator==(const Bytes& a, const Bytes& b) {
    return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_) == 0);
  }

 private:
  Bytes(std::shared_ptr<void> block, std::byte* data, size_t size)
      : block_(std::move(block)), data_(data), size_(size) {}

  std::shared_ptr<void> block_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace millrace
