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
        catch_up(config_double(*options.config, kCatchUpBytesPerSecond)),
        context{.partitions = *options.partitions,
                .clock = *options.clock,
                .random = *options.random,
                .metrics = *options.metrics,
                .catch_up = catch_up,
                .self = self,
                .broker_epoch = options.isr_keeper->broker_epoch()},
        leader_links(context, options.loops),
        follower_links(context, *options.transport, options.loops),
        isolation_guard({.loop = options.loops.front(),
                         .clock = options.clock,
                         .partitions = options.partitions,
                         .metrics = options.metrics,
                         .session = options.session}) {}

  const ReplicatorOptions options;
  const Hello self;
  CatchUpBudget catch_up;
  const LinkContext context;
  LeaderLinks leader_links;
  FollowerLinks follower_links;
  IsolationGuard isolation_guard;
};

Replicator::Replicator(ReplicatorOptions options) : state_(std::make_unique<State>(std::move(options))) {}

Replicator::~Replicator() { stop_accepting(); }

void Replicator::apply(metadata::ImagePointer image) {
  state_->options.isr_keeper->apply(image);
  state_->follower_links.apply(std::move(image));
}

void Replicator::start() { state_->options.transport->set_acceptor(&state_->leader_links); }

void Replicator::set_isolated(bool isolated) { state_->isolation_guard.set_isolated(isolated); }

void Replicator::stop_accepting() { state_->options.transport->set_acceptor(nullptr); }

}  // namespace millrace::replication
