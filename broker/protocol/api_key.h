#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::protocol {

// Every API between brokers and clients that has a schema; which of them we serve is stated in
// server/handlers/handlers.cc.
enum class ApiKey : int16_t {
#define X(name, Name, key, version_min, version_max, flexible) name = key,
#include "broker/protocol/messages/api_table.inc"
#undef X
};

struct ApiInfo {
  ApiKey key;
  std::string_view name;  // Kafka's, such as "DescribeConfigs"
  int16_t version_min;
  int16_t version_max;
  int16_t flexible_min;  // first version with compact lengths and tagged fields
};

// In the order of keys.
std::span<const ApiInfo> api_infos();
const ApiInfo* find_api(int16_t key);  // null: no such key
std::string_view name(ApiKey key);

// Header versions (KIP-482): requests 1 or 2, responses 0 or 1; the ApiVersions response is always 0, so that any
// client can read it.
int16_t request_header_version(ApiKey key, int16_t version);
int16_t response_header_version(ApiKey key, int16_t version);

}  // namespace millrace::protocol
