#include "broker/control/quorum_contacts.h"

#include <algorithm>
#include <utility>

#include "broker/base/logger.h"
#include "broker/storage/text_lines.h"

namespace millrace::control {
namespace {

const Logger kLog("control");

constexpr std::string_view kVersionLine = "0";

bool is_address(const io::Endpoint& at) { return !at.host.empty() && at.port != 0; }

std::map<BrokerId, io::Endpoint> registered_in(const metadata::ClusterImage& image) {
  std::map<BrokerId, io::Endpoint> registered;
  for (const metadata::VoterImage& voter : image.voters) registered[voter.id] = {voter.rpc.host, voter.rpc.port};
  for (const auto& [id, broker] : image.brokers) registered[id] = {broker.rpc.host, broker.rpc.port};
  std::erase_if(registered, [](const auto& one) { return !is_address(one.second); });
  return registered;
}

struct Saved {
  Offset applied{-1};
  std::map<BrokerId, io::Endpoint> addresses;
};

Result<Saved> parse(std::string_view text) {
  Saved saved;
  const std::vector<std::string_view> lines = storage::split_text(text, '\n');
  if (lines.size() < 2 || lines[0] != kVersionLine) return Error{Errc::malformed, "its first line is no version"};
  const auto applied = storage::parse_number<int64_t>(lines[1]);
  if (!applied) return Error{Errc::malformed, "line 2"};
  saved.applied = Offset{*applied};
  for (size_t i = 2; i < lines.size(); ++i) {
    const std::vector<std::string_view> fields = storage::split_text(lines[i], ' ');
    const Error wrong{Errc::malformed, "line " + std::to_string(i + 1)};
    if (fields.size() != 3) return wrong;
    const auto id = storage::parse_number<int32_t>(fields[0]);
    const auto port = storage::parse_number<uint16_t>(fields[2]);
    if (!id || *id < 0 || !port || *port == 0) return wrong;
    saved.addresses[BrokerId{*id}] = {std::string(fields[1]), *port};
  }
  return saved;
}

}  // namespace

QuorumContacts::QuorumContacts(QuorumContactsOptions options)
    : options_(std::move(options)), opened_at_(options_.clock->now()) {}

std::unique_ptr<QuorumContacts> QuorumContacts::open(QuorumContactsOptions options) {
  std::unique_ptr<QuorumContacts> contacts(new QuorumContacts(std::move(options)));
  contacts->load();
  return contacts;
}

void QuorumContacts::load() {
  const auto text = io::read_small_file(*options_.fs, options_.path);
  if (!text && text.error().code == Errc::not_found) return;
  Result<Saved> saved = text ? parse(*text) : Result<Saved>(text.error());
  if (!saved) {
    kLog.warn("addresses of other brokers cannot be read; the configured ones are used",
              {{"file", options_.path}, {"why", saved.error().to_string()}});
    return;
  }
  saved_at_ = saved->applied;
  MutexLock lock(mutex_);
  registered_ = std::move(saved->addresses);
}

void QuorumContacts::save(Offset applied, const Addresses& registered) {
  std::string text = std::string(kVersionLine) + "\n" + std::to_string(applied.value()) + "\n";
  for (const auto& [id, at] : registered) {
    text += std::to_string(id.value()) + " " + at.host + " " + std::to_string(at.port) + "\n";
  }
  const Status written = io::write_file_atomically(*options_.fs, options_.path, text);
  if (written) {
    saved_at_ = applied;
  } else if (!save_failed_) {
    kLog.warn("addresses of other brokers cannot be written",
              {{"file", options_.path}, {"why", written.error().to_string()}});
  }
  save_failed_ = !written;
}

Result<io::Endpoint> QuorumContacts::address_of(BrokerId broker) const {
  std::vector<io::Endpoint> addresses;  // best first, each once
  const auto add = [&](const io::Endpoint& at) {
    if (std::find(addresses.begin(), addresses.end(), at) == addresses.end()) addresses.push_back(at);
  };
  bool current = false;
  {
    MutexLock lock(mutex_);
    current = current_;
    if (const auto found = heard_.find(broker); found != heard_.end()) add(found->second.at);
    if (const auto found = registered_.find(broker); found != registered_.end()) add(found->second);
  }
  if (const auto found = options_.configured.find(broker); found != options_.configured.end()) add(found->second);
  if (addresses.empty()) return Error{Errc::not_found, "the address of broker " + std::to_string(broker.value())};
  const size_t turn = current ? 0 : static_cast<size_t>((options_.clock->now() - opened_at_) / kAddressTurn);
  return addresses[turn % addresses.size()];
}

void QuorumContacts::heard(BrokerId broker, const Uuid& incarnation, const io::Endpoint& at) {
  if (!is_address(at)) return;
  MutexLock lock(mutex_);
  if (heard_.size() < kHeardMax || heard_.contains(broker)) heard_[broker] = {incarnation, at};
}

void QuorumContacts::apply(const metadata::ClusterImage& image) {
  if (image.applied < saved_at_) return;  // the log is read again
  Addresses registered = registered_in(image);
  bool is_new = false;
  {
    MutexLock lock(mutex_);
    std::erase_if(heard_, [&](const auto& one) {
      const metadata::BrokerImage* broker = image.find_broker(one.first);
      if (broker == nullptr) return false;
      const auto& former = broker->former_incarnations;
      return std::find(former.begin(), former.end(), one.second.incarnation) != former.end();
    });
    is_new = registered != registered_;
  }
  if (!is_new && !save_failed_) return;
  save(image.applied, registered);
  MutexLock lock(mutex_);
  registered_ = std::move(registered);
}

void QuorumContacts::set_current() {
  MutexLock lock(mutex_);
  current_ = true;
}

}  // namespace millrace::control
