#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/sim/broker_run.h"

namespace millrace::sim {

// One machine of the cluster: its disk, its clocks, and the broker's process while there is one.
class SimNode {
 public:
  struct Events {
    // The process saw an image. Within a step.
    std::function<void(BrokerId, const metadata::ImagePointer&)> on_image;
    // The process is about to go: who is connected to it learns of it at once, or (power loss) not at all.
    std::function<void(BrokerId, bool silently)> on_gone;
  };
  SimNode(World& world, BrokerId id, std::vector<BrokerId> voters, const ConfigValues& values, uint64_t seed,
          Events events);
  ~SimNode();

  // Between two steps.
  void start();
  void crash(const std::string& why);
  void lose_power();
  void stop();  // as an operator does; a while later it is down
  void suspend(Duration time);

  // The process dies within the I/O call that comes after so many more.
  void die_at_call(uint64_t skip);
  void spare();  // it does not, if it has not yet
  // A write or flush of the disk takes so long; zero: no time.
  void slow_down(Duration per_write, Duration per_flush) { per_write_ = per_write, per_flush_ = per_flush; }
  // So many more bytes fit on the disk, until it is emptied.
  void fill_disk(uint64_t room);
  void empty_disk() { fs_.set_capacity(io::sim::SimFileSystem::kNever); }

  BrokerId id() const { return machine_.id; }
  const std::string& name() const { return name_; }
  bool is_running() const { return run_ != nullptr; }
  bool is_dark() const { return is_dark_; }  // it has no power: nobody answers for it
  bool is_serving() const { return run_ && run_->is_serving() && !run_->is_stopping(); }
  bool is_stopping() const { return is_stopping_; }
  bool is_doomed() const { return run_ != nullptr && dies_after_ != io::sim::SimFileSystem::kNever; }
  uint64_t starts() const { return starts_; }
  BrokerRun* run() { return run_.get(); }
  io::sim::SimFileSystem& fs() { return fs_; }
  NodeClock& clock() { return clock_; }
  std::shared_ptr<replication::Partition> find(const std::string& topic, int32_t partition) const;
  // It lost its power, so that what it had may be gone, and in-sync sets may name it until the cluster knows it again.
  bool may_have_lost() const { return may_have_lost_; }
  void is_known_again() { may_have_lost_ = false; }

 private:
  void around(NodeLoop& loop, const std::function<void()>& task);
  void end(const std::string& why, bool power);
  void end_later(const std::string& why);

  World& world_;
  const Events events_;
  const std::string name_;
  io::sim::SimFileSystem fs_;
  NodeClock clock_;
  io::sim::SimRandom random_;
  Machine machine_;
  std::unique_ptr<BrokerRun> run_;
  uint64_t starts_ = 0;
  uint64_t power_losses_ = 0;
  uint64_t dies_after_ = io::sim::SimFileSystem::kNever;
  Duration per_write_{}, per_flush_{};
  bool is_ending_ = false;
  bool is_stopping_ = false;
  bool is_dark_ = false;
  bool may_have_lost_ = false;
};

}  // namespace millrace::sim
