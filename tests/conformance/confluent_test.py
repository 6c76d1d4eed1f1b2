"""confluent-kafka for Python against the broker: admin, groups, idempotent producer."""

import threading
import unittest

from harness import BrokerTest, skip

try:
    from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition, OFFSET_BEGINNING
    from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
except ImportError:
    skip("confluent-kafka for Python is missing: install the Debian package python3-confluent-kafka")

WAIT_SECONDS_MAX = 60


class Confluent(BrokerTest):
    def setUp(self):
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})

    def create(self, partitions=1, config=None):
        topic = self.name()
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})])[topic].result(WAIT_SECONDS_MAX)
        return topic

    def produce(self, topic, values, partition=None, **properties):
        failed = []
        producer = Producer({"bootstrap.servers": self.bootstrap, **properties})
        for value in values:
            where = {} if partition is None else {"partition": partition}
            producer.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None, **where)
            producer.poll(0)
        self.assertEqual(producer.flush(WAIT_SECONDS_MAX), 0)
        self.assertEqual(failed, [])

    def consumer(self, group, **properties):
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.partition.eof": True, "session.timeout.ms": 6000, **properties})

    def read_to_end(self, consumer, partitions):
        """Values until every partition of the assignment has said that its end was reached."""
        values, ended = [], set()
        while len(ended) < partitions:
            message = consumer.poll(WAIT_SECONDS_MAX)
            self.assertIsNotNone(message, "no message and no end within the time")
            if message.error():
                self.assertEqual(message.error().code(), KafkaError._PARTITION_EOF)
                ended.add(message.partition())
            else:
                values.append(message.value())
        return values

    def test_topics_are_created_grown_described_and_deleted(self):
        topic, admin = self.create(2, {"retention.ms": "3600000"}), self.admin
        self.assertEqual(len(admin.list_topics(topic, WAIT_SECONDS_MAX).topics[topic].partitions), 2)
        admin.create_partitions([NewPartitions(topic, 5)])[topic].result(WAIT_SECONDS_MAX)
        self.assertEqual(len(admin.list_topics(topic, WAIT_SECONDS_MAX).topics[topic].partitions), 5)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        config = admin.describe_configs([resource])[resource].result(WAIT_SECONDS_MAX)
        self.assertEqual(config["retention.ms"].value, "3600000")
        admin.delete_topics([topic])[topic].result(WAIT_SECONDS_MAX)
        self.assertNotIn(topic, admin.list_topics(timeout=WAIT_SECONDS_MAX).topics)

    def test_an_existing_topic_and_a_bad_name_are_refused(self):
        topic = self.create()
        for name, code in ((topic, KafkaError.TOPIC_ALREADY_EXISTS), ("no/slash", KafkaError.TOPIC_EXCEPTION)):
            with self.assertRaises(KafkaException) as caught:
                self.admin.create_topics([NewTopic(name, 1, 1)])[name].result(WAIT_SECONDS_MAX)
            self.assertEqual(caught.exception.args[0].code(), code)

    def test_a_change_of_configuration_is_kept(self):
        topic, admin = self.create(), self.admin
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config={"retention.ms": "1234567"})
        admin.alter_configs([resource])[resource].result(WAIT_SECONDS_MAX)
        config = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)])
        self.assertEqual(list(config.values())[0].result(WAIT_SECONDS_MAX)["retention.ms"].value, "1234567")

    def test_an_idempotent_producer_delivers_once_and_in_order(self):
        topic = self.create()
        values = [b"%d" % i for i in range(50000)]
        self.produce(topic, values, partition=0, **{"enable.idempotence": True, "linger.ms": 1})
        consumer = self.consumer(topic)
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        self.assertEqual(self.read_to_end(consumer, 1), values)
        consumer.close()

    def test_two_members_share_the_partitions_and_one_takes_over_when_the_other_leaves(self):
        topic = self.create(4)
        assigned, both = {}, threading.Event()

        def note(name):
            def on_assign(_, partitions):
                assigned[name] = {p.partition for p in partitions}
                if len(assigned) == 2 and all(len(p) == 2 for p in assigned.values()):
                    both.set()
            return on_assign

        members = {name: self.consumer(topic) for name in ("a", "b")}
        for name, member in members.items():
            member.subscribe([topic], on_assign=note(name))
        for _ in range(600):
            for member in members.values():
                member.poll(0.05)
            if both.is_set():
                break
        self.assertTrue(both.is_set(), f"the group did not settle: {assigned}")
        self.assertEqual(assigned["a"] | assigned["b"], {0, 1, 2, 3})
        members["b"].close()
        for _ in range(600):
            members["a"].poll(0.05)
            if len(assigned["a"]) == 4:
                break
        self.assertEqual(assigned["a"], {0, 1, 2, 3})
        members["a"].close()

    def test_a_committed_offset_is_where_the_group_resumes(self):
        topic = self.create()
        self.produce(topic, [b"%d" % i for i in range(10)])
        consumer = self.consumer(topic, **{"enable.auto.commit": False})
        consumer.commit(offsets=[TopicPartition(topic, 0, 7)], asynchronous=False)
        self.assertEqual(consumer.committed([TopicPartition(topic, 0)], WAIT_SECONDS_MAX)[0].offset, 7)
        consumer.subscribe([topic])
        self.assertEqual(self.read_to_end(consumer, 1), [b"7", b"8", b"9"])
        consumer.close()

    def test_watermarks_and_times_are_answered(self):
        topic = self.create()
        self.produce(topic, [b"x"] * 5)
        consumer = self.consumer(topic)
        self.assertEqual(consumer.get_watermark_offsets(TopicPartition(topic, 0), WAIT_SECONDS_MAX), (0, 5))
        found = consumer.offsets_for_times([TopicPartition(topic, 0, 1)], WAIT_SECONDS_MAX)
        self.assertEqual(found[0].offset, 0)
        consumer.close()


if __name__ == "__main__":
    unittest.main()
