#include "broker/rpc/wire/call_error.h"

#include <gtest/gtest.h>

namespace millrace::rpc {
namespace {

std::optional<Error> round_trip(const Error& error) {
  return error_of(to_status(error), std::string(name_of(error.code)));
}

TEST(CallError, every_error_arrives_with_its_words) {
#define MILLRACE_EXPECT_SAME(name, words)                                   \
  for (const char* context : {"broker 7", "", "a: " words " of it"}) {      \
    const auto read = round_trip({Errc::name, context});                    \
    ASSERT_TRUE(read) << #name;                                             \
    EXPECT_EQ(read->code, Errc::name);                                      \
    EXPECT_EQ(read->context, context) << #name;                             \
    EXPECT_FALSE(to_status({Errc::name, context}).ok());                    \
    EXPECT_FALSE(to_status({Errc::name, context}).error_message().empty()); \
  }
  MILLRACE_ERRORS(MILLRACE_EXPECT_SAME)
#undef MILLRACE_EXPECT_SAME
}

TEST(CallError, the_message_is_a_whole_sentence_for_tools_that_show_nothing_else) {
  EXPECT_EQ(to_status({Errc::broker_not_registered, "broker 7"}).error_message(), "broker 7: broker is not registered");
}

TEST(CallError, endless_words_are_cut_between_characters) {
  std::string words(kErrorWordsMax - 1, 'x');
  words += "ü";
  const auto read = round_trip({Errc::policy_violation, words + std::string(5000, 'y')});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->context, std::string(kErrorWordsMax - 1, 'x'));
}

TEST(CallError, a_status_of_nobody_of_ours_is_no_error_of_ours) {
  EXPECT_FALSE(error_of(grpc::Status(grpc::StatusCode::UNAVAILABLE, "no route"), ""));
  EXPECT_FALSE(error_of(grpc::Status(grpc::StatusCode::ABORTED, "new"), "of_the_future"));
  EXPECT_FALSE(error_of(grpc::Status::OK, "timed_out"));
  EXPECT_EQ(to_error(grpc::Status(grpc::StatusCode::UNAVAILABLE, "no route"), "a").to_string(),
            "a: no route: connection refused");
}

}  // namespace
}  // namespace millrace::rpc
