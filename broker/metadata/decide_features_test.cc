#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

using Kind = UpdateFeatures::Kind;

struct FeaturesTest : testing::Test {
  TestCluster cluster;
  FeaturesTest() {
    for (int id = 0; id < 2; ++id) {
      RegisterBroker registration = cluster.registration(id);
      registration.features = {{"f", {1, static_cast<int16_t>(4 + id)}}, {"g", {1, 2}}};
      ENSURE(cluster(registration).has_value());
    }
  }
  Status update(std::string name, int16_t level, Kind kind = Kind::upgrade) {
    return cluster(UpdateFeatures{{{std::move(name), level, kind}}}).features.front().second;
  }
  int16_t level(const std::string& name) {
    const auto found = cluster.image().features.find(name);
    return found == cluster.image().features.end() ? int16_t{0} : found->second;
  }
};

TEST_F(FeaturesTest, a_level_that_all_brokers_work_at_is_taken) {
  EXPECT_TRUE(update("f", 4));
  EXPECT_EQ(level("f"), 4);
  EXPECT_TRUE(update("f", 4));
  EXPECT_EQ(cluster.records_made, 0u);
  EXPECT_EQ(TestCluster::words(update("f", 5)), "f at level 5: broker 0 works at 1 to 4: not the current version");
  EXPECT_EQ(TestCluster::words(update("h", 1)), "h at level 1: broker 0 does not know it: not the current version");
  EXPECT_EQ(TestCluster::code(update("f", -1)), Errc::invalid_update_version);
  EXPECT_EQ(TestCluster::code(update("", 1)), Errc::invalid_update_version);
}

TEST_F(FeaturesTest, a_fenced_broker_counts_as_it_will_come_back) {
  cluster.fence(0);
  EXPECT_FALSE(update("f", 5));
}

TEST_F(FeaturesTest, a_downgrade_happens_only_when_it_is_called_one) {
  ASSERT_TRUE(update("f", 3));
  EXPECT_EQ(TestCluster::words(update("f", 2)),
            "f at level 2 would be a downgrade from 3: ask for one: not the current version");
  EXPECT_TRUE(update("f", 2, Kind::safe_downgrade));
  EXPECT_EQ(TestCluster::code(update("f", 3, Kind::unsafe_downgrade)), Errc::invalid_update_version);
  EXPECT_TRUE(update("f", 0, Kind::unsafe_downgrade));
  EXPECT_FALSE(cluster.image().features.contains("f"));
}

TEST_F(FeaturesTest, a_request_happens_whole_or_not_at_all) {
  const auto reply = cluster(UpdateFeatures{{{"f", 2}, {"g", 9}}});
  EXPECT_EQ(TestCluster::code(reply.features[0].second), Errc::feature_update_failed);
  EXPECT_EQ(TestCluster::code(reply.features[1].second), Errc::invalid_update_version);
  EXPECT_EQ(level("f"), 0);
  const auto twice = cluster(UpdateFeatures{{{"f", 2}, {"f", 3}}});
  EXPECT_EQ(TestCluster::code(twice.features[1].second), Errc::invalid_update_version);
  EXPECT_TRUE(cluster(UpdateFeatures{{{"f", 2}, {"g", 2}}, true}).features[0].second);
  EXPECT_EQ(level("f"), 0) << "validated only";
  (void)cluster(UpdateFeatures{{{"f", 2}, {"g", 2}}});
  EXPECT_EQ(level("f"), 2);
  EXPECT_EQ(level("g"), 2);
}

}  // namespace
}  // namespace millrace::metadata
