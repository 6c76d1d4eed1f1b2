// node_bench DIRECTORY [SECONDS]: what three nodes in one process commit on this machine: real threads and files,
// messages handed over in memory. To be compared over time.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "broker/base/logger.h"
#include "broker/base/mutex.h"
#include "broker/io/posix/epoll_event_loop.h"
#include "broker/io/posix/posix_file_system.h"
#include "broker/io/posix/real_clock.h"
#include "broker/raft/node/node.h"

namespace {

using namespace millrace;
using namespace millrace::raft;

constexpr int kNodes = 3;
constexpr size_t kPayloadBytes = 64;

class Nothing final : public SnapshotSource {
 public:
  Bytes next(size_t) override { return std::exchange(once_, Bytes()); }

 private:
  Bytes once_ = Bytes::copy_of(std::string_view("nothing"));
};

class CountingMachine final : public StateMachine {
 public:
  void apply(Index, const Entry&) override {}
  std::unique_ptr<SnapshotSource> snapshot() override { return std::make_unique<Nothing>(); }
  Status load(const SnapshotMeta&, SnapshotReader&) override { return ok(); }
  void on_leadership(const RoleState& state) override {
    leads.store(state.role == Role::leader ? state.term.value() : 0);
  }
  std::atomic<int64_t> leads{0};
};

class Hub;
class HubPort final : public Transport {
 public:
  explicit HubPort(Hub& hub) : hub_(hub) {}
  void send(Message message) override;
  void send(Introduction introduction) override;

 private:
  Hub& hub_;
};

class Hub {
 public:
  std::array<std::atomic<Node*>, kNodes + 1> nodes{};
  Node* at(NodeId node) { return nodes[static_cast<size_t>(node.value())].load(); }
};
void HubPort::send(Message message) {
  if (Node* node = hub_.at(message.to.node)) node->deliver(std::move(message));
}
void HubPort::send(Introduction introduction) {
  if (Node* node = hub_.at(introduction.to.node)) node->deliver(std::move(introduction));
}

struct Member3 {
  std::unique_ptr<io::posix::EpollEventLoop> driver, disk, apply;
  std::unique_ptr<HubPort> port;
  CountingMachine machine;
  std::unique_ptr<Node> node;
};

// Keeps so many proposals under way; everything but start and wait happens on the leader's apply loop.
class Load {
 public:
  Load(Node& node, Clock& clock, Term term, size_t batch) : node_(node), clock_(clock), term_(term), batch_(batch) {}

  void run(size_t outstanding, Duration time, const char* name) {
    const TimePoint begin = clock_.now();
    end_ = begin + time;
    under_way_.store(outstanding);
    for (size_t i = 0; i < outstanding; ++i) propose();
    MutexLock lock(mutex_);
    while (under_way_.load() != 0) done_.wait_for(mutex_, std::chrono::milliseconds(50));
    const double seconds = std::chrono::duration<double>(clock_.now() - begin).count();
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](double part) {
      if (latencies_.empty()) return 0.0;
      return latencies_[static_cast<size_t>(part * static_cast<double>(latencies_.size() - 1))];
    };
    std::printf("%-34s %9.0f entries/s  p50 %7.2f ms  p99 %7.2f ms  %zu failed\n", name,
                static_cast<double>(latencies_.size() * batch_) / seconds, at(0.5), at(0.99), failed_);
  }

 private:
  void propose() {
    std::vector<Bytes> payloads(batch_, Bytes::copy_of(std::string(kPayloadBytes, 'x')));
    node_.propose({term_, 0}, std::move(payloads), [this, began = clock_.now()](const Result<Index>& result) {
      const TimePoint now = clock_.now();
      if (!result) ++failed_;
      if (result) latencies_.push_back(std::chrono::duration<double, std::milli>(now - began).count());
      if (result && now < end_) return propose();
      MutexLock lock(mutex_);
      if (under_way_.fetch_sub(1) == 1) done_.notify_all();
    });
  }

  Node& node_;
  Clock& clock_;
  const Term term_;
  const size_t batch_;
  TimePoint end_;
  std::vector<double> latencies_;
  size_t failed_ = 0;
  std::atomic<size_t> under_way_{0};
  Mutex mutex_;
  Condition done_;
};

void measure_flush(io::FileSystem& fs, Clock& clock, const std::string& directory) {
  const auto file = fs.open(directory + "/flush", io::OpenMode::create);
  if (!file) return;
  const std::string text(200, 'x');
  const std::array<BytesView, 1> pieces{as_bytes(text)};
  std::vector<double> times;
  for (uint64_t i = 0; i < 500; ++i) {
    const TimePoint began = clock.now();
    if (!(*file)->write_at(i * text.size(), pieces) || !(*file)->flush()) return;
    times.push_back(std::chrono::duration<double, std::milli>(clock.now() - began).count());
  }
  std::sort(times.begin(), times.end());
  std::printf("write and flush of 200 bytes: p50 %.2f ms, p99 %.2f ms\n", times[250], times[495]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("node_bench DIRECTORY [SECONDS]\n", stderr), 2;
  const std::string top = argv[1];
  const auto time = std::chrono::seconds(argc > 2 ? std::atoi(argv[2]) : 3);
  Logger::configure(LogLevel::warn, LogFormat::text);
  io::posix::PosixFileSystem fs;
  io::posix::RealClock clock;
  Hub hub;
  std::array<Member3, kNodes> members;
  const TimePoint began = clock.now();
  for (int i = 0; i < kNodes; ++i) {
    Member3& member = members[static_cast<size_t>(i)];
    const std::string directory = top + "/" + std::to_string(i + 1);
    if (!fs.remove_all(directory) || !fs.create_directories(directory)) return 1;
    member.driver = *io::posix::EpollEventLoop::start("raft");
    member.disk = *io::posix::EpollEventLoop::start("raft-disk");
    member.apply = *io::posix::EpollEventLoop::start("raft-apply");
    member.port = std::make_unique<HubPort>(hub);
    const Member self{NodeId{i + 1}, Uuid::from_random(1, static_cast<uint64_t>(i))};
    auto node = Node::open({.core = {.self = self, .seed = static_cast<uint64_t>(i + 1)},
                            .store = {.fs = &fs, .clock = &clock, .directory = directory + "/__cluster_metadata-0"},
                            .cluster = "bench",
                            .initial_voters = {NodeId{1}, NodeId{2}, NodeId{3}},
                            .clock = &clock,
                            .transport = member.port.get(),
                            .machine = &member.machine,
                            .driver_loop = member.driver.get(),
                            .disk_loop = member.disk.get(),
                            .apply_loop = member.apply.get(),
                            .on_fatal = [](const Error& error) {
                              std::fprintf(stderr, "%s\n", error.to_string().c_str());
                              std::abort();
                            }});
    if (!node) return std::fprintf(stderr, "%s\n", node.error().to_string().c_str()), 1;
    member.node = *std::move(node);
    hub.nodes[static_cast<size_t>(i) + 1].store(member.node.get());
  }
  Mutex mutex;
  Condition pause;
  Member3* leader = nullptr;
  while (leader == nullptr) {
    for (Member3& member : members) {
      if (member.machine.leads.load() != 0) leader = &member;
    }
    MutexLock lock(mutex);
    pause.wait_for(mutex, std::chrono::milliseconds(1));
  }
  std::printf("first leader after %.0f ms\n", std::chrono::duration<double, std::milli>(clock.now() - began).count());
  measure_flush(fs, clock, top);
  const Term term{leader->machine.leads.load()};
  struct {
    const char* name;
    size_t outstanding, batch;
  } const kLoads[] = {{"1 outstanding", 1, 1},
                      {"64 outstanding", 64, 1},
                      {"512 outstanding", 512, 1},
                      {"batches of 64, one in flight", 1, 64},
                      {"batches of 64, four in flight", 4, 64}};
  for (const auto& load : kLoads) {
    Load(*leader->node, clock, term, load.batch).run(load.outstanding, time, load.name);
  }
  for (Member3& member : members) {
    bool stopped = false;
    member.node->stop([&] {
      MutexLock lock(mutex);
      stopped = true;
      pause.notify_all();
    });
    MutexLock lock(mutex);
    while (!stopped) pause.wait(mutex);
  }
  for (Member3& member : members) {
    member.driver->stop();
    member.disk->stop();
    member.apply->stop();
  }
  for (Member3& member : members) member.node.reset();
  return 0;
}
