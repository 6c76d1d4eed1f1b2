#include "operator/api/typed.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/api/kafka_cluster_status.h"

namespace millrace::api {

using kube::Json;

namespace {

// Reads one struct from a JSON object, member by member.
class Reader {
 public:
  explicit Reader(const Json& object) : object_(object) {}

  template <class Member>
  void operator()(const char* name, Member& member) {
    const auto found = object_.find(name);
    if (found != object_.end() && !found->is_null()) read(*found, member);
  }

 private:
  static void read(const Json& value, bool& into) { into = value.get<bool>(); }
  static void read(const Json& value, int32_t& into) { into = value.get<int32_t>(); }
  static void read(const Json& value, uint16_t& into) { into = value.get<uint16_t>(); }
  static void read(const Json& value, std::string& into) { into = value.get<std::string>(); }
  static void read(const Json& value, kube::Object& into) { into = kube::Object(value); }
  static void read(const Json& value, StorageType& into) { into = word<StorageType>(value, kStorageWords); }
  static void read(const Json& value, DeletionPolicy& into) { into = word<DeletionPolicy>(value, kDeletionWords); }
  // Numbers and flags by their usual spelling, as brokers take them.
  static void read(const Json& value, std::map<std::string, std::string>& into) {
    for (const auto& [name, one] : value.items()) into[name] = one.is_string() ? one.get<std::string>() : one.dump();
  }
  template <class T>
  static void read(const Json& value, std::optional<T>& into) {
    read(value, into.emplace());
  }
  template <class T>
  static void read(const Json& value, std::vector<T>& into) {
    for (const Json& one : value) read(one, into.emplace_back());
  }
  template <class Struct>
  static void read(const Json& value, Struct& into) {
    Reader reader(value);
    visit_fields(reader, into);
  }
  template <class Enum, size_t N>
  static Enum word(const Json& value, const std::array<std::string_view, N>& words) {
    const auto found = std::find(words.begin(), words.end(), value.get_ref<const std::string&>());
    ENSURE(found != words.end());
    return static_cast<Enum>(found - words.begin());
  }

  const Json& object_;
};

// Writes one struct as a JSON object; what is optional and not there is left out.
class Writer {
 public:
  Json take() { return std::move(object_); }

  template <class Member>
  void operator()(const char* name, const Member& member) {
    write(object_, name, member);
  }

 private:
  template <class T>
  static void write(Json& object, const char* name, const std::optional<T>& member) {
    if (member) object[name] = json_of(*member);
  }
  template <class T>
  static void write(Json& object, const char* name, const T& member) {
    object[name] = json_of(member);
  }
  template <class T>
  static Json json_of(const std::vector<T>& list) {
    Json result = Json::array();
    for (const T& one : list) result.push_back(json_of(one));
    return result;
  }
  template <class T>
  static Json json_of(const T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
      return value;
    } else {
      Writer writer;
      visit_fields(writer, value);
      return writer.take();
    }
  }

  Json object_ = Json::object();
};

template <class Struct>
Json written(const Struct& value) {
  Writer writer;
  visit_fields(writer, value);
  return writer.take();
}

template <class Spec>
void read_members(const Json& spec, Spec& into) {
  Reader reader(spec);
  visit_fields(reader, into);
}

}  // namespace

void read_spec(const Json& spec, KafkaClusterSpec& into) { read_members(spec, into); }
void read_spec(const Json& spec, KafkaTopicSpec& into) { read_members(spec, into); }
Json to_json(const KafkaClusterStatus& status) { return written(status); }
Json to_json(const KafkaTopicStatus& status) { return written(status); }
Json to_json(const Condition& condition) { return written(condition); }

}  // namespace millrace::api
