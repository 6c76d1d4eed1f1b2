#include "broker/raft/node/node_test_support.h"

#include <algorithm>

#include "broker/raft/node/store_test_support.h"

namespace millrace::raft::testing {
namespace {

class LineSource final : public SnapshotSource {
 public:
  explicit LineSource(std::string text) : text_(std::move(text)) {}
  Bytes next(size_t bytes_max) override {
    const std::string_view piece = std::string_view(text_).substr(at_, bytes_max);
    at_ += piece.size();
    return Bytes::copy_of(piece);
  }

 private:
  const std::string text_;
  size_t at_ = 0;
};

}  // namespace

void LineMachine::apply(Index index, const Entry& entry) {
  EXPECT_EQ(index, applied.next()) << "node " << at_ << ", seed " << world_.seed();
  EXPECT_FALSE(world_.peer(at_).fatal) << "applied after an error, seed " << world_.seed();
  applied = index;
  world_.note_applied(at_, index, entry);
  if (entry.kind == EntryKind::payload) lines.emplace_back(entry.payload.text());
}

std::unique_ptr<SnapshotSource> LineMachine::snapshot() {
  std::string text = std::to_string(applied.value()) + "\n";
  for (const std::string& line : lines) text += line + "\n";
  return std::make_unique<LineSource>(std::move(text));
}

Status LineMachine::load(const SnapshotMeta& meta, SnapshotReader& image) {
  if (load_fails) return Error{load_error, "as told"};
  ++loads;
  std::string text;
  for (;;) {
    TRY_ASSIGN(const Bytes piece, image.next(7));
    if (piece.empty()) break;
    text += piece.text();
  }
  EXPECT_EQ(text.size(), image.size());
  EXPECT_EQ(text.substr(0, text.find('\n')), std::to_string(meta.last.index.value())) << "seed " << world_.seed();
  EXPECT_GE(meta.last.index, applied);
  lines.clear();
  for (size_t at = text.find('\n') + 1; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  applied = meta.last.index;
  std::vector<std::string> expected;
  for (const auto& [index, entry] : world_.committed_) {
    if (index <= applied && entry.kind == EntryKind::payload) expected.emplace_back(entry.payload.text());
  }
  EXPECT_EQ(lines, expected) << "a snapshot is not what was applied, seed " << world_.seed();
  return ok();
}

void LineMachine::on_leadership(const RoleState& state) {
  told = state;
  if (state.role != Role::leader) return;
  world_.note_leader(state.term, world_.peer(at_).self);
  for (const auto& [index, entry] : world_.committed_) {
    EXPECT_FALSE(entry.term < state.term && index > applied)
        << "node " << at_ << " leads and has not applied entry " << index.value() << ", seed " << world_.seed();
  }
}

void SlowLoop::post(std::function<void()> task) {
  tasks_.push_back(std::move(task));
  if (held) return;
  loop_.post([this] {
    const auto spread = static_cast<uint64_t>(delay_max.count()) + 1;
    const auto delay = Duration(static_cast<Duration::rep>(random_.below(spread)));
    if (delay_max == Duration{0}) return run_one();
    loop_.run_after(delay, [this] { run_one(); });
  });
}

void SlowLoop::run_one() {
  if (tasks_.empty()) return;
  const std::function<void()> task = std::move(tasks_.front());
  tasks_.pop_front();
  task();
}

void SlowLoop::release() {
  held = false;
  for (size_t waiting = tasks_.size(); waiting > 0; --waiting) loop_.post([this] { run_one(); });
}

void Wire::send(Message message) {
  Peer& from = world_.peer(from_);
  EXPECT_FALSE(from.fatal) << "sent after an error, seed " << world_.seed();
  EXPECT_EQ(message.from, from.self);
  ++world_.messages;
  world_.note_sent(message);
  const int to = message.to.node.value();
  if (world_.loses(from_, to) || (world_.drop && world_.drop(message))) return;
  world_.later([&world = world_, to, message = std::move(message)] {
    if (world.peers_.contains(to) && world.up(to)) world.peer(to).node->deliver(message);
  });
}

void Wire::send(Introduction introduction) {
  const int to = introduction.to.node.value();
  if (world_.loses(from_, to)) return;
  world_.later([&world = world_, to, introduction = std::move(introduction)] {
    if (world.peers_.contains(to) && world.up(to)) world.peer(to).node->deliver(introduction);
  });
}

World::World(uint64_t seed) : seed_(seed), scheduler_(clock_, seed), network_(scheduler_.make_loop()) {}

World::~World() {
  network_->stop();
  for (auto& [at, peer] : peers_) crash(at, false);
}

void World::start(int count) {
  std::vector<NodeId> voters;
  for (int at = 1; at <= count; ++at) voters.emplace_back(at);
  for (int at = 1; at <= count; ++at) add(at, voters);
}

void World::add(int at, std::vector<NodeId> initial_voters) {
  auto peer = std::make_unique<Peer>();
  peer->self = store_member(at, ++generations_[at]);
  peer->initial_voters = std::move(initial_voters);
  peer->disk = std::make_unique<io::sim::SimFileSystem>(seed_ * 131 + static_cast<uint64_t>(at) + generations_[at]);
  EXPECT_TRUE(peer->disk->create_directories("/data"));
  EXPECT_TRUE(peer->disk->flush_directory("/"));
  peers_[at] = std::move(peer);
  open(at);
}

void World::open(int at) {
  const Status opened = try_open(at);
  EXPECT_TRUE(opened) << "node " << at << ": " << opened.error().to_string() << ", seed " << seed_;
}

Status World::try_open(int at) {
  Peer& peer = *peers_.at(at);
  peer.fatal.reset();
  peer.driver_loop = scheduler_.make_loop();
  peer.disk_loop = scheduler_.make_loop();
  peer.apply_loop = scheduler_.make_loop();
  peer.slow = std::make_unique<SlowLoop>(*peer.disk_loop, dice());
  peer.slow->delay_max = peer.disk_delay;
  peer.wire = std::make_unique<Wire>(*this, at);
  peer.machine = std::make_unique<LineMachine>(*this, at);
  NodeOptions options{.core = {.self = peer.self, .seed = seed_ * 17 + static_cast<uint64_t>(at)},
                      .store = {.fs = peer.disk.get(),
                                .clock = &clock_,
                                .directory = "/data/__cluster_metadata-0",
                                .self = peer.self,
                                .segment_bytes = 700},
                      .cluster = "cluster",
                      .initial_voters = peer.initial_voters,
                      .clock = &clock_,
                      .transport = peer.wire.get(),
                      .machine = peer.machine.get(),
                      .driver_loop = peer.driver_loop.get(),
                      .disk_loop = peer.slow.get(),
                      .apply_loop = peer.apply_loop.get(),
                      .on_fatal = [this, at](const Error& error) {
                        EXPECT_FALSE(this->peer(at).fatal) << "told twice";
                        this->peer(at).fatal = error;
                      }};
  options.core.election_timeout_min = milliseconds(150);
  options.core.election_jitter_max = milliseconds(150);
  options.core.heartbeat_interval = milliseconds(30);
  options.core.trailing_entries = 20;
  options.core.snapshot_chunk_bytes = 200;
  options.snapshot_entries = 60;
  options.snapshot_piece_bytes = 64;
  for (const auto& [other, unused] : peers_) options.core.contacts.emplace_back(other);
  if (tune) tune(options);
  TRY_ASSIGN(peer.node, Node::open(std::move(options)));
  return ok();
}

void World::crash(int at, bool power) {
  Peer& peer = *peers_.at(at);
  for (auto* loop : {&peer.driver_loop, &peer.disk_loop, &peer.apply_loop}) {
    if (*loop != nullptr) (*loop)->stop();
  }
  if (peer.slow != nullptr) peer.slow->forget();
  peer.node.reset();
  peer.machine.reset();
  peer.slow.reset();
  peer.driver_loop.reset();
  peer.disk_loop.reset();
  peer.apply_loop.reset();
  peer.wire.reset();
  if (power) {
    peer.disk->lose_power();
  } else {
    peer.disk->restart();
  }
  peer.disk->set_capacity(io::sim::SimFileSystem::kNever);
}

void World::lose_disk(int at) {
  const std::vector<NodeId> initial_voters = peer(at).initial_voters;
  crash(at, true);
  add(at, initial_voters);
}

void World::stop(int at) {
  auto stopped = std::make_shared<bool>(false);
  peer(at).node->stop([stopped] { *stopped = true; });
  EXPECT_TRUE(run_until([&] { return *stopped; })) << "seed " << seed_;
}

bool World::loses(int from, int to) {
  if (cuts_.contains(std::minmax(from, to))) return true;
  return faults_drop > 0 && static_cast<int>(dice().below(1000)) < faults_drop;
}

void World::later(std::function<void()> task) {
  const auto delay = milliseconds(1 + dice().below(static_cast<uint64_t>(delay_max.count()) + 1));
  network_->post([this, delay, task = std::move(task)] { network_->run_after(delay, task); });
}

void World::isolate(int at) {
  for (const auto& [other, unused] : peers_) {
    if (other != at) cut(at, other);
  }
}

void World::note_leader(Term term, const Member& leader) {
  const auto [known, added] = leaders_.emplace(term, leader);
  EXPECT_EQ(known->second, leader) << "two leaders in term " << term.value() << ", seed " << seed_;
}

void World::note_sent(const Message& message) {
  if (std::holds_alternative<AppendRequest>(message.body)) note_leader(message.term, message.from);
  const auto* vote = std::get_if<VoteReply>(&message.body);
  if (vote == nullptr || vote->pre || !vote->granted) return;
  const auto [given, added] = votes_.emplace(std::pair(message.from, vote->election), message.to);
  EXPECT_EQ(given->second, message.to) << "node " << message.from.node.value() << " voted twice in term "
                                       << vote->election.value() << ", seed " << seed_;
}

void World::note_applied(int at, Index index, const Entry& entry) {
  const auto [known, added] = committed_.emplace(index, entry);
  EXPECT_EQ(known->second, entry) << "node " << at << " applies another entry " << index.value() << ", seed " << seed_;
}

int World::leader() {
  int found = 0;
  Term newest;
  for (const auto& [at, peer] : peers_) {
    if (!up(at) || peer->machine->told.role != Role::leader || peer->machine->told.term <= newest) continue;
    newest = peer->machine->told.term;
    found = at;
  }
  return found;
}

std::shared_ptr<Asked> World::propose(int at, std::vector<std::string> payloads) {
  auto asked = std::make_shared<Asked>();
  asked->payloads = payloads;
  std::vector<Bytes> bytes;
  for (const std::string& payload : payloads) bytes.push_back(Bytes::copy_of(payload));
  const Term term = machine(at).told.term;
  const Tenure tenure{term, attempts_[{at, term}]};
  peer(at).node->propose(tenure, std::move(bytes), [this, asked, at, term](Result<Index> result) {
    EXPECT_FALSE(asked->answer) << "answered twice";
    asked->answer = result;
    if (!result) {
      if (result.error().code != Errc::outcome_unknown) ++attempts_[{at, term}];
      return;
    }
    acknowledged = std::max(acknowledged, *result);
    EXPECT_GE(machine(at).applied, *result) << "acknowledged before it was applied, seed " << seed_;
    for (size_t i = 0; i < asked->payloads.size(); ++i) {
      const Index index = result->previous(static_cast<int64_t>(asked->payloads.size() - 1 - i));
      const auto found = committed_.find(index);
      EXPECT_TRUE(found != committed_.end() && found->second.payload.text() == asked->payloads[i]) << "seed " << seed_;
    }
  });
  return asked;
}

std::shared_ptr<Asked> World::read(int at) {
  auto asked = std::make_shared<Asked>();
  peer(at).node->read([this, asked, at, before = acknowledged](Result<Index> result) {
    asked->answer = result;
    EXPECT_TRUE(!result || machine(at).applied >= before) << "a read that sees too little, seed " << seed_;
  });
  return asked;
}

std::shared_ptr<std::optional<Outcome>> World::change(int at, ChangeMembers::Kind kind, const Member& member) {
  auto outcome = std::make_shared<std::optional<Outcome>>();
  peer(at).node->change_members(kind, member, [outcome](Outcome what) { *outcome = what; });
  return outcome;
}

std::shared_ptr<std::optional<Outcome>> World::transfer(int at, std::optional<NodeId> target) {
  auto outcome = std::make_shared<std::optional<Outcome>>();
  peer(at).node->transfer_leadership(target, [outcome](Outcome what) { *outcome = what; });
  return outcome;
}

Index World::commit(const std::string& payload) {
  std::shared_ptr<Asked> asked;
  int whom = 0;
  TimePoint next = clock_.now();
  const bool done = run_until([&] {
    if (asked != nullptr && asked->answer && *asked->answer) return true;
    if (leader() == 0 || clock_.now() < next || (asked != nullptr && !asked->answer && up(whom))) return false;
    next = clock_.now() + milliseconds(10);
    whom = leader();
    asked = propose(whom, {payload});
    return false;
  });
  EXPECT_TRUE(done) << "no progress, seed " << seed_;
  return done ? **asked->answer : Index{};
}

void World::change_until_done(ChangeMembers::Kind kind, const Member& member) {
  std::shared_ptr<std::optional<Outcome>> outcome;
  TimePoint next = clock_.now();
  bool maybe = false;  // an earlier attempt may have done it
  EXPECT_TRUE(run_until([&] {
    if (outcome != nullptr && *outcome) {
      if (*outcome == Outcome::done) return true;
      if (maybe && (*outcome == Outcome::already_member || *outcome == Outcome::unknown_member)) return true;
      maybe = maybe || *outcome == Outcome::unknown;
    }
    if (leader() == 0 || clock_.now() < next) return false;
    outcome = change(leader(), kind, member);
    next = clock_.now() + milliseconds(100);
    return false;
  })) << "a change of the members does not come through, seed "
      << seed_;
}

}  // namespace millrace::raft::testing
