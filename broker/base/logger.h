#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace millrace {

enum class LogLevel : uint8_t { debug, info, warn, error };
enum class LogFormat : uint8_t { text, json };

// One typed fact of a log line. Views: they live as long as the call.
struct LogField {
  using Value = std::variant<bool, int64_t, uint64_t, double, std::string_view>;
  std::string_view name;
  Value value;

  LogField(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
  LogField(std::string_view field_name, const char* text) : name(field_name), value(std::string_view(text)) {}
  LogField(std::string_view field_name, const std::string& text) : name(field_name), value(std::string_view(text)) {}
  template <class T>
  requires std::is_arithmetic_v<T> LogField(std::string_view field_name, T number) : name(field_name) {
    if constexpr (std::is_same_v<T, bool>) {
      value = number;
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<double>(number);
    } else if constexpr (std::is_unsigned_v<T>) {
      value = static_cast<uint64_t>(number);
    } else {
      value = static_cast<int64_t>(number);
    }
  }
  template <class Id>
  requires requires(Id id) {
    typename Id::value_type;
    id.value();
  } && std::is_integral_v<typename Id::value_type> LogField(std::string_view field_name, Id id)
      : LogField(field_name, id.value()) {
  }
};

// Structured log: a constant message and typed fields, one line each, on standard error (text or JSON) through spdlog.
// An error is logged once, where it stops travelling. Thread-safe; lines below the level cost one relaxed load.
//
//   log.info("segment rolled", {{"base_offset", base}, {"reason", "size"}});
class Logger {
 public:
  // `component` is the folder that speaks, such as "storage".
  explicit Logger(std::string_view component) : component_(component) {}

  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::debug, message, fields);
  }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::info, message, fields);
  }
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::warn, message, fields);
  }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    write(LogLevel::error, message, fields);
  }

  // Process-wide, set once by main before threads start.
  static void configure(LogLevel level, LogFormat format);
  // Sends lines (already formatted) elsewhere; tests use it to read them. Empty restores standard error.
  static void redirect(std::function<void(std::string_view line)> sink);

 private:
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const {
    if (level >= level_.load(std::memory_order_relaxed)) emit(level, message, fields);
  }
  void emit(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const;

  static std::atomic<LogLevel> level_;
  std::string component_;
};

}  // namespace millrace
