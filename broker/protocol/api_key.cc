#include "broker/protocol/api_key.h"

#include <algorithm>
#include <array>

#include "broker/base/ensure.h"

namespace millrace::protocol {
namespace {

constexpr auto kApis = std::to_array<ApiInfo>({
#define X(name, Name, key, version_min, version_max, flexible) \
  {ApiKey::name, #Name, version_min, version_max, flexible},
#include "broker/protocol/messages/api_table.inc"
#undef X
});

bool is_flexible(ApiKey key, int16_t version) {
  const ApiInfo* api = find_api(static_cast<int16_t>(key));
  ENSURE(api != nullptr);
  return version >= api->flexible_min;
}

}  // namespace

std::span<const ApiInfo> api_infos() { return kApis; }

const ApiInfo* find_api(int16_t key) {
  const auto found = std::lower_bound(kApis.begin(), kApis.end(), key, [](const ApiInfo& api, int16_t wanted) {
    return static_cast<int16_t>(api.key) < wanted;
  });
  return found != kApis.end() && static_cast<int16_t>(found->key) == key ? &*found : nullptr;
}

std::string_view name(ApiKey key) {
  const ApiInfo* api = find_api(static_cast<int16_t>(key));
  return api == nullptr ? "unknown" : api->name;
}

int16_t request_header_version(ApiKey key, int16_t version) { return is_flexible(key, version) ? 2 : 1; }

int16_t response_header_version(ApiKey key, int16_t version) {
  return key != ApiKey::api_versions && is_flexible(key, version) ? 1 : 0;
}

}  // namespace millrace::protocol
