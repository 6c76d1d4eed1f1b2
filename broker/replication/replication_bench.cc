// replication_bench DIRECTORY: what an append costs with one replica and with two followers in the same process, over
// links in memory, and what an idle partition holds; to be compared over time.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <malloc.h>

#include "broker/base/logger.h"
#include "broker/io/posix/epoll_event_loop.h"
#include "broker/io/posix/kernel_random.h"
#include "broker/io/posix/posix_file_system.h"
#include "broker/io/posix/real_clock.h"
#include "broker/metadata/image_builder.h"
#include "broker/protocol/record_batch.h"
#include "broker/replication/replicator.h"
#include "broker/storage/file_cache.h"

namespace {

using namespace millrace;
using namespace millrace::replication;

constexpr size_t kValueBytes = 1000;

// Two ends in one process; a message is a task of the peer's loop.
struct Pipe {
  struct End {
    io::EventLoop* loop = nullptr;
    PeerLinkEvents* events = nullptr;
  };
  End ends[2];
};

class MemoryLink final : public PeerLink {
 public:
  MemoryLink(std::shared_ptr<Pipe> pipe, int side) : pipe_(std::move(pipe)), side_(side) {}
  void send(PeerMessage message) override {
    pipe_->ends[1 - side_].loop->post([pipe = pipe_, to = 1 - side_, message = std::move(message)]() mutable {
      if (pipe->ends[to].events != nullptr) pipe->ends[to].events->on_message(std::move(message));
    });
  }
  size_t unsent_bytes() const override { return 0; }
  void close() override {}

 private:
  const std::shared_ptr<Pipe> pipe_;
  const int side_;
};

class MemoryTransport final : public PeerTransport {
 public:
  explicit MemoryTransport(std::vector<PeerAcceptor*>& acceptors, size_t self) : acceptors_(acceptors), self_(self) {}
  std::unique_ptr<PeerLink> connect(BrokerId leader, io::EventLoop& loop, PeerLinkEvents& events) override {
    auto pipe = std::make_shared<Pipe>();
    PeerAcceptor& acceptor = *acceptors_[static_cast<size_t>(leader.value())];
    pipe->ends[0] = {&loop, &events};
    pipe->ends[1].loop = &acceptor.loop_for_link();
    pipe->ends[1].loop->post(
        [pipe, &acceptor] { pipe->ends[1].events = &acceptor.accept(std::make_unique<MemoryLink>(pipe, 1)); });
    return std::make_unique<MemoryLink>(pipe, 0);
  }
  void set_acceptor(PeerAcceptor* acceptor) override {
    if (acceptor != nullptr) acceptors_[self_] = acceptor;
  }

 private:
  std::vector<PeerAcceptor*>& acceptors_;
  const size_t self_;
};

class NoChanges final : public IsrChanges {
 public:
  void propose(IsrChange, std::function<void(IsrOutcome)>) override {}
};

struct Broker {
  Broker(const std::string& path, BrokerId id, std::vector<PeerAcceptor*>& acceptors)
      : transport(acceptors, static_cast<size_t>(id.value())) {
    loop = *io::posix::EpollEventLoop::start("bench");
    keeper = std::make_unique<IsrKeeper>(
        IsrKeeperOptions{.loop = loop.get(), .clock = &clock, .changes = &changes, .metrics = &metrics});
    dir = *storage::LogDir::open(fs, random, {.path = path, .cluster_id = "bench", .node = id});
    manager = *PartitionManager::open({.fs = &fs,
                                       .clock = &clock,
                                       .background = loop.get(),
                                       .random = &random,
                                       .dir = dir.get(),
                                       .flusher = &flusher,
                                       .files = &files,
                                       .metrics = &storage_metrics,
                                       .config = {.keys = {}, .static_values = &config, .self = id},
                                       .isr_watch = keeper.get(),
                                       .threads = 1},
                                      std::make_shared<const metadata::ClusterImage>());
    replicator =
        std::make_unique<Replicator>(ReplicatorOptions{.partitions = manager.get(),
                                                       .isr_keeper = keeper.get(),
                                                       .transport = &transport,
                                                       .loops = {loop.get()},
                                                       .clock = &clock,
                                                       .random = &random,
                                                       .metrics = &metrics,
                                                       .config = {.keys = {}, .static_values = &config, .self = id},
                                                       .cluster_id = "bench",
                                                       .self = id,
                                                       .incarnation = random.uuid()});
    replicator->start();
  }
  ~Broker() {
    loop->stop();
    replicator.reset();
  }
  void apply(const metadata::ImagePointer& image) {
    manager->apply(image);
    replicator->apply(image);
  }

  io::posix::PosixFileSystem fs;
  io::posix::RealClock clock;
  io::posix::KernelRandom random;
  ConfigValues config;
  storage::FileCache files{fs, 1000};
  storage::StorageMetrics storage_metrics;
  ReplicationMetrics metrics;
  storage::Flusher flusher{fs, clock, 1};
  NoChanges changes;
  MemoryTransport transport;
  std::unique_ptr<io::posix::EpollEventLoop> loop;
  std::unique_ptr<IsrKeeper> keeper;
  std::unique_ptr<storage::LogDir> dir;
  std::unique_ptr<PartitionManager> manager;
  std::unique_ptr<Replicator> replicator;
};

struct Topics {
  metadata::ImageBuilder builder;
  int64_t next = 0;
  void create(io::Random& random, const std::string& name, int32_t partitions, const std::vector<BrokerId>& replicas) {
    const Uuid id = random.uuid();
    builder.apply(Offset{next++}, metadata::TopicRecord{.id = id, .name = name});
    for (int32_t i = 0; i < partitions; ++i) {
      metadata::PartitionImage state;
      state.leader = replicas.front();
      state.replicas = state.isr = replicas;
      builder.apply(Offset{next++}, metadata::PartitionRecord{.topic = id, .index = PartitionIndex{i}, .state = state});
    }
  }
};

Bytes make_batch(Timestamp now) {
  protocol::RecordBatchBuilder builder;
  builder.add(now, std::nullopt, as_bytes(std::string(kValueBytes, 'x')));
  return builder.build();
}

double seconds_since(const Clock& clock, TimePoint start) {
  return std::chrono::duration<double>(clock.now() - start).count();
}

// Appends with at most `in_flight` records that are not committed.
void bench_appends(Broker& leader, const std::string& topic, int count, int64_t in_flight) {
  const std::shared_ptr<Partition> partition = leader.manager->find(topic, PartitionIndex{0});
  const auto high_watermark = [&] { return partition->offsets()->high_watermark.value(); };
  const int64_t first = high_watermark();
  std::vector<Bytes> batches;
  for (int i = 0; i < count; ++i) batches.push_back(make_batch(leader.clock.wall_ms()));
  std::vector<double> waits;
  const TimePoint start = leader.clock.now();
  for (int i = 0; i < count; ++i) {
    const TimePoint began = leader.clock.now();
    ENSURE(partition->append(std::move(batches[static_cast<size_t>(i)]), Acks::all));
    while (first + i + 1 - high_watermark() >= in_flight) {
    }
    waits.push_back(seconds_since(leader.clock, began));
  }
  while (high_watermark() < first + count) {
  }
  const double seconds = seconds_since(leader.clock, start);
  std::sort(waits.begin(), waits.end());
  std::printf("%-10s in flight %4lld: %9.0f appends/s, %7.2f us each, median %6.2f us, 99th %7.2f us\n", topic.c_str(),
              static_cast<long long>(in_flight), count / seconds, seconds * 1e6 / count, waits[waits.size() / 2] * 1e6,
              waits[waits.size() * 99 / 100] * 1e6);
}

size_t heap_bytes() { return ::mallinfo2().uordblks; }

}  // namespace

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : ".";
  Logger::configure(LogLevel::error, LogFormat::text);
  io::posix::PosixFileSystem fs;
  std::vector<PeerAcceptor*> acceptors(4);
  std::vector<std::unique_ptr<Broker>> brokers;
  for (int32_t id = 1; id <= 3; ++id) {
    const std::string path = directory + "/replication-bench-" + std::to_string(id);
    ENSURE(fs.remove_all(path));
    brokers.push_back(std::make_unique<Broker>(path, BrokerId{id}, acceptors));
  }
  Topics topics;
  Broker& leader = *brokers.front();
  const auto publish = [&] {
    for (const auto& broker : brokers) broker->apply(topics.builder.image());
  };
  topics.create(leader.random, "one", 1, {BrokerId{1}});
  topics.create(leader.random, "three", 1, {BrokerId{1}, BrokerId{2}, BrokerId{3}});
  publish();
  for (int round = 0; round < 3; ++round) {
    bench_appends(leader, "one", 100'000, 1);
    bench_appends(leader, "three", 100'000, 1000);
    bench_appends(leader, "three", 20'000, 1);
  }
  constexpr int32_t kIdle = 2000;
  const size_t before = heap_bytes();
  topics.create(leader.random, "idle-one", kIdle, {BrokerId{1}});
  publish();
  const size_t alone = heap_bytes() - before;
  topics.create(leader.random, "idle-three", kIdle, {BrokerId{1}, BrokerId{2}, BrokerId{3}});
  publish();
  ENSURE(leader.manager->find("idle-three", PartitionIndex{kIdle - 1})->append(make_batch(0), Acks::leader));
  while (leader.manager->find("idle-three", PartitionIndex{kIdle - 1})->offsets()->high_watermark == Offset{0}) {
  }
  const size_t replicated = heap_bytes() - before - alone;
  std::printf("an idle partition holds %zu bytes alone and %zu per replica of three\n", alone / kIdle,
              replicated / kIdle / 3);
  return 0;
}
