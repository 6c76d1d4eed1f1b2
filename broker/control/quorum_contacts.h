#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/io/network.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::control {

// For how long one of several addresses is tried before the next one, as long as none of them is known to be current.
inline constexpr std::chrono::seconds kAddressTurn{1};
inline constexpr size_t kHeardMax = 10'000;  // brokers that said where they are

// All of it is borrowed and outlives the contacts, but for the values.
struct QuorumContactsOptions {
  io::FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  std::string path;                             // of the file; its directory exists
  std::map<BrokerId, io::Endpoint> configured;  // controller.quorum.voters
};

// Where other brokers are: what a broker says itself when it calls comes first, until a later process of it has
// registered; then what it registered; then the configuration file. Registered addresses are kept in a file, because a
// member of the quorum that starts has to reach the others before it knows what of its log is committed. Its lines:
// "0"; number of the last metadata record that is in it; then id, host and port of each broker.
//
// Until something of the log was applied in this process, nobody knows which of them is still right: they are tried in
// turn. Thread-safe, but for apply(), which is the apply loop's.
class QuorumContacts {
 public:
  // A file that cannot be read or understood is reported and counts as absent.
  static std::unique_ptr<QuorumContacts> open(QuorumContactsOptions options);

  // not_found: nobody has said.
  Result<io::Endpoint> address_of(BrokerId broker) const EXCLUDES(mutex_);
  // That process of the broker called and said where it is reached; host "" or port 0: it said nothing.
  void heard(BrokerId broker, const Uuid& incarnation, const io::Endpoint& at) EXCLUDES(mutex_);
  // The committed cluster, unless the file holds a later one. What is new goes to the file first; that this failed is
  // logged, once.
  void apply(const metadata::ClusterImage& image) EXCLUDES(mutex_);
  // Something of the log was applied: a leader knows this broker, and all there is will follow.
  void set_current() EXCLUDES(mutex_);

 private:
  using Addresses = std::map<BrokerId, io::Endpoint>;
  struct Heard {
    Uuid incarnation;
    io::Endpoint at;
  };

  explicit QuorumContacts(QuorumContactsOptions options);
  void load();
  void save(Offset applied, const Addresses& registered);

  const QuorumContactsOptions options_;
  const TimePoint opened_at_;
  Offset saved_at_{-1};                                 // what the file holds; the apply loop's
  bool save_failed_ = false;                            // the apply loop's
  mutable Mutex mutex_;                                 // a leaf
  std::map<BrokerId, Heard> heard_ GUARDED_BY(mutex_);  // at most kHeardMax
  Addresses registered_ GUARDED_BY(mutex_);
  bool current_ GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::control
