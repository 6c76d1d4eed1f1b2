// local status.

#include <nlohmann/json.hpp>
#include <ostream>

#include "operator/cli/state_dir.h"
#include "operator/cli/table.h"
#include "operator/cli/verbs.h"
#include "operator/cli/views.h"

namespace millrace::cli {

namespace {

std::string yes_no(bool value) { return value ? "yes" : "no"; }

// What its process is: a pod that is ready has one that serves.
std::string state_of(const BrokerView& broker, bool is_running) {
  if (!is_running) return "stopped";
  if (broker.is_ready) return "ready";
  return broker.pid == 0 ? "down" : "starting";
}

void print(World& world, const ClusterView& cluster, bool is_running) {
  world.out << "Cluster " << cluster.name << ": " << (cluster.is_ready ? "ready" : "not ready (" + cluster.reason + ")")
            << (cluster.bootstrap.empty() ? "" : ", bootstrap " + cluster.bootstrap) << "\n";
  if (!cluster.is_ready && !cluster.message.empty()) world.out << "  " << cluster.message << "\n";
  Table brokers({"BROKER", "STATE", "PID", "KAFKA", "RPC", "HTTP", "RESTARTS"});
  for (const BrokerView& one : cluster.brokers) {
    brokers.add({std::to_string(one.id), state_of(one, is_running), one.pid == 0 ? "" : std::to_string(one.pid),
                 one.kafka, one.rpc, one.http, std::to_string(one.restarts)});
  }
  if (!brokers.empty()) brokers.print(world.out, "  ");
  Table topics({"TOPIC", "READY", "PARTITIONS", "REPLICAS", "REASON"});
  for (const TopicView& one : cluster.topics) {
    topics.add({one.topic, yes_no(one.is_ready), one.partitions ? std::to_string(*one.partitions) : "",
                one.replicas ? std::to_string(*one.replicas) : "", one.reason});
  }
  if (!topics.empty()) topics.print(world.out, "  ");
}

}  // namespace

int local_status(World& world, const CommandLine& line) {
  StateDir dir(world, line.data_dir);
  const Result<bool> exists = dir.exists();
  if (!exists) return fail(world, exists.error().to_string());
  std::vector<ClusterView> clusters;
  bool is_running = false;
  if (*exists) {
    const Result<bool> running = dir.is_running();
    if (!running) return fail(world, running.error().to_string());
    is_running = *running;
    const Result<std::unique_ptr<local::Store>> store = dir.open_store();
    if (!store) return fail(world, store.error().to_string());
    Result<std::vector<ClusterView>> view = view_clusters(**store, "default", is_running);
    if (!view) return fail(world, view.error().to_string());
    clusters = std::move(*view);
  }
  if (line.output == Output::json) {
    world.out << status_json(clusters).dump(2) << std::endl;
    return kDone;
  }
  if (!*exists) {
    world.out << "There is no local cluster in " << dir.path() << "." << std::endl;
    return kDone;
  }
  world.out << (is_running ? "Running" : "Stopped") << " in " << dir.path() << "\n";
  for (const ClusterView& cluster : clusters) print(world, cluster, is_running);
  world.out << std::flush;
  return kDone;
}

}  // namespace millrace::cli
