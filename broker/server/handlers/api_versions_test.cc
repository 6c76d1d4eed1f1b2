#include "broker/protocol/messages/api_versions.h"

#include <gtest/gtest.h>

#include "broker/base/endian.h"
#include "broker/io/sim/sim_clock.h"
#include "broker/metadata/image_store.h"
#include "broker/protocol/api_key.h"
#include "broker/protocol/writer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::ApiVersionsRequest;
using protocol::ApiVersionsResponse;

class Collected final : public ReplySink {
 public:
  void complete(uint64_t, Outcome outcome, OutputChain frame, std::chrono::milliseconds) override {
    EXPECT_EQ(outcome, Outcome::reply);
    for (const OutputChain::Piece& piece : frame.pieces()) bytes += std::get<Bytes>(piece).text();
  }
  bool is_open() const override { return true; }
  void refuse(uint64_t, CloseReason reason, std::string_view) override { refused = reason; }

  std::string bytes;
  std::optional<CloseReason> refused;
};

class ApiVersionsTest : public testing::Test {
 protected:
  // The response, decoded as `answer_version`; nothing when the connection was ended instead.
  std::optional<ApiVersionsResponse> ask(int16_t version, Bytes body, int16_t answer_version) {
    auto sink = std::make_shared<Collected>();
    Services services;
    services.handlers = table();
    services.images = &images_;
    RequestContext context{.api = protocol::ApiKey::api_versions, .version = version, .correlation_id = 7};
    run_api_versions({services, context, std::move(body),
                      ReplySlot(sink, 0, protocol::ApiKey::api_versions, version, context.correlation_id)});
    refused_ = sink->refused;
    if (refused_) return std::nullopt;
    const Bytes reply = Bytes::copy_of(sink->bytes);
    EXPECT_EQ(static_cast<size_t>(load_big_endian<int32_t>(reply.data())), reply.size() - 4);
    EXPECT_EQ(load_big_endian<int32_t>(reply.data() + 4), 7);
    return ApiVersionsResponse::decode(reply.slice(8, reply.size() - 8), answer_version).value();
  }
  Bytes body(int16_t version, std::string name = "test-client", std::string software_version = "1.0.2") {
    ApiVersionsRequest request;
    request.client_software_name = std::move(name);
    request.client_software_version = std::move(software_version);
    protocol::Writer writer;
    request.encode(writer, version);
    return writer.take_bytes();
  }
  metadata::ImageStore images_;
  std::optional<CloseReason> refused_;
};

TEST_F(ApiVersionsTest, every_version_lists_exactly_the_table) {
  for (int16_t version = 0; version <= 5; ++version) {
    const ApiVersionsResponse response = *ask(version, body(version), version);
    EXPECT_EQ(response.error_code, 0);
    ASSERT_EQ(response.api_keys.size(), table().size());
    for (size_t row = 0; row < table().size(); ++row) {
      EXPECT_EQ(response.api_keys[row].api_key, static_cast<int16_t>(table()[row].api));
      EXPECT_EQ(response.api_keys[row].min_version, table()[row].advertised_min);
      EXPECT_EQ(response.api_keys[row].max_version, table()[row].version_max);
    }
  }
}

TEST_F(ApiVersionsTest, the_table_is_sorted_and_within_the_versions_of_its_schemas) {
  for (size_t row = 0; row < table().size(); ++row) {
    const Handler& handler = table()[row];
    if (row > 0) {
      EXPECT_LT(table()[row - 1].api, handler.api);
    }
    const protocol::ApiInfo* info = protocol::find_api(static_cast<int16_t>(handler.api));
    ASSERT_NE(info, nullptr);
    EXPECT_GE(handler.version_min, info->version_min) << info->name;
    EXPECT_LE(handler.version_max, info->version_max) << info->name;
    EXPECT_LE(handler.advertised_min, handler.version_min) << info->name;
    EXPECT_NE(handler.run, nullptr);
  }
}

TEST_F(ApiVersionsTest, a_version_from_the_future_is_answered_in_version_0_and_its_body_is_not_read) {
  const ApiVersionsResponse response = *ask(6, Bytes::copy_of("\xff\xff\xff"), 0);
  EXPECT_EQ(response.error_code, 35);
  ASSERT_EQ(response.api_keys.size(), 1u);
  EXPECT_EQ(response.api_keys[0].api_key, 18);
  EXPECT_EQ(response.api_keys[0].max_version, 5);
}

TEST_F(ApiVersionsTest, a_software_name_that_is_none_is_an_invalid_request) {
  for (const char* name : {"", "-x", "x-", "a b", "a\n", "\xc3\xa9"}) {
    EXPECT_EQ(ask(3, body(3, name), 3)->error_code, 42) << name;
    EXPECT_EQ(ask(3, body(3, "x", name), 3)->error_code, 42) << name;
    EXPECT_EQ(ask(2, body(2, name), 2)->error_code, 0) << "not sent before version 3";
  }
  EXPECT_EQ(ask(3, body(3, "a"), 3)->error_code, 0);
}

TEST_F(ApiVersionsTest, features_of_this_build_are_named_and_the_clusters_levels_with_a_known_epoch) {
  EXPECT_EQ(ask(4, body(4), 4)->finalized_features_epoch, 0);
  metadata::ClusterImage image;
  image.applied = Offset(30);
  image.features["millrace.version"] = 1;
  images_.publish(std::make_shared<const metadata::ClusterImage>(std::move(image)));
  const ApiVersionsResponse response = *ask(4, body(4), 4);
  EXPECT_EQ(response.finalized_features_epoch, 30);
  ASSERT_EQ(response.supported_features.size(), 1u);
  EXPECT_EQ(response.supported_features[0].name, "millrace.version");
  EXPECT_EQ(response.supported_features[0].min_version, 1);
  EXPECT_EQ(response.supported_features[0].max_version, 1);
  ASSERT_EQ(response.finalized_features.size(), 1u);
  EXPECT_EQ(response.finalized_features[0].name, "millrace.version");
  EXPECT_EQ(response.finalized_features[0].max_version_level, 1);
}

TEST_F(ApiVersionsTest, a_body_that_ends_too_early_ends_the_connection) {
  EXPECT_FALSE(ask(3, Bytes::copy_of("\x05x"), 3).has_value());
  EXPECT_EQ(refused_, CloseReason::malformed);
}

}  // namespace
}  // namespace millrace::server::handlers
