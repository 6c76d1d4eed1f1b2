#include "broker/control/metadata_machine.h"

#include <gtest/gtest.h>

#include "broker/metadata/records.h"

namespace millrace::control {
namespace {

machine::Record record_of(const metadata::MetadataRecord& record) { return {.key = {}, .value = encode(record)}; }

const Uuid kTopic = Uuid::from_random(1, 2);

std::vector<machine::Record> some_records() {
  return {record_of(metadata::ClusterRecord{"c"}), record_of(metadata::TopicRecord{.id = kTopic, .name = "t"})};
}

TEST(MetadataPayload, records_arrive_as_they_were_and_as_slices) {
  const Bytes payload = encode_payload(some_records());
  const auto values = decode_payload(payload);
  ASSERT_TRUE(values);
  ASSERT_EQ(values->size(), 2u);
  EXPECT_EQ(values->at(1), *some_records()[1].value);
  EXPECT_GT(values->at(0).data(), payload.data());
  EXPECT_EQ(decode_payload(encode_payload({}))->size(), 0u);
}

TEST(MetadataPayload, what_is_cut_or_has_more_behind_it_is_malformed) {
  const Bytes payload = encode_payload(some_records());
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_EQ(decode_payload(payload.slice(0, size)).error().code, Errc::malformed) << size;
  }
  EXPECT_FALSE(decode_payload(Bytes::copy_of(std::string(payload.text()) + "x")));
  EXPECT_FALSE(decode_payload(Bytes::copy_of(std::string("\xff\xff\xff\xff", 4)))) << "must not reserve for a lie";
}

class MetadataMachineTest : public ::testing::Test {
 protected:
  MetadataMachineTest() {
    images.subscribe(
        [this](const metadata::ImagePointer&, const metadata::ImagePointer& now) { seen.push_back(now->applied); });
  }
  metadata::ImageStore images;
  std::vector<Offset> seen;
  MetadataMachine machine{images};
};

TEST_F(MetadataMachineTest, an_entry_is_seen_whole_once_it_is_published) {
  EXPECT_EQ(machine.next(), Offset{0});
  ASSERT_TRUE(machine.apply(encode_payload(some_records())));
  EXPECT_EQ(machine.next(), Offset{2});
  EXPECT_TRUE(seen.empty());
  machine.publish();
  EXPECT_EQ(seen, std::vector{Offset{1}});
  EXPECT_NE(images.load()->find_topic("t"), nullptr);
  machine.publish();
  EXPECT_EQ(seen.size(), 1u) << "nothing changed";
}

TEST_F(MetadataMachineTest, who_leads_is_part_of_the_next_image) {
  machine.set_controller(BrokerId{3});
  machine.publish();
  EXPECT_EQ(images.load()->controller, BrokerId{3});
}

TEST_F(MetadataMachineTest, an_entry_that_cannot_be_applied_says_which_record_it_is) {
  ASSERT_TRUE(machine.apply(encode_payload(some_records())));
  const Status damaged = machine.apply(encode_payload({{.key = {}, .value = Bytes::copy_of("??")}}));
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().context.find("metadata record 2"), std::string::npos) << damaged.error().context;
}

TEST_F(MetadataMachineTest, a_snapshot_brings_another_node_to_the_same_image_and_number) {
  ASSERT_TRUE(machine.apply(encode_payload(some_records())));
  ASSERT_TRUE(
      machine.apply(encode_payload({record_of(metadata::ProducerIdsRecord{.broker = BrokerId{1}, .next = 5})})));
  const Bytes snapshot = MetadataMachine::encode_snapshot(*machine.image());
  metadata::ImageStore other_images;
  MetadataMachine other(other_images);
  other.set_controller(BrokerId{2});
  ASSERT_TRUE(other.load_snapshot(snapshot));
  EXPECT_EQ(other.next(), Offset{3});
  EXPECT_EQ(other_images.load()->cluster_id, "c");
  EXPECT_EQ(other_images.load()->next_producer_id, 5);
  EXPECT_EQ(other_images.load()->controller, BrokerId{2}) << "who leads is known from the quorum, not the snapshot";
  const std::vector<machine::Record> next{record_of(metadata::TopicRecord{.id = Uuid::from_random(3, 4), .name = "u"})};
  ASSERT_TRUE(machine.apply(encode_payload(next)));
  ASSERT_TRUE(other.apply(encode_payload(next)));
  machine.set_controller(BrokerId{2});
  EXPECT_EQ(*machine.image(), *other.image());
}

TEST_F(MetadataMachineTest, a_damaged_snapshot_changes_nothing) {
  ASSERT_TRUE(machine.apply(encode_payload(some_records())));
  machine.publish();
  const Bytes snapshot = MetadataMachine::encode_snapshot(*machine.image());
  for (size_t size = 0; size < snapshot.size(); ++size) EXPECT_FALSE(machine.load_snapshot(snapshot.slice(0, size)));
  EXPECT_EQ(machine.next(), Offset{2});
  EXPECT_EQ(seen.size(), 1u);
}

}  // namespace
}  // namespace millrace::control
