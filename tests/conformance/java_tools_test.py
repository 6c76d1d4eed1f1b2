"""Apache Kafka's own command-line tools against the broker."""

import re
import unittest

from harness import KAFKA_TOOL, BrokerTest, need_kafka_tools, real_text, run

need_kafka_tools()


class JavaTools(BrokerTest):
    def tool(self, name, *arguments, **options):
        return run(KAFKA_TOOL, name, "--bootstrap-server", self.bootstrap, *arguments, **options).stdout.decode()

    def create(self, partitions=1):
        self.tool("kafka-topics", "--create", "--topic", self.name(), "--partitions", partitions)
        return self.name()

    def test_kafka_topics_creates_describes_grows_and_deletes(self):
        topic = self.create(3)
        self.assertIn(topic, self.tool("kafka-topics", "--list").split())
        described = self.tool("kafka-topics", "--describe", "--topic", topic)
        self.assertIn("PartitionCount: 3", described)
        self.assertEqual(len(re.findall(r"Leader: \d", described)), 3, described)
        self.tool("kafka-topics", "--alter", "--topic", topic, "--partitions", 4)
        self.assertIn("PartitionCount: 4", self.tool("kafka-topics", "--describe", "--topic", topic))
        self.tool("kafka-topics", "--delete", "--topic", topic)
        self.assertNotIn(topic, self.tool("kafka-topics", "--list").split())

    def test_console_producer_and_consumer_carry_every_line(self):
        topic = self.create()
        lines = [line.decode("latin-1").encode() for line in real_text(5000) if line.strip()]
        self.tool("kafka-console-producer", "--topic", topic, input=b"\n".join(lines) + b"\n")
        consumed = run(KAFKA_TOOL, "kafka-console-consumer", "--bootstrap-server", self.bootstrap, "--topic", topic, "--from-beginning",
                       "--max-messages", len(lines)).stdout
        self.assertEqual(consumed, b"\n".join(lines) + b"\n")

    def test_kafka_consumer_groups_lists_describes_resets_and_deletes(self):
        topic, group = self.create(), self.name()
        self.tool("kafka-console-producer", "--topic", topic, input=b"a\nb\nc\n")
        self.tool("kafka-console-consumer", "--topic", topic, "--from-beginning", "--max-messages", 3, "--group", group)
        self.assertIn(group, self.tool("kafka-consumer-groups", "--list").split())
        row = re.search(rf"{group}\s+{topic}\s+0\s+(\d+)\s+(\d+)\s+(\d+)", self.tool("kafka-consumer-groups", "--describe", "--group", group))
        self.assertIsNotNone(row)
        self.assertEqual(row.groups(), ("3", "3", "0"))
        self.tool("kafka-consumer-groups", "--group", group, "--topic", topic, "--reset-offsets", "--to-offset", 1, "--execute")
        row = re.search(rf"{group}\s+{topic}\s+0\s+(\d+)\s+(\d+)\s+(\d+)", self.tool("kafka-consumer-groups", "--describe", "--group", group))
        self.assertEqual(row.groups(), ("1", "3", "2"))
        self.tool("kafka-consumer-groups", "--delete", "--group", group)
        self.assertNotIn(group, self.tool("kafka-consumer-groups", "--list").split())

    def test_kafka_configs_alters_and_describes_a_topic(self):
        topic = self.create()
        self.tool("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", "retention.ms=86400000")
        described = self.tool("kafka-configs", "--describe", "--entity-type", "topics", "--entity-name", topic)
        self.assertIn("retention.ms=86400000", described)
        self.tool("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", topic, "--delete-config", "retention.ms")
        described = self.tool("kafka-configs", "--describe", "--entity-type", "topics", "--entity-name", topic)
        self.assertNotIn("retention.ms", described)

    def test_kafka_producer_perf_test_has_every_record_acknowledged_and_readable(self):
        topic, records = self.create(), 100000
        report = self.tool("kafka-producer-perf-test", "--topic", topic, "--num-records", records, "--record-size", 100, "--throughput", -1)
        self.assertIn(f"{records} records sent", report)
        end = self.tool("kafka-get-offsets", "--topic", topic)
        self.assertIn(f"{topic}:0:{records}", end)
        read = self.tool("kafka-consumer-perf-test", "--topic", topic, "--num-records", records)
        self.assertRegex(read, rf"\b{records}\b")

    def test_kafka_broker_api_versions_and_log_dirs_understand_the_answers(self):
        topic = self.create()
        self.assertIn("Produce(0)", self.tool("kafka-broker-api-versions"))
        self.assertIn(f'"{topic}-0"', self.tool("kafka-log-dirs", "--describe", "--topic-list", topic))


if __name__ == "__main__":
    unittest.main()
