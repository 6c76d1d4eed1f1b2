#include "broker/rpc/peer_codec.h"

#include <gtest/gtest.h>

#include "broker/rpc/replication.pb.h"

namespace millrace::rpc {
namespace {

using namespace replication;  // NOLINT(google-build-using-namespace): the messages are what is tested

Bytes joined(const Frame& frame) {
  std::string all = frame.head;
  for (const Bytes& piece : frame.tail) all += piece.text();
  return Bytes::copy_of(all);
}

const Uuid kTopic = Uuid::from_random(7, 8);

std::vector<PeerMessage> one_of_each() {
  return {
      Hello{.cluster_id = "c", .broker = BrokerId{3}, .broker_epoch = -1, .incarnation = kTopic},
      Subscribe{{{.number = SubscriptionNumber{9},
                  .topic_id = kTopic,
                  .partition = PartitionIndex{4},
                  .leader_epoch = LeaderEpoch{5},
                  .log_start = Offset{6},
                  .log_end = Offset{INT64_MAX},
                  .flushed = Offset{8},
                  .last_epoch = kNoLeaderEpoch}}},
      Unsubscribe{{{.number = SubscriptionNumber{9}, .leave_in_sync_set = true}, {.number = SubscriptionNumber{10}}}},
      Answer{{{.number = SubscriptionNumber{1},
               .action = Answer::Action::truncate,
               .epoch = LeaderEpoch{2},
               .at = Offset{3}},
              {.number = SubscriptionNumber{2},
               .action = Answer::Action::start_over,
               .epoch = kNoLeaderEpoch,
               .at = Offset{4},
               .leader_log_start = Offset{4}}}},
      Data{{{.number = SubscriptionNumber{1},
             .leader_epoch = LeaderEpoch{2},
             .high_watermark = Offset{3},
             .log_start = Offset{1},
             .batches = {Bytes::copy_of("abc")}},
            {.number = SubscriptionNumber{2}, .leader_epoch = LeaderEpoch{2}, .batches = {}},
            {.number = SubscriptionNumber{3}, .leader_epoch = LeaderEpoch{2}, .batches = {Bytes::copy_of("de")}}}},
      Progress{{{.number = SubscriptionNumber{1},
                 .leader_epoch = LeaderEpoch{2},
                 .high_watermark = Offset{3},
                 .log_start = Offset{1}}}},
      Ack{{{.number = SubscriptionNumber{1}, .log_start = Offset{0}, .log_end = Offset{3}, .flushed = Offset{2}}}},
      Refusal{{{.number = SubscriptionNumber{1}, .reason = Refusal::Reason::overloaded}}},
      Ping{},
      Pong{}};
}

TEST(PeerCodec, every_message_arrives_as_it_was_sent) {
  for (const PeerMessage& message : one_of_each()) {
    const auto read = decode_peer_message(joined(encode(message)));
    ASSERT_TRUE(read) << message.index() << ": " << read.error().to_string();
    EXPECT_EQ(*read, message) << message.index();
  }
}

TEST(PeerCodec, batches_of_several_pieces_arrive_as_one_slice_of_the_frame) {
  const Data sent{{{.number = SubscriptionNumber{1}, .batches = {Bytes::copy_of("ab"), Bytes::copy_of("cde")}}}};
  const Frame frame = encode(sent);
  EXPECT_EQ(frame.tail.size(), 2u);
  EXPECT_EQ(frame.tail[0].data(), sent.entries[0].batches[0].data()) << "the bytes were copied";
  const Bytes whole = joined(frame);
  const auto read = decode_peer_message(whole);
  ASSERT_TRUE(read);
  const auto& entry = std::get<Data>(*read).entries.at(0);
  ASSERT_EQ(entry.batches.size(), 1u);
  EXPECT_EQ(entry.batches[0].text(), "abcde");
  EXPECT_GE(entry.batches[0].data(), whole.data());
  EXPECT_LT(entry.batches[0].data(), whole.data() + whole.size());
}

TEST(PeerCodec, the_frame_is_what_protobuf_itself_reads) {
  for (const PeerMessage& message : one_of_each()) {
    v1::PeerMessage parsed;
    EXPECT_TRUE(parsed.ParseFromString(std::string(joined(encode(message)).text())));
    EXPECT_EQ(static_cast<size_t>(parsed.body_case()), message.index() + 1);
    EXPECT_EQ(parsed.batches().size(), batch_bytes(message));
  }
}

TEST(PeerCodec, what_protobuf_wrote_with_the_batches_first_is_read) {
  v1::PeerMessage out;
  auto& entry = *out.mutable_data()->add_entries();
  entry.set_number(1);
  entry.set_batch_bytes(3);
  std::string head = out.SerializeAsString();
  v1::PeerMessage only_batches;
  only_batches.set_batches("xyz");
  const auto read = decode_peer_message(Bytes::copy_of(only_batches.SerializeAsString() + head));
  ASSERT_TRUE(read);
  EXPECT_EQ(std::get<Data>(*read).entries.at(0).batches.at(0).text(), "xyz");
}

TEST(PeerCodec, a_frame_that_is_cut_anywhere_is_refused_or_is_a_whole_shorter_message) {
  for (const PeerMessage& message : one_of_each()) {
    const Bytes whole = joined(encode(message));
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto read = decode_peer_message(Bytes::copy_of(whole.view().first(size)));
      EXPECT_TRUE(!read || *read != message) << message.index() << " at " << size;
    }
  }
}

TEST(PeerCodec, batches_that_do_not_fit_their_entries_are_refused) {
  Data data{{{.number = SubscriptionNumber{1}, .batches = {Bytes::copy_of("abc")}}}};
  const Frame frame = encode(data);
  EXPECT_FALSE(decode_peer_message(Bytes::copy_of(frame.head.substr(0, frame.head.size() - 3))));
  v1::PeerMessage out;
  out.mutable_data()->add_entries()->set_batch_bytes(UINT64_MAX);
  EXPECT_EQ(decode_peer_message(Bytes::copy_of(out.SerializeAsString())).error().code, Errc::malformed);
  out.mutable_data()->mutable_entries(0)->set_batch_bytes(1);
  out.set_batches("ab");
  EXPECT_EQ(decode_peer_message(Bytes::copy_of(out.SerializeAsString())).error().code, Errc::malformed);
}

TEST(PeerCodec, more_partitions_than_a_message_may_have_are_refused) {
  Subscribe many;
  many.entries.resize(kSubscriptionsPerMessageMax + 1);
  EXPECT_EQ(decode_peer_message(joined(encode(many))).error().code, Errc::malformed);
  many.entries.resize(kSubscriptionsPerMessageMax);
  EXPECT_TRUE(decode_peer_message(joined(encode(many))));
}

TEST(PeerCodec, unknown_messages_actions_and_reasons_are_refused) {
  EXPECT_EQ(decode_peer_message(Bytes()).error().code, Errc::malformed);
  EXPECT_EQ(decode_peer_message(Bytes::copy_of("\xff\xff\xff")).error().code, Errc::malformed);
  v1::PeerMessage out;
  out.mutable_answer()->add_entries();
  EXPECT_FALSE(decode_peer_message(Bytes::copy_of(out.SerializeAsString())));
  out.mutable_refusal()->add_entries()->set_reason(static_cast<v1::Refusal::Reason>(99));
  EXPECT_FALSE(decode_peer_message(Bytes::copy_of(out.SerializeAsString())));
}

}  // namespace
}  // namespace millrace::rpc
