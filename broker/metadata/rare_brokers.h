#pragma once

#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "broker/base/strong_id.h"

namespace millrace::metadata {

// A list of brokers that is empty in nearly all of the many objects that have it: one pointer, memory only when there
// is something. A value like the vector that it stands for.
class RareBrokers {
 public:
  RareBrokers() = default;
  RareBrokers(std::vector<BrokerId> ids) {  // NOLINT(google-explicit-constructor)
    if (!ids.empty()) ids_ = std::make_unique<std::vector<BrokerId>>(std::move(ids));
  }
  RareBrokers(std::initializer_list<BrokerId> ids) : RareBrokers(std::vector<BrokerId>(ids)) {}
  RareBrokers(const RareBrokers& other) : RareBrokers(other.get()) {}
  RareBrokers(RareBrokers&&) noexcept = default;
  RareBrokers& operator=(const RareBrokers& other) { return *this = RareBrokers(other); }
  RareBrokers& operator=(RareBrokers&&) noexcept = default;

  const std::vector<BrokerId>& get() const {
    static const std::vector<BrokerId> kNone;
    return ids_ == nullptr ? kNone : *ids_;
  }
  bool empty() const { return ids_ == nullptr; }
  size_t size() const { return get().size(); }
  auto begin() const { return get().begin(); }
  auto end() const { return get().end(); }
  friend bool operator==(const RareBrokers& a, const RareBrokers& b) { return a.get() == b.get(); }

 private:
  std::unique_ptr<std::vector<BrokerId>> ids_;  // null or not empty
};

}  // namespace millrace::metadata
