#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/kafka_client.h"
#include "tests/sim/truth.h"

#include "broker/base/strong_id.h"

namespace millrace::sim {

class Cluster;

// An idempotent producer of one partition, with up to three batches on their way. With acks=1 it starts over under
// another id when records are lost, as they may be.
class Producer {
 public:
  Producer(Cluster& cluster, Place place, int64_t number, bool all);
  void start() { step(); }
  // Everything that it has begun is acknowledged.
  bool is_done() const { return batches_.empty(); }
  void lose(BrokerId broker, bool silently) { client_.lose(broker, silently); }

 private:
  struct Batch {
    int32_t sequence = 0;
    std::vector<Value> values;
  };
  void step();
  void again(Duration after);
  void take_id();
  void send_all();
  void answered(size_t which, int16_t error, int64_t offset, BrokerId broker);
  void flight_ended();

  Cluster& cluster_;
  KafkaClient client_;
  const Place place_;
  const int64_t number_;  // names it in values
  const bool all_;
  int64_t id_ = -1;  // the broker's name for it
  int32_t next_sequence_ = 0;
  int64_t next_value_ = 0;
  std::deque<Batch> batches_;  // not acknowledged
  size_t in_flight_ = 0;       // sent and not answered
  size_t acked_ = 0;           // of this flight, from the front
  bool failed_ = false;        // one of this flight
  bool refused_ = false;       // for a reason that passes: what was sent behind it has to be refused, too
  bool lost_ = false;          // the broker has forgotten what came before: start over
};

// Reads one partition from its beginning on, from whoever leads it.
class Reader {
 public:
  Reader(Cluster& cluster, Place place, int number);
  void start() { step(); }
  int64_t position() const { return position_; }
  void lose(BrokerId broker, bool silently) { client_.lose(broker, silently); }

 private:
  void step();
  void took(const Bytes& batches, BrokerId broker);

  Cluster& cluster_;
  KafkaClient client_;
  const Place place_;
  const std::string name_;
  int64_t position_ = 0;
};

// All clients of a run. On World::timers.
class Clients {
 public:
  explicit Clients(Cluster& cluster);
  // Creates the topics, with retries, then lets the others begin.
  void start();
  bool has_topics() const { return has_topics_; }
  bool are_done() const;
  void lose(BrokerId broker, bool silently);

 private:
  void create_topics();
  void begin();

  Cluster& cluster_;
  KafkaClient admin_;
  bool has_topics_ = false;
  std::vector<std::unique_ptr<Producer>> producers_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace millrace::sim
