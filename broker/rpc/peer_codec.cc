#include "broker/rpc/peer_codec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "broker/rpc/replication.pb.h"
#include "broker/rpc/wire/wire_values.h"

namespace millrace::rpc {
namespace {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr uint32_t kLengthDelimited = 2;
constexpr uint32_t tag_of(int field) { return static_cast<uint32_t>(field) << 3 | kLengthDelimited; }

// ---- out

void fill(v1::Hello& to, const replication::Hello& from) {
  to.set_version(from.version);
  to.set_cluster_id(from.cluster_id);
  to.set_broker(from.broker.value());
  to.set_broker_epoch(from.broker_epoch);
  to.set_incarnation(to_wire(from.incarnation));
}
void fill(v1::Subscribe& to, const replication::Subscribe& from) {
  for (const auto& entry : from.entries) {
    auto& item = *to.add_entries();
    item.set_number(entry.number.value());
    item.set_topic_id(to_wire(entry.topic_id));
    item.set_partition(entry.partition.value());
    item.set_leader_epoch(entry.leader_epoch.value());
    item.set_log_start(entry.log_start.value());
    item.set_log_end(entry.log_end.value());
    item.set_flushed(entry.flushed.value());
    item.set_last_epoch(entry.last_epoch.value());
  }
}
void fill(v1::Unsubscribe& to, const replication::Unsubscribe& from) {
  for (const auto& entry : from.entries) {
    auto& item = *to.add_entries();
    item.set_number(entry.number.value());
    item.set_leave_in_sync_set(entry.leave_in_sync_set);
  }
}
void fill(v1::Answer& to, const replication::Answer& from) {
  for (const auto& entry : from.entries) {
    auto& item = *to.add_entries();
    item.set_number(entry.number.value());
    item.set_action(static_cast<v1::Answer::Action>(entry.action));
    item.set_epoch(entry.epoch.value());
    item.set_at(entry.at.value());
    item.set_leader_log_start(entry.leader_log_start.value());
  }
}
void fill(v1::Data& to, const replication::Data& from) {
  for (const auto& entry : from.entries) {
    auto& item = *to.add_entries();
    item.set_number(entry.number.value());
    item.set_leader_epoch(entry.leader_epoch.value());
    item.set_high_watermark(entry.high_watermark.value());
    item.set_log_start(entry.log_start.value());
    item.set_batch_bytes(batch_bytes(entry));
  }
}
void fill(v1::Progress& to, const replication::Progress& from) {
  for (const auto& entry : from.entries) {
    auto& item = *to.add_entries();
    item.set_number(entry.number.value());
    item.set_leader_epoch(entry.leader_epoch.value());
    item.set_high_watermark(entry.high_watermark.value());
    item.set_log_start(entry.log_start.value());
  }
}
void fill(v1::Ack& to, const replication::Ack& from) {
  for (const auto& entry : from.entries) {
    auto& item = *to.add_entries();
    item.set_number(entry.number.value());
    item.set_log_start(entry.log_start.value());
    item.set_log_end(entry.log_end.value());
    item.set_flushed(entry.flushed.value());
  }
}
void fill(v1::Refusal& to, const replication::Refusal& from) {
  for (const auto& entry : from.entries) {
    auto& item = *to.add_entries();
    item.set_number(entry.number.value());
    item.set_reason(static_cast<v1::Refusal::Reason>(entry.reason));
  }
}
void fill(v1::Ping&, const replication::Ping&) {}
void fill(v1::Pong&, const replication::Pong&) {}

v1::Hello& part(v1::PeerMessage& of, const replication::Hello&) { return *of.mutable_hello(); }
v1::Subscribe& part(v1::PeerMessage& of, const replication::Subscribe&) { return *of.mutable_subscribe(); }
v1::Unsubscribe& part(v1::PeerMessage& of, const replication::Unsubscribe&) { return *of.mutable_unsubscribe(); }
v1::Answer& part(v1::PeerMessage& of, const replication::Answer&) { return *of.mutable_answer(); }
v1::Data& part(v1::PeerMessage& of, const replication::Data&) { return *of.mutable_data(); }
v1::Progress& part(v1::PeerMessage& of, const replication::Progress&) { return *of.mutable_progress(); }
v1::Ack& part(v1::PeerMessage& of, const replication::Ack&) { return *of.mutable_ack(); }
v1::Refusal& part(v1::PeerMessage& of, const replication::Refusal&) { return *of.mutable_refusal(); }
v1::Ping& part(v1::PeerMessage& of, const replication::Ping&) { return *of.mutable_ping(); }
v1::Pong& part(v1::PeerMessage& of, const replication::Pong&) { return *of.mutable_pong(); }

// ---- in

template <class Message>
Result<replication::PeerMessage> too_many(const Message& from, size_t entries_max) {
  return Error{Errc::malformed, std::to_string(from.entries_size()) + " partitions in one message, at most " +
                                    std::to_string(entries_max) + " are allowed"};
}

template <class Message, class Item>
Result<replication::PeerMessage> each(const auto& from, Item item,
                                      size_t entries_max = replication::kMessageEntriesMax) {
  if (static_cast<size_t>(from.entries_size()) > entries_max) return too_many(from, entries_max);
  Message message;
  message.entries.reserve(static_cast<size_t>(from.entries_size()));
  for (const auto& entry : from.entries()) {
    typename Message::Entry to;
    to.number = replication::SubscriptionNumber{entry.number()};
    TRY(item(entry, to));
    message.entries.push_back(std::move(to));
  }
  return replication::PeerMessage(std::move(message));
}

Result<replication::PeerMessage> read(const v1::Hello& from) {
  replication::Hello hello;
  hello.version = from.version();
  hello.cluster_id = from.cluster_id();
  hello.broker = BrokerId{from.broker()};
  hello.broker_epoch = from.broker_epoch();
  TRY_ASSIGN(hello.incarnation, uuid_from_wire(from.incarnation()));
  return replication::PeerMessage(std::move(hello));
}

Result<replication::PeerMessage> read(const v1::Subscribe& from) {
  return each<replication::Subscribe>(
      from,
      [](const auto& entry, auto& to) -> Status {
        TRY_ASSIGN(to.topic_id, uuid_from_wire(entry.topic_id()));
        to.partition = PartitionIndex{entry.partition()};
        to.leader_epoch = LeaderEpoch{entry.leader_epoch()};
        to.log_start = Offset{entry.log_start()};
        to.log_end = Offset{entry.log_end()};
        to.flushed = Offset{entry.flushed()};
        to.last_epoch = LeaderEpoch{entry.last_epoch()};
        return ok();
      },
      replication::kSubscriptionsPerMessageMax);
}

Result<replication::PeerMessage> read(const v1::Unsubscribe& from) {
  return each<replication::Unsubscribe>(from, [](const auto& entry, auto& to) -> Status {
    to.leave_in_sync_set = entry.leave_in_sync_set();
    return ok();
  });
}

Result<replication::PeerMessage> read(const v1::Answer& from) {
  return each<replication::Answer>(from, [](const auto& entry, auto& to) -> Status {
    if (entry.action() != v1::Answer::TRUNCATE && entry.action() != v1::Answer::START_OVER) {
      return Error{Errc::malformed, "an unknown action"};
    }
    to.action = static_cast<replication::Answer::Action>(entry.action());
    to.epoch = LeaderEpoch{entry.epoch()};
    to.at = Offset{entry.at()};
    to.leader_log_start = Offset{entry.leader_log_start()};
    return ok();
  });
}

Result<replication::PeerMessage> read(const v1::Data& from, const Bytes& batches) {
  size_t at = 0;
  auto message = each<replication::Data>(from, [&](const auto& entry, auto& to) -> Status {
    to.leader_epoch = LeaderEpoch{entry.leader_epoch()};
    to.high_watermark = Offset{entry.high_watermark()};
    to.log_start = Offset{entry.log_start()};
    if (entry.batch_bytes() > batches.size() - at) return Error{Errc::malformed, "record batches are missing"};
    const size_t size = static_cast<size_t>(entry.batch_bytes());
    if (size > 0) to.batches.push_back(batches.slice(at, size));
    at += size;
    return ok();
  });
  if (message && at != batches.size()) return Error{Errc::malformed, "record batches of no partition"};
  return message;
}

Result<replication::PeerMessage> read(const v1::Progress& from) {
  return each<replication::Progress>(from, [](const auto& entry, auto& to) -> Status {
    to.leader_epoch = LeaderEpoch{entry.leader_epoch()};
    to.high_watermark = Offset{entry.high_watermark()};
    to.log_start = Offset{entry.log_start()};
    return ok();
  });
}

Result<replication::PeerMessage> read(const v1::Ack& from) {
  return each<replication::Ack>(from, [](const auto& entry, auto& to) -> Status {
    to.log_start = Offset{entry.log_start()};
    to.log_end = Offset{entry.log_end()};
    to.flushed = Offset{entry.flushed()};
    return ok();
  });
}

Result<replication::PeerMessage> read(const v1::Refusal& from) {
  return each<replication::Refusal>(from, [](const auto& entry, auto& to) -> Status {
    if (entry.reason() < v1::Refusal::UNKNOWN_PARTITION || entry.reason() > v1::Refusal::OVERLOADED) {
      return Error{Errc::malformed, "an unknown reason"};
    }
    to.reason = static_cast<replication::Refusal::Reason>(entry.reason());
    return ok();
  });
}

Result<replication::PeerMessage> read(const v1::PeerMessage& from, const Bytes& batches) {
  switch (from.body_case()) {
    case v1::PeerMessage::kHello:
      return read(from.hello());
    case v1::PeerMessage::kSubscribe:
      return read(from.subscribe());
    case v1::PeerMessage::kUnsubscribe:
      return read(from.unsubscribe());
    case v1::PeerMessage::kAnswer:
      return read(from.answer());
    case v1::PeerMessage::kData:
      return read(from.data(), batches);
    case v1::PeerMessage::kProgress:
      return read(from.progress());
    case v1::PeerMessage::kAck:
      return read(from.ack());
    case v1::PeerMessage::kRefusal:
      return read(from.refusal());
    case v1::PeerMessage::kPing:
      return replication::PeerMessage(replication::Ping{});
    case v1::PeerMessage::kPong:
      return replication::PeerMessage(replication::Pong{});
    case v1::PeerMessage::BODY_NOT_SET:
      break;
  }
  return Error{Errc::malformed, "an unknown message between brokers"};
}

}  // namespace

Frame encode(const replication::PeerMessage& message) {
  Frame frame;
  v1::PeerMessage out;
  std::visit([&](const auto& body) { fill(part(out, body), body); }, message);
  out.SerializeToString(&frame.head);
  const size_t bytes = batch_bytes(message);
  if (bytes == 0) return frame;
  {
    google::protobuf::io::StringOutputStream stream(&frame.head);  // appends
    CodedOutputStream coded(&stream);
    coded.WriteTag(tag_of(v1::PeerMessage::kBatchesFieldNumber));
    coded.WriteVarint64(bytes);
  }
  for (const auto& entry : std::get<replication::Data>(message).entries) {
    frame.tail.insert(frame.tail.end(), entry.batches.begin(), entry.batches.end());
  }
  return frame;
}

Result<replication::PeerMessage> decode_peer_message(const Bytes& frame) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(frame.data()), static_cast<int>(frame.size()));
  std::string rest;  // all fields but the batches, for protobuf to parse
  Bytes batches;
  for (;;) {
    const auto field_at = static_cast<size_t>(in.CurrentPosition());
    const uint32_t tag = in.ReadTag();
    if (tag == 0) break;
    uint32_t size = 0;
    if ((tag & 7u) != kLengthDelimited || !in.ReadVarint32(&size)) return Error{Errc::malformed, "a torn message"};
    const auto at = static_cast<size_t>(in.CurrentPosition());
    if (size > frame.size() - at) return Error{Errc::malformed, "a torn message"};
    if (tag == tag_of(v1::PeerMessage::kBatchesFieldNumber)) {
      batches = frame.slice(at, size);
    } else {
      rest += as_text(frame.view().subspan(field_at, at + size - field_at));
    }
    in.Skip(static_cast<int>(size));
  }
  v1::PeerMessage parsed;
  if (!in.ConsumedEntireMessage() || !parsed.ParseFromString(rest)) return Error{Errc::malformed, "a torn message"};
  return read(parsed, batches);
}

}  // namespace millrace::rpc
