#include "broker/storage/index_file.h"

#include <algorithm>
#include <array>

namespace millrace::storage {

namespace {
constexpr size_t kBlockBytes = 4096;  // read at once near the end of a search
}

Result<uint64_t> IndexFile::count() {
  if (!counted_) {
    auto file = file_.open();
    if (file) {
      TRY_ASSIGN(const uint64_t size, (*file)->size());
      written_ = size / entry_bytes_;
    } else if (file.error().code != Errc::not_found) {
      return std::move(file).error();
    }
    counted_ = true;
  }
  return written_ + pending_.size() / entry_bytes_;
}

Status IndexFile::read(uint64_t index, std::byte* into) {
  TRY_ASSIGN(const uint64_t total, count());
  ENSURE(index < total);
  if (index >= written_) {
    std::copy_n(pending_.data() + (index - written_) * entry_bytes_, entry_bytes_, into);
    return ok();
  }
  TRY_ASSIGN(const auto file, file_.open());
  TRY_ASSIGN(const size_t got, file->read_at(index * entry_bytes_, std::span(into, entry_bytes_)));
  if (got != entry_bytes_) return Error{Errc::corrupt, file_.path() + " is shorter than it was"};
  return ok();
}

Result<uint64_t> IndexFile::partition_point(const std::function<bool(const std::byte*)>& before) {
  TRY_ASSIGN(const uint64_t total, count());
  uint64_t low = 0, high = total;  // the answer lies in [low, high]
  std::array<std::byte, kBlockBytes> block;
  const uint64_t block_entries = kBlockBytes / entry_bytes_;
  const auto halve = [&](const std::byte* entry, uint64_t index) { before(entry) ? low = index + 1 : high = index; };
  if (!pending_.empty() && before(pending_.data())) {
    low = written_ + 1;
  } else {
    high = std::min(high, written_);
  }
  while (low < high) {
    if (low >= written_) {
      const uint64_t middle = low + (high - low) / 2;
      halve(pending_.data() + (middle - written_) * entry_bytes_, middle);
    } else if (high - low <= block_entries) {
      TRY_ASSIGN(const auto file, file_.open());
      const size_t size = static_cast<size_t>(high - low) * entry_bytes_;
      TRY_ASSIGN(const size_t got, file->read_at(low * entry_bytes_, std::span(block).first(size)));
      if (got != size) return Error{Errc::corrupt, file_.path() + " is shorter than it was"};
      const uint64_t first = low;
      while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        halve(block.data() + (middle - first) * entry_bytes_, middle);
      }
    } else {
      const uint64_t middle = low + (high - low) / 2;
      TRY(read(middle, block.data()));
      halve(block.data(), middle);
    }
  }
  return low;
}

Status IndexFile::append(BytesView entry) {
  ENSURE(entry.size() == entry_bytes_);
  TRY(count());
  pending_.insert(pending_.end(), entry.begin(), entry.end());
  if (pending_.size() / entry_bytes_ < kPendingEntriesMax) return ok();
  return write_pending();
}

Status IndexFile::write_pending() {
  if (pending_.empty()) return ok();
  TRY(count());
  TRY_ASSIGN(const auto file, file_.create());
  const std::array<BytesView, 1> pieces{BytesView(pending_)};
  TRY(file->write_at(written_ * entry_bytes_, pieces));
  written_ += pending_.size() / entry_bytes_;
  pending_ = {};
  return ok();
}

Status IndexFile::truncate(uint64_t new_count) {
  TRY_ASSIGN(const uint64_t total, count());
  if (new_count >= written_) {
    pending_.resize(static_cast<size_t>(std::min(new_count, total) - written_) * entry_bytes_);
    return ok();
  }
  pending_.clear();
  written_ = new_count;
  auto file = file_.open();
  if (!file) return file.error().code == Errc::not_found ? ok() : Status(std::move(file).error());
  return (*file)->truncate(new_count * entry_bytes_);
}

}  // namespace millrace::storage
