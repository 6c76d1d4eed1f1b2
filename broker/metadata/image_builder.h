#pragma once

#include <memory>
#include <set>
#include <vector>

#include "broker/machine/record.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metadata/records.h"

namespace millrace::metadata {

// Applies records of the metadata log in order and yields images; the only writer of ClusterImage. What was handed out
// by image() is never touched again: the first change after it copies the top level, the first topic change the maps,
// and each topic when it first changes; further changes until the next image() are in place, so replaying a long log
// copies nothing. A value with one owner at a time; not thread-safe.
class ImageBuilder {
 public:
  ImageBuilder();
  explicit ImageBuilder(ImagePointer base);
  ImageBuilder(ImageBuilder&&) = default;
  ImageBuilder& operator=(ImageBuilder&&) = default;

  // Records were decided by this controller or read from its log, so one that does not fit (a partition of an unknown
  // topic) is a bug: ENSURE.
  void apply(Offset offset, const MetadataRecord& record);
  // Of the machine: bytes as they are in the log. ENSUREs that they decode; a log that is read is checked with
  // apply_encoded().
  void apply(Offset offset, const machine::Record& record);
  // For replay: malformed or unsupported_version when the bytes are no record of ours, corrupt when it does not fit.
  Status apply_encoded(Offset offset, BytesView value);

  // Who leads the controllers; not a record of the log.
  void set_controller(BrokerId id) { own_image().controller = id; }
  const ClusterImage& current() const { return *image_; }
  ImagePointer image();

 private:
  Status try_apply(Offset offset, const MetadataRecord& record);
  Status change(const ClusterRecord& record);
  Status change(const FeatureRecord& record);
  Status change(const RegisterBrokerRecord& record);
  Status change(const UnregisterBrokerRecord& record);
  Status change(const FenceBrokerRecord& record);
  Status change(const TopicRecord& record);
  Status change(const PartitionRecord& record);
  Status change(const PartitionChangeRecord& record);
  Status change(const RemoveTopicRecord& record);
  Status change(const ConfigRecord& record);
  Status change(const ProducerIdsRecord& record);
  Status change(const StopPermitRecord& record);
  Status change(const StopPermitEndRecord& record);
  Status change(const VotersRecord& record);
  Status change(const DecommissionRecord& record);
  Status change(const MinInsyncChangedRecord& record);
  ClusterImage& own_image();
  void own_maps();
  TopicImage* own_topic(Uuid id);  // null when unknown

  std::shared_ptr<ClusterImage> image_;
  bool shared_ = false;                                     // image_ has been handed out
  bool maps_shared_ = false;                                // so have its maps
  std::map<Uuid, std::shared_ptr<TopicImage>> own_topics_;  // made or copied since
};

// Records that build `image` from nothing, in an order that applies: a snapshot.
std::vector<MetadataRecord> snapshot_of(const ClusterImage& image);

}  // namespace millrace::metadata
