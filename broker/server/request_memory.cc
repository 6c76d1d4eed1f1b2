#include "broker/server/request_memory.h"

#include "broker/base/ensure.h"

namespace millrace::server {

bool RequestMemory::try_charge(int64_t bytes) {
  int64_t used = used_.load();
  do {
    if (used != 0 && used + bytes > bytes_max_) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

void RequestMemory::release(int64_t bytes) {
  const int64_t left = used_.fetch_sub(bytes) - bytes;
  ENSURE(left >= 0);
  releases_.fetch_add(1);
  if (left >= bytes_max_) return;
  for (const std::unique_ptr<Waiter>& waiter : waiters_) {
    if (waiter->wanting_.load() && waiter->wanting_.exchange(false)) waiter->loop_->post(waiter->resume_);
  }
}

RequestMemory::Waiter& RequestMemory::add_waiter(io::EventLoop& loop, std::function<void()> resume) {
  auto waiter = std::make_unique<Waiter>();
  waiter->loop_ = &loop;
  waiter->resume_ = std::move(resume);
  waiters_.push_back(std::move(waiter));
  return *waiters_.back();
}

}  // namespace millrace::server
