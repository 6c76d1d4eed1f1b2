#include "broker/base/config_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace millrace {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlank);
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Error bad_value(const ConfigKey& key, std::string_view text, std::string_view why) {
  return Error{Errc::invalid_config,
               "value '" + std::string(text) + "' of " + std::string(key.name) + " " + std::string(why)};
}

bool is_allowed(const ConfigKey& key, std::string_view value) {
  if (key.valid.empty()) return true;
  const auto allowed = split_list(key.valid);
  return std::find(allowed.begin(), allowed.end(), value) != allowed.end();
}

Result<std::string> normalize_int(const ConfigKey& key, std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return bad_value(key, text, "is not a whole number");
  int64_t low = key.min;
  int64_t high = key.max;
  if (key.type == ConfigType::int32) {
    low = std::max<int64_t>(low, std::numeric_limits<int32_t>::min());
    high = std::min<int64_t>(high, std::numeric_limits<int32_t>::max());
  }
  if (number < low || number > high) {
    return bad_value(key, text, "is outside " + std::to_string(low) + " to " + std::to_string(high));
  }
  return std::to_string(number);
}

std::string value_text(const ConfigValues& values, const ConfigKey& key) {
  const auto found = values.find(key.name);
  return found == values.end() ? std::string(key.fallback) : found->second;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = trimmed(text.substr(0, comma));
    if (!item.empty()) items.emplace_back(item);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return items;
}

Result<std::string> normalize_config(const ConfigKey& key, std::string_view raw) {
  const std::string_view text = trimmed(raw);
  switch (key.type) {
    case ConfigType::boolean:
      if (text == "true" || text == "false") return std::string(text);
      return bad_value(key, text, "is neither true nor false");
    case ConfigType::int32:
    case ConfigType::int64:
      return normalize_int(key, text);
    case ConfigType::float64: {
      double number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number))
        return bad_value(key, text, "is not a number");
      // A number of any size where the key names no bound.
      if (number < static_cast<double>(key.min) ||
          (key.max != std::numeric_limits<int64_t>::max() && number > static_cast<double>(key.max)))
        return bad_value(key, text, "is out of range");
      return std::string(text);
    }
    case ConfigType::string:
      if (text != key.fallback && !is_allowed(key, text)) {  // the default always is
        return bad_value(key, text, "is not one of " + std::string(key.valid));
      }
      return std::string(text);
    case ConfigType::list: {
      std::string joined;
      for (const std::string& item : split_list(text)) {
        if (!is_allowed(key, item)) return bad_value(key, item, "is not one of " + std::string(key.valid));
        joined += (joined.empty() ? "" : ",") + item;
      }
      return joined;
    }
  }
  ENSURE(false);
  return Errc::invalid_config;
}

const ConfigKey* find_config_key(std::span<const ConfigKey> table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const ConfigKey& key) { return key.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::string_view nearest_config_name(std::span<const ConfigKey> table, std::string_view name) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, name.size() / 4) + 1;
  for (const ConfigKey& key : table) {
    const size_t distance = edit_distance(key.name, name);
    if (distance < best_distance) {
      best_distance = distance;
      best = key.name;
    }
  }
  return best;
}

bool config_bool(const ConfigValues& values, const ConfigKey& key) {
  ENSURE(key.type == ConfigType::boolean);
  return value_text(values, key) == "true";
}

int64_t config_int(const ConfigValues& values, const ConfigKey& key) {
  ENSURE(key.type == ConfigType::int32 || key.type == ConfigType::int64);
  const std::string text = value_text(values, key);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  ENSURE(error == std::errc{} && end == text.data() + text.size());
  return number;
}

double config_double(const ConfigValues& values, const ConfigKey& key) {
  ENSURE(key.type == ConfigType::float64);
  const std::string text = value_text(values, key);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  ENSURE(error == std::errc{} && end == text.data() + text.size());
  return number;
}

std::string config_string(const ConfigValues& values, const ConfigKey& key) { return value_text(values, key); }

std::vector<std::string> config_list(const ConfigValues& values, const ConfigKey& key) {
  ENSURE(key.type == ConfigType::list);
  return split_list(value_text(values, key));
}

}  // namespace millrace
