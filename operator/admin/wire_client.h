#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/io/network.h"
#include "broker/protocol/api_key.h"
#include "broker/protocol/error_code.h"
#include "operator/admin/client.h"
#include "operator/admin/link.h"

namespace millrace::protocol {
class Writer;
}

namespace millrace::admin {

struct WireOptions {
  io::Network* network = nullptr;
  io::EventLoop* loop = nullptr;  // runs while the client lives; calls are made from other threads
  std::string client_id = "millrace-operator";
  Duration connect_timeout = std::chrono::seconds(2);  // per address
  Duration request_timeout = std::chrono::seconds(10);
};

// The Kafka protocol over one connection at a time, kept between calls. Versions are the newest that both sides know
// (ApiVersions). A read that fails on a connection kept from before is tried once more on a new one; a change never is:
// whether it took effect is for the caller to see. A broker that is not the controller has refused before anything took
// effect: the change goes to the controller that it names, at most kControllerHopsMax times.
class WireClient final : public Client {
 public:
  static constexpr int kControllerHopsMax = 3;

  WireClient(WireOptions options, std::vector<io::Endpoint> bootstrap)
      : options_(std::move(options)), bootstrap_(std::move(bootstrap)) {}
  ~WireClient() override;

  Result<std::vector<TopicDescription>> describe_topics() override;
  Result<std::optional<TopicDescription>> describe_topic(const std::string& name) override;
  Result<TopicConfig> describe_topic_config(const std::string& name) override;
  Status create_topic(const NewTopic& topic) override;
  Status grow_topic(const std::string& name, int32_t count) override;
  Status alter_topic_config(const std::string& name, const std::vector<ConfigChange>& changes) override;
  Status delete_topic(const std::string& name) override;
  Result<QuorumDescription> describe_quorum() override;
  Status add_voter(const NewVoter& voter) override;
  Status remove_voter(BrokerId id, const Uuid& directory) override;

 private:
  struct VersionRange {
    int16_t min = 0;
    int16_t max = 0;
  };

  struct Brokers {
    BrokerId controller = kNoBroker;
    std::map<BrokerId, io::Endpoint> addresses;
  };

  Status ensure_link();
  Status link_to(const io::Endpoint& address);
  Result<std::shared_ptr<Link>> connect(const io::Endpoint& to);
  Status learn_versions();
  void drop_link();
  Result<int16_t> version_for(protocol::ApiKey api, VersionRange ours) const;
  Result<Bytes> exchange(OutputChain frame);
  // Changes, again and again while a broker says that another one is the controller.
  Status at_controller(const std::function<Status()>& change);
  Status leave_out_those_that_go(std::vector<TopicDescription>& topics);
  // Connects to the controller that the connected broker names. not_controller when that is none, or itself.
  Status move_to_controller();
  Result<Brokers> describe_brokers();
  // For changes; reads go through read().
  template <class Request>
  Result<typename Request::Response> call_once(const Request& request);
  template <class Request>
  Result<typename Request::Response> read(const Request& request);
  int32_t request_timeout_ms() const;

  const WireOptions options_;
  const std::vector<io::Endpoint> bootstrap_;
  std::shared_ptr<Link> link_;  // touched on the loop only, but for the pointer itself
  io::Endpoint linked_to_;
  std::map<int16_t, VersionRange> versions_;
  int32_t next_correlation_id_ = 1;
};

class WireConnector final : public Connector {
 public:
  explicit WireConnector(WireOptions options) : options_(std::move(options)) {}
  Result<std::unique_ptr<Client>> connect(const std::string& bootstrap) override;

 private:
  const WireOptions options_;
};

// "a:1,b:2" -> endpoints. invalid_argument.
Result<std::vector<io::Endpoint>> parse_bootstrap(const std::string& text);
// ok for none; else the error that `code` is for our callers, with the broker's words.
Status status_of(int16_t code, const std::optional<std::string>& message, const std::string& subject);

}  // namespace millrace::admin
