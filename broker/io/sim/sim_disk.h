#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/io/sim/sim_random.h"

namespace millrace::io::sim {

// What one simulated file holds now, and what of it a power loss would leave. Not thread-safe: SimFileSystem guards it.
class SimInode {
 public:
  const std::vector<std::byte>& content() const { return content_; }
  void write(uint64_t position, BytesView bytes);
  void truncate(uint64_t size);
  void flush();
  // The disk refused to write: what was unflushed is still readable and will never be durable.
  void fail_flush() { pending_.clear(); }
  void flip_bit(uint64_t bit);

  // What is on the disk after the power comes back: all that was flushed, and of the rest nothing, a prefix whose last
  // write is torn at a byte, or any subset of its pages in any order.
  std::shared_ptr<SimInode> after_power_loss(SimRandom& random) const;

 private:
  struct Change {
    bool is_truncate = false;
    uint64_t position = 0;  // or the size to truncate to
    std::vector<std::byte> bytes;
  };
  static void apply(std::vector<std::byte>& content, const Change& change, size_t bytes_max);

  std::vector<std::byte> content_;
  std::vector<std::byte> durable_;
  std::vector<Change> pending_;  // from durable_ to content_
};

// The names of a simulated disk: what they are now, and which of them a power loss would leave. A null inode is a
// directory. Paths are normalized. Not thread-safe.
class SimNames {
 public:
  using Table = std::map<std::string, std::shared_ptr<SimInode>, std::less<>>;

  const Table& now() const { return now_; }
  bool is_directory(const std::string& path) const;
  void link(const std::string& path, std::shared_ptr<SimInode> inode);  // null: makes a directory
  void unlink(const std::string& path);
  void rename(const std::string& from, const std::string& to);
  void flush(const std::string& directory);
  // Of each directory's unflushed changes a prefix survives. Files become what after_power_loss() says.
  void lose_power(SimRandom& random);

 private:
  struct Change {
    enum class Kind : uint8_t { link, unlink, rename } kind;
    std::string path;
    std::string to;
    std::shared_ptr<SimInode> inode;
    std::string directory() const;  // whose flush makes it durable
  };
  static void apply(Table& table, const Change& change);
  void change(Change change);

  Table now_;
  Table durable_;
  std::vector<Change> pending_;
};

// Without trailing, doubled and leading "./" parts.
std::string normalize_path(std::string_view path);

}  // namespace millrace::io::sim
