#include "tests/sim/sim_node.h"

namespace millrace::sim {

using io::sim::SimFileSystem;

SimNode::SimNode(World& world, BrokerId id, std::vector<BrokerId> voters, const ConfigValues& values, uint64_t seed,
                 Events events)
    : world_(world),
      events_(std::move(events)),
      name_("broker " + std::to_string(id.value())),
      fs_(seed * 2),
      clock_(world.clock, std::chrono::seconds(100 * id.value())),
      random_(seed * 2 + 1) {
  ENSURE(fs_.create_directories("/data"));
  machine_ = {.id = id,
              .voters = std::move(voters),
              .values = values,
              .fs = &fs_,
              .clock = &clock_,
              .random = &random_,
              .boot_id = "boot 0",
              .around = [this](NodeLoop& loop, const std::function<void()>& task) { around(loop, task); }};
}

SimNode::~SimNode() {
  if (run_) run_->crash();
}

// A slow disk holds up the loop that used it; a process that died in a call does nothing more.
void SimNode::around(NodeLoop& loop, const std::function<void()>& task) {
  const uint64_t before = fs_.calls();
  task();
  const uint64_t calls = fs_.calls();
  if (calls > dies_after_) return end_later("died in an I/O call");
  if (calls != before && per_write_ != Duration::zero()) {
    loop.inner().pause_until(world_.clock.now() + per_write_ * static_cast<int64_t>(calls - before) + per_flush_);
  }
}

void SimNode::start() {
  if (run_) return;
  ++starts_;
  is_ending_ = is_stopping_ = is_dark_ = false;
  dies_after_ = SimFileSystem::kNever;
  world_.trace.line(name_ + " starts");
  run_ = std::make_unique<BrokerRun>(
      world_, machine_,
      BrokerRun::Events{.on_image = [this](const metadata::ImagePointer& image) { events_.on_image(id(), image); },
                        .on_end = [this](const Error& why) { end_later(why.to_string()); }});
  if (const Status started = run_->start(); !started) end_later("does not start: " + started.error().to_string());
}

void SimNode::end_later(const std::string& why) {
  if (std::exchange(is_ending_, true)) return;
  world_.between.push_back([this, why, starts = starts_] {
    if (run_ && starts == starts_) crash(why);
  });
}

void SimNode::crash(const std::string& why) { end(why, false); }
void SimNode::lose_power() { end("loses power", true); }

void SimNode::end(const std::string& why, bool power) {
  if (!run_) return;
  world_.trace.line(name_ + (power ? "" : " crashes: ") + (power ? " loses power" : why));
  world_.trace.count(power ? "power losses" : "crashes");
  is_ending_ = true;
  fs_.die_at_call(0);
  events_.on_gone(id(), power);
  run_->crash();
  run_.reset();
  if (power) {
    may_have_lost_ = is_dark_ = true;
    fs_.lose_power();
    machine_.boot_id = "boot " + std::to_string(++power_losses_);
  } else {
    fs_.restart();
  }
}

void SimNode::stop() {
  if (!run_ || std::exchange(is_stopping_, true)) return;
  world_.trace.line(name_ + " is asked to stop");
  run_->stop([this] {
    world_.trace.line(name_ + " has stopped");
    world_.trace.count("controlled stops");
    world_.between.push_back([this, starts = starts_] {
      if (!run_ || starts != starts_) return;
      run_.reset();
      fs_.restart();
    });
  });
}

void SimNode::suspend(Duration time) {
  if (!run_) return;
  world_.trace.line(name_ + " is suspended for " + std::to_string(time.count() / 1'000'000) + " ms");
  world_.trace.count("suspensions");
  run_->suspend(world_.clock.now() + time);
}

void SimNode::fill_disk(uint64_t room) {
  const auto space = fs_.disk_space("/");
  ENSURE(space);
  fs_.set_capacity(space->total_bytes - space->usable_bytes + room);
}

void SimNode::die_at_call(uint64_t skip) {
  dies_after_ = skip >= SimFileSystem::kNever / 2 ? SimFileSystem::kNever : fs_.calls() + skip;
  fs_.die_at_call(skip);
}

void SimNode::spare() {
  if (is_doomed() && fs_.calls() <= dies_after_) die_at_call(SimFileSystem::kNever / 2);
}

std::shared_ptr<replication::Partition> SimNode::find(const std::string& topic, int32_t partition) const {
  if (!run_ || run_->partitions() == nullptr) return nullptr;
  return run_->partitions()->find(topic, PartitionIndex{partition});
}

}  // namespace millrace::sim
