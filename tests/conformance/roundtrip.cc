// Sends records of real text through librdkafka with one codec and reads every one back: each arrives once, in order
// within its partition, byte for byte. Exits 0 when all did, 1 naming the first that did not, 2 for wrong usage.
//
//   roundtrip --bootstrap HOST:PORT --topic T --codec none|gzip|snappy|lz4|zstd --records N --partitions P --text FILE
//
// Record i goes to partition i mod P with the key "i" (decimal) and line i mod lines of the text as its value.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <librdkafka/rdkafka.h>

namespace {

constexpr int kWaitMsMax = 60'000;

struct Options {
  std::string bootstrap, topic, codec, text;
  int64_t records = 0;
  int32_t partitions = 0;
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "roundtrip: %s\n", why.c_str());
  std::exit(1);
}

Options parse(int argc, char** argv) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < argc; i += 2) given[argv[i]] = argv[i + 1];
  for (const char* name : {"--bootstrap", "--topic", "--codec", "--records", "--partitions", "--text"}) {
    if (!given.count(name)) {
      std::fprintf(stderr, "roundtrip: %s is missing\n", name);
      std::exit(2);
    }
  }
  Options options{given["--bootstrap"], given["--topic"], given["--codec"], given["--text"]};
  options.records = std::atoll(given["--records"].c_str());
  options.partitions = std::atoi(given["--partitions"].c_str());
  return options;
}

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty()) fail("no text in " + path);
  return lines;
}

rd_kafka_t* open_client(rd_kafka_type_t type, const std::map<std::string, std::string>& properties,
                        void (*delivered)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) fail(error);
  }
  if (delivered) rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (!client) fail(error);
  return client;
}

void create_topic(rd_kafka_t* client, const Options& options) {
  char error[512];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(options.topic.c_str(), options.partitions, 1, error, sizeof error);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  rd_kafka_CreateTopics(client, &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kWaitMsMax);
  if (!event || rd_kafka_event_error(event)) fail("the topic was not created");
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  if (count != 1 || rd_kafka_topic_result_error(results[0]))
    fail(std::string("the topic was not created: ") + rd_kafka_topic_result_error_string(results[0]));
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(topic);
}

int64_t g_acknowledged = 0;  // touched by the main thread only: callbacks run in rd_kafka_poll

void produce_all(const Options& options, const std::vector<std::string>& lines) {
  rd_kafka_t* client =
      open_client(RD_KAFKA_PRODUCER,
                  {{"bootstrap.servers", options.bootstrap},
                   {"compression.codec", options.codec},
                   {"enable.idempotence", "true"},
                   {"linger.ms", "5"},
                   {"queue.buffering.max.messages", "200000"}},
                  [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
                    if (message->err)
                      fail(std::string("a record was not delivered: ") + rd_kafka_err2str(message->err));
                    ++g_acknowledged;
                  });
  create_topic(client, options);
  for (int64_t i = 0; i < options.records; ++i) {
    const std::string key = std::to_string(i);
    const std::string& line = lines[static_cast<size_t>(i) % lines.size()];
    for (;;) {
      const rd_kafka_resp_err_t error = rd_kafka_producev(
          client, RD_KAFKA_V_TOPIC(options.topic.c_str()),
          RD_KAFKA_V_PARTITION(static_cast<int32_t>(i % options.partitions)), RD_KAFKA_V_KEY(key.data(), key.size()),
          RD_KAFKA_V_VALUE(const_cast<char*>(line.data()), line.size()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
          RD_KAFKA_V_END);
      if (!error) break;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail(rd_kafka_err2str(error));
      rd_kafka_poll(client, 100);
    }
    if (i % 1000 == 0) rd_kafka_poll(client, 0);
  }
  if (rd_kafka_flush(client, kWaitMsMax) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("not every record was delivered in time");
  if (g_acknowledged != options.records)
    fail("acknowledged " + std::to_string(g_acknowledged) + " of " + std::to_string(options.records));
  rd_kafka_destroy(client);
}

void check_record(const rd_kafka_message_t& message, int64_t expected, const std::vector<std::string>& lines) {
  const std::string where =
      "partition " + std::to_string(message.partition) + " offset " + std::to_string(message.offset);
  const std::string key(static_cast<const char*>(message.key), message.key_len);
  if (key != std::to_string(expected))
    fail(where + ": record " + key + " where " + std::to_string(expected) + " belongs");
  const std::string& line = lines[static_cast<size_t>(expected) % lines.size()];
  if (message.len != line.size() || (message.len != 0 && std::memcmp(message.payload, line.data(), line.size()) != 0))
    fail(where + ": the value differs");
}

void consume_all(const Options& options, const std::vector<std::string>& lines) {
  rd_kafka_t* client = open_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", options.bootstrap},
                                                       {"group.id", options.topic},
                                                       {"enable.partition.eof", "true"},
                                                       {"check.crcs", "true"},
                                                       {"enable.auto.commit", "false"}});
  rd_kafka_poll_set_consumer(client);
  rd_kafka_topic_partition_list_t* assignment = rd_kafka_topic_partition_list_new(options.partitions);
  for (int32_t p = 0; p < options.partitions; ++p) {
    rd_kafka_topic_partition_list_add(assignment, options.topic.c_str(), p)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_assign(client, assignment);
  std::vector<int64_t> next(static_cast<size_t>(options.partitions));
  for (size_t p = 0; p < next.size(); ++p) next[p] = static_cast<int64_t>(p);
  int32_t ended = 0;
  int64_t read = 0;
  while (ended < options.partitions) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client, kWaitMsMax);
    if (!message) fail("no record and no end of a partition within the time");
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ++ended;
    } else if (message->err) {
      fail(rd_kafka_message_errstr(message));
    } else {
      int64_t& expected = next[static_cast<size_t>(message->partition)];
      check_record(*message, expected, lines);
      expected += options.partitions;
      ++read;
    }
    rd_kafka_message_destroy(message);
  }
  if (read != options.records)
    fail("read " + std::to_string(read) + " of " + std::to_string(options.records) + " records");
  rd_kafka_topic_partition_list_destroy(assignment);
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const std::vector<std::string> lines = read_lines(options.text);
  produce_all(options, lines);
  consume_all(options, lines);
  std::printf("%lld records with codec %s arrived once, in order, byte for byte\n",
              static_cast<long long>(options.records), options.codec.c_str());
  return 0;
}
