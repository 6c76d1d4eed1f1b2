#include "operator/controller/status.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "broker/base/logger.h"
#include "operator/api/kafka_cluster_status.h"

namespace millrace::controller {

using kube::Json;

namespace {

const Logger kLog("controller");

const char* word(plan::ConditionStatus status) {
  switch (status) {
    case plan::ConditionStatus::yes:
      return "True";
    case plan::ConditionStatus::no:
      return "False";
    case plan::ConditionStatus::unknown:
      return "Unknown";
  }
  return "Unknown";
}

Json condition_before(const kube::Object& object, const std::string& type) {
  if (!object.has({"status", "conditions"})) return nullptr;
  for (const Json& condition : object.json()["status"]["conditions"]) {
    if (condition.value("type", "") == type) return condition;
  }
  return nullptr;
}

// `blocked` are plan.blocked_by in the same order, or of an older plan.
void keep_since(const kube::Object& object, const plan::Plan& plan, Json& blocked, const std::string& now) {
  const Json before =
      object.has({"status", "rollout", "blockedBy"}) ? object.json()["status"]["rollout"]["blockedBy"] : Json();
  for (size_t i = 0; i < blocked.size(); ++i) {
    Json& block = blocked[i];
    if (i < plan.blocked_by.size() && plan.blocked_by[i].since_ms >= 0) {
      block["since"] = time_text(plan.blocked_by[i].since_ms);
      continue;
    }
    block["since"] = now;
    for (const Json& old : before) {
      if (old.value("rule", "") == block["rule"] && old.value("object", "") == block["object"]) {
        block["since"] = old.value("since", now);
      }
    }
  }
}

}  // namespace

std::string time_text(Timestamp wall_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds(wall_ms)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  std::array<char, 48> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

Json composed_status(const kube::Object& object, Json fields, const plan::Plan& plan, Timestamp now) {
  const std::string now_text = time_text(now);
  Json list = Json::array();
  for (const plan::Condition& condition : plan.conditions) {
    api::Condition made{.type = condition.type,
                        .status = word(condition.status),
                        .reason = condition.reason,
                        .message = condition.message,
                        .last_transition_time = now_text,
                        .observed_generation = object.generation()};
    const Json before = condition_before(object, condition.type);
    if (before.is_object() && before.value("status", "") == made.status) {
      made.last_transition_time = before.value("lastTransitionTime", now_text);
    }
    list.push_back(api::to_json(made));
  }
  fields["conditions"] = std::move(list);
  fields["observedGeneration"] = object.generation();
  if (fields.contains("rollout")) keep_since(object, plan, fields["rollout"]["blockedBy"], now_text);
  return fields;
}

Status write_status(kube::Client& kube, const kube::Object& object, Json status) {
  if (object.has({"status"}) && object.json()["status"] == status) return ok();
  TRY(kube.update_status(object.with_status(std::move(status))));
  return ok();
}

void write_event(kube::Client& kube, const kube::Object& object, const plan::Note& note, Timestamp now) {
  std::string name = object.name() + "." + note.reason;
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const kube::ObjectKey key{"Event", object.name_space(),
                            object.kind() == "KafkaTopic" ? "topic." + name : "cluster." + name};
  const Result<kube::Object> before = kube.get(key);
  const std::string now_text = time_text(now);
  const bool same = before && before->text_at({"involvedObject", "uid"}) == object.uid();
  Json event{{"apiVersion", "v1"},
             {"kind", "Event"},
             {"metadata", {{"name", key.name}, {"namespace", key.name_space}}},
             {"involvedObject",
              {{"apiVersion", object.text_at({"apiVersion"})},
               {"kind", object.kind()},
               {"namespace", object.name_space()},
               {"name", object.name()},
               {"uid", object.uid()}}},
             {"type", note.is_warning ? "Warning" : "Normal"},
             {"reason", note.reason},
             {"message", note.message},
             {"source", {{"component", "millrace-operator"}}},
             {"firstTimestamp", same ? before->text_at({"firstTimestamp"}) : now_text},
             {"lastTimestamp", now_text},
             {"count", same ? before->number_at({"count"}, 0) + 1 : 1}};
  const Result<kube::Object> written = kube.apply(kube::Object(std::move(event)), kube::kFieldManager);
  if (!written) kLog.warn("event not written", {{"event", key.to_string()}, {"error", written.error().to_string()}});
}

}  // namespace millrace::controller
