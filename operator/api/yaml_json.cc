#include "operator/api/yaml_json.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include <yaml-cpp/yaml.h>

namespace millrace::api {

using kube::Json;

namespace {

struct YamlProblem {
  int line;
  std::string what;
};

std::string escaped(std::string_view name) {  // RFC 6901
  std::string result;
  for (const char c : name) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

// A plain scalar's type by YAML 1.2's core schema; quoted ones are strings.
Json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const std::string_view digits = text.starts_with('+') ? std::string_view(text).substr(1) : std::string_view(text);
  const char* const end = digits.data() + digits.size();
  int64_t whole = 0;
  if (const auto read = std::from_chars(digits.data(), end, whole); read.ec == std::errc() && read.ptr == end) {
    return whole;
  }
  if (digits.find_first_not_of("0123456789.eE+-") == std::string_view::npos) {
    double real = 0;
    if (const auto read = std::from_chars(digits.data(), end, real); read.ec == std::errc() && read.ptr == end) {
      return real;
    }
  }
  return text;
}

class Converter {
 public:
  explicit Converter(std::map<std::string, int>& lines) : lines_(lines) {}

  Json convert(const YAML::Node& node, const std::string& pointer, int depth) {
    const int line = node.Mark().line + 1;
    if (depth > kYamlDepthMax) throw YamlProblem{line, "nested more than " + std::to_string(kYamlDepthMax) + " deep"};
    if (++values_ > kValuesMax) throw YamlProblem{line, "more than " + std::to_string(kValuesMax) + " values"};
    lines_.try_emplace(pointer, line);
    if (node.IsMap()) return convert_map(node, pointer, depth);
    if (node.IsSequence()) {
      Json result = Json::array();
      for (const YAML::Node& item : node) {
        result.push_back(convert(item, pointer + "/" + std::to_string(result.size()), depth + 1));
      }
      return result;
    }
    return node.IsScalar() ? scalar(node) : Json(nullptr);
  }

 private:
  static constexpr size_t kValuesMax = 100'000;

  Json convert_map(const YAML::Node& node, const std::string& pointer, int depth) {
    Json result = Json::object();
    for (const auto& member : node) {
      const int line = member.first.Mark().line + 1;
      if (!member.first.IsScalar()) throw YamlProblem{line, "a key that is not a text"};
      const std::string& name = member.first.Scalar();
      if (result.contains(name)) throw YamlProblem{line, "key " + name + " is there twice"};
      const std::string at = pointer + "/" + escaped(name);
      lines_.try_emplace(at, line);
      result[name] = convert(member.second, at, depth + 1);
    }
    return result;
  }

  std::map<std::string, int>& lines_;
  size_t values_ = 0;
};

void emit(YAML::Emitter& out, const Json& value) {
  if (value.is_object()) {
    out << YAML::BeginMap;
    for (const auto& [name, member] : value.items()) {
      out << YAML::Key << name << YAML::Value;
      emit(out, member);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    out << YAML::BeginSeq;
    for (const Json& item : value) emit(out, item);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    YAML::Node plain(text);  // quoted only when a reader would take the plain form for something else
    if (scalar(plain).is_string() && text.find('\n') == std::string::npos) {
      out << text;
    } else if (text.find('\n') != std::string::npos) {
      out << YAML::Literal << text;
    } else {
      out << YAML::DoubleQuoted << text;
    }
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << value.dump();
  }
}

}  // namespace

int YamlDocument::line_of(std::string_view pointer) const {
  for (;;) {
    if (const auto found = lines.find(std::string(pointer)); found != lines.end()) return found->second;
    const size_t cut = pointer.rfind('/');
    if (cut == std::string_view::npos) return 1;
    pointer = pointer.substr(0, cut);
  }
}

Result<std::vector<YamlDocument>> read_yaml(std::string_view file, std::string_view text) {
  const auto refuse = [&](int line, const std::string& what) {
    return Error{Errc::malformed, std::string(file) + ":" + std::to_string(line) + ": " + what};
  };
  if (text.size() > kManifestBytesMax) return refuse(1, "larger than " + std::to_string(kManifestBytesMax) + " bytes");
  std::vector<YamlDocument> result;
  try {
    for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
      if (!node.IsDefined() || node.IsNull()) continue;
      YamlDocument document;
      Json value = Converter(document.lines).convert(node, "", 0);
      if (!value.is_object()) return refuse(node.Mark().line + 1, "not a map of fields");
      document.object = kube::Object(std::move(value));
      result.push_back(std::move(document));
    }
  } catch (const YamlProblem& problem) {
    return refuse(problem.line, problem.what);
  } catch (const YAML::Exception& problem) {
    return refuse(problem.mark.line + 1, problem.msg);
  }
  return result;
}

std::string to_yaml(const Json& value) {
  YAML::Emitter out;
  emit(out, value);
  return std::string(out.c_str()) + "\n";
}

}  // namespace millrace::api
