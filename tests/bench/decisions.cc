// What the controller's decisions cost in a cluster of 10 brokers and 100,000 partitions of three replicas: a table of
// milliseconds, each with the application of its records.
#include <chrono>
#include <cstdio>
#include <string>

#include "broker/metadata/cluster_test_support.h"

namespace {

using namespace millrace;
using namespace millrace::metadata;

template <class Work>
void measure(const char* what, Work work) {
  const auto begun = std::chrono::steady_clock::now();
  const std::string result = work();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
  std::printf("%-58s %8.2f ms  %s\n", what, took.count(), result.c_str());
}

std::string records(const TestCluster& cluster) { return std::to_string(cluster.records_made) + " records"; }

void fill(TestCluster& cluster) {
  for (int id = 0; id < 10; ++id) {
    cluster.start(id);
    cluster.beat(id);
  }
  for (int i = 0; i < 900; ++i) {
    ENSURE(cluster.create({.name = "t" + std::to_string(i), .partitions = 100, .replication_factor = 3}).has_value());
  }
}

AlterPartition shrinks(const TestCluster& cluster, BrokerId leader, size_t count) {
  AlterPartition command{.leader = leader, .epoch = cluster.epoch(leader.value()), .partitions = {}};
  for (const auto& [name, topic] : cluster.image().topics()) {
    for (int32_t i = 0; static_cast<size_t>(i) < topic->partitions.size() && command.partitions.size() < count; ++i) {
      const PartitionImage& now = topic->partitions[static_cast<size_t>(i)];
      if (now.leader != leader) continue;
      command.partitions.push_back(
          {topic->id, PartitionIndex{i}, now.leader_epoch, now.partition_epoch, {{leader, -1}}});
    }
  }
  return command;
}

}  // namespace

int main() {
  TestCluster cluster;
  measure("900 topics of 100 partitions are created", [&] {
    fill(cluster);
    return std::string();
  });
  measure("a topic of 10,000 partitions is created", [&] {
    ENSURE(cluster.create({.name = "big", .partitions = 10'000, .replication_factor = 3}).has_value());
    return records(cluster);
  });
  ImagePointer published = cluster.builder.image();
  measure("a heartbeat", [&] {
    cluster.beat(1);
    return records(cluster);
  });
  measure("preferred leaders are looked at", [&] {
    (void)cluster(Tick{});
    return records(cluster);
  });
  measure("a tick with nothing to do", [&] {
    (void)cluster(Tick{});
    return records(cluster);
  });
  measure("a permit to stop is granted", [&] {
    ENSURE(!cluster(MayStop{BrokerId{1}, "bench", std::chrono::seconds{1}})->refusal);
    return records(cluster);
  });
  const AlterPartition command = shrinks(cluster, BrokerId{2}, 1'000);
  measure("1,000 in-sync sets shrink in one request", [&] {
    ENSURE(cluster(command).has_value());
    return records(cluster);
  });
  published = cluster.builder.image();
  cluster.pass(std::chrono::milliseconds{2'100});
  for (int id = 1; id < 10; ++id) cluster.beat(id);
  cluster.state.ticked_at = cluster.now.monotonic;
  size_t made = 0;
  measure("one of 10 brokers is fenced", [&] {
    int ticks = 0;
    for (bool more = true; more; ++ticks) {
      measure("  one tick of it", [&] {
        more = cluster(Tick{}).more;
        return records(cluster);
      });
      made += cluster.records_made;
    }
    return std::to_string(made) + " records, " + std::to_string(ticks) + " ticks";
  });
  measure("a new controller's index is built", [&] {
    const ReplicaIndex index(cluster.image());
    return std::to_string(index.counts(BrokerId{1}).leaders) + " led by broker 1";
  });
  return 0;
}
