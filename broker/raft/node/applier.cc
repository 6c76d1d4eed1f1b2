#include "broker/raft/node/applier.h"

#include "broker/raft/node/node_parts.h"

namespace millrace::raft {
namespace {

class ImageReader final : public SnapshotReader {
 public:
  explicit ImageReader(const SnapshotFile& file) : file_(file) {}
  Result<Bytes> next(size_t bytes_max) override {
    TRY_ASSIGN(Bytes piece, file_.read_image(at_, bytes_max));
    at_ += piece.size();
    return piece;
  }
  uint64_t size() const override { return file_.image_size(); }

 private:
  const SnapshotFile& file_;
  uint64_t at_ = 0;
};

}  // namespace

void Applier::apply(Index first, const std::vector<Entry>& entries, bool done) {
  uint64_t bytes = 0;
  for (Index at = first; const Entry& entry : entries) {
    parts_.options.machine->apply(at, entry);
    bytes += size_of(entry);
    at = at.next();
  }
  const Index last = first.next(static_cast<int64_t>(entries.size()) - 1);
  if (done) parts_.to_driver([this, last, bytes] { parts_.driver.applied(last, bytes); });
}

void Applier::load(std::shared_ptr<const SnapshotFile> snapshot, bool installed) {
  ImageReader reader(*snapshot);
  if (const Status loaded = parts_.options.machine->load(snapshot->meta(), reader); !loaded) {
    return parts_.fail({loaded.error().code, parts_.options.store.directory + ": the snapshot that ends at entry " +
                                                 std::to_string(snapshot->meta().last.index.value()) +
                                                 " cannot be loaded: " + loaded.error().context});
  }
  const Position last = snapshot->meta().last;
  if (installed) parts_.to_driver([this, last] { parts_.driver.step(SnapshotInstalled{last}); });
}

void Applier::lead(const RoleState& state) { parts_.options.machine->on_leadership(state); }

void Applier::begin_snapshot(const SnapshotMeta& meta) {
  meta_ = meta;
  source_ = parts_.options.machine->snapshot();
  parts_.disk.push(Disk::Other{Disk::SnapshotBegin{}});
}

void Applier::next_piece() {
  Bytes piece = source_->next(parts_.options.snapshot_piece_bytes);
  if (!piece.empty()) return parts_.disk.push(Disk::Other{Disk::SnapshotPiece{std::move(piece)}});
  source_.reset();
  parts_.disk.push(Disk::Other{Disk::SnapshotEnd{std::move(meta_)}});
}

void Applier::stop() { source_.reset(); }

}  // namespace millrace::raft
