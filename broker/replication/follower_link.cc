#include "broker/replication/follower_link.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "broker/base/logger.h"

namespace millrace::replication {

namespace {
const Logger logger("replication");

bool is_of_disk(Errc code) {
  return code == Errc::disk_full || code == Errc::io || code == Errc::storage_offline ||
         code == Errc::permission_denied;
}
}  // namespace

FollowerLink::FollowerLink(const LinkContext& context, io::EventLoop& loop, PeerTransport& transport, BrokerId leader)
    : context_(context),
      loop_(loop),
      transport_(transport),
      leader_(leader),
      traffic_(context.metrics.peers.of(leader)),
      queue_(std::make_shared<WakeQueue<FollowerSlot>>(loop)) {
  queue_->set_handler([this] { take_woken(); });
}

FollowerLink::~FollowerLink() {
  queue_->set_handler({});
  for (const Slot& slot : slots_) {
    slot->is_closed = true;
    slot->partition->unfollow(*slot);
  }
  queue_->take();
  loop_.cancel(reconnect_timer_);
  loop_.cancel(retry_timer_);
  loop_.cancel(held_timer_);
}

void FollowerLink::add(std::vector<Slot> slots) {
  for (Slot& slot : slots) {
    slots_.insert(slot);
    wanting_.push_back(std::move(slot));
  }
  if (is_open()) return subscribe_wanting();
  if (link_ == nullptr && reconnect_timer_ == 0) connect();
}

void FollowerLink::remove(const std::vector<Slot>& slots) {
  Unsubscribe unsubscribe;
  for (const Slot& slot : slots) {
    if (slots_.erase(slot) == 0) continue;
    if (slot->number) unsubscribe.entries.push_back({*slot->number, false});
    forget(slot);
    slot->is_closed = true;
    slot->partition->unfollow(*slot);
    if (unsubscribe.entries.size() == kMessageEntriesMax && is_open()) link_->send(std::exchange(unsubscribe, {}));
  }
  if (!unsubscribe.entries.empty() && is_open()) link_->send(std::move(unsubscribe));
  std::erase_if(wanting_, [](const Slot& slot) { return slot->is_closed; });
  std::erase_if(retries_, [](const auto& entry) { return entry.second->is_closed; });
  if (slots_.empty()) disconnect();
}

void FollowerLink::connect() {
  is_welcome_ = false;
  link_ = transport_.connect(leader_, loop_, *this);
  link_->send(context_.hello());
  liveness_.emplace(
      LinkLiveness::Options{loop_, context_.clock}, [this] { link_->send(Ping{}); },
      [this] { fail("nothing was heard from it"); });
}

void FollowerLink::disconnect() {
  liveness_.reset();
  link_.reset();
  is_welcome_ = false;
  loop_.cancel(std::exchange(reconnect_timer_, 0));
}

void FollowerLink::connect_later() {
  disconnect();
  for (const auto& [number, slot] : subscribed_) slot->number.reset();
  for (const Slot& slot : slots_) slot->is_asked_to_leave = false;
  subscribed_.clear();
  retries_.clear();
  wanting_.assign(slots_.begin(), slots_.end());
  // Not by their addresses: what is done next is the same in each run of a simulation.
  std::sort(wanting_.begin(), wanting_.end(), [](const Slot& a, const Slot& b) {
    const auto place = [](const Slot& slot) {
      return std::tuple(slot->partition->topic_id(), slot->partition->id().partition, slot->epoch);
    };
    return place(a) < place(b);
  });
  if (slots_.empty()) return;
  reconnect_after_ = std::clamp(reconnect_after_ * 2, kReconnectMin, kReconnectMax);
  const auto jitter = static_cast<int64_t>(context_.random.below(static_cast<uint64_t>(reconnect_after_.count()) / 2));
  reconnect_timer_ = loop_.run_after(reconnect_after_ - Duration(jitter), [this] {
    reconnect_timer_ = 0;
    connect();
  });
}

void FollowerLink::fail(const std::string& why) {
  logger.warn("link to a leader is given up", {{"leader", leader_}, {"why", why}});
  context_.metrics.broken_links.add();
  connect_later();
}

void FollowerLink::on_closed(const Error& why) {
  if (is_welcome_) {
    logger.info("link to a leader closed", {{"leader", leader_}, {"why", why.to_string()}});
    context_.metrics.broken_links.add();
  }
  connect_later();
}

void FollowerLink::on_message(PeerMessage message) {
  liveness_->heard();
  if (!is_welcome_ && !std::holds_alternative<Hello>(message)) return fail("it did not say who it is");
  std::visit([this](const auto& each) { receive(each); }, message);
}

void FollowerLink::receive(const Hello& hello) {
  if (is_welcome_) return fail("it said twice who it is");
  if (!context_.is_compatible(hello) || hello.broker != leader_) {
    return fail("broker " + std::to_string(hello.broker.value()) + " of cluster " + hello.cluster_id +
                " speaks version " + std::to_string(hello.version));
  }
  is_welcome_ = true;
  subscribe_wanting();
}

void FollowerLink::subscribe_wanting() {
  Subscribe subscribe;
  std::vector<Slot> damaged;
  for (const Slot& slot : std::exchange(wanting_, {})) {
    if (slot->is_closed || slot->number || !prepare(slot, subscribe)) continue;
    if (slot->partition->damage()) damaged.push_back(slot);
    if (subscribe.entries.size() == kSubscriptionsPerMessageMax) link_->send(std::exchange(subscribe, {}));
  }
  if (!subscribe.entries.empty()) link_->send(std::move(subscribe));
  for (const Slot& slot : damaged) mend(slot);
}

bool FollowerLink::prepare(const Slot& slot, Subscribe& subscribe) {
  Result<Subscribe::Entry> entry = [&]() -> Result<Subscribe::Entry> {
    TRY(slot->partition->follow(slot));
    return slot->partition->position(slot->epoch);
  }();
  if (!entry) {
    failed(slot, entry.error());
    return false;
  }
  last_number_ = last_number_.next();
  slot->number = last_number_;
  slot->is_held = false;
  slot->acked_end = entry->log_end;
  slot->acked_flushed = entry->flushed;
  subscribed_.emplace(last_number_, slot);
  entry->number = last_number_;
  subscribe.entries.push_back(*std::move(entry));
  return true;
}

FollowerLink::Slot FollowerLink::find(SubscriptionNumber number) const {
  const auto found = subscribed_.find(number);
  return found == subscribed_.end() ? nullptr : found->second;
}

void FollowerLink::forget(const Slot& slot) {
  if (slot->number) subscribed_.erase(*std::exchange(slot->number, std::nullopt));
}

void FollowerLink::unsubscribe(const Slot& slot, bool leave_in_sync_set) {
  if (!slot->number) return;
  if (is_open()) link_->send(Unsubscribe{{{*slot->number, leave_in_sync_set}}});
  forget(slot);
}

bool FollowerLink::failed(const Slot& slot, const Error& error) {
  const TopicPartition& id = slot->partition->id();
  switch (error.code) {
    // The image has moved on and brings what comes next.
    case Errc::fenced_leader_epoch:
    case Errc::unknown_topic_or_partition:
      unsubscribe(slot, false);
      return true;
    case Errc::corrupt:
      context_.metrics.damaged_messages.add();
      logger.error("records arrived damaged; the link is closed and they are asked for again",
                   {{"leader", leader_}, {"topic", id.topic}, {"partition", id.partition}, {"why", error.context}});
      fail("damaged records");
      return false;
    case Errc::policy_violation:
      context_.metrics.refused_truncations.add();
      logger.error(
          "a replica has committed records that its leader lacks and keeps them; it stays out of sync until "
          "another leader is elected or its directory is removed",
          {{"leader", leader_}, {"topic", id.topic}, {"partition", id.partition}, {"why", error.context}});
      break;
    default:
      logger.warn("a replica cannot follow its leader for now",
                  {{"leader", leader_}, {"topic", id.topic}, {"partition", id.partition}, {"why", error.to_string()}});
  }
  // Otherwise everybody would wait for it until replica.lag.time.max.ms has passed.
  unsubscribe(slot, is_of_disk(error.code));
  retry_later(slot, kFailedRetryMax);
  return true;
}

void FollowerLink::retry_later(const Slot& slot, Duration wait_max) {
  slot->retry_after = std::clamp(slot->retry_after * 2, kRetryMin, wait_max);
  retries_.emplace(context_.clock.now() + slot->retry_after, slot);
  arm_retry_timer();
}

void FollowerLink::arm_retry_timer() {
  loop_.cancel(std::exchange(retry_timer_, 0));
  if (retries_.empty()) return;
  retry_timer_ = loop_.run_after(retries_.begin()->first - context_.clock.now(), [this] {
    retry_timer_ = 0;
    retry_due();
  });
}

void FollowerLink::retry_due() {
  const TimePoint now = context_.clock.now();
  std::vector<Slot> due;
  while (!retries_.empty() && retries_.begin()->first <= now) {
    due.push_back(std::move(retries_.begin()->second));
    retries_.erase(retries_.begin());
  }
  arm_retry_timer();
  for (const Slot& slot : due) {
    if (slot->is_closed || slot->number) continue;
    if (slot->is_asked_to_leave) {
      mend(slot);
    } else {
      wanting_.push_back(slot);
    }
  }
  if (is_open()) subscribe_wanting();
}

void FollowerLink::receive(const Data& data) {
  Ack ack;
  for (const Data::Entry& entry : data.entries) {
    const Slot slot = find(entry.number);
    if (slot == nullptr) continue;  // of a subscription that has ended
    std::vector<std::string> removed;
    const Result<Ack::Entry> at = slot->partition->append_from_leader(slot->epoch, entry, removed);
    if (!removed.empty()) context_.partitions.remove_files(*slot->partition, std::move(removed));
    if (!at) {
      if (!failed(slot, at.error())) return;
      continue;
    }
    context_.metrics.received_bytes.add(batch_bytes(entry));
    traffic_.received_bytes.add(batch_bytes(entry));
    slot->retry_after = {};
    slot->answers = 0;
    if (!hold_ack(slot, *at, entry)) add_ack(slot, *at, ack);
  }
  reconnect_after_ = {};
  if (!ack.entries.empty()) link_->send(std::move(ack));
}

void FollowerLink::receive(const Progress& progress) {
  for (const Progress::Entry& entry : progress.entries) {
    const Slot slot = find(entry.number);
    if (slot == nullptr || entry.leader_epoch != slot->epoch) continue;
    std::vector<std::string> removed;
    const Result<Ack::Entry> at = slot->partition->learn(entry, removed);
    if (!removed.empty()) context_.partitions.remove_files(*slot->partition, std::move(removed));
    if (!at && !failed(slot, at.error())) return;
    if (at) slot->retry_after = {};
  }
  reconnect_after_ = {};
}

void FollowerLink::receive(const Answer& answer) {
  std::vector<Slot> followed, need_checkpoints;
  for (const Answer::Entry& entry : answer.entries) {
    const Slot slot = find(entry.number);
    if (slot == nullptr) continue;
    forget(slot);
    const Result<bool> outcome = slot->partition->follow_answer(slot->epoch, entry);
    if (!outcome) {
      if (!failed(slot, outcome.error())) return;
      continue;
    }
    context_.metrics.truncations.add();
    if (*outcome) need_checkpoints.push_back(slot);
    followed.push_back(slot);
  }
  // Before anything is appended: what is appended must be verified after a power loss.
  if (!need_checkpoints.empty() && !write_checkpoints(need_checkpoints)) {
    std::erase_if(followed, [](const Slot& slot) { return slot->retry_after != Duration{}; });
  }
  for (const Slot& slot : followed) {
    if (++slot->answers > kAnswersMax) {
      retry_later(slot, kFailedRetryMax);
    } else {
      wanting_.push_back(slot);
    }
  }
  if (is_open()) subscribe_wanting();
}

bool FollowerLink::write_checkpoints(const std::vector<Slot>& slots) {
  const Status written = context_.partitions.write_checkpoints_after_truncation();
  if (written) return true;
  for (const Slot& slot : slots) retry_later(slot, kFailedRetryMax);
  return false;
}

void FollowerLink::receive(const Refusal& refusal) {
  for (const Refusal::Entry& entry : refusal.entries) {
    const Slot slot = find(entry.number);
    if (slot == nullptr) continue;
    forget(slot);
    const bool may_be_late = entry.reason != Refusal::Reason::storage_error;
    logger.debug("a leader refuses a replica", {{"leader", leader_},
                                                {"topic", slot->partition->id().topic},
                                                {"partition", slot->partition->id().partition},
                                                {"reason", static_cast<int>(entry.reason)}});
    retry_later(slot, may_be_late ? kRefusedRetryMax : kFailedRetryMax);
  }
}

// Damaged records are dropped once no election can rest on this replica, and come again with the next subscription.
void FollowerLink::mend(const Slot& slot) {
  unsubscribe(slot, true);
  slot->is_asked_to_leave = true;
  const Result<bool> dropped = slot->partition->drop_damage(slot->epoch);
  if (!dropped) {
    if (dropped.error().code == Errc::conflict) return retry_later(slot, kRefusedRetryMax);
    slot->is_asked_to_leave = false;
    failed(slot, dropped.error());
    return;
  }
  slot->is_asked_to_leave = false;
  context_.metrics.refetches.add();
  if (*dropped && !write_checkpoints({slot})) return;
  wanting_.push_back(slot);
  if (is_open()) subscribe_wanting();
}

}  // namespace millrace::replication
