"""Log compaction as clients see it: topics with cleanup.policy=compact, and the offsets of groups."""

import os
import pathlib
import random
import subprocess
import unittest

from harness import KAFKA_TOOL, WAIT_SECONDS_MAX, Broker, BrokerTest, run, skip, until

try:
    from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition, OFFSET_BEGINNING
    from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
except ImportError:
    skip("confluent-kafka for Python is missing: install the Debian package python3-confluent-kafka")

SEGMENT_BYTES = 1 << 20
SOON = {"log_cleaner_backoff_ms": "50", "offsets_topic_num_partitions": "1", "offsets_topic_segment_bytes": str(SEGMENT_BYTES),
        "log_segment_delete_delay_ms": "50"}


class Compaction(BrokerTest):
    properties = SOON

    def setUp(self):
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})
        self.random = random.Random(7)

    def create(self, **config):
        settings = {"cleanup.policy": "compact", "segment.bytes": str(SEGMENT_BYTES), "min.cleanable.dirty.ratio": "0.01"}
        settings.update({name.replace("_", "."): value for name, value in config.items()})
        self.admin.create_topics([NewTopic(self.name(), 1, 1, config=settings)])[self.name()].result(WAIT_SECONDS_MAX)
        return self.name()

    def produce(self, topic, records, **properties):
        """Sends (key, value) pairs and returns the errors of those that were refused."""
        failed = []
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5, **properties})
        for key, value in records:
            producer.poll(0)
            producer.produce(topic, value, key, on_delivery=lambda error, _: failed.append(error.code()) if error else None)
        self.assertEqual(producer.flush(WAIT_SECONDS_MAX), 0)
        return failed

    def read(self, topic):
        """All records as (offset, key, value)."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": topic, "enable.partition.eof": True, "check.crcs": True})
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        records = []
        while True:
            message = consumer.poll(WAIT_SECONDS_MAX)
            self.assertIsNotNone(message, "no message and no end within the time")
            if message.error():
                self.assertEqual(message.error().code(), KafkaError._PARTITION_EOF)
                consumer.close()
                return records
            records.append((message.offset(), message.key(), message.value()))

    def rounds(self, keys, rounds):
        return [(b"key-%d" % key, b"%d " % turn + self.random.randbytes(1000)) for turn in range(rounds) for key in range(keys)]

    def compacted(self, topic, at_most):
        def look():
            records = self.read(topic)
            return records if len(records) <= at_most else None
        return until(look, f"{topic} is compacted to {at_most} records")

    def test_each_key_keeps_its_newest_value_with_every_codec(self):
        topic = self.create()
        sent = []
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            part = self.rounds(50, 40)
            self.assertEqual(self.produce(topic, part, **{"compression.type": codec, "enable.idempotence": True}), [])
            sent += part
        # 10 MB have come; what is left is 50 records and at most the last two segments.
        records = self.compacted(topic, 3000)
        for offset, key, value in records:
            self.assertEqual((key, value), sent[offset], f"offset {offset} has changed")
        self.assertEqual({key: value for _, key, value in records}, dict(sent))
        self.assertEqual(self.produce(topic, [(b"key-0", b"after")], **{"enable.idempotence": True}), [])
        self.assertEqual(self.read(topic)[-1], (len(sent), b"key-0", b"after"))

    def test_javas_consumer_reads_on_over_what_is_gone(self):
        if not KAFKA_TOOL.exists() or subprocess.run([str(KAFKA_TOOL.parent / "fetch")], capture_output=True).returncode != 0:
            self.skipTest("Apache Kafka's tools are not beside this checkout")
        topic = self.create()
        self.assertEqual(self.produce(topic, [(b"k%d" % (turn % 20), b"%d-" % turn + b"x" * 1000) for turn in range(4000)]), [])
        left = self.compacted(topic, 2500)
        printed = run(KAFKA_TOOL, "kafka-console-consumer", "--bootstrap-server", self.bootstrap, "--topic", topic, "--from-beginning",
                      "--max-messages", len(left)).stdout
        self.assertEqual(printed.splitlines(), [value for _, _, value in left])

    def test_a_record_without_a_key_is_refused(self):
        topic = self.create()
        self.assertEqual(self.produce(topic, [(None, b"x")]), [KafkaError.INVALID_RECORD])
        self.assertEqual(self.produce(topic, [(b"", b"x")]), [], "an empty key is a key")
        self.assertEqual(self.read(topic), [(0, b"", b"x")])

    def test_a_tombstone_deletes_its_key_and_then_goes_itself(self):
        topic = self.create(delete_retention_ms="100")
        self.assertEqual(self.produce(topic, [(b"gone", b"value"), (b"stays", b"value"), (b"gone", None)]), [])

        def is_gone():
            self.assertEqual(self.produce(topic, self.rounds(20, 60)), [])
            return b"gone" not in {key for _, key, _ in self.read(topic)}
        until(is_gone, "the tombstone is gone")
        self.assertIn((1, b"stays", b"value"), self.read(topic))

    def test_offsets_by_time_are_those_of_records_that_are_left(self):
        topic = self.create()
        self.assertEqual(self.produce(topic, self.rounds(20, 200)), [])
        records = self.compacted(topic, 2500)
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": topic})
        found = consumer.offsets_for_times([TopicPartition(topic, 0, 1)], WAIT_SECONDS_MAX)[0].offset
        consumer.close()
        self.assertEqual(found, records[0][0])

    def test_the_configuration_is_described_with_its_sources(self):
        topic = self.create(cleanup_policy="compact,delete", max_compaction_lag_ms="5000")
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        config = self.admin.describe_configs([resource])[resource].result(WAIT_SECONDS_MAX)
        shown = {name: (entry.value, entry.is_default) for name, entry in config.items()}
        self.assertEqual(shown["cleanup.policy"], ("compact,delete", False))
        self.assertEqual(shown["min.cleanable.dirty.ratio"], ("0.01", False))
        self.assertEqual(shown["max.compaction.lag.ms"], ("5000", False))
        self.assertEqual(shown["min.compaction.lag.ms"], ("0", True))
        self.assertEqual(shown["delete.retention.ms"], ("86400000", True))

    def test_a_topic_can_become_compacted(self):
        topic = self.create(cleanup_policy="delete")
        self.assertEqual(self.produce(topic, self.rounds(20, 200)), [])
        self.assertEqual(len(self.read(topic)), 4000)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic,
                                  set_config={"cleanup.policy": "compact", "segment.bytes": str(SEGMENT_BYTES), "min.cleanable.dirty.ratio": "0.01"})
        self.admin.alter_configs([resource])[resource].result(WAIT_SECONDS_MAX)
        self.compacted(topic, 2500)


class Offsets(unittest.TestCase):
    def test_a_hundred_thousand_commits_stay_small_and_the_last_ones_are_there_after_a_kill(self):
        broker = Broker(**SOON).start()
        try:
            admin = AdminClient({"bootstrap.servers": broker.bootstrap})
            admin.create_topics([NewTopic("t", 10, 1)])["t"].result(WAIT_SECONDS_MAX)
            consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "enable.auto.commit": False})
            for i in range(1, 10001):
                consumer.commit(offsets=[TopicPartition("t", p, i * 10 + p) for p in range(10)], asynchronous=False)
            consumer.close()
            log = pathlib.Path(broker.directory) / "data" / "__consumer_offsets-0"

            def size():
                return sum(file.stat().st_size for file in log.iterdir())
            until(lambda: size() < 2.2 * SEGMENT_BYTES, f"__consumer_offsets is compacted: {os.listdir(log)}")
            broker.kill()
            broker.start()
            consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g"})
            committed = consumer.committed([TopicPartition("t", p) for p in range(10)], WAIT_SECONDS_MAX)
            self.assertEqual([c.offset for c in committed], [100000 + p for p in range(10)])
            consumer.close()
            resource = ConfigResource(ConfigResource.Type.TOPIC, "__consumer_offsets")
            config = admin.describe_configs([resource])[resource].result(WAIT_SECONDS_MAX)
            self.assertEqual(config["cleanup.policy"].value, "compact")
            self.assertEqual(config["segment.bytes"].value, str(SEGMENT_BYTES))
        finally:
            broker.remove()


if __name__ == "__main__":
    unittest.main()
