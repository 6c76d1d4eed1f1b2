#include "broker/app/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace millrace::app {
namespace {

TEST(OpenFiles, the_soft_limit_becomes_the_hard_one) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 256;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const auto raised = raise_open_files_limit();
  rlimit now{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &now), 0);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(raised.has_value()) << raised.error().to_string();
  EXPECT_EQ(raised->before, 256u);
  EXPECT_EQ(raised->hard, before.rlim_max);
  EXPECT_EQ(raised->now, now.rlim_cur);
  EXPECT_EQ(now.rlim_cur, before.rlim_max);
}

}  // namespace
}  // namespace millrace::app
