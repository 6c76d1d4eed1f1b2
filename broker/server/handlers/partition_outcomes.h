#pragma once

#include <utility>
#include <vector>

#include "broker/metadata/partition_commands.h"

namespace millrace::server::handlers {

// Goes through what the controller answers about partitions, as answers to clients are written: `each(name, outcome,
// new_topic)`, where `new_topic` says that the partition before, if any, was one of another topic.
template <class Each>
void for_each_outcome(const std::vector<std::pair<metadata::PartitionName, Status>>& outcomes, Each each) {
  const metadata::PartitionName* before = nullptr;
  for (const auto& [name, outcome] : outcomes) {
    each(name, outcome, before == nullptr || before->topic != name.topic);
    before = &name;
  }
}

}  // namespace millrace::server::handlers
