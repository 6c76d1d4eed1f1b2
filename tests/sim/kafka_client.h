#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/world.h"

#include "broker/io/network.h"
#include "broker/protocol/frame.h"
#include "broker/protocol/reader.h"
#include "broker/protocol/writer.h"

namespace millrace::sim {

// A client's connections, one to each broker it speaks to, over which it sends Kafka's requests. On World::timers.
class KafkaClient {
 public:
  using Done = std::function<void(Result<Bytes>)>;

  KafkaClient(World& world, std::string name) : world_(world), name_(std::move(name)) {}

  // `done` is called once, never from within: with the response, or with timed_out or connection_closed, after which
  // nobody knows what became of the request.
  template <class Request>
  void call(BrokerId to, int16_t version, const Request& request, Duration timeout,
            std::function<void(Result<typename Request::Response>)> done) {
    protocol::Writer writer;
    const int32_t id = ++last_id_;
    protocol::begin_request(writer, Request::kApiKey, version, id, name_);
    request.encode(writer, version);
    const bool is_flexible = protocol::response_header_version(Request::kApiKey, version) >= 1;
    send(to, id, protocol::finish_frame(writer), timeout,
         [version, is_flexible, done = std::move(done)](const Result<Bytes>& body) {
           if (!body) return done(body.error());
           const size_t header = is_flexible ? 5 : 4;  // nobody sends tags there
           done(Request::Response::decode(body->slice(header, body->size() - header), version));
         });
  }
  // The broker's process goes: its side of the connection closes, or says nothing any more.
  void lose(BrokerId broker, bool silently);

 private:
  struct Connection {
    std::unique_ptr<io::Stream> stream;
    OutputChain out;
    std::vector<std::byte> in;
    std::map<int32_t, Done> waiting;
    bool reads = false, writes = false;  // waits to
  };
  using ConnectionPointer = std::shared_ptr<Connection>;

  void send(BrokerId to, int32_t id, OutputChain frame, Duration timeout, Done done);
  void connect(BrokerId to, const ConnectionPointer& connection);
  void read(BrokerId to, const ConnectionPointer& connection);
  void write(BrokerId to, const ConnectionPointer& connection);
  void close(BrokerId to, const ConnectionPointer& connection, Errc why);
  static void cut_replies(const ConnectionPointer& connection);

  World& world_;
  const std::string name_;
  int32_t last_id_ = 0;
  std::map<BrokerId, ConnectionPointer> connections_;
};

}  // namespace millrace::sim
