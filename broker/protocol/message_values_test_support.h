#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/base/uuid.h"
#include "broker/protocol/reader.h"
#include "broker/protocol/records.h"
#include "broker/protocol/writer.h"

namespace millrace::protocol {

// Messages as trees of named values, for tests: generated code (generator/reflection.py) walks every field of every
// message and hands it to these two interfaces, whose JSON forms are in json_values_test_support.h.
class ValueOut {
 public:
  virtual ~ValueOut() = default;
  virtual void begin_object() = 0;
  virtual void end_object() = 0;
  virtual void begin_array() = 0;
  virtual void end_array() = 0;
  virtual void key(const char* name) = 0;
  virtual void null() = 0;
  virtual void boolean(bool value) = 0;
  virtual void integer(int64_t value) = 0;
  virtual void real(double value) = 0;
  virtual void text(std::string_view value) = 0;
  virtual void bytes(BytesView value) = 0;
};

// The current value, and steps into and out of what it holds.
class ValueIn {
 public:
  virtual ~ValueIn() = default;
  virtual void enter(const char* name) = 0;
  virtual void enter(size_t index) = 0;
  virtual void leave() = 0;
  virtual size_t size() = 0;
  virtual bool is_null() = 0;
  virtual bool boolean() = 0;
  virtual int64_t integer() = 0;
  virtual double real() = 0;
  virtual std::string text() = 0;
  virtual Bytes bytes() = 0;
};

inline void show(ValueOut& out, const std::string& value, int16_t) { out.text(value); }
inline void show(ValueOut& out, const Bytes& value, int16_t) { out.bytes(value.view()); }
inline void show(ValueOut& out, const Uuid& value, int16_t) { out.text(value.to_string()); }
inline void show(ValueOut& out, const Records& value, int16_t) {
  value.is_null() ? out.null() : out.bytes(value.bytes().view());
}
template <class T>
void show(ValueOut& out, const T& value, int16_t version) {
  if constexpr (std::is_same_v<T, bool>) {
    out.boolean(value);
  } else if constexpr (std::is_same_v<T, double>) {
    out.real(value);
  } else if constexpr (std::is_integral_v<T>) {
    out.integer(static_cast<int64_t>(value));
  } else {
    out.begin_object();
    show_fields(out, value, version);
    out.end_object();
  }
}
template <class T>
void show(ValueOut& out, const std::vector<T>& values, int16_t version) {
  out.begin_array();
  for (const T& value : values) show(out, value, version);
  out.end_array();
}
template <class T>
void show(ValueOut& out, const std::optional<T>& value, int16_t version) {
  value ? show(out, *value, version) : out.null();
}
template <class T>
void show_field(ValueOut& out, const char* name, const T& value, int16_t version) {
  out.key(name);
  show(out, value, version);
}

inline void fill(ValueIn& in, std::string& value, int16_t) { value = in.text(); }
inline void fill(ValueIn& in, Bytes& value, int16_t) { value = in.bytes(); }
inline void fill(ValueIn& in, Uuid& value, int16_t) {
  const Result<Uuid> parsed = Uuid::parse(in.text());
  ENSURE(parsed.has_value());
  value = *parsed;
}
inline void fill(ValueIn& in, Records& value, int16_t) { value = in.is_null() ? Records() : Records(in.bytes()); }
template <class T>
void fill(ValueIn& in, T& value, int16_t version) {
  if constexpr (std::is_same_v<T, bool>) {
    value = in.boolean();
  } else if constexpr (std::is_same_v<T, double>) {
    value = in.real();
  } else if constexpr (std::is_integral_v<T>) {
    value = static_cast<T>(in.integer());
  } else {
    fill_fields(in, value, version);
  }
}
template <class T>
void fill(ValueIn& in, std::vector<T>& values, int16_t version) {
  values.clear();
  for (size_t i = 0, size = in.size(); i < size; ++i) {
    in.enter(i);
    fill(in, values.emplace_back(), version);
    in.leave();
  }
}
template <class T>
void fill(ValueIn& in, std::optional<T>& value, int16_t version) {
  value.reset();
  if (!in.is_null()) fill(in, value.emplace(), version);
}
template <class T>
void fill_field(ValueIn& in, const char* name, T& value, int16_t version) {
  in.enter(name);
  fill(in, value, version);
  in.leave();
}

// One message of the schemas and what tests do with it.
struct MessageType {
  std::string_view name;  // "FetchRequest"
  std::string_view kind;  // request, response or data
  int16_t key;            // of the API; -1 for data
  int16_t version_min;
  int16_t version_max;
  int16_t flexible_min;                                                    // -1: none
  Result<OutputChain> (*recode)(const Bytes& body, int16_t version);       // decodes, then encodes what came out
  Status (*show_body)(const Bytes& body, int16_t version, ValueOut& out);  // decodes, then shows
  OutputChain (*encode)(ValueIn& in, int16_t version);
};

// Every message of every schema; generated.
const std::vector<MessageType>& message_types();

template <class T>
MessageType message_type(std::string_view name, std::string_view kind, int16_t key) {
  return {name,
          kind,
          key,
          T::kMinVersion,
          T::kMaxVersion,
          T::kFirstFlexibleVersion,
          [](const Bytes& body, int16_t version) -> Result<OutputChain> {
            TRY_ASSIGN(const T message, T::decode(body, version));
            Writer writer;
            message.encode(writer, version);
            return writer.take();
          },
          [](const Bytes& body, int16_t version, ValueOut& out) -> Status {
            TRY_ASSIGN(const T message, T::decode(body, version));
            show(out, message, version);
            return ok();
          },
          [](ValueIn& in, int16_t version) {
            T message;
            fill(in, message, version);
            Writer writer;
            message.encode(writer, version);
            return writer.take();
          }};
}

}  // namespace millrace::protocol
