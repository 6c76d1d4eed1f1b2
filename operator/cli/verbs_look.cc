// get, describe, why: what only looks.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "operator/api/yaml_json.h"
#include "operator/cli/brokers.h"
#include "operator/cli/table.h"
#include "operator/cli/verbs.h"
#include "operator/cli/views.h"
#include "operator/controller/status.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::cli {

using kube::Json;

namespace {

std::string yes_no(bool value) { return value ? "yes" : "no"; }
std::string number(std::optional<int64_t> value) { return value ? std::to_string(*value) : ""; }

void print(World& world, Output output, const Json& value) {
  if (output == Output::json) {
    world.out << value.dump(2, ' ', false, Json::error_handler_t::replace) << std::endl;
  } else {
    world.out << api::to_yaml(value) << std::flush;
  }
}

int print_list(World& world, Output output, kube::Client& kube, std::string_view kind, const std::string& name_space) {
  const Result<std::vector<kube::Object>> objects = kube.list(kind, name_space, {});
  if (!objects) return fail(world, objects.error().to_string());
  Json items = Json::array();
  for (const kube::Object& object : *objects) items.push_back(object.json());
  print(world, output, {{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}});
  return kDone;
}

int get_clusters(World& world, const std::vector<ClusterView>& clusters) {
  Table table({"NAME", "READY", "REASON", "BROKERS", "BOOTSTRAP"});
  for (const ClusterView& one : clusters) {
    table.add({one.name, yes_no(one.is_ready), one.reason, std::to_string(one.ready) + "/" + std::to_string(one.wanted),
               one.bootstrap});
  }
  table.print(world.out);
  return kDone;
}

int get_topics(World& world, const std::vector<TopicView>& topics) {
  Table table({"NAME", "TOPIC", "CLUSTER", "READY", "REASON", "PARTITIONS", "REPLICAS"});
  for (const TopicView& one : topics) {
    table.add({one.name, one.topic, one.cluster, yes_no(one.is_ready), one.reason, number(one.partitions),
               number(one.replicas)});
  }
  table.print(world.out);
  return kDone;
}

std::string seconds(std::optional<std::chrono::milliseconds> time) {
  if (!time) return "";
  return std::to_string(time->count() / 1000) + "." + std::to_string(time->count() % 1000 / 100) + "s";
}

int get_brokers(World& world, Output output, const std::vector<ClusterView>& clusters, bool is_running) {
  Json list = Json::array();
  Table table({"CLUSTER", "ID", "STATE", "VOTES", "LEADERS", "PARTITIONS", "IN-SYNC", "RACK", "PERMIT", "DECOMMISSION",
               "HEARD", "KAFKA", "PID", "RESTARTS"});
  for (const ClusterView& cluster : clusters) {
    for (const BrokerRow& row : broker_rows(cluster, world.brokers, is_running)) {
      list.push_back(to_json(row));
      const std::optional<admin::BrokerState>& said = row.said;
      const auto count = [&](int32_t admin::BrokerState::*field) {
        return said ? std::to_string(*said.*field) : std::string();
      };
      table.add({cluster.name, std::to_string(row.pod.id), row.state, row.votes ? yes_no(*row.votes) : "",
                 count(&admin::BrokerState::leaders), count(&admin::BrokerState::replicas),
                 count(&admin::BrokerState::in_sync), said ? said->rack : "",
                 said && said->permit ? said->permit->holder : "", said ? progress_words(said->decommission) : "",
                 said ? seconds(said->heard_ago) : "", row.pod.kafka,
                 row.pod.pid == 0 ? "" : std::to_string(row.pod.pid), std::to_string(row.pod.restarts)});
    }
  }
  if (output == Output::table) {
    table.print(world.out);
  } else {
    print(world, output, list);
  }
  return kDone;
}

int unknown_kind(World& world, const std::string& kind, const std::string& choices) {
  fail(world, "there is no kind " + kind + "; use " + choices);
  return kUsage;
}

void print_events(World& world, kube::Client& kube, const kube::Object& object) {
  const Result<std::vector<kube::Object>> events = kube.list("Event", object.name_space(), {});
  Table table({"LAST", "TYPE", "REASON", "COUNT", "MESSAGE"});
  if (events) {
    for (const kube::Object& event : *events) {
      if (event.text_at({"involvedObject", "uid"}) != object.uid()) continue;
      table.add({event.text_at({"lastTimestamp"}), event.text_at({"type"}), event.text_at({"reason"}),
                 std::to_string(event.number_at({"count"})), event.text_at({"message"})});
    }
  }
  if (table.empty()) return;
  world.out << "Events:\n";
  table.print(world.out, "  ");
}

void print_indented(World& world, const std::string& title, const Json& value) {
  world.out << title << ":\n";
  const std::string text = api::to_yaml(value);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    world.out << "  " << text.substr(at, end - at) << "\n";
    at = end + 1;
  }
}

// The brokers are asked only when the cluster is not as it should be.
Status add_quorum(World& world, const CommandLine& line, kube::Client& kube, Table& table) {
  TRY_ASSIGN(const std::vector<ClusterView> clusters, view_clusters(kube, line.name_space, /*is_running=*/true));
  for (const ClusterView& cluster : clusters) {
    if (cluster.name != line.name || cluster.is_ready) continue;
    const std::optional<QuorumTrouble> trouble = quorum_trouble(cluster, world.brokers);
    if (!trouble) continue;
    table.add({"metadata quorum", trouble->rule,
               trouble->since_ms == kNoTimestamp ? "" : controller::time_text(trouble->since_ms), trouble->why});
  }
  return ok();
}

void add_cluster(const kube::Object& object, Table& table) {
  const std::string name = "KafkaCluster " + object.name();
  const std::optional<ConditionView> ready = ready_of(object);
  if (!ready) {
    table.add({name, "NotReconciled", "", "its newest specification has not been looked at yet"});
  } else if (ready->status != "True") {
    table.add({name, ready->reason, ready->since, ready->message});
  }
  if (!object.has({"status", "rollout", "blockedBy"})) return;
  for (const Json& block : object.json()["status"]["rollout"]["blockedBy"]) {
    if (ready && block.value("message", "") == ready->message) continue;  // the row above says it
    table.add(
        {block.value("object", ""), block.value("rule", ""), block.value("since", ""), block.value("message", "")});
  }
}

Status add_topics(const CommandLine& line, kube::Client& kube, Table& table) {
  TRY_ASSIGN(const std::vector<kube::Object> topics, kube.list("KafkaTopic", line.name_space, {}));
  for (const kube::Object& topic : topics) {
    if (topic.text_at({"spec", "clusterRef", "name"}) != line.name) continue;
    const std::optional<ConditionView> state = ready_of(topic);
    if (state && state->status == "True") continue;
    table.add({"KafkaTopic " + topic.name(), state ? state->reason : "NotReconciled", state ? state->since : "",
               state ? state->message : "its newest specification has not been looked at yet"});
  }
  return ok();
}

}  // namespace

int get(World& world, const CommandLine& line, kube::Client& kube, bool is_running) {
  const kube::Kind* kind = kube::find_kind(line.kind);
  const bool brokers = line.kind == "brokers" || line.kind == "broker";
  const bool topics = kind != nullptr && kind->name == "KafkaTopic";
  const bool clusters = kind != nullptr && kind->name == "KafkaCluster";
  if (!brokers && !topics && !clusters) return unknown_kind(world, line.kind, "clusters, topics or brokers");
  if (!brokers && line.output != Output::table)
    return print_list(world, line.output, kube, kind->name, line.name_space);
  const Result<std::vector<ClusterView>> view = view_clusters(kube, line.name_space, is_running);
  if (!view) return fail(world, view.error().to_string());
  if (clusters) return get_clusters(world, *view);
  if (brokers) return get_brokers(world, line.output, *view, is_running);
  const Result<std::vector<TopicView>> all_topics = view_topics(kube, line.name_space, is_running);
  if (!all_topics) return fail(world, all_topics.error().to_string());
  return get_topics(world, *all_topics);
}

int describe(World& world, const CommandLine& line, kube::Client& kube) {
  const kube::Kind* kind = kube::find_kind(line.kind);
  if (kind == nullptr || !kind->name.starts_with("Kafka")) return unknown_kind(world, line.kind, "cluster or topic");
  const Result<kube::Object> object = kube.get({std::string(kind->name), line.name_space, line.name});
  if (!object) return fail(world, object.error().to_string());
  world.out << "Kind:       " << object->kind() << "\nName:       " << object->name()
            << "\nNamespace:  " << object->name_space()
            << "\nCreated:    " << object->text_at({"metadata", "creationTimestamp"})
            << "\nGeneration: " << object->generation() << "\n";
  if (object->is_deleting())
    world.out << "Deleting:   since " << object->text_at({"metadata", "deletionTimestamp"}) << "\n";
  print_indented(world, "Spec", object->json()["spec"]);
  Json status = object->has({"status"}) ? object->json()["status"] : Json::object();
  status.erase("conditions");
  if (!status.empty()) print_indented(world, "Status", status);
  Table table({"TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"});
  for (const ConditionView& one : conditions_of(*object))
    table.add({one.type, one.status, one.reason, one.since, one.message});
  world.out << "Conditions:\n";
  if (table.empty()) {
    world.out << "  none yet\n";
  } else {
    table.print(world.out, "  ");
  }
  print_events(world, kube, *object);
  return kDone;
}

int why(World& world, const CommandLine& line, kube::Client& kube, bool is_running) {
  const Result<kube::Object> object = kube.get({"KafkaCluster", line.name_space, line.name});
  if (!object) return fail(world, object.error().to_string());
  if (!is_running) {
    world.out << "The local cluster is stopped; start it with `millrace local up`." << std::endl;
    return kDone;
  }
  Table table({"OBJECT", "RULE", "SINCE", "WHY"});
  if (const Status asked = add_quorum(world, line, kube, table); !asked) return fail(world, asked.error().to_string());
  add_cluster(*object, table);
  if (const Status listed = add_topics(line, kube, table); !listed) return fail(world, listed.error().to_string());
  if (table.empty()) {
    world.out << "Nothing blocks: KafkaCluster " << line.name << " and its topics are as specified." << std::endl;
  } else {
    table.print(world.out);
  }
  for (const ConditionView& one : conditions_of(*object)) {
    if (one.type == plan::kWarning && one.status == "True") {
      world.out << "Warning: KafkaCluster " << line.name << ", " << one.reason << ": " << one.message << std::endl;
    }
  }
  return kDone;
}

}  // namespace millrace::cli
