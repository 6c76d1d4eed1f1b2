#include "broker/server/request_memory.h"

#include <utility>
#include <vector>

#include "broker/base/ensure.h"

namespace millrace::server {

bool RequestMemory::take(int64_t bytes) {
  int64_t used = used_.load();
  do {
    if (used >= bytes_max_) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

void RequestMemory::release(int64_t bytes) {
  const int64_t left = used_.fetch_sub(bytes) - bytes;
  ENSURE(left >= 0);
  if (waiting_.load() != 0) serve_line();
}

uint64_t RequestMemory::wait(int64_t bytes, std::function<void()> granted) {
  MutexLock lock(mutex_);
  waiting_.fetch_add(1);
  if (line_.empty() && take(bytes)) {
    waiting_.fetch_sub(1);
    return 0;
  }
  line_.emplace(++last_place_, Place{bytes, std::move(granted)});
  return last_place_;
}

bool RequestMemory::stop_waiting(uint64_t place) {
  // Who is behind needs no call: as long as anyone waits there is no memory, whoever is first.
  MutexLock lock(mutex_);
  if (line_.erase(place) == 0) return false;
  waiting_.fetch_sub(1);
  return true;
}

void RequestMemory::serve_line() {
  std::vector<std::function<void()>> granted;
  {
    MutexLock lock(mutex_);
    while (!line_.empty() && take(line_.begin()->second.bytes)) {
      granted.push_back(std::move(line_.begin()->second.granted));
      line_.erase(line_.begin());
      waiting_.fetch_sub(1);
    }
  }
  for (const std::function<void()>& one : granted) one();
}

}  // namespace millrace::server
