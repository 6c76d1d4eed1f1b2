#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"

namespace millrace {

enum class ConfigType : uint8_t { boolean, string, int32, int64, float64, list };

// One configuration key: a folder that reads it lists it in a constexpr table (<folder>_config.h). Names are Kafka's
// own where Kafka has the property; ours begin with "millrace.". The tables feed parsing, DescribeConfigs and the
// documentation.
struct ConfigKey {
  std::string_view name;
  ConfigType type = ConfigType::string;
  std::string_view fallback;  // the default, as text; "" with nullable means null
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
  std::string_view valid;  // comma-separated allowed values of a string or list key; empty: any
  bool dynamic = false;    // may change while the broker runs
  bool nullable = false;
  std::string_view doc;
};

using ConfigValues = std::map<std::string, std::string, std::less<>>;

// Answers why `text` is not a value of `key`, naming both; the value in canonical form otherwise (trimmed, list items
// without blanks).
Result<std::string> normalize_config(const ConfigKey& key, std::string_view text);

const ConfigKey* find_config_key(std::span<const ConfigKey> table, std::string_view name);

// The known name nearest to a misspelt one by edit distance, or "" when none is near.
std::string_view nearest_config_name(std::span<const ConfigKey> table, std::string_view name);

// Reads `key` from values, else its default. The values were normalized before; ENSUREs that the type fits.
bool config_bool(const ConfigValues& values, const ConfigKey& key);
int64_t config_int(const ConfigValues& values, const ConfigKey& key);
double config_double(const ConfigValues& values, const ConfigKey& key);
std::string config_string(const ConfigValues& values, const ConfigKey& key);
std::vector<std::string> config_list(const ConfigValues& values, const ConfigKey& key);

// "a, b,,c" -> {"a","b","c"}.
std::vector<std::string> split_list(std::string_view text);

}  // namespace millrace
