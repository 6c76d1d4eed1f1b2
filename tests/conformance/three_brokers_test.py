"""Three brokers as one cluster: requests reach the controller wherever it is, and the loss of any one broker costs no acknowledged record."""

import os
import random
import threading
import time
import unittest

from harness import Cluster, skip, until

try:
    from confluent_kafka import Consumer, Producer, TopicPartition, OFFSET_BEGINNING
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError:
    skip("confluent-kafka for Python is missing: install the Debian package python3-confluent-kafka")

PARTITIONS = 3
WAIT_SECONDS_MAX = 60
ACKS_BETWEEN_FAULTS = 2000


class Writer:
    """An idempotent producer that writes numbers until told to stop, and remembers which were acknowledged and how long none was."""

    def __init__(self, bootstrap, topic, logs):
        self.logs = logs
        self.topic, self.acked, self.failed, self.sent = topic, [], [], 0
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.last_ack, self.longest_gap = time.monotonic(), 0
        self.producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 1,
                                  "message.timeout.ms": 120000, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50})
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def delivered(self, error, message):
        with self.lock:
            if error:
                self.failed.append(str(error))
                return
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - self.last_ack)
            self.last_ack = now
            self.acked.append(int(message.value()))

    def run(self):
        while not self.ended.is_set():
            try:
                self.producer.produce(self.topic, b"%d" % self.sent, partition=self.sent % PARTITIONS, on_delivery=self.delivered)
                self.sent += 1
                self.producer.poll(0.0005)
            except BufferError:
                self.producer.poll(0.01)
        self.left = self.producer.flush(WAIT_SECONDS_MAX)

    def count(self):
        with self.lock:
            return len(self.acked)

    def wait_for_more(self, count=ACKS_BETWEEN_FAULTS):
        target = self.count() + count
        until(lambda: self.failed or self.count() >= target, lambda: f"{count} more records are acknowledged ({self.count()} so far)\n{self.logs()}")

    def gap_during(self, what):
        with self.lock:
            self.longest_gap, self.last_ack = 0, time.monotonic()
        what()
        self.wait_for_more()
        return self.longest_gap

    def end(self):
        self.ended.set()
        self.thread.join()
        return self.left


def read_all(bootstrap, topic, count):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{topic}-readers", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), WAIT_SECONDS_MAX)[1] for p in range(PARTITIONS)}
        values = {partition: [] for partition in range(PARTITIONS)}
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while sum(len(v) for v in values.values()) < sum(ends.values()):
            assert time.monotonic() < deadline, f"{sum(len(v) for v in values.values())} of {sum(ends.values())} records were read"
            for message in consumer.consume(10000, 1):
                assert message.error() is None, message.error()
                values[message.partition()].append(int(message.value()))
        return values
    finally:
        consumer.close()


class ThreeBrokers(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("MILLRACE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"seed {self.seed} (repeat with MILLRACE_SEED={self.seed})", flush=True)
        self.cluster = Cluster()
        self.addCleanup(self.cluster.remove)
        self.cluster.start()

    def metadata(self, broker, topic=None):
        return AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(topic, timeout=WAIT_SECONDS_MAX)

    def make_topic(self, broker, name):
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})  # must live until the answer is there
        admin.create_topics([NewTopic(name, PARTITIONS, 3)])[name].result(WAIT_SECONDS_MAX)

    def logs(self):
        return self.cluster.logs()

    def all_in_sync(self, name):
        partitions = self.metadata(self.cluster.brokers[0], name).topics[name].partitions.values()
        return len(partitions) == PARTITIONS and all(len(partition.isrs) == 3 for partition in partitions)

    def check(self, writer, topic):
        self.assertEqual(writer.end(), 0, "records were neither acknowledged nor failed")
        self.assertEqual(writer.failed, [])
        values = read_all(self.cluster.bootstrap, topic, writer.sent)
        for partition, read in values.items():
            self.assertEqual(read, sorted(set(read)), f"partition {partition} has records twice or out of order, seed {self.seed}")
        missing = set(writer.acked) - {value for read in values.values() for value in read}
        self.assertEqual(missing, set(), f"acknowledged records are missing, seed {self.seed}")

    def test_any_broker_takes_requests_for_the_controller(self):
        for i, broker in enumerate(self.cluster.brokers):
            self.make_topic(broker, f"through-{i}")
        for broker in self.cluster.brokers:
            until(lambda broker=broker: {f"through-{i}" for i in range(3)} <= self.metadata(broker).topics.keys(), "all brokers know all topics")
            self.assertEqual(set(self.metadata(broker).brokers), {0, 1, 2})
        leaders = {p.leader for i in range(3) for p in self.metadata(self.cluster.brokers[0]).topics[f"through-{i}"].partitions.values()}
        self.assertEqual(leaders, {0, 1, 2})

    def test_each_broker_is_killed_once_while_an_idempotent_producer_writes(self):
        dice = random.Random(self.seed)
        self.make_topic(self.cluster.brokers[0], "killed")
        writer = Writer(self.cluster.bootstrap, "killed", self.logs)
        self.addCleanup(writer.end)
        writer.wait_for_more()
        for victim in dice.sample(self.cluster.brokers, 3):
            gap = writer.gap_during(victim.kill)
            print(f"longest time without an acknowledgement after kill -9: {gap:.2f} s", flush=True)
            victim.start()
            until(lambda: self.all_in_sync("killed"), lambda: f"the broker that came back is in sync again\n{self.logs()}")
        self.check(writer, "killed")

    def test_each_broker_is_stopped_once_while_an_idempotent_producer_writes(self):
        self.make_topic(self.cluster.brokers[0], "stopped")
        writer = Writer(self.cluster.bootstrap, "stopped", self.logs)
        self.addCleanup(writer.end)
        writer.wait_for_more()
        for broker in self.cluster.brokers:
            gap = writer.gap_during(lambda broker=broker: self.assertEqual(broker.stop(), 0, broker.log()))
            print(f"longest time without an acknowledgement during a stop: {gap:.3f} s", flush=True)
            broker.start()
            until(lambda: self.all_in_sync("stopped"), lambda: f"the broker that came back is in sync again\n{self.logs()}")
        self.check(writer, "stopped")

    def test_a_group_keeps_its_offsets_when_its_coordinator_is_lost(self):
        self.make_topic(self.cluster.brokers[0], "grouped")
        producer = Producer({"bootstrap.servers": self.cluster.bootstrap})
        for i in range(100):
            producer.produce("grouped", b"%d" % i, partition=i % PARTITIONS)
        self.assertEqual(producer.flush(WAIT_SECONDS_MAX), 0)
        settings = {"bootstrap.servers": self.cluster.bootstrap, "group.id": "keeps", "auto.offset.reset": "earliest", "enable.auto.commit": False}

        def read(count):
            consumer = Consumer(settings)
            values = []
            try:
                consumer.subscribe(["grouped"])
                deadline = time.monotonic() + WAIT_SECONDS_MAX
                while len(values) < count and time.monotonic() < deadline:
                    message = consumer.poll(0.2)
                    if message is not None and message.error() is None:
                        values.append(int(message.value()))
                if values:
                    consumer.commit(asynchronous=False)
                return values
            finally:
                consumer.close()

        first = read(60)
        self.assertEqual(len(first), 60)
        for victim in self.cluster.brokers:  # one of them is the coordinator
            victim.kill()
            producer.produce("grouped", b"%d" % (1000 + self.cluster.brokers.index(victim)), partition=0)
            self.assertEqual(producer.flush(WAIT_SECONDS_MAX), 0)
            first += read(1 if victim is not self.cluster.brokers[-1] else 41)
            victim.start()
            until(lambda: self.all_in_sync("grouped"), "all are in sync")
        self.assertEqual(len(first), len(set(first)), "records were read twice: committed offsets went back")
        self.assertEqual(set(first), set(range(100)) | {1000, 1001, 1002})


if __name__ == "__main__":
    unittest.main()
