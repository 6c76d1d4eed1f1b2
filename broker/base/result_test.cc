#include "broker/base/result.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

Result<int> half_of(int number) {
  if (number % 2 != 0) return Error{Errc::invalid_argument, std::to_string(number) + " is odd"};
  return number / 2;
}

Result<int> quarter_of(int number) {
  TRY_ASSIGN(const int half, half_of(number));
  return half_of(half);
}

Status check_even(int number) {
  TRY(half_of(number));
  return ok();
}

TEST(Result, carries_a_value_or_an_error_with_its_context) {
  EXPECT_EQ(*quarter_of(12), 3);
  const auto failed = quarter_of(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::invalid_argument);
  EXPECT_EQ(failed.error().to_string(), "3 is odd: invalid argument");
}

TEST(Result, try_returns_the_error_and_passes_success) {
  EXPECT_TRUE(check_even(2));
  EXPECT_EQ(check_even(1).error().context, "1 is odd");
}

TEST(Result, reading_the_value_of_an_error_is_a_bug_that_stops_the_process) {
  EXPECT_DEATH(static_cast<void>(half_of(1).value()), "ENSURE\\(has_value\\(\\)\\) failed");
}

}  // namespace
}  // namespace millrace
