#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "broker/base/ensure.h"
#include "broker/base/errc.h"

namespace millrace {

// Why an operation did not happen. `context` says to what it happened and, where a user can do something, what; it
// never repeats the code.
struct Error {
  Errc code;
  std::string context;

  // "context: words of the code", for people.
  std::string to_string() const {
    std::string words{millrace::to_string(code)};
    return context.empty() ? words : context + ": " + words;
  }
};

struct [[nodiscard]] Unit {
  friend bool operator==(Unit, Unit) = default;
};

// A value or an Error, for what the world (disk, peers, users) can do wrong; our own bugs are ENSUREs. Names follow
// std::expected where both have the operation. Not thread-safe, like any value.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)
  Result(Errc code) : state_(std::in_place_index<1>, Error{code, {}}) {}     // NOLINT(google-explicit-constructor)

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    ENSURE(has_value());
    return std::get<0>(state_);
  }
  const T& value() const& {
    ENSURE(has_value());
    return std::get<0>(state_);
  }
  T&& value() && {
    ENSURE(has_value());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & {
    ENSURE(!has_value());
    return std::get<1>(state_);
  }
  const Error& error() const& {
    ENSURE(!has_value());
    return std::get<1>(state_);
  }
  Error&& error() && {
    ENSURE(!has_value());
    return std::get<1>(std::move(state_));
  }

  T value_or(T fallback) && { return has_value() ? std::get<0>(std::move(state_)) : std::move(fallback); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<Unit>;
inline Status ok() { return Unit{}; }

// Returns the error to the caller, or goes on. TRY_ASSIGN declares: TRY_ASSIGN(auto log, Log::open(…)).
#define MILLRACE_CONCAT_INNER(a, b) a##b
#define MILLRACE_CONCAT(a, b) MILLRACE_CONCAT_INNER(a, b)
#define TRY(expression)                                                                                             \
  do {                                                                                                              \
    if (auto millrace_try = (expression); !millrace_try) return ::millrace::Error{std::move(millrace_try).error()}; \
  } while (false)
#define TRY_ASSIGN(declaration, expression)                                                \
  auto MILLRACE_CONCAT(millrace_try_, __LINE__) = (expression);                            \
  if (!MILLRACE_CONCAT(millrace_try_, __LINE__))                                           \
    return ::millrace::Error{std::move(MILLRACE_CONCAT(millrace_try_, __LINE__)).error()}; \
  declaration = std::move(MILLRACE_CONCAT(millrace_try_, __LINE__)).value()

}  // namespace millrace
