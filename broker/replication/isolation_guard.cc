#include "broker/replication/isolation_guard.h"

#include <algorithm>

#include "broker/base/logger.h"

namespace millrace::replication {
namespace {

const Logger logger("replication");

// Between looks while the broker is isolated; a quarter of the session when that is less.
constexpr Duration kLookAgainMax = std::chrono::milliseconds(250);

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

IsolationGuard::IsolationGuard(const IsolationGuardOptions& options) : options_(options) {}

IsolationGuard::~IsolationGuard() {
  *alive_ = false;
  options_.loop->cancel(timer_);
}

void IsolationGuard::set_isolated(bool isolated) {
  options_.loop->post([this, alive = alive_, isolated] {
    if (!*alive || isolated == is_isolated_) return;
    is_isolated_ = isolated;
    if (isolated) {
      begin();
    } else {
      end();
    }
  });
}

void IsolationGuard::begin() {
  began_ = options_.clock->now();
  refusing_max_ = 0;
  refused_ = 0;
  look();
}

void IsolationGuard::end() {
  options_.loop->cancel(timer_);
  look_at_all(std::nullopt);
  if (refusing_max_ == 0) return;
  logger.info("a controller answers again: writes are taken wherever this broker still leads",
              {{"refused_for_seconds_max", seconds(options_.clock->now() - began_)},
               {"partitions", refusing_max_},
               {"refused_writes", refused_}});
}

void IsolationGuard::look() {
  const Count now = look_at_all(options_.clock->now() - options_.session);
  if (now.refusing > 0 && refusing_max_ == 0) {
    logger.warn(
        "writes are refused: no controller has answered for a session, and members of in-sync sets do not "
        "follow, so that they may lead by now",
        {{"partitions", now.refusing}, {"of_led", now.led}, {"session_seconds", seconds(options_.session)}});
  }
  refusing_max_ = std::max(refusing_max_, now.refusing);
  timer_ = options_.loop->run_after(std::min(kLookAgainMax, options_.session / 4), [this] { look(); });
}

IsolationGuard::Count IsolationGuard::look_at_all(std::optional<TimePoint> heard_since) {
  Count count;
  for (const std::shared_ptr<Partition>& partition : options_.partitions->all()) {
    const IsolationLook look = partition->look_at_isolation(heard_since);
    count.led += look.leads;
    count.refusing += look.refuses;
    refused_ += look.refused;
    options_.metrics->refused_writes.add(look.refused);
  }
  options_.metrics->refusing_partitions.set(count.refusing);
  return count;
}

}  // namespace millrace::replication
