#include "broker/control/metadata_quorum.h"

#include <algorithm>
#include <utility>

#include "broker/base/logger.h"

namespace millrace::control {
namespace {

const Logger kLog("control");

constexpr Duration kVoterSilenceMax = std::chrono::seconds(1);  // a voter that was heard from later than this is live
constexpr size_t kSnapshotBytesMax = size_t{1} << 30;

// An image as bytes, cut into pieces.
class ImageSource final : public raft::SnapshotSource {
 public:
  explicit ImageSource(Bytes bytes) : bytes_(std::move(bytes)) {}
  Bytes next(size_t bytes_max) override {
    const size_t size = std::min(bytes_max, bytes_.size() - at_);
    Bytes piece = bytes_.slice(at_, size);
    at_ += size;
    return piece;
  }

 private:
  const Bytes bytes_;
  size_t at_ = 0;
};

}  // namespace

MetadataQuorum::MetadataQuorum(MetadataQuorumOptions options)
    : options_(std::move(options)), machine_(*options_.images) {
  auto failed = [this, alive = alive_](raft::Tenure tenure) {
    options_.node.apply_loop->post([this, alive, tenure] {
      if (*alive) lead_again(tenure);
    });
  };
  host_ = std::make_unique<ControllerHost>(ControllerHostOptions{.clock = options_.node.clock,
                                                                 .loop = options_.control_loop,
                                                                 .quorum = this,
                                                                 .config = options_.config,
                                                                 .new_uuid = options_.new_uuid,
                                                                 .cluster_id = options_.node.cluster,
                                                                 .on_failed = std::move(failed),
                                                                 .metrics = options_.metrics});
}

MetadataQuorum::~MetadataQuorum() = default;

Result<std::unique_ptr<MetadataQuorum>> MetadataQuorum::open(MetadataQuorumOptions options) {
  std::unique_ptr<MetadataQuorum> quorum(new MetadataQuorum(std::move(options)));
  raft::NodeOptions node = quorum->options_.node;
  node.machine = quorum.get();
  node.core.entry_bytes_max = kPayloadBytesMax + 4;  // and the number of its records
  node.on_fatal = quorum->options_.on_fatal;
  TRY_ASSIGN(quorum->node_, raft::Node::open(std::move(node)));
  return quorum;
}

void MetadataQuorum::stop(std::function<void()> done) {
  node_->stop([this, done = std::move(done)] {
    *alive_ = false;
    host_->stop();
    done();
  });
}

void MetadataQuorum::propose(raft::Tenure tenure, Bytes payload, std::function<void(Status)> done) {
  node_->propose(tenure, {std::move(payload)}, [this, done = std::move(done)](const Result<raft::Index>& index) {
    publish();  // who is answered must find what he was told of
    done(index ? ok() : Status(index.error()));
  });
}

metadata::QuorumView MetadataQuorum::view() const {
  const raft::NodeStatus status = node_->status();
  metadata::QuorumView view;
  const TimePoint now = options_.node.clock->now();
  for (const raft::Member& voter : status.configuration.voters) {
    const auto follower = std::find_if(status.followers.begin(), status.followers.end(),
                                       [&](const auto& one) { return one.member == voter; });
    const bool is_self = status.state.leader && voter == *status.state.leader;
    const bool is_live = is_self || (follower != status.followers.end() && now - follower->heard <= kVoterSilenceMax &&
                                     now - follower->caught_up <= kVoterSilenceMax);
    view.voters.push_back({.id = voter.node, .live = is_live});
  }
  return view;
}

BrokerId MetadataQuorum::leader() const {
  const raft::NodeStatus status = node_->status();
  return status.state.leader ? status.state.leader->node : kNoBroker;
}

void MetadataQuorum::fail(const Error& why) {
  if (std::exchange(failed_, true)) return;
  if (options_.on_fatal) options_.on_fatal(why);
}

void MetadataQuorum::apply(raft::Index index, const raft::Entry& entry) {
  if (failed_ || entry.kind != raft::EntryKind::payload) return;
  if (const Status applied = machine_.apply(entry.payload); !applied) {
    fail(Error{applied.error().code,
               "entry " + std::to_string(index.value()) + " of the metadata log: " + applied.error().context});
    return;
  }
  publish_soon();
}

// Entries come many at a time: one image for all that one task of the loop applied.
void MetadataQuorum::publish_soon() {
  if (std::exchange(publishing_, true)) return;
  options_.node.apply_loop->post([this, alive = alive_] {
    if (*alive) publish();
  });
}

void MetadataQuorum::publish() {
  publishing_ = false;
  if (!failed_) machine_.publish();
}

std::unique_ptr<raft::SnapshotSource> MetadataQuorum::snapshot() {
  return std::make_unique<ImageSource>(MetadataMachine::encode_snapshot(*machine_.image()));
}

Status MetadataQuorum::load(const raft::SnapshotMeta&, raft::SnapshotReader& image) {
  if (image.size() > kSnapshotBytesMax) return Error{Errc::overloaded, "a metadata snapshot of more than 1 GiB"};
  TRY_ASSIGN(const Bytes bytes, image.next(kSnapshotBytesMax));
  if (bytes.size() != image.size()) return Error{Errc::io, "a metadata snapshot ended while it was read"};
  return machine_.load_snapshot(bytes);
}

void MetadataQuorum::on_leadership(const raft::RoleState& state) {
  role_ = state;
  machine_.set_controller(state.leader ? state.leader->node : kNoBroker);
  publish();
  if (state.role == raft::Role::leader) {
    host_->lead(machine_.image(), {.term = state.term, .attempt = 0});
  } else {
    host_->follow();
  }
}

void MetadataQuorum::lead_again(raft::Tenure failed) {
  if (role_.role != raft::Role::leader || role_.term != failed.term) return;
  kLog.info("the controller begins again", {{"term", failed.term}, {"attempt", failed.attempt + 1}});
  publish();
  host_->lead(machine_.image(), {.term = failed.term, .attempt = failed.attempt + 1});
}

}  // namespace millrace::control
