#include "broker/storage/log_dir.h"

#include <algorithm>

#include "broker/base/logger.h"
#include "broker/storage/text_lines.h"

namespace millrace::storage {

namespace {

const Logger kLog("storage");

constexpr std::string_view kMetaName = "meta.properties", kLockName = ".lock", kCleanName = ".kafka_cleanshutdown",
                           kRunningName = ".millrace_running", kRecoveryPointsName = "recovery-point-offset-checkpoint",
                           kLogStartsName = "log-start-offset-checkpoint",
                           kCleanerOffsetsName = "cleaner-offset-checkpoint",
                           kHighWatermarksName = "replication-offset-checkpoint", kDeletedDirectorySuffix = "-delete";

std::string format_meta(const MetaProperties& meta) {
  return "version=1\ncluster.id=" + meta.cluster_id + "\nnode.id=" + std::to_string(meta.node.value()) +
         "\ndirectory.id=" + meta.directory_id.to_string() + "\n";
}

// JSON, as Kafka writes it. What a marker says that is not of this form, such as an empty one, is not known.
constexpr std::string_view kCleanBegin = "{\"version\":0,\"brokerEpoch\":", kCleanEnd = "}";

std::string format_clean_marker(int64_t epoch) {
  return std::string(kCleanBegin) + std::to_string(epoch) + std::string(kCleanEnd);
}

int64_t parse_clean_marker(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
  std::string_view rest = text;
  if (!rest.starts_with(kCleanBegin) || !rest.ends_with(kCleanEnd)) return -1;
  rest.remove_prefix(kCleanBegin.size());
  rest.remove_suffix(kCleanEnd.size());
  const auto epoch = parse_number<int64_t>(rest);
  return epoch && *epoch >= 0 ? *epoch : -1;
}

// Of a process that writes: {"version":0,"bootId":"<id>","brokerEpoch":<epoch>}.
std::string running_marker_begin(std::string_view boot_id) {
  return "{\"version\":0,\"bootId\":\"" + std::string(boot_id) + "\",\"brokerEpoch\":";
}

// Nothing when it was written under another kernel, or cannot be understood.
std::optional<int64_t> parse_running_marker(std::string_view text, std::string_view boot_id) {
  const std::string begin = running_marker_begin(boot_id);
  if (boot_id.empty() || !text.starts_with(begin) || !text.ends_with(kCleanEnd)) return std::nullopt;
  text.remove_prefix(begin.size());
  text.remove_suffix(kCleanEnd.size());
  const auto epoch = parse_number<int64_t>(text);
  return epoch && *epoch >= 0 ? std::optional(*epoch) : std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

Result<MetaProperties> parse_meta(std::string_view text, const std::string& path) {
  MetaProperties meta;
  bool has_node = false;
  for (const std::string_view line : split_text(text, '\n')) {
    if (line.starts_with('#')) continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
    if (key == "version" && value != "1") {
      return Error{Errc::malformed, path + " has version " + std::string(value) + ", only 1 is known"};
    }
    if (key == "cluster.id") meta.cluster_id = value;
    if (key == "node.id") {
      const auto node = parse_number<int32_t>(value);
      if (!node) return Error{Errc::malformed, path + ": node.id is " + std::string(value)};
      meta.node = BrokerId(*node);
      has_node = true;
    }
    if (key == "directory.id") {
      const auto id = Uuid::parse(value);
      if (!id) return Error{Errc::malformed, path + ": directory.id is " + std::string(value)};
      meta.directory_id = *id;
    }
  }
  if (meta.cluster_id.empty() || !has_node) {
    return Error{Errc::malformed, path + " lacks cluster.id or node.id; restore it, or use an empty directory"};
  }
  return meta;
}

Error with_remedy(Error error, const std::string& path, std::string_view remedy) {
  error.context = "data directory " + path + " " + std::string(remedy) + " (" + error.context + ")";
  return error;
}

}  // namespace

Result<std::optional<MetaProperties>> LogDir::read_meta(io::FileSystem& fs, const std::string& path) {
  const std::string file = io::join_path(path, kMetaName);
  auto text = io::read_small_file(fs, file);
  if (!text && text.error().code == Errc::not_found) return std::optional<MetaProperties>();
  TRY(text);
  TRY_ASSIGN(MetaProperties meta, parse_meta(*text, file));
  return std::optional(std::move(meta));
}

Status LogDir::load_or_create_meta(io::Random& random, const LogDirOptions& options) {
  TRY_ASSIGN(auto found, read_meta(fs_, path_));
  if (found) {
    if (!options.cluster_id.empty() && found->cluster_id != options.cluster_id) {
      return Error{Errc::cluster_mismatch, "data directory " + path_ + " holds data of cluster " + found->cluster_id +
                                               ", this broker is of cluster " + options.cluster_id +
                                               "; use another directory"};
    }
    if (found->node != options.node) {
      return Error{Errc::cluster_mismatch, "data directory " + path_ + " holds data of node " +
                                               std::to_string(found->node.value()) + ", this broker is node " +
                                               std::to_string(options.node.value()) +
                                               "; set node.id to it or use another directory"};
    }
  }
  const bool complete = found && !found->directory_id.is_zero();
  meta_ = found ? *std::move(found) : MetaProperties{options.cluster_id, options.node, {}};
  if (complete) return ok();
  if (meta_.cluster_id.empty()) meta_.cluster_id = random.uuid().to_string();
  if (meta_.directory_id.is_zero()) meta_.directory_id = random.uuid();
  return io::write_file_atomically(fs_, io::join_path(path_, kMetaName), format_meta(meta_));
}

Result<std::unique_ptr<LogDir>> LogDir::open(io::FileSystem& fs, io::Random& random, LogDirOptions options) {
  const std::string& path = options.path;
  constexpr std::string_view kMakeWritable = "cannot be written; give this user write permission or choose another";
  if (auto made = fs.create_directories(path); !made) {
    if (made.error().code == Errc::permission_denied) return with_remedy(std::move(made).error(), path, kMakeWritable);
    return with_remedy(std::move(made).error(), path, "cannot be made");
  }
  std::unique_ptr<LogDir> dir(new LogDir(fs, options));
  auto lock = fs.lock(io::join_path(path, kLockName));
  if (!lock) {
    if (lock.error().code == Errc::permission_denied) return with_remedy(std::move(lock).error(), path, kMakeWritable);
    if (lock.error().code == Errc::in_use) {
      return with_remedy(std::move(lock).error(), path,
                         "is used by another running broker; stop that one or choose another directory");
    }
    return with_remedy(std::move(lock).error(), path, "cannot be locked");
  }
  dir->lock_ = *std::move(lock);
  if (auto loaded = dir->load_or_create_meta(random, options); !loaded) {
    if (loaded.error().code == Errc::permission_denied) {
      return with_remedy(std::move(loaded).error(), path, kMakeWritable);
    }
    return std::move(loaded).error();
  }
  TRY(dir->take_markers());
  return dir;
}

Status LogDir::take_markers() {
  const std::string marker = io::join_path(path_, kCleanName);
  const Result<std::string> text = io::read_small_file(fs_, marker);
  if (!text && text.error().code == Errc::not_found) {
    const Result<std::string> running = io::read_small_file(fs_, io::join_path(path_, kRunningName));
    if (!running && running.error().code == Errc::not_found) return ok();
    TRY(running);
    const std::optional<int64_t> epoch = parse_running_marker(*running, boot_id_);
    was_kept_ = epoch.has_value();
    last_epoch_ = epoch.value_or(-1);
    return ok();
  }
  TRY(text);
  was_clean_ = true;
  last_epoch_ = parse_clean_marker(*text);
  TRY(fs_.remove(marker));
  // Before anything is written: a power loss later must not find the marker again.
  return fs_.flush_directory(path_);
}

Result<std::vector<PartitionDirectory>> LogDir::list_partitions() const {
  TRY_ASSIGN(const auto entries, fs_.list(path_));
  std::vector<PartitionDirectory> found;
  for (const io::DirectoryEntry& entry : entries) {
    if (!entry.is_directory) continue;
    if (auto partition = parse_partition_directory(entry.name)) found.push_back(*std::move(partition));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

Result<std::vector<std::string>> LogDir::list_deleted() const {
  TRY_ASSIGN(const auto entries, fs_.list(path_));
  std::vector<std::string> paths;
  for (const io::DirectoryEntry& entry : entries) {
    if (entry.is_directory && entry.name.ends_with(kDeletedDirectorySuffix)) {
      paths.push_back(io::join_path(path_, entry.name));
    }
  }
  return paths;
}

Result<OffsetCheckpoint> LogDir::read_checkpoint(std::string_view name) const {
  const std::string path = io::join_path(path_, name);
  auto text = io::read_small_file(fs_, path);
  if (!text && text.error().code == Errc::not_found) return OffsetCheckpoint();
  TRY(text);
  auto parsed = parse_offset_checkpoint(*text);
  if (parsed) return parsed;
  kLog.error("checkpoint is unusable and counts as absent", {{"path", path}, {"reason", parsed.error().context}});
  return OffsetCheckpoint();
}

Result<OffsetCheckpoint> LogDir::read_recovery_points() const { return read_checkpoint(kRecoveryPointsName); }
Result<OffsetCheckpoint> LogDir::read_log_starts() const { return read_checkpoint(kLogStartsName); }

Status LogDir::write_recovery_points(const OffsetCheckpoint& offsets) const {
  return io::write_file_atomically(fs_, io::join_path(path_, kRecoveryPointsName), format_offset_checkpoint(offsets));
}
Status LogDir::write_log_starts(const OffsetCheckpoint& offsets) const {
  return io::write_file_atomically(fs_, io::join_path(path_, kLogStartsName), format_offset_checkpoint(offsets));
}

Result<OffsetCheckpoint> LogDir::read_high_watermarks() const { return read_checkpoint(kHighWatermarksName); }

Status LogDir::write_high_watermarks(const OffsetCheckpoint& offsets) const {
  return io::write_file_atomically(fs_, io::join_path(path_, kHighWatermarksName), format_offset_checkpoint(offsets));
}

Result<OffsetCheckpoint> LogDir::read_cleaner_offsets() const { return read_checkpoint(kCleanerOffsetsName); }
Status LogDir::write_cleaner_offsets(const OffsetCheckpoint& offsets) const {
  return io::write_file_atomically(fs_, io::join_path(path_, kCleanerOffsetsName), format_offset_checkpoint(offsets));
}

Status LogDir::mark_running(int64_t epoch) const {
  if (boot_id_.empty() || epoch < 0) return ok();
  return io::write_file_atomically(fs_, io::join_path(path_, kRunningName),
                                   running_marker_begin(boot_id_) + std::to_string(epoch) + std::string(kCleanEnd));
}

void LogDir::distrust() const {
  const Status removed = fs_.remove(io::join_path(path_, kRunningName));
  if (removed || removed.error().code == Errc::not_found) return;
  kLog.error("a failure could not be noted: a start before the machine's next one will take this directory as whole",
             {{"path", path_}, {"error", removed.error().to_string()}});
}

Status LogDir::mark_clean(int64_t epoch) const {
  return io::write_file_atomically(fs_, io::join_path(path_, kCleanName), format_clean_marker(epoch));
}

std::string partition_directory_name(std::string_view topic, PartitionIndex partition) {
  return std::string(topic) + "-" + std::to_string(partition.value());
}

std::optional<PartitionDirectory> parse_partition_directory(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  const auto partition = parse_number<int32_t>(name.substr(dash + 1));
  if (!partition || *partition < 0) return std::nullopt;
  return PartitionDirectory{std::string(name), std::string(name.substr(0, dash)), PartitionIndex(*partition)};
}

}  // namespace millrace::storage
