#include <algorithm>

#include "broker/base/crc32c.h"
#include "broker/raft/core/core.h"

namespace millrace::raft {

SnapshotMeta Core::describe(Index index) const {
  ENSURE(index >= snapshot_.last.index && index <= applied_);
  const auto& [at, configuration] = configurations_.at(index);
  return {{index, *log_.term_at(index)}, at, configuration};
}

void Core::on(SnapshotTaken& event) {
  if (installing() || event.meta.last.index <= snapshot_.last.index) return;  // overtaken by the leader's
  ENSURE(log_.holds(event.meta.last) && event.meta.last.index <= applied_);
  snapshot_ = std::move(event.meta);
  configurations_.compact_to(snapshot_.last.index);
  const Index base = snapshot_.last.index.previous(options_.trailing_entries);
  if (base <= log_.base().index) return;
  log_.compact_to(base);
  out_.compaction = LogCompaction{log_.base()};
}

// On the leader: one transfer for each follower, as many pieces under way as the window takes.
void Core::begin_snapshot(const Member& to, Progress& progress) {
  progress.probe_from(progress.match.next());
  progress.mode = Progress::Mode::snapshot;
  progress.transfer = SnapshotTransfer{.meta = snapshot_, .moved = now_};
  send_snapshot(to, progress);
}

void Core::send_snapshot(const Member& to, Progress& progress) {
  SnapshotTransfer& transfer = *progress.transfer;
  const uint64_t window = options_.snapshot_chunks_in_flight * options_.snapshot_chunk_bytes;
  if (transfer.read_under_way || transfer.end || transfer.sent - transfer.received >= window) return;
  transfer.read_under_way = true;
  out_.snapshot_reads.push_back({to, hard_.term, transfer.meta.last, transfer.sent, options_.snapshot_chunk_bytes});
}

void Core::on(SnapshotChunkRead& event) {
  Leader* self = leader();
  if (self == nullptr || event.term != hard_.term) return;
  const auto found = self->followers.find(event.reader);
  if (found == self->followers.end() || !found->second.transfer) return;
  auto& [to, progress] = *found;
  SnapshotTransfer& transfer = *progress.transfer;
  if (event.snapshot != transfer.meta.last) return;
  transfer.read_under_way = false;
  if (event.gone) return transfer.meta != snapshot_ ? begin_snapshot(to, progress) : void();
  if (event.offset == transfer.sent && !transfer.end) {
    transfer.sent += event.data.size();
    if (event.last) transfer.end = transfer.sent;
    const uint32_t crc = crc32c(event.data.view());
    send(to, SnapshotChunk{transfer.meta, event.offset, std::move(event.data), crc, event.last});
  }
  send_snapshot(to, progress);
}

// With every heartbeat: what has not moved for a while is sent again.
void Core::resume_snapshot(const Member& to, Progress& progress) {
  SnapshotTransfer& transfer = *progress.transfer;
  if (now_ - transfer.moved >= options_.election_timeout_min) {
    if (transfer.meta != snapshot_) return begin_snapshot(to, progress);
    transfer.moved = now_;
    if (transfer.end && transfer.received == *transfer.end) {
      return send(to, SnapshotChunk{transfer.meta, *transfer.end, {}, crc32c({}), true});
    }
    transfer.sent = transfer.received;
    transfer.end.reset();
  }
  send_snapshot(to, progress);
}

void Core::on_snapshot_reply(const Member& from, const SnapshotReply& reply) {
  Leader* self = leader();
  if (self == nullptr) return;
  const auto found = self->followers.find(from);
  if (found == self->followers.end()) return;
  Progress& progress = found->second;
  progress.heard = now_;
  if (!progress.transfer || reply.snapshot != progress.transfer->meta.last) return;
  SnapshotTransfer& transfer = *progress.transfer;
  if (reply.installed) {
    if (reply.durable > log_.last()) return;  // nothing of ours
    progress.acknowledge(reply.durable);
    progress.probe_from(progress.match.next());
    progress.mode = Progress::Mode::stream;
    advance_commit();
    if (leader() == nullptr) return;
    return send_entries(from, progress);
  }
  if (reply.received == 0 && transfer.received > 0) {
    transfer = SnapshotTransfer{.meta = snapshot_, .moved = now_};
  } else if (reply.received > transfer.received) {
    transfer.received = reply.received;
    transfer.sent = std::max(transfer.sent, transfer.received);
    transfer.moved = now_;
  }
  send_snapshot(from, progress);
}

// On the follower.
void Core::on_snapshot_chunk(const Member& from, SnapshotChunk& chunk) {
  hear_leader(from);
  const Position snapshot = chunk.meta.last;
  if (installing()) return;
  if (snapshot.index <= commit_) return reply_installed(from, snapshot);
  if (!incoming_ || incoming_->meta.last != snapshot) {
    if (chunk.offset != 0) return reply_snapshot(from, snapshot, 0);
    incoming_ = Incoming{.meta = std::move(chunk.meta), .term = hard_.term, .leader = from};
  }
  if (incoming_->complete) return install_if_complete();
  if (chunk.offset != incoming_->expected) return reply_snapshot(from, snapshot, incoming_->expected);
  if (crc32c(chunk.data.view()) != chunk.crc) return;
  incoming_->expected += chunk.data.size();
  incoming_->complete = chunk.last;
  out_.snapshot_write = SnapshotWrite{snapshot, chunk.offset, std::move(chunk.data)};
}

void Core::on(SnapshotChunkWritten event) {
  if (!incoming_ || incoming_->meta.last != event.snapshot || incoming_->installing) return;
  if (event.offset > incoming_->expected) return;  // of a transfer that was started over
  incoming_->written = std::max(incoming_->written, event.offset);
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != incoming_->leader) return;
  if (incoming_->complete && incoming_->written == incoming_->expected) return install_if_complete();
  reply_snapshot(incoming_->leader, event.snapshot, incoming_->written);
}

void Core::install_if_complete() {
  Incoming& incoming = *incoming_;
  if (!incoming.complete || incoming.written != incoming.expected) return;
  if (incoming.meta.last.index <= commit_) return reply_installed(incoming.leader, incoming.meta.last);
  incoming.installing = true;
  incoming.keep_log = log_.holds(incoming.meta.last);
  out_.install = SnapshotInstall{incoming.meta, incoming.keep_log};
}

void Core::on(SnapshotInstalled event) {
  ENSURE(installing() && incoming_->meta.last == event.snapshot);
  const Incoming incoming = std::move(*incoming_);
  incoming_.reset();
  snapshot_ = incoming.meta;
  const Index end = snapshot_.last.index;
  if (incoming.keep_log) {
    log_.compact_to(end);
    configurations_.compact_to(end);
    durable_.finished(log_issued_);  // the installation came after every write
  } else {
    log_.reset(snapshot_.last);
    configurations_ = ConfigurationList(snapshot_);
    durable_.reset(end);
  }
  ENSURE(commit_ <= end);
  commit_ = applied_ = handed_out_ = end;
  answer_applied();
  answer_reads();
  auto* follower = std::get_if<Follower>(&role_);
  // Whoever leads by now may not be the one that sent it.
  if (follower == nullptr || incoming.term != hard_.term || follower->leader != incoming.leader) return;
  follower->verified = std::max(follower->verified, end);
  reply_installed(incoming.leader, event.snapshot);
}

void Core::reply_snapshot(const Member& to, Position snapshot, uint64_t received) {
  send(to, SnapshotReply{.snapshot = snapshot, .received = received});
}

// What is committed is the same in every leader's log.
void Core::reply_installed(const Member& to, Position snapshot) {
  send(to, SnapshotReply{.snapshot = snapshot, .installed = true, .durable = std::min(commit_, durable_.index())});
}

}  // namespace millrace::raft
