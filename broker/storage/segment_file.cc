#include "broker/storage/segment_file.h"

#include <charconv>

namespace millrace::storage {

namespace {
constexpr size_t kOffsetDigits = 20;
}

std::string segment_path(const SegmentPlace& place, Offset base, std::string_view suffix) {
  const std::string digits = std::to_string(base.value());
  std::string name(kOffsetDigits - digits.size(), '0');
  name += digits;
  name += suffix;
  return io::join_path(place.directory, name);
}

std::optional<Offset> parse_segment_name(std::string_view name, std::string_view suffix) {
  if (name.size() != kOffsetDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + kOffsetDigits, value);
  if (failure != std::errc{} || end != name.data() + kOffsetDigits || value < 0) return std::nullopt;
  return Offset(value);
}

}  // namespace millrace::storage
