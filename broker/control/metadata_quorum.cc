#include "broker/control/metadata_quorum.h"

#include <algorithm>
#include <future>
#include <utility>

#include "broker/base/logger.h"

namespace millrace::control {
namespace {

const Logger kLog("control");

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
                                                                 .features = options_.features,
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
  quorum->changes_ = std::make_unique<VoterChanges>(VoterChangesOptions{
      .loop = quorum->options_.node.apply_loop,
      .clock = quorum->options_.node.clock,
      .status = [self = quorum.get()] { return self->node_->status(); },
      .change = [self = quorum.get()](
                    raft::ChangeMembers::Kind kind, const raft::Member& member,
                    raft::Node::ChangeDone done) { self->node_->change_members(kind, member, std::move(done)); },
      .image = [self = quorum.get()] { return self->options_.images->load(); }});
  // A lone voter leads at once, and proposes: nothing of the node runs on its apply loop before it is here.
  std::promise<void> opened;
  quorum->options_.node.apply_loop->post([is_open = opened.get_future().share()] { is_open.wait(); });
  Result<std::unique_ptr<raft::Node>> result = raft::Node::open(std::move(node));
  if (result) quorum->node_ = std::move(*result);
  opened.set_value();
  if (!result) return std::move(result).error();
  return quorum;
}

void MetadataQuorum::stop(std::function<void()> done) {
  node_->stop([this, done = std::move(done)] {
    *alive_ = false;
    changes_->stop();
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

void MetadataQuorum::add_voter(const QuorumMemberName& voter, Duration timeout, Done<Unit> done) {
  change_voters(&VoterChanges::add, voter, timeout, std::move(done));
}

void MetadataQuorum::remove_voter(const QuorumMemberName& voter, Duration timeout, Done<Unit> done) {
  change_voters(&VoterChanges::remove, voter, timeout, std::move(done));
}

void MetadataQuorum::change_voters(void (VoterChanges::*change)(const QuorumMemberName&, Duration, VoterChanges::Done),
                                   const QuorumMemberName& voter, Duration timeout, Done<Unit> done) {
  options_.node.apply_loop->post([this, alive = alive_, change, voter, timeout, done = std::move(done)]() mutable {
    if (!*alive) return done(Error{Errc::shutting_down, "the metadata quorum"});
    (changes_.get()->*change)(voter, timeout, std::move(done));
  });
}

Result<QuorumDescription> MetadataQuorum::describe() const {
  const raft::NodeStatus status = node_->status();
  if (status.state.role != raft::Role::leader) {
    return Error{Errc::not_controller, status.state.leader
                                           ? "broker " + std::to_string(status.state.leader->node.value()) + " leads"
                                           : "no broker leads the metadata quorum"};
  }
  return describe_quorum(status, *options_.images->load(), *options_.node.clock);
}

// The metadata names the voters as the log has them, with their addresses. Looked at whenever either may have changed;
// what fails is tried again then.
void MetadataQuorum::tell_voters() {
  if (role_.role != raft::Role::leader || telling_voters_) return;
  const std::shared_ptr<metadata::LocalController> controller = host_->controller();
  if (controller == nullptr) return;
  const metadata::ImagePointer image = machine_.image();
  metadata::SetVoters command;
  for (const raft::Member& voter : voters_) {
    metadata::VoterImage& named = command.voters.emplace_back();
    named = {.id = voter.node, .directory_id = voter.directory, .rpc = {}};
    for (const metadata::VoterImage& known : image->voters) {
      if (known.id == named.id && known.directory_id == named.directory_id) named.rpc = known.rpc;
    }
    const metadata::BrokerImage* broker = image->find_broker(voter.node);
    if (broker != nullptr && broker->directory_id == voter.directory) named.rpc = broker->rpc;
  }
  if (command.voters == image->voters) return;
  telling_voters_ = true;
  io::EventLoop* loop = options_.node.apply_loop;
  controller->set_voters(std::move(command), [this, loop, alive = alive_](const Result<Unit>& told) {
    loop->post([this, alive, again = told.has_value()] {
      if (!*alive) return;
      telling_voters_ = false;
      if (again) tell_voters();
    });
  });
}

void MetadataQuorum::fail(const Error& why) {
  if (std::exchange(failed_, true)) return;
  if (options_.on_fatal) options_.on_fatal(why);
}

void MetadataQuorum::apply(raft::Index index, const raft::Entry& entry) {
  if (failed_) return;
  if (options_.on_applied) options_.on_applied();
  if (entry.kind == raft::EntryKind::configuration) {
    const Result<raft::Configuration> configuration = raft::Configuration::decode(entry.payload.view());
    if (!configuration) return fail(configuration.error());
    voters_ = configuration->voters;
    return publish_soon();
  }
  if (entry.kind != raft::EntryKind::payload) return;
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
  if (failed_) return;
  machine_.publish();
  tell_voters();
}

std::unique_ptr<raft::SnapshotSource> MetadataQuorum::snapshot() {
  return std::make_unique<ImageSource>(MetadataMachine::encode_snapshot(*machine_.image()));
}

Status MetadataQuorum::load(const raft::SnapshotMeta& meta, raft::SnapshotReader& image) {
  if (image.size() > kSnapshotBytesMax) return Error{Errc::overloaded, "a metadata snapshot of more than 1 GiB"};
  TRY_ASSIGN(const Bytes bytes, image.next(kSnapshotBytesMax));
  if (bytes.size() != image.size()) return Error{Errc::io, "a metadata snapshot ended while it was read"};
  voters_ = meta.configuration.voters;
  return machine_.load_snapshot(bytes);
}

void MetadataQuorum::on_leadership(const raft::RoleState& state) {
  role_ = state;
  machine_.set_controller(state.leader ? state.leader->node : kNoBroker);
  publish();
  if (state.role == raft::Role::leader) {
    host_->lead(machine_.image(), {.term = state.term, .attempt = 0});
    tell_voters();
  } else {
    host_->follow();
  }
}

void MetadataQuorum::lead_again(raft::Tenure failed) {
  if (role_.role != raft::Role::leader || role_.term != failed.term) return;
  kLog.info("the controller begins again", {{"term", failed.term}, {"attempt", failed.attempt + 1}});
  publish();
  host_->lead(machine_.image(), {.term = failed.term, .attempt = failed.attempt + 1});
  tell_voters();
}

}  // namespace millrace::control
