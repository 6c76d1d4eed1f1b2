#include "broker/base/logger.h"

#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "broker/base/mutex.h"

namespace millrace {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warn", "error"};

std::atomic<LogFormat> g_format{LogFormat::text};
Mutex g_sink_mutex;  // taken last; nothing is called under it but the sink
std::function<void(std::string_view)> g_sink GUARDED_BY(g_sink_mutex);

// spdlog formats the time, and writes lines whole.
spdlog::logger& backend() {
  static const auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    made->set_pattern("%v");
    return made;
  }();
  return *logger;
}

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void append_value(std::string& out, const LogField::Value& value) {
  std::visit(
      [&](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::string_view>) {
          append_json_text(out, v);
        } else {
          out += fmt::format("{}", v);
        }
      },
      value);
}

std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const time_t seconds = static_cast<time_t>(ms / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ms % 1000);
}

}  // namespace

std::atomic<LogLevel> Logger::level_{LogLevel::info};

void Logger::configure(LogLevel level, LogFormat format) {
  level_.store(level, std::memory_order_relaxed);
  g_format.store(format, std::memory_order_relaxed);
}

void Logger::redirect(std::function<void(std::string_view)> sink) {
  MutexLock lock(g_sink_mutex);
  g_sink = std::move(sink);
}

void Logger::emit(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) const {
  const std::string_view level_name = kLevelNames[static_cast<size_t>(level)];
  std::string line;
  if (g_format.load(std::memory_order_relaxed) == LogFormat::json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","component":"{}","message":)", utc_now(), level_name, component_);
    append_json_text(line, message);
    for (const LogField& field : fields) {
      line += ',';
      append_json_text(line, field.name);
      line += ':';
      append_value(line, field.value);
    }
    line += '}';
  } else {
    line = fmt::format("{} {:<5} {}: {}", utc_now(), level_name, component_, message);
    for (const LogField& field : fields) {
      line += ' ';
      line += field.name;
      line += '=';
      append_value(line, field.value);
    }
  }
  MutexLock lock(g_sink_mutex);
  if (g_sink) {
    g_sink(line);
  } else {
    backend().log(spdlog::level::info, line);
  }
}

}  // namespace millrace
