// Load through librdkafka, for bench.py: prints one JSON object.
//
//   load produce HOST:PORT TOPIC RECORD_BYTES RECORDS
//     acks=all, one partition, linger 5 ms, everything else librdkafka's default
//   load consume HOST:PORT TOPIC RECORD_BYTES RECORDS
//     reads RECORDS from the beginning of partition 0
//   load rate HOST:PORT TOPIC RECORD_BYTES PER_SECOND
//     acks=all, kRatePartitions partitions in turn, linger 0, 13 s of which the first 3 do not count: microseconds from
//     the time at which a record was due (not sent: whoever is late is not excused) to its acknowledgement

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

namespace {

constexpr int kWaitMsMax = 60'000;
constexpr int64_t kWarmSeconds = 3, kCountedSeconds = 10;
constexpr size_t kRatePartitions = 16;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::exit(1);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

using Delivered = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void*);

void fail_unless_delivered(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  if (message->err) fail(rd_kafka_err2str(message->err));
}

rd_kafka_t* open_client(rd_kafka_type_t type, const std::vector<std::pair<const char*, std::string>>& properties,
                        void* opaque = nullptr, Delivered delivered = fail_unless_delivered) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) fail(error);
  }
  if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  rd_kafka_conf_set_opaque(conf, opaque);
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (!client) fail(error);
  return client;
}

void report(const char* what, int64_t records, size_t bytes, double seconds) {
  std::printf(
      "{\"what\":\"%s\",\"records\":%lld,\"record_bytes\":%zu,\"seconds\":%.3f,\"records_per_s\":%.0f,\"mb_per_s\":%."
      "1f,\"client_cpu_s\":%.2f}\n",
      what, static_cast<long long>(records), bytes, seconds, static_cast<double>(records) / seconds,
      static_cast<double>(records) * static_cast<double>(bytes) / seconds / 1e6, cpu_seconds());
}

void produce(const std::string& bootstrap, const std::string& topic, size_t bytes, int64_t records) {
  rd_kafka_t* client = open_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap},
                                                       {"acks", "all"},
                                                       {"linger.ms", "5"},
                                                       {"queue.buffering.max.messages", "500000"}});
  // Text-like bytes that do not repeat within a record; no codec is used, so compressibility does not matter.
  std::string value(bytes, ' ');
  for (size_t i = 0; i < bytes; ++i) value[i] = static_cast<char>('a' + (i * 7 + i / 26) % 26);
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < records; ++i) {
    for (;;) {
      const rd_kafka_resp_err_t error = rd_kafka_producev(
          client, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0),
          RD_KAFKA_V_VALUE(value.data(), value.size()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
      if (!error) break;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail(rd_kafka_err2str(error));
      rd_kafka_poll(client, 10);
    }
    if (i % 1000 == 0) rd_kafka_poll(client, 0);
  }
  if (rd_kafka_flush(client, kWaitMsMax) != RD_KAFKA_RESP_ERR_NO_ERROR)
    fail("not every record was acknowledged in time");
  report("produce", records, bytes, seconds_since(start));
  rd_kafka_destroy(client);
}

void consume(const std::string& bootstrap, const std::string& topic, size_t bytes, int64_t records) {
  rd_kafka_t* client = open_client(
      RD_KAFKA_CONSUMER, {{"bootstrap.servers", bootstrap}, {"group.id", topic}, {"enable.auto.commit", "false"}});
  rd_kafka_poll_set_consumer(client);
  rd_kafka_topic_partition_list_t* assignment = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(assignment, topic.c_str(), 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(client, assignment);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(client);
  // The call waits until the batch is full: a batch must be smaller than what the client fetches ahead (64 MiB), and no
  // larger than what is still to come.
  std::vector<rd_kafka_message_t*> batch(1000);
  int64_t read = 0;
  std::chrono::steady_clock::time_point start;
  while (read < records) {
    const size_t wanted = std::min(batch.size(), static_cast<size_t>(records - read));
    const ssize_t count = rd_kafka_consume_batch_queue(queue, kWaitMsMax, batch.data(), wanted);
    if (count <= 0) fail("no record within the time");
    if (read == 0) start = std::chrono::steady_clock::now();  // joins and connects are not what is measured
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = batch[static_cast<size_t>(i)];
      if (message->err) fail(rd_kafka_message_errstr(message));
      if (message->len != bytes) fail("a record of another size");
      rd_kafka_message_destroy(message);
    }
    read += count;
  }
  report("consume", read, bytes, seconds_since(start));
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_partition_list_destroy(assignment);
  rd_kafka_destroy(client);
}

void rate(const std::string& bootstrap, const std::string& topic, size_t bytes, int64_t per_second) {
  using Time = std::chrono::steady_clock::time_point;
  struct Times {
    std::vector<Time> due;
    std::vector<int64_t> nanoseconds;  // -1: not acknowledged
  };
  const auto warm = static_cast<size_t>(kWarmSeconds * per_second);
  const auto all = static_cast<size_t>((kWarmSeconds + kCountedSeconds) * per_second);
  Times times{.due = {}, .nanoseconds = std::vector<int64_t>(all, -1)};
  rd_kafka_t* client = open_client(
      RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap}, {"acks", "all"}, {"linger.ms", "0"}}, &times,
      [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
        if (message->err) fail(rd_kafka_err2str(message->err));
        auto& of = *static_cast<Times*>(opaque);
        const auto number = reinterpret_cast<size_t>(message->_private);
        of.nanoseconds[number] = std::chrono::nanoseconds(std::chrono::steady_clock::now() - of.due[number]).count();
      });
  const Time begin = std::chrono::steady_clock::now();
  for (size_t i = 0; i < all; ++i) {
    times.due.push_back(begin + std::chrono::nanoseconds(static_cast<int64_t>(i) * 1'000'000'000 / per_second));
  }
  std::atomic<bool> done{false};
  std::thread poller([&] {
    while (!done) rd_kafka_poll(client, 100);
  });
  const std::string value(bytes, 'x');
  for (size_t i = 0; i < all; ++i) {
    std::this_thread::sleep_until(times.due[i]);
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        client, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(static_cast<int32_t>(i % kRatePartitions)),
        RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(i)), RD_KAFKA_V_END);
    if (error) fail(rd_kafka_err2str(error));
  }
  if (rd_kafka_flush(client, kWaitMsMax) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("not every record was acknowledged");
  done = true;
  poller.join();
  rd_kafka_destroy(client);
  std::vector<int64_t> counted(times.nanoseconds.begin() + static_cast<ptrdiff_t>(warm), times.nanoseconds.end());
  std::sort(counted.begin(), counted.end());
  if (counted.front() < 0) fail("a record was not acknowledged");
  const auto at = [&](double share) {
    const auto last = static_cast<double>(counted.size() - 1);
    return static_cast<double>(counted[static_cast<size_t>(share * last)]) / 1000;
  };
  std::printf("{\"what\":\"rate\",\"per_s\":%lld,\"p50_us\":%.0f,\"p99_us\":%.0f,\"p99.9_us\":%.0f,\"max_us\":%.0f}\n",
              static_cast<long long>(per_second), at(0.5), at(0.99), at(0.999), at(1));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: load produce|consume|rate HOST:PORT TOPIC RECORD_BYTES RECORDS|PER_SECOND\n");
    return 2;
  }
  const std::string mode = argv[1];
  const size_t bytes = static_cast<size_t>(std::atoll(argv[4]));
  const int64_t records = std::atoll(argv[5]);
  if (mode == "produce") {
    produce(argv[2], argv[3], bytes, records);
  } else if (mode == "consume") {
    consume(argv[2], argv[3], bytes, records);
  } else if (mode == "rate") {
    rate(argv[2], argv[3], bytes, records);
  } else {
    std::fprintf(stderr, "load: no mode '%s'\n", mode.c_str());
    return 2;
  }
  return 0;
}
