#include "broker/metadata/image_builder.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::metadata {
namespace {

Error does_not_fit(std::string what) { return Error{Errc::corrupt, "metadata record: " + std::move(what)}; }

std::optional<BrokerId> broker_of(std::string_view text) {
  int32_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 0) return std::nullopt;
  return BrokerId{id};
}

void set_or_remove(ConfigValues& values, const ConfigRecord& record) {
  if (record.value) {
    values[record.name] = *record.value;
  } else {
    values.erase(record.name);
  }
}

}  // namespace

ImageBuilder::ImageBuilder() : image_(std::make_shared<ClusterImage>()) {}

ImageBuilder::ImageBuilder(ImagePointer base)
    : image_(std::make_shared<ClusterImage>(*base)), shared_(false), maps_shared_(true) {}

void ImageBuilder::apply(Offset offset, const MetadataRecord& record) {
  const Status fits = try_apply(offset, record);
  ENSURE(fits.has_value());
}

void ImageBuilder::apply(Offset offset, const machine::Record& record) {
  ENSURE(record.value.has_value());
  const Status fits = apply_encoded(offset, record.value->view());
  ENSURE(fits.has_value());
}

Status ImageBuilder::apply_encoded(Offset offset, BytesView value) {
  TRY_ASSIGN(const MetadataRecord record, decode_record(value));
  return try_apply(offset, record);
}

ImagePointer ImageBuilder::image() {
  shared_ = true;
  maps_shared_ = true;
  own_topics_.clear();
  return image_;
}

ClusterImage& ImageBuilder::own_image() {
  if (std::exchange(shared_, false)) image_ = std::make_shared<ClusterImage>(*image_);
  return *image_;
}

void ImageBuilder::own_maps() {
  ClusterImage& image = own_image();
  if (!std::exchange(maps_shared_, false)) return;
  image.topics_ = std::make_shared<Topics>(*image.topics_);
  image.topics_by_id_ = std::make_shared<ClusterImage::TopicsById>(*image.topics_by_id_);
}

TopicImage* ImageBuilder::own_topic(Uuid id) {  // by value: it may lie in the topic that is replaced
  if (const auto own = own_topics_.find(id); own != own_topics_.end()) return own->second.get();
  const auto found = image_->topics_by_id_->find(id);
  if (found == image_->topics_by_id_->end()) return nullptr;
  auto copy = std::make_shared<TopicImage>(*found->second);
  own_maps();
  (*image_->topics_)[copy->name] = copy;
  (*image_->topics_by_id_)[id] = copy;
  own_topics_.emplace(id, copy);
  return copy.get();
}

Status ImageBuilder::try_apply(Offset offset, const MetadataRecord& record) {
  // A registration's epoch is its offset, so that is set first; a record that does not fit leaves the builder unusable.
  own_image().applied = offset;
  return std::visit([this](const auto& each) { return change(each); }, record);
}

Status ImageBuilder::change(const ClusterRecord& record) {
  image_->cluster_id = record.cluster_id;
  return ok();
}

Status ImageBuilder::change(const FeatureRecord& record) {
  if (record.level == 0) {
    image_->features.erase(record.name);
  } else {
    image_->features[record.name] = record.level;
  }
  return ok();
}

Status ImageBuilder::change(const RegisterBrokerRecord& record) {
  BrokerImage& broker = image_->brokers[record.id];
  broker = BrokerImage{.id = record.id,
                       .epoch = record.epoch == -1 ? image_->applied.value() : record.epoch,
                       .incarnation = record.incarnation,
                       .directory_id = record.directory_id,
                       .listeners = record.listeners,
                       .rack = record.rack,
                       .fenced = record.fenced,
                       .in_controlled_shutdown = record.in_controlled_shutdown,
                       .state_since_ms = record.state_since_ms,
                       .rpc = record.rpc,
                       .features = record.features,
                       .former_incarnations = record.former_incarnations,
                       .decommission_since_ms = broker.decommission_since_ms,  // goes on after a restart
                       .decommission_moves_max = broker.decommission_moves_max};
  return ok();
}

Status ImageBuilder::change(const UnregisterBrokerRecord& record) {
  if (image_->brokers.erase(record.id) == 0) return does_not_fit("an unknown broker leaves");
  image_->permits.erase(record.id);
  return ok();
}

Status ImageBuilder::change(const FenceBrokerRecord& record) {
  const auto found = image_->brokers.find(record.id);
  if (found == image_->brokers.end()) return does_not_fit("an unknown broker is fenced");
  found->second.fenced = record.fenced;
  found->second.in_controlled_shutdown = record.in_controlled_shutdown;
  found->second.state_since_ms = record.state_since_ms;
  return ok();
}

Status ImageBuilder::change(const TopicRecord& record) {
  if (image_->topics_->contains(record.name)) return does_not_fit("topic " + record.name + " exists");
  if (image_->topics_by_id_->contains(record.id)) return does_not_fit("topic id " + record.id.to_string() + " exists");
  own_maps();
  auto topic =
      std::make_shared<TopicImage>(TopicImage{.id = record.id, .name = record.name, .partitions = {}, .config = {}});
  image_->topics_->emplace(record.name, topic);
  image_->topics_by_id_->emplace(record.id, topic);
  own_topics_.emplace(record.id, std::move(topic));
  return ok();
}

Status ImageBuilder::change(const PartitionRecord& record) {
  TopicImage* topic = own_topic(record.topic);
  if (topic == nullptr) return does_not_fit("a partition of an unknown topic");
  if (record.index.value() < 0 || static_cast<size_t>(record.index.value()) != topic->partitions.size()) {
    return does_not_fit("partition " + std::to_string(record.index.value()) + " of " + topic->name +
                        " is not the next");
  }
  topic->partitions.push_back(record.state);
  return ok();
}

Status ImageBuilder::change(const PartitionChangeRecord& record) {
  TopicImage* topic = own_topic(record.topic);
  if (topic == nullptr) return does_not_fit("a partition of an unknown topic changes");
  if (record.index.value() < 0 || static_cast<size_t>(record.index.value()) >= topic->partitions.size()) {
    return does_not_fit("partition " + std::to_string(record.index.value()) + " of " + topic->name + " is unknown");
  }
  topic->partitions[static_cast<size_t>(record.index.value())] = record.state;
  return ok();
}

Status ImageBuilder::change(const RemoveTopicRecord& record) {
  const auto found = image_->topics_by_id_->find(record.id);
  if (found == image_->topics_by_id_->end()) return does_not_fit("an unknown topic is removed");
  const std::string name = found->second->name;
  own_maps();
  image_->topics_->erase(name);
  image_->topics_by_id_->erase(record.id);
  own_topics_.erase(record.id);
  return ok();
}

Status ImageBuilder::change(const ConfigRecord& record) {
  if (record.resource_type == 2) {
    const auto found = image_->topics_->find(record.resource);
    if (found == image_->topics_->end()) return does_not_fit("configuration of an unknown topic");
    set_or_remove(own_topic(found->second->id)->config, record);
    return ok();
  }
  if (record.resource_type != 4) return does_not_fit("configuration of an unknown kind of resource");
  if (record.resource.empty()) {
    set_or_remove(image_->cluster_config, record);
    return ok();
  }
  const std::optional<BrokerId> broker = broker_of(record.resource);
  if (!broker) return does_not_fit("configuration of a broker without a number");
  set_or_remove(image_->broker_config[*broker], record);
  if (image_->broker_config[*broker].empty()) image_->broker_config.erase(*broker);
  return ok();
}

Status ImageBuilder::change(const ProducerIdsRecord& record) {
  if (record.next < image_->next_producer_id) return does_not_fit("producer ids go back");
  image_->next_producer_id = record.next;
  return ok();
}

Status ImageBuilder::change(const StopPermitRecord& record) {
  if (!image_->brokers.contains(record.id)) return does_not_fit("an unknown broker may stop");
  image_->permits[record.id] = record.permit;
  return ok();
}

Status ImageBuilder::change(const StopPermitEndRecord& record) {
  if (image_->permits.erase(record.id) == 0) return does_not_fit("an unknown stop permit ends");
  return ok();
}

Status ImageBuilder::change(const VotersRecord& record) {
  image_->voters = record.voters;
  return ok();
}

Status ImageBuilder::change(const DecommissionRecord& record) {
  const auto found = image_->brokers.find(record.id);
  if (found == image_->brokers.end()) return does_not_fit("an unknown broker is decommissioned");
  found->second.decommission_since_ms = record.since_ms;
  found->second.decommission_moves_max = record.moves_max;
  return ok();
}

Status ImageBuilder::change(const MinInsyncChangedRecord& record) {
  std::vector<Uuid> topics;  // first all of them: own_topic() changes the map
  for (const auto& [id, topic] : *image_->topics_by_id_) {
    if (record.topic.is_zero() || record.topic == id) topics.push_back(id);
  }
  for (const Uuid& id : topics) {
    for (PartitionImage& partition : own_topic(id)->partitions) {
      partition.elr = {};
      partition.last_known_elr = {};
      ++partition.partition_epoch;
    }
  }
  return ok();
}

std::vector<MetadataRecord> snapshot_of(const ClusterImage& image) {
  std::vector<MetadataRecord> records;
  records.emplace_back(ClusterRecord{image.cluster_id});
  for (const auto& [name, level] : image.features) records.emplace_back(FeatureRecord{name, level});
  for (const auto& [id, broker] : image.brokers) {
    records.emplace_back(RegisterBrokerRecord{.id = id,
                                              .epoch = broker.epoch,
                                              .incarnation = broker.incarnation,
                                              .directory_id = broker.directory_id,
                                              .rack = broker.rack,
                                              .fenced = broker.fenced,
                                              .listeners = broker.listeners,
                                              .rpc = broker.rpc,
                                              .features = broker.features,
                                              .in_controlled_shutdown = broker.in_controlled_shutdown,
                                              .state_since_ms = broker.state_since_ms,
                                              .former_incarnations = broker.former_incarnations});
    if (broker.decommissioned()) {
      records.emplace_back(DecommissionRecord{id, broker.decommission_since_ms, broker.decommission_moves_max});
    }
  }
  for (const auto& [id, permit] : image.permits) records.emplace_back(StopPermitRecord{id, permit});
  if (!image.voters.empty()) records.emplace_back(VotersRecord{image.voters});
  const auto add_config = [&](int8_t type, const std::string& resource, const ConfigValues& values) {
    for (const auto& [name, value] : values) records.emplace_back(ConfigRecord{type, resource, name, value});
  };
  add_config(4, "", image.cluster_config);
  for (const auto& [id, values] : image.broker_config) add_config(4, std::to_string(id.value()), values);
  for (const auto& [name, topic] : image.topics()) {
    records.emplace_back(TopicRecord{topic->id, name});
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      records.emplace_back(PartitionRecord{topic->id, PartitionIndex{static_cast<int32_t>(i)}, topic->partitions[i]});
    }
    add_config(2, name, topic->config);
  }
  records.emplace_back(ProducerIdsRecord{kNoBroker, image.next_producer_id});
  return records;
}

}  // namespace millrace::metadata
