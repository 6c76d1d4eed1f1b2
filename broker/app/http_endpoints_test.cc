#include "broker/app/http_endpoints.h"

#include <gtest/gtest.h>
#include <httplib.h>

namespace millrace::app {
namespace {

HttpOptions options(uint16_t port) {
  return {.at = {"127.0.0.1", port},
          .metrics = [] { return std::string(); },
          .not_ready = [] { return std::string(); },
          .note = {},
          .version = "1"};
}

// A broker that is told to stop as soon as it is up once hung here.
TEST(HttpEndpoints, end_at_once_when_they_have_just_begun) {
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(HttpEndpoints::open(options(0)).has_value());
}

TEST(HttpEndpoints, readiness_says_why_not_and_what_to_look_at) {
  HttpOptions with_words = options(0);
  std::string why, note;
  with_words.not_ready = [&] { return why; };
  with_words.note = [&] { return note; };
  const auto endpoints = HttpEndpoints::open(std::move(with_words)).value();
  httplib::Client client("127.0.0.1", endpoints->at().port);
  const auto readyz = [&] {
    const auto answer = client.Get("/readyz");
    return answer ? std::to_string(answer->status) + " " + answer->body : std::string("no answer");
  };
  EXPECT_EQ(readyz(), "200 ready\n");
  note = "2 partitions are offline";
  EXPECT_EQ(readyz(), "200 ready\n2 partitions are offline\n");
  why = "not registered";
  EXPECT_EQ(readyz(), "503 not registered\n2 partitions are offline\n");
}

TEST(HttpEndpoints, a_port_that_is_taken_is_refused) {
  const auto first = HttpEndpoints::open(options(0)).value();
  const auto second = HttpEndpoints::open(options(first->at().port));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Errc::in_use);
}

}  // namespace
}  // namespace millrace::app
