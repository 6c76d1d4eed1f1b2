#include <algorithm>

#include "broker/base/logger.h"
#include "broker/storage/log_state.h"
#include "broker/storage/text_lines.h"

namespace millrace::storage {

namespace {

const Logger kLog("storage");

// partition.metadata, as Kafka writes it.
std::string format_metadata(const Uuid& topic_id) { return "version: 0\ntopic_id: " + topic_id.to_string(); }

std::optional<Uuid> parse_metadata(std::string_view text) {
  for (const std::string_view line : split_text(text, '\n')) {
    constexpr std::string_view kKey = "topic_id: ";
    if (!line.starts_with(kKey)) continue;
    const auto id = Uuid::parse(line.substr(kKey.size()));
    if (id) return *id;
  }
  return std::nullopt;
}

Status write_small_file(io::FileSystem& fs, const std::string& path, std::string_view content) {
  TRY_ASSIGN(const auto file, fs.open(path, io::OpenMode::create));
  TRY(file->truncate(0));
  const std::array<BytesView, 1> pieces{as_bytes(content)};
  return file->write_at(0, pieces);
}

}  // namespace

Status Log::State::create_or_check_directory() {
  TRY_ASSIGN(const bool present, fs.exists(options.directory));
  if (!present) {
    TRY(fs.create_directories(options.directory));
    parent_flushed = false;
    ++names;
  }
  if (options.topic_id.is_zero()) return ok();
  const std::string path = metadata_path();
  auto text = io::read_small_file(fs, path);
  if (!text && text.error().code != Errc::not_found) return std::move(text).error();
  const auto id = text ? parse_metadata(*text) : std::nullopt;
  if (id && *id != options.topic_id) {
    return Error{Errc::cluster_mismatch, path + " names topic id " + id->to_string() + ", not " +
                                             options.topic_id.to_string() + " of topic " + options.topic};
  }
  if (id) return ok();
  ++names;  // absent, or lost in a power cut before its first flush
  return write_small_file(fs, path, format_metadata(options.topic_id));
}

// What an interrupted deletion or compaction left: what is whole takes its place, the rest goes.
Status Log::State::remove_leftovers(const std::vector<io::DirectoryEntry>& entries) {
  TRY(finish_swaps(entries));
  for (const io::DirectoryEntry& entry : entries) {
    const std::string_view name = entry.name;
    if (entry.is_directory || parse_segment_name(name, kSwapLogSuffix)) continue;
    if (name.ends_with(kDeletedSuffix) || name.ends_with(kCleanedSuffix) || name.ends_with(kSwapSuffix) ||
        name.ends_with(".tmp")) {
      TRY(fs.remove(io::join_path(options.directory, name)));
      ++names;
    }
  }
  return ok();
}

Status Log::State::load_epochs() {
  auto text = io::read_small_file(fs, epochs_path());
  if (!text && text.error().code != Errc::not_found) return std::move(text).error();
  if (!text) return ok();
  auto parsed = LeaderEpochs::parse(*text);
  if (parsed) {
    epochs = *std::move(parsed);
    return ok();
  }
  // Rebuilt from the batches, all of which carry their epoch.
  kLog.warn("leader epoch checkpoint is unusable and is rebuilt from the log",
            {{"path", epochs_path()}, {"reason", parsed.error().context}});
  for (const auto& segment : segments) {
    TRY(segment->for_each_header(segment->base(), [&](const protocol::BatchHeader& header) {
      if (epochs.assign(header.leader_epoch, header.base_offset)) ++epochs_changes;
    }));
  }
  return ok();
}

Result<std::unique_ptr<Log>> Log::open(io::FileSystem& fs, LogOptions options) {
  auto state = std::make_unique<State>(fs, std::move(options));
  TRY(state->create_or_check_directory());
  TRY_ASSIGN(std::vector<io::DirectoryEntry> entries, fs.list(state->options.directory));
  const bool has_leftovers = std::any_of(entries.begin(), entries.end(), [](const auto& entry) {
    const std::string_view name = entry.name;
    return name.ends_with(kDeletedSuffix) || name.ends_with(kCleanedSuffix) || name.ends_with(kSwapSuffix) ||
           name.ends_with(".tmp");
  });
  if (has_leftovers) {
    TRY(state->remove_leftovers(entries));
    TRY_ASSIGN(entries, fs.list(state->options.directory));
  }
  std::vector<Offset> bases;
  for (const io::DirectoryEntry& entry : entries) {
    if (const auto base = parse_segment_name(entry.name, kLogSuffix)) bases.push_back(*base);
    if (const auto at = parse_segment_name(entry.name, kSnapshotSuffix)) state->snapshots.push_back(*at);
  }
  std::sort(bases.begin(), bases.end());
  std::sort(state->snapshots.begin(), state->snapshots.end());
  TRY(state->open_segments(std::move(bases)));
  state->end_at_last_retention = state->end();
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

}  // namespace millrace::storage
