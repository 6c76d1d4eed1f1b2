#include "broker/app/metadata_service.h"

#include <future>

#include "broker/base/logger.h"

namespace millrace::app {
namespace {

const Logger kLog("metadata");

// Runs one controller command and waits for its answer.
template <class Reply, class Submit>
Result<Reply> wait_for(Submit submit) {
  auto promise = std::make_shared<std::promise<Result<Reply>>>();
  submit([promise](Result<Reply> reply) { promise->set_value(std::move(reply)); });
  return promise->get_future().get();
}

}  // namespace

Result<std::unique_ptr<MetadataService>> MetadataService::open(MetadataServiceOptions options) {
  std::unique_ptr<MetadataService> service(new MetadataService(std::move(options)));
  TRY_ASSIGN(service->log_, MetadataLog::open(service->options_.log));
  return service;
}

MetadataService::~MetadataService() {
  if (const Status stopped = stop(); !stopped) {
    kLog.error("metadata log not closed", {{"error", stopped.error().to_string()}});
  }
}

void MetadataService::start() {
  ENSURE(controller_ == nullptr);
  images_.subscribe(
      [this](const metadata::ImagePointer&, const metadata::ImagePointer& now) { log_->offer_snapshot(now); });
  controller_ =
      metadata::LocalController::start({.log = log_.get(),
                                        .clock = options_.log.clock,
                                        .images = &images_,
                                        .config = options_.config,
                                        .new_uuid = [this] { return options_.random->uuid(); },
                                        .recovered = log_->take_recovered(),
                                        .on_failed =
                                            [this](const Error& error) {
                                              kLog.error("metadata log failed", {{"error", error.to_string()}});
                                              MutexLock lock(mutex_);
                                              failed_ = true;
                                              changed_.notify_one();
                                            }});
  repairs_ = std::thread([this] { run_repairs(); });
}

Result<metadata::RegisterBrokerReply> MetadataService::initialize_and_register(const std::string& cluster_id,
                                                                               metadata::RegisterBroker broker) {
  TRY(wait_for<Unit>([&](auto done) { controller_->initialize(cluster_id, std::move(done)); }));
  return wait_for<metadata::RegisterBrokerReply>(
      [&](auto done) { controller_->register_broker(std::move(broker), std::move(done)); });
}

void MetadataService::run_repairs() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      while (!failed_ && !stopping_) changed_.wait(mutex_);
      // The disk gets a moment: what filled it may go away.
      if (!stopping_ && !log_->fatal()) changed_.wait_for(mutex_, options_.retry_pause);
      if (stopping_) return;
      failed_ = false;
    }
    if (const std::optional<Error> fatal = log_->fatal()) {
      if (options_.on_fatal) options_.on_fatal(*fatal);
      return;
    }
    Result<metadata::ImageBuilder> recovered = log_->reopen();
    if (recovered) {
      kLog.info("metadata log works again", {{"offset", recovered->current().applied}});
      controller_->restart(std::move(*recovered));
    } else {
      kLog.warn("metadata log still fails", {{"error", recovered.error().to_string()}});
      MutexLock lock(mutex_);
      failed_ = true;
    }
  }
}

Status MetadataService::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (repairs_.joinable()) repairs_.join();
  Status closed = log_ == nullptr ? ok() : log_->close();
  if (controller_ != nullptr) controller_->stop();
  return closed;
}

}  // namespace millrace::app
