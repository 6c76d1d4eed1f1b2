#include "broker/control/controller_proxy.h"

#include <utility>

namespace millrace::control {

using metadata::Controller;

namespace {

const Error kNotHere{Errc::not_controller, "the controller is on another broker"};
// Such requests are forwarded to whoever is the controller, and run here when nobody has answered in time.
const Error kNobody{Errc::timed_out, "no controller has answered"};

// Topics that are asked for with nothing but a name.
bool is_automatic(const metadata::CreateTopics& command) {
  if (command.validate_only) return false;
  for (const metadata::NewTopic& topic : command.topics) {
    if (topic.partitions != metadata::kDefaultCount || topic.replication_factor != metadata::kDefaultCount ||
        !topic.assignments.empty() || !topic.config.empty()) {
      return false;
    }
  }
  return true;
}

// Topics that are made one by one elsewhere; answers when the last one is.
struct Creation {
  Mutex mutex;
  metadata::CreateTopicsReply reply GUARDED_BY(mutex);
  size_t left GUARDED_BY(mutex) = 0;
  Controller::Done<metadata::CreateTopicsReply> done;
};

}  // namespace

template <class Method, class Command, class Reply>
void ControllerProxy::here(Method method, Command command, Done<Reply> done) {
  const std::shared_ptr<metadata::LocalController> controller = host_.controller();
  if (controller == nullptr) return done(kNobody);
  Controller& asked = *controller;
  (asked.*method)(std::move(command), [controller, done = std::move(done)](Result<Reply> reply) {
    if (!reply && reply.error().code == Errc::shutting_down) return done(kNotHere);
    done(std::move(reply));
  });
}

void ControllerProxy::create_topics(metadata::CreateTopics command, Done<metadata::CreateTopicsReply> done) {
  if (host_.is_active() || command.topics.empty() || !is_automatic(command)) {
    return here(&Controller::create_topics, std::move(command), std::move(done));
  }
  auto creation = std::make_shared<Creation>();
  creation->done = std::move(done);
  {
    MutexLock lock(creation->mutex);
    creation->left = command.topics.size();
    for (const metadata::NewTopic& topic : command.topics) {
      creation->reply.topics.emplace_back(topic.name, Error{Errc::timed_out, {}});
    }
  }
  for (size_t i = 0; i < command.topics.size(); ++i) {
    const std::string& name = command.topics[i].name;
    client_.call(AutoCreateTopic{name}, kProxyTimeout, [creation, i, name](const Result<ControllerAnswer>& answer) {
      metadata::CreateTopicsReply reply;
      {
        MutexLock lock(creation->mutex);
        creation->reply.topics[i].second =
            answer ? Result<metadata::CreatedTopic>(metadata::CreatedTopic{.name = name}) : answer.error();
        if (--creation->left > 0) return;
        reply = std::move(creation->reply);
      }
      creation->done(std::move(reply));
    });
  }
}

void ControllerProxy::allocate_producer_ids(metadata::AllocateProducerIds command,
                                            Done<metadata::ProducerIdBlock> done) {
  client_.call(command, kProxyTimeout, [done = std::move(done)](const Result<ControllerAnswer>& answer) {
    if (!answer) return done(answer.error());
    done(std::get<metadata::ProducerIdBlock>(*answer));
  });
}

void ControllerProxy::ensure_offsets_topic(Done<int32_t> done) {
  client_.call(EnsureOffsetsTopic{}, kProxyTimeout, [done = std::move(done)](const Result<ControllerAnswer>& answer) {
    if (!answer) return done(answer.error());
    done(std::get<OffsetsTopicReply>(*answer).partitions);
  });
}

void ControllerProxy::delete_topics(metadata::DeleteTopics command, Done<metadata::DeleteTopicsReply> done) {
  here(&Controller::delete_topics, std::move(command), std::move(done));
}
void ControllerProxy::create_partitions(metadata::CreatePartitions command,
                                        Done<metadata::CreatePartitionsReply> done) {
  here(&Controller::create_partitions, std::move(command), std::move(done));
}
void ControllerProxy::alter_configs(metadata::AlterConfigs command, Done<metadata::AlterConfigsReply> done) {
  here(&Controller::alter_configs, std::move(command), std::move(done));
}
void ControllerProxy::register_broker(metadata::RegisterBroker command, Done<metadata::RegisterBrokerReply> done) {
  here(&Controller::register_broker, std::move(command), std::move(done));
}
void ControllerProxy::set_fenced(metadata::SetFenced command, Done<Unit> done) {
  here(&Controller::set_fenced, command, std::move(done));
}
void ControllerProxy::unregister_broker(metadata::UnregisterBroker command, Done<Unit> done) {
  here(&Controller::unregister_broker, command, std::move(done));
}
void ControllerProxy::broker_heartbeat(metadata::BrokerHeartbeat command, Done<metadata::BrokerHeartbeatReply> done) {
  here(&Controller::broker_heartbeat, command, std::move(done));
}
void ControllerProxy::alter_partition(metadata::AlterPartition command, Done<metadata::AlterPartitionReply> done) {
  here(&Controller::alter_partition, std::move(command), std::move(done));
}
void ControllerProxy::elect_leaders(metadata::ElectLeaders command, Done<metadata::ElectLeadersReply> done) {
  here(&Controller::elect_leaders, std::move(command), std::move(done));
}
void ControllerProxy::alter_reassignments(metadata::AlterReassignments command,
                                          Done<metadata::AlterReassignmentsReply> done) {
  here(&Controller::alter_reassignments, std::move(command), std::move(done));
}
void ControllerProxy::update_features(metadata::UpdateFeatures command, Done<metadata::UpdateFeaturesReply> done) {
  here(&Controller::update_features, std::move(command), std::move(done));
}
void ControllerProxy::may_stop(metadata::MayStop command, Done<metadata::MayStopReply> done) {
  here(&Controller::may_stop, std::move(command), std::move(done));
}
void ControllerProxy::release_permit(metadata::ReleasePermit command, Done<Unit> done) {
  here(&Controller::release_permit, std::move(command), std::move(done));
}
void ControllerProxy::decommission(metadata::Decommission command, Done<Unit> done) {
  here(&Controller::decommission, command, std::move(done));
}
void ControllerProxy::cancel_decommission(metadata::CancelDecommission command, Done<Unit> done) {
  here(&Controller::cancel_decommission, command, std::move(done));
}
void ControllerProxy::decommission_progress(BrokerId node, Done<metadata::DecommissionProgress> done) {
  here(&Controller::decommission_progress, node, std::move(done));
}

}  // namespace millrace::control
