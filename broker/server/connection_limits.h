#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "broker/base/mutex.h"

namespace millrace::server {

// max.connections and max.connections.per.ip. Thread-safe.
class ConnectionLimits {
 public:
  ConnectionLimits(int32_t connections_max, int32_t per_address_max)
      : connections_max_(connections_max), per_address_max_(per_address_max) {}

  // Empty: counted, remove() must follow. Otherwise why not.
  std::string_view add(const std::string& host) {
    MutexLock lock(mutex_);
    if (connections_ >= connections_max_) return "max.connections is reached";
    const auto found = by_address_.find(host);
    if ((found == by_address_.end() ? 0 : found->second) >= per_address_max_) {
      return "max.connections.per.ip is reached";
    }
    ++connections_;
    ++by_address_[host];
    return {};
  }
  void remove(const std::string& host) {
    MutexLock lock(mutex_);
    --connections_;
    const auto found = by_address_.find(host);
    if (--found->second == 0) by_address_.erase(found);
  }

 private:
  const int32_t connections_max_;
  const int32_t per_address_max_;
  Mutex mutex_;  // a leaf
  int32_t connections_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, int32_t, std::less<>> by_address_ GUARDED_BY(mutex_);
};

}  // namespace millrace::server
