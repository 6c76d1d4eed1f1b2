#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

#include "broker/base/bytes.h"
#include "broker/base/ensure.h"
#include "broker/base/output_chain.h"
#include "broker/protocol/message_values_test_support.h"

namespace millrace::protocol {

using nlohmann::json;

inline std::string base64(BytesView bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k)
      word = (word << 8) | (i + k < bytes.size() ? static_cast<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? kAlphabet[(word >> (18 - 6 * k)) & 63] : '=';
  }
  return text;
}

inline Bytes from_base64(std::string_view text) {
  std::vector<std::byte> bytes;
  uint32_t word = 0;
  int bits = 0;
  for (char c : text) {
    if (c == '=') break;
    const int digit = c >= 'a' ? c - 'a' + 26 : c >= 'A' ? c - 'A' : c >= '0' ? c - '0' + 52 : c == '+' ? 62 : 63;
    word = (word << 6) | static_cast<uint32_t>(digit);
    if ((bits += 6) >= 8) bytes.push_back(static_cast<std::byte>((word >> (bits -= 8)) & 0xff));
  }
  return bytes.empty() ? Bytes{} : Bytes::adopt(std::move(bytes));
}

// All pieces, which must lie in memory, as one.
inline Bytes flat(const OutputChain& chain) {
  std::vector<std::byte> all;
  for (const OutputChain::Piece& piece : chain.pieces()) {
    const BytesView view = std::get<Bytes>(piece).view();
    all.insert(all.end(), view.begin(), view.end());
  }
  return all.empty() ? Bytes{} : Bytes::adopt(std::move(all));
}

class JsonOut final : public ValueOut {
 public:
  json take() { return std::move(root_); }
  void begin_object() override { open(json::object()); }
  void begin_array() override { open(json::array()); }
  void end_object() override { open_.pop_back(); }
  void end_array() override { open_.pop_back(); }
  void key(const char* name) override { key_ = name; }
  void null() override { put(nullptr); }
  void boolean(bool value) override { put(value); }
  void integer(int64_t value) override { put(value); }
  void real(double value) override { put(value); }
  void text(std::string_view value) override { put(std::string(value)); }
  void bytes(BytesView value) override { put(base64(value)); }

 private:
  json& put(json value) {
    if (open_.empty()) return root_ = std::move(value);
    json& into = *open_.back();
    if (into.is_object()) return into[key_] = std::move(value);
    into.push_back(std::move(value));
    return into.back();
  }
  void open(json value) { open_.push_back(&put(std::move(value))); }
  json root_;
  std::string key_;
  std::vector<json*> open_;
};

class JsonIn final : public ValueIn {
 public:
  explicit JsonIn(const json& root) : at_{&root} {}
  void enter(const char* name) override { at_.push_back(&at_.back()->at(name)); }
  void enter(size_t index) override { at_.push_back(&at_.back()->at(index)); }
  void leave() override { at_.pop_back(); }
  size_t size() override { return at_.back()->size(); }
  bool is_null() override { return at_.back()->is_null(); }
  bool boolean() override { return at_.back()->get<bool>(); }
  int64_t integer() override { return at_.back()->get<int64_t>(); }
  double real() override { return at_.back()->get<double>(); }
  std::string text() override { return at_.back()->get<std::string>(); }
  Bytes bytes() override { return from_base64(at_.back()->get<std::string>()); }

 private:
  std::vector<const json*> at_;
};

// One JSON value a line of a gzip file.
template <class Visit>
void for_each_line(const std::string& path, Visit visit) {
  gzFile file = gzopen(path.c_str(), "rb");
  ENSURE(file != nullptr);
  std::string content;
  std::vector<char> block(1 << 16);
  for (int got = 0; (got = gzread(file, block.data(), static_cast<unsigned>(block.size()))) > 0;)
    content.append(block.data(), static_cast<size_t>(got));
  gzclose(file);
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    visit(json::parse(content.begin() + static_cast<std::ptrdiff_t>(at),
                      content.begin() + static_cast<std::ptrdiff_t>(end)));
    at = end + 1;
  }
}

inline std::string vectors_dir() { return MILLRACE_SOURCE_DIR "/tests/data/vectors/"; }
inline std::string vector_file(std::string_view name) { return vectors_dir() + std::string(name) + ".jsonl.gz"; }

// The files NNN-Api.jsonl.gz, as MANIFEST.tsv lists them, with their number of vectors.
std::vector<std::pair<std::string, size_t>> api_vector_files();

inline const MessageType* find_message(std::string_view name) {
  for (const MessageType& type : message_types())
    if (type.name == name) return &type;
  return nullptr;
}
inline const MessageType* find_message(int16_t key, std::string_view kind) {
  for (const MessageType& type : message_types())
    if (type.key == key && type.kind == kind) return &type;
  return nullptr;
}

}  // namespace millrace::protocol
