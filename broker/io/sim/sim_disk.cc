#include "broker/io/sim/sim_disk.h"

#include <algorithm>

#include "broker/io/file_system.h"

namespace millrace::io::sim {

namespace {

constexpr size_t kPageBytes = 4096;

bool is_inside(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

bool directory_exists(const SimNames::Table& table, const std::string& path) {
  if (path == "/" || path == ".") return true;
  const auto found = table.find(path);
  return found != table.end() && found->second == nullptr;
}

}  // namespace

void SimInode::apply(std::vector<std::byte>& content, const Change& change, size_t bytes_max) {
  if (change.is_truncate) {
    content.resize(static_cast<size_t>(change.position));
    return;
  }
  const size_t size = std::min(change.bytes.size(), bytes_max);
  const size_t end = static_cast<size_t>(change.position) + size;
  if (content.size() < end) content.resize(end);
  std::copy_n(change.bytes.begin(), size, content.begin() + static_cast<ptrdiff_t>(change.position));
}

void SimInode::write(uint64_t position, BytesView bytes) {
  if (bytes.empty()) return;
  pending_.push_back({false, position, {bytes.begin(), bytes.end()}});
  apply(content_, pending_.back(), bytes.size());
}

void SimInode::truncate(uint64_t size) {
  pending_.push_back({true, size, {}});
  apply(content_, pending_.back(), 0);
}

void SimInode::flush() {
  for (const Change& change : pending_) apply(durable_, change, change.bytes.size());
  pending_.clear();
}

void SimInode::flip_bit(uint64_t bit) {
  const size_t at = static_cast<size_t>(bit / 8);
  const std::byte mask{static_cast<uint8_t>(1u << (bit % 8))};
  if (at < content_.size()) content_[at] ^= mask;
  if (at < durable_.size()) durable_[at] ^= mask;
}

std::shared_ptr<SimInode> SimInode::after_power_loss(SimRandom& random) const {
  auto result = std::make_shared<SimInode>();
  std::vector<std::byte> left = durable_;
  switch (random.below(4)) {
    case 0:  // nothing reached the disk
      break;
    case 1:  // everything did
      for (const Change& change : pending_) apply(left, change, change.bytes.size());
      break;
    case 2: {  // a prefix, its last write torn
      const size_t whole = static_cast<size_t>(random.below(pending_.size() + 1));
      for (size_t i = 0; i < whole; ++i) apply(left, pending_[i], pending_[i].bytes.size());
      if (whole < pending_.size() && !pending_[whole].is_truncate) {
        apply(left, pending_[whole], static_cast<size_t>(random.below(pending_[whole].bytes.size() + 1)));
      }
      break;
    }
    default:  // pages in any order
      for (const Change& change : pending_) {
        if (change.is_truncate) {
          if (random.chance(2)) apply(left, change, 0);
          continue;
        }
        for (size_t at = 0; at < change.bytes.size();) {
          const size_t to_page_end = kPageBytes - static_cast<size_t>(change.position + at) % kPageBytes;
          const size_t size = std::min(to_page_end, change.bytes.size() - at);
          if (random.chance(2)) {
            const auto from = change.bytes.begin() + static_cast<ptrdiff_t>(at);
            apply(left, {false, change.position + at, {from, from + static_cast<ptrdiff_t>(size)}}, size);
          }
          at += size;
        }
      }
  }
  result->content_ = left;
  result->durable_ = std::move(left);
  return result;
}

std::string SimNames::Change::directory() const { return parent_path(kind == Kind::rename ? to : path); }

bool SimNames::is_directory(const std::string& path) const { return directory_exists(now_, path); }

void SimNames::apply(Table& table, const Change& change) {
  switch (change.kind) {
    case Change::Kind::link:
      if (directory_exists(table, parent_path(change.path))) table[change.path] = change.inode;
      break;
    case Change::Kind::unlink:
      // A directory was empty when it was removed, so whatever is still in it here was removed earlier.
      std::erase_if(
          table, [&](const auto& entry) { return entry.first == change.path || is_inside(entry.first, change.path); });
      break;
    case Change::Kind::rename: {
      const auto found = table.find(change.path);
      if (found == table.end() || !directory_exists(table, parent_path(change.to))) break;
      std::vector<std::pair<std::string, std::shared_ptr<SimInode>>> moved;
      moved.emplace_back(change.to, found->second);
      for (const auto& [path, inode] : table) {
        if (is_inside(path, change.path)) moved.emplace_back(change.to + path.substr(change.path.size()), inode);
      }
      std::erase_if(
          table, [&](const auto& entry) { return entry.first == change.path || is_inside(entry.first, change.path); });
      for (auto& [path, inode] : moved) table[path] = std::move(inode);
      break;
    }
  }
}

void SimNames::change(Change change) {
  apply(now_, change);
  pending_.push_back(std::move(change));
}

void SimNames::link(const std::string& path, std::shared_ptr<SimInode> inode) {
  change({Change::Kind::link, path, {}, std::move(inode)});
}

void SimNames::unlink(const std::string& path) { change({Change::Kind::unlink, path, {}, nullptr}); }

void SimNames::rename(const std::string& from, const std::string& to) {
  // What waits inside a directory goes along: it is none of whoever gets the name next.
  std::vector<Change> inside;
  std::erase_if(pending_, [&](Change& waiting) {
    const bool moves = is_inside(waiting.path, from);
    if (moves) inside.push_back(std::move(waiting));
    return moves;
  });
  change({Change::Kind::rename, from, to, nullptr});
  for (Change& moved : inside) {
    moved.path = to + moved.path.substr(from.size());
    if (is_inside(moved.to, from)) moved.to = to + moved.to.substr(from.size());
    pending_.push_back(std::move(moved));
  }
}

void SimNames::flush(const std::string& directory) {
  std::erase_if(pending_, [&](const Change& change) {
    // The directory itself (and what holds it) has to exist for its entries to be found: real file systems commit
    // a directory together with the way to it.
    const auto leads_there = [&](const std::string& path) {
      return !path.empty() && (path == directory || is_inside(directory, path));
    };
    const bool touches = change.directory() == directory || parent_path(change.path) == directory ||
                         leads_there(change.path) || leads_there(change.to);
    if (touches) apply(durable_, change);
    return touches;
  });
}

void SimNames::lose_power(SimRandom& random) {
  std::map<std::string, uint64_t> left;  // directory -> how many of its changes survive
  for (const Change& change : pending_) ++left[change.directory()];
  for (auto& [directory, count] : left) count = random.below(count + 1);
  for (const Change& change : pending_) {
    uint64_t& survives = left[change.directory()];
    if (survives == 0) continue;
    --survives;
    apply(durable_, change);
  }
  pending_.clear();
  std::erase_if(durable_, [&](const auto& entry) { return !directory_exists(durable_, parent_path(entry.first)); });
  for (auto& [path, inode] : durable_) {
    if (inode != nullptr) inode = inode->after_power_loss(random);
  }
  now_ = durable_;
}

std::string normalize_path(std::string_view path) {
  std::string result;
  if (path.starts_with("./")) path.remove_prefix(2);
  for (const char c : path) {
    if (c == '/' && !result.empty() && result.back() == '/') continue;
    result += c;
  }
  if (result.size() > 1 && result.back() == '/') result.pop_back();
  return result.empty() ? "." : result;
}

}  // namespace millrace::io::sim
