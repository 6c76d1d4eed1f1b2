#include "tests/sim/kafka_client.h"

#include <array>

#include "tests/sim/broker_run.h"

#include "broker/base/endian.h"

namespace millrace::sim {

void KafkaClient::send(BrokerId to, int32_t id, OutputChain frame, Duration timeout, Done done) {
  ConnectionPointer& connection = connections_[to];
  if (connection == nullptr) {
    connection = std::make_shared<Connection>();
    connect(to, connection);
  }
  connection->waiting.emplace(id, std::move(done));
  connection->out.append(std::move(frame));
  world_.timers->run_after(timeout, [this, to, id, connection = connection] {
    if (connection->waiting.contains(id)) close(to, connection, Errc::timed_out);
  });
  world_.timers->post([this, to, connection = connection] { write(to, connection); });
}

void KafkaClient::connect(BrokerId to, const ConnectionPointer& connection) {
  const auto port = static_cast<uint16_t>(kClientPort + to.value());
  world_.clients.connect(*world_.timers, {"broker", port}, std::chrono::seconds(1),
                         [this, to, connection](Result<std::unique_ptr<io::Stream>> stream) {
                           if (connections_[to] != connection) return;
                           if (!stream) return close(to, connection, Errc::connection_refused);
                           connection->stream = std::move(*stream);
                           write(to, connection);
                           read(to, connection);
                         });
}

void KafkaClient::read(BrokerId to, const ConnectionPointer& connection) {
  if (connection->reads || connection->stream == nullptr) return;
  std::array<std::byte, 16384> buffer;
  while (true) {
    const Result<size_t> got = connection->stream->read_some(buffer);
    if (got) {
      connection->in.insert(connection->in.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*got));
      continue;
    }
    cut_replies(connection);
    if (connection->stream == nullptr) return;
    if (got.error().code != Errc::would_block) return close(to, connection, Errc::connection_closed);
    connection->reads = true;
    return connection->stream->when_readable([this, to, connection] {
      connection->reads = false;
      read(to, connection);
    });
  }
}

void KafkaClient::cut_replies(const ConnectionPointer& connection) {
  auto& in = connection->in;
  while (in.size() >= 8) {
    const auto size = static_cast<size_t>(load_big_endian<int32_t>(in.data()));
    if (in.size() < 4 + size) return;
    const Bytes body = Bytes::copy_of(BytesView(in).subspan(4, size));
    in.erase(in.begin(), in.begin() + static_cast<ptrdiff_t>(4 + size));
    auto found = connection->waiting.extract(load_big_endian<int32_t>(body.data()));
    if (found) found.mapped()(body);
  }
}

void KafkaClient::write(BrokerId to, const ConnectionPointer& connection) {
  while (!connection->out.empty() && connection->stream != nullptr && !connection->writes) {
    const Result<size_t> sent = connection->stream->write_some(connection->out);
    if (sent) continue;
    if (sent.error().code != Errc::would_block) return close(to, connection, Errc::connection_closed);
    connection->writes = true;
    connection->stream->when_writable([this, to, connection] {
      connection->writes = false;
      write(to, connection);
    });
  }
}

void KafkaClient::close(BrokerId to, const ConnectionPointer& connection, Errc why) {
  if (connections_[to] == connection) connections_.erase(to);
  // Callbacks of the stream may be what runs now.
  world_.timers->post([connection] { connection->stream.reset(); });
  connection->out = OutputChain();
  for (auto& [id, done] : std::exchange(connection->waiting, {})) {
    world_.timers->post([done = std::move(done), why] { done(Error{why, "broker"}); });
  }
}

void KafkaClient::lose(BrokerId broker, bool silently) {
  const auto found = connections_.find(broker);
  if (found == connections_.end() || found->second->stream == nullptr) return;
  if (silently) {
    io::sim::SimNetwork::cut_cable(*found->second->stream);
  } else {
    io::sim::SimNetwork::reset(*found->second->stream);
  }
}

}  // namespace millrace::sim
