#include "broker/replication/replicator.h"

#include <utility>

#include "broker/replication/follower_links.h"
#include "broker/replication/isolation_guard.h"
#include "broker/replication/leader_links.h"
#include "broker/replication/replication_config.h"

namespace millrace::replication {

struct Replicator::State {
  explicit State(ReplicatorOptions given)
      : options(std::move(given)),
        self{.cluster_id = options.cluster_id, .broker = options.self, .incarnation = options.incarnation},
        catch_up(config_double(*options.config.static_values, kCatchUpBytesPerSecond)),
        leader_throttle(static_cast<double>(config_int(*options.config.static_values, kLeaderThrottledRate))),
        follower_throttle(static_cast<double>(config_int(*options.config.static_values, kFollowerThrottledRate))),
        context{.partitions = *options.partitions,
                .clock = *options.clock,
                .random = *options.random,
                .metrics = *options.metrics,
                .catch_up = catch_up,
                .leader_throttle = leader_throttle,
                .follower_throttle = follower_throttle,
                .self = self,
                .broker_epoch = options.isr_keeper->broker_epoch()},
        leader_links(context, options.loops),
        follower_links(context, *options.transport, options.loops),
        isolation_guard({.loop = options.loops.front(),
                         .clock = options.clock,
                         .partitions = options.partitions,
                         .metrics = options.metrics,
                         .session = options.session}) {}

  void set_rates(const metadata::ClusterImage& image);

  const ReplicatorOptions options;
  const Hello self;
  metadata::ImagePointer configured;  // the rates are as this image has them; null: static
  CatchUpBudget catch_up;
  CatchUpBudget leader_throttle, follower_throttle;
  const LinkContext context;
  LeaderLinks leader_links;
  FollowerLinks follower_links;
  IsolationGuard isolation_guard;
};

Replicator::Replicator(ReplicatorOptions options) : state_(std::make_unique<State>(std::move(options))) {}

Replicator::~Replicator() { stop_accepting(); }

void Replicator::State::set_rates(const metadata::ClusterImage& image) {
  const auto number = [&](const ConfigKey& key) {
    return static_cast<double>(metadata::effective_broker_int(image, key, options.config));
  };
  const std::string rate = metadata::effective_broker_config(image, kCatchUpBytesPerSecond, options.config);
  catch_up.set_rate(config_double({{std::string(kCatchUpBytesPerSecond.name), rate}}, kCatchUpBytesPerSecond));
  leader_throttle.set_rate(number(kLeaderThrottledRate));
  follower_throttle.set_rate(number(kFollowerThrottledRate));
}

void Replicator::apply(metadata::ImagePointer image) {
  metadata::ImagePointer& before = state_->configured;
  if (before == nullptr || metadata::broker_config_differs(*before, *image, state_->options.self)) {
    state_->set_rates(*image);
  }
  before = image;
  state_->options.isr_keeper->apply(image);
  state_->follower_links.apply(std::move(image));
}

void Replicator::start() { state_->options.transport->set_acceptor(&state_->leader_links); }

void Replicator::set_isolated(bool isolated) { state_->isolation_guard.set_isolated(isolated); }

void Replicator::stop_accepting() { state_->options.transport->set_acceptor(nullptr); }

}  // namespace millrace::replication
