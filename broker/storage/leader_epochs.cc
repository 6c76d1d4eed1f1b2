#include "broker/storage/leader_epochs.h"

#include <algorithm>

#include "broker/storage/text_lines.h"

namespace millrace::storage {

Result<LeaderEpochs> LeaderEpochs::parse(std::string_view text) {
  const auto lines = split_text(text, '\n');
  if (lines.size() < 2 || lines[0] != "0" || parse_number<size_t>(lines[1]) != lines.size() - 2) {
    return Error{Errc::malformed, "leader epochs: version or number of entries"};
  }
  LeaderEpochs result;
  for (size_t i = 2; i < lines.size(); ++i) {
    const auto fields = split_text(lines[i], ' ');
    const auto epoch = fields.size() == 2 ? parse_number<int32_t>(fields[0]) : std::nullopt;
    const auto start = fields.size() == 2 ? parse_number<int64_t>(fields[1]) : std::nullopt;
    if (!epoch || !start || *epoch < 0 || *start < 0 || LeaderEpoch(*epoch) <= result.latest() ||
        (!result.entries_.empty() && Offset(*start) < result.entries_.back().start)) {
      return Error{Errc::malformed, "leader epochs: line " + std::to_string(i + 1)};
    }
    result.entries_.push_back({LeaderEpoch(*epoch), Offset(*start)});
  }
  return result;
}

std::string LeaderEpochs::format() const {
  std::string text = "0\n" + std::to_string(entries_.size()) + "\n";
  for (const Entry& entry : entries_) {
    text += std::to_string(entry.epoch.value()) + " " + std::to_string(entry.start.value()) + "\n";
  }
  return text;
}

bool LeaderEpochs::assign(LeaderEpoch epoch, Offset start) {
  if (epoch <= latest()) return false;
  truncate_end(start);
  entries_.push_back({epoch, start});
  return true;
}

bool LeaderEpochs::truncate_end(Offset end) {
  return std::erase_if(entries_, [&](const Entry& entry) { return entry.start >= end; }) != 0;
}

bool LeaderEpochs::truncate_start(Offset start) {
  const auto after =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.start > start; });
  if (after == entries_.begin()) return false;
  const auto holder = after - 1;  // its epoch holds `start`
  if (holder == entries_.begin() && holder->start == start) return false;
  holder->start = start;
  entries_.erase(entries_.begin(), holder);
  return true;
}

LeaderEpoch LeaderEpochs::at(Offset offset) const {
  const auto after =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.start > offset; });
  return after == entries_.begin() ? kNoLeaderEpoch : (after - 1)->epoch;
}

EpochEndOffset LeaderEpochs::end_offset(LeaderEpoch epoch, Offset log_end) const {
  if (epoch < LeaderEpoch(0) || entries_.empty() || epoch > latest()) return {};
  const auto after =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.epoch > epoch; });
  const Offset end = after == entries_.end() ? log_end : after->start;
  // Older than all that are known: nothing of it is left here, and the log starts where the oldest one does.
  if (after == entries_.begin()) return {epoch, end};
  return {(after - 1)->epoch, end};
}

}  // namespace millrace::storage
