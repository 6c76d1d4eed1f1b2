#include "operator/local/store.h"

#include <nlohmann/json.hpp>
#include <thread>

#include "operator/api/schema.h"
#include "operator/local/object_rules.h"
#include "operator/local/store_pump.h"
#include "operator/local/store_test_support.h"

namespace millrace::local {
namespace {

using kube::Json;

TEST_F(StoreTest, create_gives_identity_and_get_returns_the_same) {
  const auto store = open();
  const Object made = *store->create(config_map("a", R"({"x":"1"})"));
  EXPECT_EQ(made.name_space(), "default");
  EXPECT_EQ(made.uid().size(), 36u);
  EXPECT_EQ(made.generation(), 1);
  EXPECT_EQ(made.text_at({"metadata", "creationTimestamp"}), "2023-11-14T22:13:20Z");
  EXPECT_EQ(store->get(key("a"))->json(), made.json());
  EXPECT_EQ(store->create(config_map("a")).error().code, Errc::already_exists);
  EXPECT_EQ(store->get(key("b")).error().code, Errc::not_found);
}

TEST_F(StoreTest, objects_outlive_the_store) {
  const Object made = *open()->create(config_map("a"));
  fs_.lose_power();
  EXPECT_EQ(open()->get(key("a"))->json(), made.json());
}

TEST_F(StoreTest, update_of_an_outdated_object_is_a_conflict) {
  const auto store = open();
  const Object first = *store->create(config_map("a"));
  Json changed = first.json();
  changed["data"]["x"] = "2";
  const Object second = *store->update(Object(changed));
  EXPECT_NE(second.resource_version(), first.resource_version());
  changed["data"]["x"] = "3";
  EXPECT_EQ(store->update(Object(changed)).error().code, Errc::conflict);
  EXPECT_EQ(store->update_status(Object(changed)).error().code, Errc::conflict);
  EXPECT_EQ(store->get(key("a"))->json(), second.json());
}

TEST_F(StoreTest, generation_counts_changes_of_the_specification_only) {
  const auto store = open();
  const Object first = *store->create(config_map("a"));
  Json labelled = first.json();
  labelled["metadata"]["labels"]["x"] = "y";
  const Object second = *store->update(Object(labelled));
  EXPECT_EQ(second.generation(), 1);
  const Object third = *store->update_status(second.with_status(Json{{"ready", true}}));
  EXPECT_EQ(third.generation(), 1);
  Json changed = third.json();
  changed["data"]["x"] = "2";
  EXPECT_EQ(store->update(Object(changed))->generation(), 2);
}

TEST_F(StoreTest, update_leaves_the_status_and_update_status_leaves_the_rest) {
  const auto store = open();
  const Object first = *store->create(config_map("a").with_status(Json{{"made", "up"}}));
  EXPECT_FALSE(first.has({"status"}));
  Json both = first.json();
  both["status"] = {{"ready", true}};
  both["data"]["x"] = "1";
  const Object after_status = *store->update_status(Object(both));
  EXPECT_EQ(after_status.json()["status"], Json({{"ready", true}}));
  EXPECT_FALSE(after_status.has({"data", "x"}));
  both = after_status.json();
  both["status"] = {{"ready", false}};
  both["data"]["x"] = "1";
  const Object after_update = *store->update(Object(both));
  EXPECT_EQ(after_update.json()["status"], Json({{"ready", true}}));
  EXPECT_TRUE(after_update.has({"data", "x"}));
}

TEST_F(StoreTest, a_write_that_changes_nothing_is_none) {
  const auto store = open();
  const Object made = *store->create(config_map("a", R"({"x":"1"})"));
  EXPECT_EQ(store->update(made)->resource_version(), made.resource_version());
  EXPECT_EQ(store->update_status(made)->resource_version(), made.resource_version());
}

TEST_F(StoreTest, finalizers_hold_an_object_until_the_last_is_gone) {
  const auto store = open();
  const Object made = *store->create(config_map("a", "{}", R"(,"finalizers":["m/x","m/y"])"));
  ASSERT_TRUE(store->remove(key("a"), "").has_value());
  const Object marked = *store->get(key("a"));
  EXPECT_TRUE(marked.is_deleting());
  EXPECT_EQ(store->update(marked.with_finalizer("m/z")).error().code, Errc::invalid_argument);
  const Object one_left = *store->update(marked.without_finalizer("m/x"));
  ASSERT_TRUE(store->remove(key("a"), "").has_value());  // again: nothing changes
  EXPECT_EQ(store->get(key("a"))->json(), one_left.json());
  ASSERT_TRUE(store->update(one_left.without_finalizer("m/y")).has_value());
  EXPECT_EQ(store->get(key("a")).error().code, Errc::not_found);
}

TEST_F(StoreTest, removal_can_be_bound_to_one_life_of_a_name) {
  const auto store = open();
  const Object first = *store->create(config_map("a"));
  ASSERT_TRUE(store->remove(key("a"), first.uid()).has_value());
  ASSERT_TRUE(store->create(config_map("a")).has_value());
  EXPECT_EQ(store->remove(key("a"), first.uid()).error().code, Errc::conflict);
  EXPECT_TRUE(store->get(key("a")).has_value());
}

TEST_F(StoreTest, what_an_object_owns_goes_with_it_down_to_the_last) {
  const auto store = open();
  const Object root = *store->create(config_map("root"));
  const Object child = *store->create(owned_by(root, "child"));
  ASSERT_TRUE(store->create(owned_by(child, "grandchild")).has_value());
  ASSERT_TRUE(store->create(config_map("bystander")).has_value());
  ASSERT_TRUE(store->remove(key("root"), "").has_value());
  const std::vector<Object> left = *store->list("ConfigMap", "", {});
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].name(), "bystander");
}

TEST_F(StoreTest, an_object_made_for_an_owner_that_is_gone_goes_too) {
  const auto store = open();
  const Object root = *store->create(config_map("root"));
  ASSERT_TRUE(store->remove(key("root"), "").has_value());
  ASSERT_TRUE(store->create(owned_by(root, "late")).has_value());
  EXPECT_EQ(store->get(key("late")).error().code, Errc::not_found);
}

TEST_F(StoreTest, list_filters_by_namespace_and_labels) {
  const auto store = open();
  ASSERT_TRUE(store->create(config_map("a", "{}", R"(,"labels":{"x":"1"})")).has_value());
  ASSERT_TRUE(store->create(config_map("b", "{}", R"(,"namespace":"other","labels":{"x":"1"})")).has_value());
  ASSERT_TRUE(store->create(config_map("c")).has_value());
  EXPECT_EQ(store->list("ConfigMap", "", {{"x", "1"}})->size(), 2u);
  EXPECT_EQ(store->list("ConfigMap", "default", {{"x", "1"}})->size(), 1u);
  EXPECT_EQ(store->list("ConfigMap", "default", {})->size(), 2u);
  EXPECT_EQ(store->list("Service", "", {})->size(), 0u);
}

TEST_F(StoreTest, apply_removes_what_its_manager_no_longer_names_and_nothing_else) {
  const auto store = open();
  ASSERT_TRUE(store->apply(config_map("a", R"({"x":"1","y":"1","z":"1"})"), "one").has_value());
  ASSERT_TRUE(store->apply(config_map("a", R"({"y":"1","w":"2"})"), "two").has_value());
  const Object after = *store->apply(config_map("a", R"({"z":"3"})"), "one");
  EXPECT_EQ(after.json()["data"], Json({{"y", "1"}, {"w", "2"}, {"z", "3"}}));
  const Object again = *store->apply(config_map("a", R"({"z":"3"})"), "one");
  EXPECT_EQ(again.resource_version(), after.resource_version());
}

TEST_F(StoreTest, apply_keeps_the_finalizers_of_others_and_drops_its_own) {
  const auto store = open();
  const Object made = *store->apply(config_map("a", "{}", R"(,"finalizers":["mine"])"), "one");
  ASSERT_TRUE(store->update(made.with_finalizer("theirs")).has_value());
  const Object after = *store->apply(config_map("a"), "one");
  EXPECT_EQ(after.json()["metadata"]["finalizers"], Json({"theirs"}));
}

TEST_F(StoreTest, a_watch_tells_what_is_there_and_then_what_happens) {
  const auto store = open();
  ASSERT_TRUE(store->create(config_map("a")).has_value());
  Told told;
  const auto watch = *store->watch("ConfigMap", "", told.handler());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "added a");
  const Object b = *store->create(config_map("b"));
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "added b");
  Json changed = b.json();
  changed["data"]["x"] = "1";
  ASSERT_TRUE(store->update(Object(changed)).has_value());
  ASSERT_TRUE(store->remove(key("a"), "").has_value());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "deleted a, modified b");
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "");
}

TEST_F(StoreTest, a_watch_that_falls_too_far_behind_is_lost_and_a_new_one_tells_of_everything) {
  const auto store = open({}, 2);
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(store->create(config_map(name)).has_value());
  Told told;
  auto watch = *store->watch("ConfigMap", "", told.handler());
  ASSERT_TRUE(store->create(config_map("d")).has_value());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "added a, added b, added c, added d") << "what was there does not count";
  ASSERT_TRUE(store->create(config_map("e")).has_value());
  ASSERT_TRUE(store->remove(key("a"), "").has_value());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "deleted a, added e") << "as many as may be";
  for (const char* name : {"f", "g", "h"}) ASSERT_TRUE(store->create(config_map(name)).has_value());
  ASSERT_TRUE(store->remove(key("b"), "").has_value());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "lost");
  ASSERT_TRUE(store->create(config_map("i")).has_value());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "") << "nothing more comes of it";
  watch = *store->watch("ConfigMap", "", told.handler());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "added c, added d, added e, added f, added g, added h, added i");
}

TEST_F(StoreTest, one_object_that_changes_often_does_not_make_a_watch_fall_behind) {
  const auto store = open({}, 2);
  Told told;
  const auto watch = *store->watch("ConfigMap", "", told.handler());
  Object last = *store->create(config_map("a"));
  for (int i = 0; i < 10; ++i) {
    Json changed = last.json();
    changed["data"]["x"] = std::to_string(i);
    last = *store->update(Object(changed));
  }
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "added a");
}

TEST_F(StoreTest, a_watch_that_ended_is_told_nothing) {
  const auto store = open();
  Told told;
  { const auto watch = *store->watch("ConfigMap", "", told.handler()); }
  ASSERT_TRUE(store->create(config_map("a")).has_value());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "");
}

TEST_F(StoreTest, a_new_life_of_a_name_is_told_as_deletion_and_addition) {
  const auto store = open();
  ASSERT_TRUE(store->create(config_map("a")).has_value());
  Told told;
  const auto watch = *store->watch("ConfigMap", "", told.handler());
  ASSERT_TRUE(store->pump().has_value());
  told.take();
  ASSERT_TRUE(store->remove(key("a"), "").has_value());
  ASSERT_TRUE(store->create(config_map("a")).has_value());
  ASSERT_TRUE(store->pump().has_value());
  EXPECT_EQ(told.take(), "deleted a, added a");
}

TEST_F(StoreTest, processes_see_each_others_changes_and_conflict_with_them) {
  const auto one = open();
  const auto two = open();
  Told told;
  const auto watch = *two->watch("ConfigMap", "", told.handler());
  const Object made = *one->create(config_map("a"));
  ASSERT_TRUE(two->pump().has_value());
  EXPECT_EQ(told.take(), "added a");
  Json changed = made.json();
  changed["data"]["x"] = "1";
  ASSERT_TRUE(two->update(Object(changed)).has_value());
  EXPECT_EQ(one->update(Object(changed)).error().code, Errc::conflict);
  ASSERT_TRUE(one->remove(key("a"), "").has_value());
  ASSERT_TRUE(two->pump().has_value());
  EXPECT_EQ(told.take(), "deleted a");
}

TEST_F(StoreTest, the_pump_serves_watches_from_its_thread_until_it_is_destroyed) {
  const auto store = open();
  Mutex mutex;
  Condition told;
  int events = 0;
  const auto watch = *store->watch("ConfigMap", "", [&](const kube::WatchEvent&) {
    const MutexLock lock(mutex);
    ++events;
    told.notify_all();
  });
  const StorePump pump(*store);
  ASSERT_TRUE(store->create(config_map("a")).has_value());
  const MutexLock lock(mutex);
  for (int i = 0; i < 100 && events == 0; ++i) told.wait_for(mutex, std::chrono::milliseconds(100));
  EXPECT_EQ(events, 1);
}

TEST_F(StoreTest, names_that_no_api_server_takes_are_refused) {
  const auto store = open();
  for (const char* name : {"", "A", "a/b", "..", "a..b", "-a", "a-", "a.-b", "../../etc"}) {
    EXPECT_EQ(store->create(config_map(name)).error().code, Errc::invalid_argument) << name;
  }
  EXPECT_TRUE(store->create(config_map("a-1.b")).has_value());
  EXPECT_EQ(store->create(object(R"({"apiVersion":"v1","kind":"Poodle","metadata":{"name":"a"}})")).error().code,
            Errc::invalid_argument);
}

Result<Object> schema_admit(const Object& after, const Object* before) {
  Object complete = api::with_defaults(after);
  TRY(api::check_object(complete, before));
  return complete;
}

TEST_F(StoreTest, the_schema_fills_in_defaults_and_refuses_what_breaks_it) {
  const auto store = open(schema_admit);
  const auto topic = [&](const std::string& spec) {
    return object(R"({"apiVersion":"millrace.dev/v1alpha1","kind":"KafkaTopic","metadata":{"name":"t"},"spec":)" +
                  spec + "}");
  };
  EXPECT_EQ(store->create(topic(R"({"clusterRef":{"name":"c"},"partitons":3})")).error().code, Errc::invalid_argument);
  EXPECT_EQ(store->create(topic(R"({"partitions":3})")).error().code, Errc::invalid_argument);
  const Object made = *store->create(topic(R"({"clusterRef":{"name":"c"}})"));
  EXPECT_EQ(made.number_at({"spec", "partitions"}), 1);
  EXPECT_EQ(made.text_at({"spec", "deletionPolicy"}), "Delete");
  // Defaults that the manifest leaves out are no change.
  EXPECT_EQ(store->apply(topic(R"({"clusterRef":{"name":"c"}})"), "cli")->generation(), 1);
  EXPECT_EQ(store->apply(topic(R"({"clusterRef":{"name":"other"}})"), "cli").error().code, Errc::invalid_argument);
  EXPECT_EQ(store->apply(topic(R"({"clusterRef":{"name":"c"},"partitions":4})"), "cli")->generation(), 2);
}

TEST_F(StoreTest, a_status_that_breaks_the_schema_is_refused) {
  const auto store = open(schema_admit);
  const Object topic =
      *store->create(object(R"({"apiVersion":"millrace.dev/v1alpha1","kind":"KafkaTopic","metadata":{"name":"t"},
                 "spec":{"clusterRef":{"name":"c"}}})"));
  for (const char* status :
       {R"({"partitions":"three"})", R"({"partitons":3})", R"({"conditions":[{"type":"Ready"}]})"}) {
    const auto written = store->update_status(topic.with_status(Json::parse(status)));
    ASSERT_FALSE(written.has_value()) << status;
    EXPECT_EQ(written.error().code, Errc::invalid_argument);
    EXPECT_NE(written.error().context.find("status."), std::string::npos) << written.error().context;
  }
  EXPECT_TRUE(store->update_status(topic.with_status(Json::parse(R"({"partitions":3})"))).has_value());
}

TEST(ObjectRules, times_are_written_as_the_api_server_writes_them) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1'700'000'000'999), "2023-11-14T22:13:20Z");
}

}  // namespace
}  // namespace millrace::local
