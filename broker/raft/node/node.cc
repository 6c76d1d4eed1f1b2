#include "broker/raft/node/node.h"

#include "broker/raft/node/node_parts.h"

namespace millrace::raft {
namespace {

uint64_t payload_bytes(const Message& message) {
  uint64_t bytes = 0;
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    for (const Entry& entry : append->entries) bytes += size_of(entry);
  } else if (const auto* chunk = std::get_if<SnapshotChunk>(&message.body)) {
    bytes = chunk->data.size();
  }
  return bytes;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::open(NodeOptions options) {
  options.store.self = options.core.self;
  TRY_ASSIGN(std::unique_ptr<Store> store, Store::open(options.store));
  const Restored restored = store->take_restored();
  auto parts = std::make_shared<NodeParts>(std::move(options), std::move(store), restored);
  parts->to_driver([parts = parts.get()] { parts->driver.start(); });
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

Node::Node(std::shared_ptr<NodeParts> parts) : parts_(std::move(parts)) {}

Node::~Node() { parts_->ended.store(true, std::memory_order_release); }

void Node::deliver(Message message) {
  NodeParts& parts = *parts_;
  const uint64_t bytes = payload_bytes(message);
  if (!parts.take_room(bytes)) return;
  parts.to_driver([&parts, bytes, message = std::move(message)]() mutable {
    parts.give_room(bytes);
    parts.driver.step(Received{std::move(message)});
  });
}

void Node::deliver(Introduction introduction) {
  NodeParts& parts = *parts_;
  if (!parts.take_room(0)) return;
  parts.to_driver([&parts, introduction = std::move(introduction)] {
    parts.give_room(0);
    parts.driver.receive(introduction);
  });
}

void Node::propose(Tenure tenure, std::vector<Bytes> payloads, Done done) {
  ENSURE(!payloads.empty());
  parts_->request(
      [tenure, payloads = std::move(payloads), done = std::move(done)](Driver& driver, bool admitted) mutable {
        driver.propose({tenure, std::move(payloads), std::move(done)}, admitted);
      });
}

void Node::read(Done done) {
  parts_->request(
      [done = std::move(done)](Driver& driver, bool admitted) mutable { driver.read(std::move(done), admitted); });
}

void Node::transfer_leadership(std::optional<NodeId> target, ChangeDone done) {
  parts_->request(
      [target, done = std::move(done)](Driver& driver, bool) mutable { driver.transfer(target, std::move(done)); });
}

void Node::change_members(ChangeMembers::Kind kind, const Member& member, ChangeDone done) {
  parts_->request([kind, member, done = std::move(done)](Driver& driver, bool) mutable {
    driver.change(kind, member, std::move(done));
  });
}

NodeStatus Node::status() const { return parts_->driver.status(); }

const NodeMetrics& Node::metrics() const { return parts_->metrics; }

void Node::stop(std::function<void()> done) {
  parts_->options.driver_loop->post(
      [parts = parts_, done = std::move(done)]() mutable { parts->driver.stop(std::move(done)); });
}

}  // namespace millrace::raft
