#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/mutex.h"
#include "operator/kube/client.h"

namespace millrace::kube {

// What goes wrong on the way to an API server, for the tests of what uses one: passes calls on to another client,
// counts them, and fails those that the test names. Thread-safe.
class FaultyClient final : public Client {
 public:
  enum class Fault : uint8_t {
    fails,           // io; the write did not happen
    answer_is_lost,  // timed_out; the write happened
    conflicts,       // conflict; the write did not happen, as if somebody had been faster
    dies_before,     // the write did not happen, and no call after it gets through: the caller has crashed
    dies_after,      // the same, but the write happened
  };

  explicit FaultyClient(Client& below) : below_(below) {}

  // The `n`-th write from now on, 0 the next one, goes wrong in this way, once.
  void fault_at_write(int64_t n, Fault fault);
  // Asked before and after each change outside the API server, so that it counts and fails as a write of this client.
  std::optional<Error> on_outside_write(bool is_done);
  // While it is not, every call fails with connection_refused.
  void set_reachable(bool is_reachable);
  // No event gets to a watch any more; it is told that it is lost.
  void lose_watches();

  int64_t writes() const;
  bool is_dead() const;
  // Calls of list for a kind, and the objects they returned.
  int64_t lists(const std::string& kind) const;
  int64_t objects_listed(const std::string& kind) const;

  Result<Object> get(const ObjectKey& key) override;
  Result<std::vector<Object>> list(std::string_view kind, std::string_view name_space, const Labels& selector) override;
  Result<Object> create(const Object& object) override;
  Result<Object> update(const Object& object) override;
  Result<Object> update_status(const Object& object) override;
  Result<Object> apply(const Object& object, std::string_view manager) override;
  Status remove(const ObjectKey& key, std::string_view uid) override;
  Result<std::unique_ptr<Watch>> watch(std::string_view kind, std::string_view name_space,
                                       std::function<void(const WatchEvent&)> handler) override;

 private:
  struct Listener;
  class Handle;
  struct Reads {
    int64_t calls = 0;
    int64_t objects = 0;
  };

  template <class Made>
  Made write(const std::function<Made()>& make);
  std::optional<Error> before_call() const;
  std::optional<Error> before_write();
  std::optional<Error> after_write();

  Client& below_;
  mutable Mutex mutex_;  // a leaf
  int64_t writes_ GUARDED_BY(mutex_) = 0;
  int64_t fault_at_ GUARDED_BY(mutex_) = -1;
  Fault fault_ GUARDED_BY(mutex_) = Fault::fails;
  bool is_dead_ GUARDED_BY(mutex_) = false;
  bool is_reachable_ GUARDED_BY(mutex_) = true;
  std::map<std::string, Reads> reads_ GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Listener>> listeners_ GUARDED_BY(mutex_);
};

}  // namespace millrace::kube
