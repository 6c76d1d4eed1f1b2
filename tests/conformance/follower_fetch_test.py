"""Consumers that name their rack read from the replica there (KIP-392), and from the leaders when it is gone."""

import re
import time
import unittest

from harness import Cluster, skip, until
from three_brokers_test import PARTITIONS, WAIT_SECONDS_MAX

try:
    from confluent_kafka import Consumer, Producer, TopicPartition, OFFSET_BEGINNING
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError:
    skip("confluent-kafka for Python is missing: install the Debian package python3-confluent-kafka")

TOPIC = "racks"
RECORDS = 3000
VALUE_BYTES = 1000


class FollowerFetch(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(replica_selector_class="org.apache.kafka.common.replica.RackAwareReplicaSelector")
        self.addCleanup(self.cluster.remove)
        self.cluster.start()
        self.admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap})
        self.admin.create_topics([NewTopic(TOPIC, PARTITIONS, 3)])[TOPIC].result(WAIT_SECONDS_MAX)
        until(lambda: all(len(p.isrs) == 3 for p in self.partitions().values()), "all are in sync")
        self.producer = Producer({"bootstrap.servers": self.cluster.bootstrap, "acks": "all"})

    def partitions(self):
        return self.admin.list_topics(TOPIC, timeout=WAIT_SECONDS_MAX).topics[TOPIC].partitions

    def produce(self, first, count):
        for i in range(first, first + count):
            self.producer.produce(TOPIC, (b"%d " % i).ljust(VALUE_BYTES, b"."), partition=i % PARTITIONS)
            self.producer.poll(0)
        self.assertEqual(self.producer.flush(WAIT_SECONDS_MAX), 0)

    def metric(self, broker, name):
        return float(re.search(rf"^{name} (\S+)$", broker.get("/metrics"), re.MULTILINE)[1])

    def consumer(self, rack):
        consumer = Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": "none", "client.rack": rack, "enable.auto.commit": False,
                             "fetch.wait.max.ms": 500, "fetch.min.bytes": 1})
        self.addCleanup(consumer.close)
        consumer.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
        return consumer

    def read(self, consumer, count):
        values, deadline = [], time.monotonic() + WAIT_SECONDS_MAX
        while len(values) < count:
            self.assertLess(time.monotonic(), deadline, f"{len(values)} of {count} records were read")
            for message in consumer.consume(10000, 0.2):
                if message.error() is None:
                    values.append(int(message.value().split()[0]))
        return values

    def test_a_consumer_reads_from_the_replica_in_its_rack_and_from_the_leader_when_that_is_gone(self):
        self.produce(0, RECORDS)
        near = self.cluster.brokers[1]
        followed = [p.id for p in self.partitions().values() if p.leader != 1]
        self.assertEqual(len(followed), PARTITIONS - 1)
        consumer = self.consumer("rack-1")
        self.assertEqual(sorted(self.read(consumer, RECORDS)), list(range(RECORDS)))
        redirects = sum(self.metric(broker, "millrace_server_redirected_fetches_total") for broker in self.cluster.brokers)
        served = self.metric(near, "millrace_server_follower_fetched_bytes_total")
        print(f"{redirects:.0f} fetches were sent to the follower, which served {served:.0f} bytes", flush=True)
        self.assertGreaterEqual(redirects, len(followed))
        self.assertGreater(served, RECORDS * VALUE_BYTES * len(followed) / PARTITIONS * 0.9)
        for broker in self.cluster.brokers:
            if broker is not near:
                self.assertEqual(self.metric(broker, "millrace_server_follower_fetches_total"), 0)

        # What is produced now reaches the consumer, which waits at the follower, soon after it is committed.
        began = time.monotonic()
        self.produce(RECORDS, PARTITIONS)
        self.assertEqual(sorted(self.read(consumer, PARTITIONS)), list(range(RECORDS, RECORDS + PARTITIONS)))
        print(f"new records were read {time.monotonic() - began:.3f} s after they were sent", flush=True)
        self.assertLess(time.monotonic() - began, 2)

        # Nobody is sent to a replica that is gone. Who reads there already waits for it: this client library asks the leader again after
        # minutes only.
        near.kill()
        self.produce(RECORDS + PARTITIONS, RECORDS)
        everything = list(range(2 * RECORDS + PARTITIONS))
        self.assertEqual(sorted(self.read(self.consumer("rack-1"), len(everything))), everything)
        near.start()
        self.assertEqual(sorted(self.read(consumer, RECORDS)), everything[RECORDS + PARTITIONS:])

    def test_a_consumer_without_a_rack_reads_from_the_leaders(self):
        self.produce(0, 300)
        self.assertEqual(sorted(self.read(self.consumer(""), 300)), list(range(300)))
        for broker in self.cluster.brokers:
            self.assertEqual(self.metric(broker, "millrace_server_redirected_fetches_total"), 0)
            self.assertEqual(self.metric(broker, "millrace_server_follower_fetches_total"), 0)


if __name__ == "__main__":
    unittest.main()
