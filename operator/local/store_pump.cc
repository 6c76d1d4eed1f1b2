#include "operator/local/store_pump.h"

#include "broker/base/logger.h"

namespace millrace::local {

StorePump::StorePump(Store& store) : store_(store), thread_([this] { run(); }) {}

StorePump::~StorePump() {
  stopping_ = true;
  store_.interrupt();
  thread_.join();
}

void StorePump::run() {
  const Logger log("local");
  bool was_failing = false;
  while (!stopping_) {
    const Status pumped = store_.pump();
    if (!pumped && !was_failing) log.error("objects cannot be read", {{"error", pumped.error().to_string()}});
    was_failing = !pumped;
    store_.wait_for_change(kPollInterval);
  }
}

}  // namespace millrace::local
