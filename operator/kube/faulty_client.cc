#include "operator/kube/faulty_client.h"

#include <utility>

namespace millrace::kube {

// One watch of a caller; both sides may end it.
struct FaultyClient::Listener {
  std::function<void(const WatchEvent&)> handler;
  Mutex mutex;  // held while the handler runs
  bool is_over GUARDED_BY(mutex) = false;

  void tell(const WatchEvent& event) {
    const MutexLock lock(mutex);
    if (is_over) return;
    is_over = event.change == Change::lost;
    handler(event);
  }
  void end() {
    const MutexLock lock(mutex);
    is_over = true;
  }
};

class FaultyClient::Handle final : public Watch {
 public:
  Handle(std::shared_ptr<Listener> listener, std::unique_ptr<Watch> below)
      : listener_(std::move(listener)), below_(std::move(below)) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() override { listener_->end(); }

 private:
  const std::shared_ptr<Listener> listener_;
  const std::unique_ptr<Watch> below_;
};

namespace {

const Error kDead{Errc::shutting_down, "the caller has crashed"};

}  // namespace

void FaultyClient::fault_at_write(int64_t n, Fault fault) {
  const MutexLock lock(mutex_);
  fault_at_ = writes_ + n;
  fault_ = fault;
}

void FaultyClient::set_reachable(bool is_reachable) {
  const MutexLock lock(mutex_);
  is_reachable_ = is_reachable;
}

std::optional<Error> FaultyClient::before_call() const {
  const MutexLock lock(mutex_);
  if (is_dead_) return kDead;
  if (!is_reachable_) return Error{Errc::connection_refused, "the API server"};
  return std::nullopt;
}

std::optional<Error> FaultyClient::before_write() {
  if (std::optional<Error> error = before_call()) return error;
  const MutexLock lock(mutex_);
  if (writes_ != fault_at_) return std::nullopt;
  if (fault_ == Fault::answer_is_lost || fault_ == Fault::dies_after) return std::nullopt;
  is_dead_ = fault_ == Fault::dies_before;
  ++writes_;
  if (is_dead_) return kDead;
  return Error{fault_ == Fault::conflicts ? Errc::conflict : Errc::io, "a fault of the test"};
}

std::optional<Error> FaultyClient::after_write() {
  const MutexLock lock(mutex_);
  if (writes_++ != fault_at_) return std::nullopt;
  is_dead_ = fault_ == Fault::dies_after;
  if (is_dead_) return kDead;
  return Error{Errc::timed_out, "a fault of the test"};
}

std::optional<Error> FaultyClient::on_outside_write(bool is_done) { return is_done ? after_write() : before_write(); }

template <class Made>
Made FaultyClient::write(const std::function<Made()>& make) {
  if (std::optional<Error> error = before_write()) return std::move(*error);
  Made made = make();
  if (std::optional<Error> error = after_write()) return std::move(*error);
  return made;
}

void FaultyClient::lose_watches() {
  std::vector<std::weak_ptr<Listener>> all;
  {
    const MutexLock lock(mutex_);
    all.swap(listeners_);
  }
  for (const std::weak_ptr<Listener>& one : all) {
    if (const std::shared_ptr<Listener> listener = one.lock()) listener->tell({Change::lost, Object()});
  }
}

int64_t FaultyClient::writes() const {
  const MutexLock lock(mutex_);
  return writes_;
}

bool FaultyClient::is_dead() const {
  const MutexLock lock(mutex_);
  return is_dead_;
}

int64_t FaultyClient::lists(const std::string& kind) const {
  const MutexLock lock(mutex_);
  const auto found = reads_.find(kind);
  return found == reads_.end() ? 0 : found->second.calls;
}

int64_t FaultyClient::objects_listed(const std::string& kind) const {
  const MutexLock lock(mutex_);
  const auto found = reads_.find(kind);
  return found == reads_.end() ? 0 : found->second.objects;
}

Result<Object> FaultyClient::get(const ObjectKey& key) {
  if (std::optional<Error> error = before_call()) return std::move(*error);
  return below_.get(key);
}

Result<std::vector<Object>> FaultyClient::list(std::string_view kind, std::string_view name_space,
                                               const Labels& selector) {
  if (std::optional<Error> error = before_call()) return std::move(*error);
  Result<std::vector<Object>> listed = below_.list(kind, name_space, selector);
  const MutexLock lock(mutex_);
  Reads& reads = reads_[std::string(kind)];
  ++reads.calls;
  if (listed) reads.objects += static_cast<int64_t>(listed->size());
  return listed;
}

Result<Object> FaultyClient::create(const Object& object) {
  return write<Result<Object>>([&] { return below_.create(object); });
}
Result<Object> FaultyClient::update(const Object& object) {
  return write<Result<Object>>([&] { return below_.update(object); });
}
Result<Object> FaultyClient::update_status(const Object& object) {
  return write<Result<Object>>([&] { return below_.update_status(object); });
}
Result<Object> FaultyClient::apply(const Object& object, std::string_view manager) {
  return write<Result<Object>>([&] { return below_.apply(object, manager); });
}
Status FaultyClient::remove(const ObjectKey& key, std::string_view uid) {
  return write<Status>([&] { return below_.remove(key, uid); });
}

Result<std::unique_ptr<Watch>> FaultyClient::watch(std::string_view kind, std::string_view name_space,
                                                   std::function<void(const WatchEvent&)> handler) {
  if (std::optional<Error> error = before_call()) return std::move(*error);
  auto listener = std::make_shared<Listener>();
  listener->handler = std::move(handler);
  TRY_ASSIGN(std::unique_ptr<Watch> below,
             below_.watch(kind, name_space, [listener](const WatchEvent& event) { listener->tell(event); }));
  {
    const MutexLock lock(mutex_);
    std::erase_if(listeners_, [](const std::weak_ptr<Listener>& one) { return one.expired(); });
    listeners_.push_back(listener);
  }
  return std::unique_ptr<Watch>(std::make_unique<Handle>(std::move(listener), std::move(below)));
}

}  // namespace millrace::kube
