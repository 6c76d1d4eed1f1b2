#include "broker/storage/offset_checkpoint.h"

#include "broker/storage/text_lines.h"

namespace millrace::storage {

std::string format_offset_checkpoint(const OffsetCheckpoint& offsets) {
  std::string text = "0\n" + std::to_string(offsets.size()) + "\n";
  for (const auto& [partition, offset] : offsets) {
    text +=
        partition.first + " " + std::to_string(partition.second.value()) + " " + std::to_string(offset.value()) + "\n";
  }
  return text;
}

Result<OffsetCheckpoint> parse_offset_checkpoint(std::string_view text) {
  const auto lines = split_text(text, '\n');
  if (lines.size() < 2 || lines[0] != "0" || parse_number<size_t>(lines[1]) != lines.size() - 2) {
    return Error{Errc::malformed, "offset checkpoint: version or number of entries"};
  }
  OffsetCheckpoint offsets;
  for (size_t i = 2; i < lines.size(); ++i) {
    const auto fields = split_text(lines[i], ' ');
    const auto partition = fields.size() == 3 ? parse_number<int32_t>(fields[1]) : std::nullopt;
    const auto offset = fields.size() == 3 ? parse_number<int64_t>(fields[2]) : std::nullopt;
    if (!partition || !offset || *partition < 0 || *offset < 0) {
      return Error{Errc::malformed, "offset checkpoint: line " + std::to_string(i + 1)};
    }
    offsets[{std::string(fields[0]), PartitionIndex(*partition)}] = Offset(*offset);
  }
  return offsets;
}

}  // namespace millrace::storage
