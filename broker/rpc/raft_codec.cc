#include "broker/rpc/raft_codec.h"

#include "broker/rpc/raft.pb.h"
#include "broker/rpc/wire/wire_values.h"

namespace millrace::rpc {
namespace {

using raft::Index;
using raft::Term;

// ---- out

void fill(v1::RaftMember& to, const raft::Member& from) {
  to.set_node(from.node.value());
  to.set_directory(to_wire(from.directory));
}
void fill(v1::RaftPosition& to, const raft::Position& from) {
  to.set_index(from.index.value());
  to.set_term(from.term.value());
}

void fill(v1::RaftMessage& message, const raft::VoteRequest& from) {
  auto& to = *message.mutable_vote_request();
  to.set_election(from.election.value());
  fill(*to.mutable_last(), from.last);
  to.set_pre(from.pre);
  to.set_transfer(from.transfer);
}
void fill(v1::RaftMessage& message, const raft::VoteReply& from) {
  auto& to = *message.mutable_vote_reply();
  to.set_election(from.election.value());
  to.set_pre(from.pre);
  to.set_granted(from.granted);
}
void fill(v1::RaftMessage& message, const raft::AppendRequest& from) {
  auto& to = *message.mutable_append_request();
  fill(*to.mutable_previous(), from.previous);
  for (const raft::Entry& entry : from.entries) {
    auto& item = *to.add_entries();
    item.set_term(entry.term.value());
    item.set_kind(static_cast<uint32_t>(entry.kind));
    item.set_payload(entry.payload.data(), entry.payload.size());
  }
  to.set_commit(from.commit.value());
  to.set_round(from.round.value());
}
void fill(v1::RaftMessage& message, const raft::AppendReply& from) {
  auto& to = *message.mutable_append_reply();
  to.set_success(from.success);
  to.set_round(from.round.value());
  to.set_verified(from.verified.value());
  to.set_durable(from.durable.value());
  to.set_rejected(from.rejected.value());
  fill(*to.mutable_conflict(), from.conflict);
  to.set_conflict_first(from.conflict_first.value());
}
void fill(v1::RaftMessage& message, const raft::ReadIndexRequest& from) {
  message.mutable_read_index_request()->set_request(from.request.value());
}
void fill(v1::RaftMessage& message, const raft::ReadIndexReply& from) {
  message.mutable_read_index_reply()->set_request(from.request.value());
  message.mutable_read_index_reply()->set_index(from.index.value());
}
void fill(v1::RaftMessage& message, const raft::TimeoutNow&) { message.mutable_timeout_now(); }
void fill(v1::RaftMessage& message, const raft::FollowRequest&) { message.mutable_follow_request(); }
void fill(v1::RaftMessage& message, const raft::FollowReply& from) {
  auto& to = *message.mutable_follow_reply();
  if (from.leader) fill(*to.mutable_leader(), *from.leader);
}
void fill(v1::RaftMessage& message, const raft::SnapshotChunk& from) {
  auto& to = *message.mutable_snapshot_chunk();
  fill(*to.mutable_last(), from.meta.last);
  to.set_configuration_at(from.meta.configuration_at.value());
  const Bytes configuration = from.meta.configuration.encode();
  to.set_configuration(configuration.data(), configuration.size());
  to.set_offset(from.offset);
  to.set_data(from.data.data(), from.data.size());
  to.set_crc(from.crc);
  to.set_is_last(from.last);
}
void fill(v1::RaftMessage& message, const raft::SnapshotReply& from) {
  auto& to = *message.mutable_snapshot_reply();
  fill(*to.mutable_snapshot(), from.snapshot);
  to.set_received(from.received);
  to.set_installed(from.installed);
  to.set_durable(from.durable.value());
}

// ---- in

Result<raft::Member> member(const v1::RaftMember& from) {
  raft::Member to;
  to.node = BrokerId{from.node()};
  TRY_ASSIGN(to.directory, uuid_from_wire(from.directory()));
  return to;
}
raft::Position position(const v1::RaftPosition& from) { return {Index{from.index()}, Term{from.term()}}; }

Result<raft::MessageBody> read(const v1::RaftAppendRequest& from) {
  raft::AppendRequest to;
  to.previous = position(from.previous());
  to.entries.reserve(static_cast<size_t>(from.entries_size()));
  for (const auto& entry : from.entries()) {
    if (entry.kind() > static_cast<uint32_t>(raft::EntryKind::configuration)) {
      return Error{Errc::malformed, "an entry of an unknown kind"};
    }
    to.entries.push_back(
        {Term{entry.term()}, static_cast<raft::EntryKind>(entry.kind()), Bytes::copy_of(entry.payload())});
  }
  to.commit = Index{from.commit()};
  to.round = raft::HeartbeatRound{from.round()};
  return raft::MessageBody(std::move(to));
}

Result<raft::MessageBody> read(const v1::RaftAppendReply& from) {
  return raft::MessageBody(raft::AppendReply{.success = from.success(),
                                             .round = raft::HeartbeatRound{from.round()},
                                             .verified = Index{from.verified()},
                                             .durable = Index{from.durable()},
                                             .rejected = Index{from.rejected()},
                                             .conflict = position(from.conflict()),
                                             .conflict_first = Index{from.conflict_first()}});
}

Result<raft::MessageBody> read(const v1::RaftFollowReply& from) {
  raft::FollowReply to;
  if (from.has_leader()) {
    TRY_ASSIGN(to.leader, member(from.leader()));
  }
  return raft::MessageBody(to);
}

Result<raft::MessageBody> read(const v1::RaftSnapshotChunk& from) {
  raft::SnapshotChunk to;
  to.meta.last = position(from.last());
  to.meta.configuration_at = Index{from.configuration_at()};
  TRY_ASSIGN(to.meta.configuration, raft::Configuration::decode(as_bytes(from.configuration())));
  to.offset = from.offset();
  to.data = Bytes::copy_of(from.data());
  to.crc = from.crc();
  to.last = from.is_last();
  return raft::MessageBody(std::move(to));
}

Result<raft::MessageBody> read(const v1::RaftMessage& from) {
  switch (from.body_case()) {
    case v1::RaftMessage::kVoteRequest:
      return raft::MessageBody(raft::VoteRequest{.election = Term{from.vote_request().election()},
                                                 .last = position(from.vote_request().last()),
                                                 .pre = from.vote_request().pre(),
                                                 .transfer = from.vote_request().transfer()});
    case v1::RaftMessage::kVoteReply:
      return raft::MessageBody(raft::VoteReply{.election = Term{from.vote_reply().election()},
                                               .pre = from.vote_reply().pre(),
                                               .granted = from.vote_reply().granted()});
    case v1::RaftMessage::kAppendRequest:
      return read(from.append_request());
    case v1::RaftMessage::kAppendReply:
      return read(from.append_reply());
    case v1::RaftMessage::kReadIndexRequest:
      return raft::MessageBody(raft::ReadIndexRequest{raft::RequestId{from.read_index_request().request()}});
    case v1::RaftMessage::kReadIndexReply:
      return raft::MessageBody(raft::ReadIndexReply{.request = raft::RequestId{from.read_index_reply().request()},
                                                    .index = Index{from.read_index_reply().index()}});
    case v1::RaftMessage::kTimeoutNow:
      return raft::MessageBody(raft::TimeoutNow{});
    case v1::RaftMessage::kFollowRequest:
      return raft::MessageBody(raft::FollowRequest{});
    case v1::RaftMessage::kFollowReply:
      return read(from.follow_reply());
    case v1::RaftMessage::kSnapshotChunk:
      return read(from.snapshot_chunk());
    case v1::RaftMessage::kSnapshotReply:
      return raft::MessageBody(raft::SnapshotReply{.snapshot = position(from.snapshot_reply().snapshot()),
                                                   .received = from.snapshot_reply().received(),
                                                   .installed = from.snapshot_reply().installed(),
                                                   .durable = Index{from.snapshot_reply().durable()}});
    case v1::RaftMessage::kIntroduction:
    case v1::RaftMessage::BODY_NOT_SET:
      break;
  }
  return Error{Errc::malformed, "an unknown message of the quorum"};
}

}  // namespace

Frame encode(const RaftMessage& either) {
  v1::RaftMessage out;
  if (const auto* message = std::get_if<raft::Message>(&either)) {
    fill(*out.mutable_from(), message->from);
    fill(*out.mutable_to(), message->to);
    out.set_term(message->term.value());
    std::visit([&](const auto& body) { fill(out, body); }, message->body);
  } else {
    const auto& introduction = std::get<raft::Introduction>(either);
    fill(*out.mutable_from(), introduction.from);
    fill(*out.mutable_to(), introduction.to);
    auto& to = *out.mutable_introduction();
    to.set_cluster(introduction.cluster);
    for (const raft::NodeId voter : introduction.voters) to.add_voters(voter.value());
    to.set_asks(introduction.asks);
    to.set_empty(introduction.empty);
  }
  Frame frame;
  out.SerializeToString(&frame.head);
  return frame;
}

Result<RaftMessage> decode_raft_message(const Bytes& frame) {
  v1::RaftMessage parsed;
  if (!parsed.ParseFromArray(frame.data(), static_cast<int>(frame.size()))) {
    return Error{Errc::malformed, "a torn message of the quorum"};
  }
  TRY_ASSIGN(const raft::Member from, member(parsed.from()));
  TRY_ASSIGN(const raft::Member to, member(parsed.to()));
  if (parsed.has_introduction()) {
    raft::Introduction introduction{.cluster = parsed.introduction().cluster(),
                                    .voters = {},
                                    .from = from,
                                    .to = to,
                                    .asks = parsed.introduction().asks(),
                                    .empty = parsed.introduction().empty()};
    for (const int32_t voter : parsed.introduction().voters()) introduction.voters.emplace_back(voter);
    return RaftMessage(std::move(introduction));
  }
  raft::Message message{.from = from, .to = to, .term = Term{parsed.term()}, .body = {}};
  TRY_ASSIGN(message.body, read(parsed));
  return RaftMessage(std::move(message));
}

}  // namespace millrace::rpc
