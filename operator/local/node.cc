#include "operator/local/node.h"

namespace millrace::local {

Node::Node(PodsOptions options) : sets_(*options.client), pods_(std::move(options)), thread_([this] { run(); }) {}

Node::~Node() {
  stopping_ = true;
  stopped_.notify_all();
  thread_.join();
}

void Node::pause() {
  const MutexLock lock(mutex_);
  stopped_.wait_for(mutex_, kInterval);
}

void Node::run() {
  const Logger log("local");
  bool was_failing = false;
  while (!stopping_) {
    const Status sets = sets_.reconcile();
    const Status pods = pods_.step();
    const Status& worst = sets ? pods : sets;
    if (!worst && !was_failing) log.error("the node cannot do its work", {{"error", worst.error().to_string()}});
    was_failing = !worst;
    if (!stopping_) pause();
  }
  while (!pods_.stop()) pause();
}

}  // namespace millrace::local
