#include "broker/server/error_map.h"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

// Every error but the few that are nobody's business must tell a client more than "unknown".
TEST(ErrorMap, errors_that_clients_act_on_have_codes_of_their_own) {
  const std::vector<Errc> inner{Errc::not_found, Errc::already_exists, Errc::in_use, Errc::would_block,
                                Errc::invalid_argument};
#define MILLRACE_EXPECT_CODE(name, words)                                           \
  EXPECT_NE(to_error_code(Errc::name), protocol::ErrorCode::none) << #name;         \
  EXPECT_EQ(to_error_code(Errc::name) == protocol::ErrorCode::unknown_server_error, \
            std::find(inner.begin(), inner.end(), Errc::name) != inner.end())       \
      << #name;
  MILLRACE_ERRORS(MILLRACE_EXPECT_CODE)
#undef MILLRACE_EXPECT_CODE
}

}  // namespace
}  // namespace millrace::server
