#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "broker/app/metadata_log.h"
#include "broker/io/random.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image_store.h"

namespace millrace::app {

struct MetadataServiceOptions {
  MetadataLogOptions log;
  io::Random* random = nullptr;
  metadata::BrokerConfigView config;
  Duration retry_pause = std::chrono::seconds(1);  // between a failure of the log and reading it again
  // The log failed in a way that no retry helps against (see MetadataLog::fatal): the process has to end. Once, on a
  // thread of the service; commands are refused from then on. May be empty.
  std::function<void(const Error&)> on_fatal;
};

// Log, images and controller of a cluster of one voter, put together: opens the log, starts the controller on what it
// holds, snapshots, and while the disk is full reads the log again, after a pause each time, until it can be written.
//
//   open() → images().subscribe(…) → start() → initialize_and_register() → … → stop()
//
// Owner's thread, but for controller() and images(), which are thread-safe.
class MetadataService {
 public:
  static Result<std::unique_ptr<MetadataService>> open(MetadataServiceOptions options);
  ~MetadataService();  // stop()

  metadata::ImageStore& images() { return images_; }
  // Publishes the recovered image to the subscribers; the controller takes commands from here on.
  void start();
  metadata::LocalController& controller() { return *controller_; }

  // Blocks until the log holds the cluster's id and this broker, and the subscribers have seen it. cluster_mismatch
  // when the log or the broker's id belongs to another cluster or data directory.
  Result<metadata::RegisterBrokerReply> initialize_and_register(const std::string& cluster_id,
                                                                metadata::RegisterBroker broker);
  // Commits what was accepted, refuses the rest, closes the log.
  Status stop();

 private:
  explicit MetadataService(MetadataServiceOptions options) : options_(std::move(options)) {}
  void run_repairs() EXCLUDES(mutex_);

  const MetadataServiceOptions options_;
  std::unique_ptr<MetadataLog> log_;
  metadata::ImageStore images_;
  std::unique_ptr<metadata::LocalController> controller_;

  Mutex mutex_;
  Condition changed_;
  bool failed_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread repairs_;
};

}  // namespace millrace::app
