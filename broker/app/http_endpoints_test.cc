#include "broker/app/http_endpoints.h"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

HttpOptions options(uint16_t port) {
  return {.at = {"127.0.0.1", port},
          .metrics = [] { return std::string(); },
          .not_ready = [] { return std::string(); },
          .version = "1"};
}

// A broker that is told to stop as soon as it is up once hung here.
TEST(HttpEndpoints, end_at_once_when_they_have_just_begun) {
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(HttpEndpoints::open(options(0)).has_value());
}

TEST(HttpEndpoints, a_port_that_is_taken_is_refused) {
  const auto first = HttpEndpoints::open(options(0)).value();
  const auto second = HttpEndpoints::open(options(first->at().port));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::in_use);
}

}  // namespace
}  // namespace millrace::app
