#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/network.h"
#include "broker/rpc/byte_stream.h"
#include "broker/rpc/wire/call_error.h"
#include "broker/rpc/wire/handshake.h"

namespace millrace::rpc {

// Each use has connections of its own, so that a heartbeat never waits behind record data.
enum class Purpose : uint8_t { quorum, replication, control };

// How long a channel waits before it tries to connect again after a failure: doubling between these.
inline constexpr std::chrono::milliseconds kReconnectMin = std::chrono::milliseconds(50);
inline constexpr std::chrono::milliseconds kReconnectMax = std::chrono::milliseconds(500);
// An attempt to connect is given up after this, and a connection on which nothing arrives for kKeepaliveAfter is asked
// for a sign of life and given up kKeepaliveTimeout later: a network that lost its packets for a while is used again
// about a second after it heals, not when TCP's doubling pauses end. Both ends of a connection do so.
inline constexpr std::chrono::milliseconds kConnectTimeout = std::chrono::milliseconds(1000);
inline constexpr std::chrono::milliseconds kKeepaliveAfter = std::chrono::milliseconds(1000);
inline constexpr std::chrono::milliseconds kKeepaliveTimeout = std::chrono::milliseconds(2000);
// What a peer may have sent on a stream and its user not yet handled. Fixed: gRPC's own estimate of what the network
// holds costs a ping for each few messages, and begins at 64 KiB.
inline constexpr int kWindowBytes = 4 * 1024 * 1024;
// A name is looked up again at most this often when its address does not answer: pods come back with other addresses.
inline constexpr std::chrono::milliseconds kLookUpPause = std::chrono::milliseconds(1000);

struct ChannelsOptions {
  Identity self;
  std::function<Result<io::Endpoint>(BrokerId)> address_of;  // any thread; not_found: unknown here so far
  std::shared_ptr<grpc::ChannelCredentials> credentials;     // null: plaintext
  size_t message_bytes_max = 101 * 1024 * 1024;              // received; larger ones break the call
};

// The way to other brokers: one channel for each of them and purpose, made when it is first used and made anew when
// the broker's address changes. Thread-safe.
class Channels {
 public:
  explicit Channels(ChannelsOptions options);
  const Identity& self() const { return options_.self; }

  // The address may turn out to be another broker's: callers look at the server's identity (check_server).
  Result<std::shared_ptr<grpc::Channel>> to(BrokerId broker, Purpose purpose) EXCLUDES(mutex_);

  // A stream of `method` ("/package.Service/Method") to `broker`, on `loop`, a QueueEventLoop, called there. Never
  // fails: what is wrong is told to `events`, which outlives the stream.
  std::unique_ptr<ByteStream> open_stream(BrokerId broker, Purpose purpose, const std::string& method,
                                          io::EventLoop& loop, ByteStreamEvents& events);

 private:
  struct Known {
    io::Endpoint at;
    std::shared_ptr<grpc::Channel> channel;
  };
  std::shared_ptr<grpc::Channel> make(const io::Endpoint& at, Purpose purpose) const;

  const ChannelsOptions options_;
  Mutex mutex_;
  std::map<std::pair<BrokerId, Purpose>, Known> known_ GUARDED_BY(mutex_);  // bounded by the brokers of the cluster
};

}  // namespace millrace::rpc
