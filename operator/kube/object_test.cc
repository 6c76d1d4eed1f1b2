#include "operator/kube/object.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "operator/kube/kinds.h"

namespace millrace::kube {
namespace {

TEST(Kinds, are_found_by_every_name_people_use) {
  for (const char* word : {"KafkaTopic", "kafkatopic", "kafkatopics", "topic", "topics", "kft"}) {
    ASSERT_NE(find_kind(word), nullptr) << word;
    EXPECT_EQ(find_kind(word)->name, "KafkaTopic") << word;
  }
  EXPECT_EQ(find_kind("cluster")->name, "KafkaCluster");
  EXPECT_EQ(find_kind("topix"), nullptr);
}

TEST(Object, reads_what_is_there_and_nothing_for_what_is_not) {
  const Object object =
      *Object::parse(R"({"kind":"Pod","metadata":{"name":"a","generation":3,"labels":{"x":"y"},"annotations":7}})");
  EXPECT_EQ(object.name(), "a");
  EXPECT_EQ(object.generation(), 3);
  EXPECT_EQ(object.label("x"), "y");
  EXPECT_EQ(object.annotation("x"), "");
  EXPECT_FALSE(object.is_deleting());
}

TEST(Object, refuses_text_that_is_not_an_object) {
  EXPECT_EQ(Object::parse("[1]").error().code, Errc::malformed);
  EXPECT_EQ(Object::parse("{").error().code, Errc::malformed);
}

TEST(Object, finalizers_come_and_go) {
  const Object plain(nlohmann::json{{"metadata", {{"name", "a"}}}});
  const Object held = plain.with_finalizer("m/x");
  EXPECT_TRUE(held.has_finalizer("m/x"));
  EXPECT_FALSE(plain.has_finalizer("m/x"));
  EXPECT_EQ(held.without_finalizer("m/x").json(), plain.json());
}

}  // namespace
}  // namespace millrace::kube
