"""Brokers that hear no controller: on the minority's side of a cut, and when the metadata quorum is lost."""

import os
import random
import struct
import threading
import time
import unittest
import urllib.error
import urllib.request

from harness import Broker, CLUSTER_ID, free_ports, show, until
from rpc_network import RpcNetwork
from three_brokers_test import PARTITIONS, WAIT_SECONDS_MAX, Writer, read_all
from wire import CREATE_TOPICS, PRODUCE, Wire, batch, create_topics, produce, produced
from confluent_kafka import Consumer, Producer, TopicPartition, OFFSET_BEGINNING
from confluent_kafka.admin import AdminClient, NewTopic

SESSION_SECONDS = 2
NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT = 6, 7
FORWARD_SECONDS_MAX = 30


class Isolation(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("MILLRACE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"seed {self.seed} (repeat with MILLRACE_SEED={self.seed})", flush=True)
        self.dice = random.Random(self.seed)
        ports, targets = free_ports(3), free_ports(3)
        voters = ",".join(f"{i}@127.0.0.1:{port}" for i, port in enumerate(ports))
        self.brokers = [Broker(node_id=str(i), millrace_cluster_id=CLUSTER_ID, controller_quorum_voters=voters,
                               millrace_rpc_listener=f"127.0.0.1:{targets[i]}", broker_session_timeout_ms=str(SESSION_SECONDS * 1000),
                               default_replication_factor="3", min_insync_replicas="2") for i in range(3)]
        self.network = RpcNetwork(ports, targets, lambda: [broker.process.pid if broker.process else None for broker in self.brokers])
        self.addCleanup(self.network.close)
        for broker in self.brokers:
            self.addCleanup(broker.remove)
        self.start(self.brokers)
        self.bootstrap = ",".join(broker.bootstrap for broker in self.brokers)

    def start(self, brokers):
        starts = [threading.Thread(target=broker.start) for broker in brokers]
        for thread in starts:
            thread.start()
        for thread in starts:
            thread.join()

    def make_topic(self, name):
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([NewTopic(name, PARTITIONS, 3)])[name].result(WAIT_SECONDS_MAX)
        until(lambda: self.all_in_sync(name), self.logs)

    def partitions(self, name, broker=None):
        admin = AdminClient({"bootstrap.servers": broker.bootstrap if broker else self.bootstrap})
        return admin.list_topics(name, timeout=WAIT_SECONDS_MAX).topics[name].partitions

    def all_in_sync(self, name):
        partitions = self.partitions(name).values()
        return len(partitions) == PARTITIONS and all(len(partition.isrs) == 3 for partition in partitions)

    def led_by(self, name, broker):
        number = self.brokers.index(broker)
        return next(p.id for p in self.partitions(name).values() if p.leader == number)

    def logs(self):
        return show("".join(f"---- broker {i}\n{broker.log()}" for i, broker in enumerate(self.brokers)))

    def ready(self, broker):
        try:
            return 200, broker.get("/readyz")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def write(self, broker, name, partition, acks):
        """The error code of one produce to this very broker."""
        with Wire(broker.bootstrap) as wire:
            wire.socket.settimeout(WAIT_SECONDS_MAX)
            return produced(wire.call(PRODUCE, 8, produce(name, batch([b"-1"]), acks, partition)))[0]

    def test_the_minority_refuses_writes_says_why_and_heals_by_itself(self):
        self.make_topic("cut")
        self.make_topic("probe")
        cut = self.dice.choice(self.brokers)
        print(f"broker {self.brokers.index(cut)} is cut off", flush=True)
        probed = self.led_by("probe", cut)
        writer = Writer(self.bootstrap, "cut", self.logs)
        self.addCleanup(writer.end)
        writer.wait_for_more()

        began = time.monotonic()
        self.network.cut(self.brokers.index(cut))
        self.assertEqual(self.write(cut, "probe", probed, acks=1), 0, "before a session has passed nobody else can lead")
        parked = []
        waits = threading.Thread(target=lambda: parked.append((self.write(cut, "probe", probed, acks=-1), time.monotonic() - began)))
        waits.start()
        until(lambda: self.write(cut, "probe", probed, acks=1) == NOT_LEADER_OR_FOLLOWER, self.logs, 10)
        refused = time.monotonic() - began
        waits.join()
        print(f"writes are refused {refused:.2f} s after the cut; what waited for acks=all was told after {parked[0][1]:.2f} s", flush=True)
        self.assertEqual(parked[0][0], NOT_LEADER_OR_FOLLOWER)
        self.assertLess(max(refused, parked[0][1]), SESSION_SECONDS + 1)
        for acks in (1, -1):
            self.assertEqual(self.write(cut, "probe", probed, acks), NOT_LEADER_OR_FOLLOWER)
        code, why = self.ready(cut)
        self.assertEqual(code, 503)
        self.assertIn("no controller answers", why)
        self.assertIn("refuse writes", why)
        self.assertEqual(cut.log().count("writes are refused"), 1, cut.log())
        writer.wait_for_more()  # the others go on
        others = [broker for broker in self.brokers if broker is not cut]
        for broker in others:
            self.assertEqual(self.ready(broker)[0], 200)
            self.assertNotIn("writes are refused", broker.log())

        self.network.heal()
        until(lambda: self.ready(cut)[0] == 200, self.logs)
        until(lambda: self.all_in_sync("cut") and self.all_in_sync("probe"), self.logs)
        self.assertEqual(cut.log().count("a controller answers again"), 1, cut.log())
        writer.wait_for_more()
        self.assertEqual(writer.end(), 0)
        self.assertEqual(writer.failed, [])
        values = read_all(self.bootstrap, "cut", writer.sent)
        for partition, read in values.items():
            self.assertEqual(read, sorted(set(read)), f"partition {partition} has records twice or out of order, seed {self.seed}")
        missing = set(writer.acked) - {value for read in values.values() for value in read}
        self.assertEqual(missing, set(), f"acknowledged records are missing, seed {self.seed}")

    def test_with_the_quorum_lost_what_is_committed_is_read_on_and_all_is_well_when_it_returns(self):
        self.make_topic("kept")
        survivor = self.dice.choice(self.brokers)
        print(f"broker {self.brokers.index(survivor)} stays", flush=True)
        partition = self.led_by("kept", survivor)
        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": "all"})
        for i in range(500):
            producer.produce("kept", b"%d" % i, partition=partition)
        self.assertEqual(producer.flush(WAIT_SECONDS_MAX), 0)
        lost = [broker for broker in self.brokers if broker is not survivor]
        for broker in lost:
            broker.kill()
        until(lambda: self.write(survivor, "kept", partition, acks=1) == NOT_LEADER_OR_FOLLOWER, survivor.log, 10)
        self.assertEqual(self.ready(survivor)[0], 503)

        began = time.monotonic()
        with Wire(survivor.bootstrap) as wire:
            wire.socket.settimeout(WAIT_SECONDS_MAX)
            answer = wire.call(CREATE_TOPICS, 0, create_topics(["new"]))
        self.assertEqual(struct.unpack(">h", answer[-2:])[0], REQUEST_TIMED_OUT, answer)
        print(f"CreateTopics timed out after {time.monotonic() - began:.1f} s", flush=True)
        self.assertLess(time.monotonic() - began, FORWARD_SECONDS_MAX + 5)
        self.assertEqual(self.read_from(survivor, "kept", partition, 500), [b"%d" % i for i in range(500)])

        self.start(lost)
        until(lambda: all(self.ready(broker)[0] == 200 for broker in self.brokers), self.logs)
        until(lambda: self.all_in_sync("kept"), self.logs)
        self.make_topic("new")
        producer.produce("kept", b"500", partition=partition)
        self.assertEqual(producer.flush(WAIT_SECONDS_MAX), 0)
        self.assertEqual([value for value in self.read_from(survivor, "kept", partition, 501) if value != b"-1"],
                         [b"%d" % i for i in range(501)])

    def read_from(self, broker, name, partition, count):
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING)])
            values, deadline = [], time.monotonic() + WAIT_SECONDS_MAX
            while len([value for value in values if value != b"-1"]) < count:
                self.assertLess(time.monotonic(), deadline, f"{len(values)} of {count} records were read")
                for message in consumer.consume(1000, 0.5):
                    if message.error() is None:
                        values.append(message.value())
            return values
        finally:
            consumer.close()


if __name__ == "__main__":
    unittest.main()
