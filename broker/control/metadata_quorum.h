#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/control/controller_host.h"
#include "broker/control/metadata_machine.h"
#include "broker/control/quorum.h"
#include "broker/control/quorum_membership.h"
#include "broker/control/voter_changes.h"
#include "broker/raft/node/node.h"

namespace millrace::control {

// All pointers are borrowed and outlive the quorum.
struct MetadataQuorumOptions {
  raft::NodeOptions node;  // but for `machine` and `on_fatal`
  metadata::ImageStore* images = nullptr;
  metadata::BrokerConfigView config;
  io::EventLoop* control_loop = nullptr;  // where the controller's clock ticks
  std::function<Uuid()> new_uuid;
  // As raft::NodeOptions::on_fatal; also for an entry that is committed and cannot be applied here.
  std::function<void(const Error&)> on_fatal;
  metadata::FeatureRanges features{};  // that a new cluster begins with
  ControlMetrics* metrics = nullptr;   // may be null
  std::function<void()> on_applied;    // an entry was applied, on the apply loop; may be empty
};

// This broker's part of the metadata log: a member of the quorum, or one that follows it. What is committed becomes
// images; while this member leads, the controller runs on them, and who votes is brought up to date in the metadata
// (record 14). Thread-safe, but for open() and stop(), which are the owner's.
class MetadataQuorum final : public Quorum, public QuorumMembership, private raft::StateMachine {
 public:
  // Reads the disk on the calling thread. Errors: those of raft::Node::open(). Subscribers of the image store see what
  // was found there soon after, on the apply loop.
  static Result<std::unique_ptr<MetadataQuorum>> open(MetadataQuorumOptions options);
  ~MetadataQuorum() override;

  raft::Node& node() { return *node_; }
  ControllerHost& host() { return *host_; }

  void propose(raft::Tenure tenure, Bytes payload, std::function<void(Status)> done) override;
  metadata::QuorumView view() const override;
  BrokerId leader() const override;

  void add_voter(const QuorumMemberName& voter, Duration timeout, Done<Unit> done) override;
  void remove_voter(const QuorumMemberName& voter, Duration timeout, Done<Unit> done) override;
  Result<QuorumDescription> describe() const override;

  // Calls `done` on the apply loop once everything that the disk was given is there and nothing of ours runs any more.
  void stop(std::function<void()> done);

 private:
  explicit MetadataQuorum(MetadataQuorumOptions options);

  void apply(raft::Index index, const raft::Entry& entry) override;
  std::unique_ptr<raft::SnapshotSource> snapshot() override;
  Status load(const raft::SnapshotMeta& meta, raft::SnapshotReader& image) override;
  void on_leadership(const raft::RoleState& state) override;

  void publish();
  void publish_soon();
  void tell_voters();
  void change_voters(void (VoterChanges::*change)(const QuorumMemberName&, Duration, VoterChanges::Done),
                     const QuorumMemberName& voter, Duration timeout, Done<Unit> done);
  void lead_again(raft::Tenure failed);
  void fail(const Error& why);

  const MetadataQuorumOptions options_;
  MetadataMachine machine_;                                     // the apply loop's
  std::unique_ptr<VoterChanges> changes_;                       // the apply loop's
  std::vector<raft::Member> voters_;                            // committed; the apply loop's
  bool telling_voters_ = false;                                 // the apply loop's
  bool publishing_ = false;                                     // the apply loop's
  bool failed_ = false;                                         // the apply loop's
  raft::RoleState role_;                                        // the apply loop's
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // the apply loop's
  std::unique_ptr<ControllerHost> host_;
  std::unique_ptr<raft::Node> node_;
};

}  // namespace millrace::control
