"""The metrics of a cluster move: quorum, control and replication of three brokers, before, during and after the loss of one."""

import re
import unittest

from harness import Cluster, until
from three_brokers_test import PARTITIONS, WAIT_SECONDS_MAX
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

VALUE_BYTES = 1000
RECORDS = 3000


class Metrics:
    """What one broker shows: values by name and labels, and the names that have a text of help."""

    def __init__(self, broker):
        page = broker.get("/metrics")
        self.values = {}
        for line in page.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                self.values[name] = float(value)
        self.explained = dict(re.findall(r"^# HELP (\S+) (.+)$", page, re.MULTILINE))

    def __getitem__(self, name):
        return self.values["millrace_" + name]

    def sum(self, name):
        return sum(value for each, value in self.values.items() if re.match(rf"millrace_{name}(\{{|$)", each))


class ClusterMetrics(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.remove)
        self.cluster.start()
        self.admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap})

    def all(self):
        return [Metrics(broker) for broker in self.cluster.brokers if broker.process.poll() is None]

    def create(self, name):
        self.admin.create_topics([NewTopic(name, PARTITIONS, 3)])[name].result(WAIT_SECONDS_MAX)

    def produce(self):
        producer = Producer({"bootstrap.servers": self.cluster.bootstrap, "acks": "all"})
        for i in range(RECORDS):
            producer.produce("measured", b"v" * VALUE_BYTES, partition=i % PARTITIONS)
            producer.poll(0)
        self.assertEqual(producer.flush(WAIT_SECONDS_MAX), 0)

    def test_metrics_tell_who_leads_what_is_replicated_and_who_is_missing(self):
        before = self.all()
        for name in ("raft", "control", "replication"):
            families = [each for each in before[0].explained if each.startswith(f"millrace_{name}_")]
            self.assertGreater(len(families), 8, name)
        for metrics in before:
            self.assertTrue(all(len(text.split()) > 1 for text in metrics.explained.values()))
        leader = next(int(metrics["raft_leader"]) for metrics in before)
        self.assertEqual([metrics["raft_is_leader"] for metrics in before], [float(i == leader) for i in range(3)])
        self.assertEqual([metrics["control_is_controller"] for metrics in before], [float(i == leader) for i in range(3)])
        self.assertEqual({metrics["raft_leader"] for metrics in before}, {leader})
        self.assertEqual({metrics["raft_voters"] for metrics in before}, {3})
        self.assertEqual(len({metrics["raft_term"] for metrics in before}), 1)
        self.assertGreaterEqual(sum(metrics["raft_elections_won_total"] for metrics in before), 1)
        until(lambda: all(m['control_brokers{state="serving"}'] == 3 for m in self.all()), "all are known to serve")

        self.create("measured")
        self.produce()
        until(lambda: sum(m["replication_led_partitions"] for m in self.all()) == PARTITIONS, "all partitions are led")
        until(lambda: all(new["control_heartbeats_total"] > old["control_heartbeats_total"] for old, new in zip(before, self.all())), "heartbeats go on")
        after = self.all()
        for i, (old, new) in enumerate(zip(before, after)):
            for name in ("raft_commit_index", "raft_applied_index", "raft_last_index", "raft_append_seconds_count", "control_heartbeats_total"):
                self.assertGreater(new[name], old[name], f"{name} of broker {i}")
            self.assertEqual(new["replication_under_replicated_partitions"], 0)
            self.assertEqual(new["control_isolated"], 0)
            self.assertGreater(new.sum("control_calls_total"), old.sum("control_calls_total"))
        payload = RECORDS * VALUE_BYTES
        self.assertGreaterEqual(sum(m.sum("replication_sent_bytes_total") for m in after), 2 * payload)
        self.assertGreaterEqual(sum(m.sum("replication_received_bytes_total") for m in after), 2 * payload)
        self.assertGreater(sum(m["replication_tail_hits_total"] for m in after), 0)
        controller = after[leader]
        self.assertGreater(controller['control_event_seconds_count{call="broker_heartbeat"}'], before[leader]['control_event_seconds_count{call="broker_heartbeat"}'])
        members = [name for name in controller.values if name.startswith("millrace_raft_member_lag_entries{")]
        self.assertEqual(len(members), 2, members)
        self.assertTrue(all('member="voter"' in name for name in members))

        victim = next(broker for i, broker in enumerate(self.cluster.brokers) if i != leader)
        victim.kill()
        until(lambda: all(m['control_brokers{state="fenced"}'] == 1 for m in self.all()), "the lost broker is fenced")
        until(lambda: sum(m["replication_under_replicated_partitions"] for m in self.all()) == PARTITIONS, "partitions lack a replica")
        self.assertEqual(sum(m["control_leaderless_partitions"] for m in self.all()), 0)
        self.produce()
        lag = max(m["replication_lag_records_max"] for m in self.all())
        self.assertGreaterEqual(lag, RECORDS / PARTITIONS, "the lost replica lacks what was produced since")
        victim.start()
        until(lambda: sum(m["replication_under_replicated_partitions"] for m in self.all()) == 0, "all are in sync")
        until(lambda: max(m["replication_lag_records_max"] for m in self.all()) == 0, "nobody lacks anything")
        end = self.all()
        self.assertGreaterEqual(sum(m["replication_isr_expands_total"] for m in end), PARTITIONS)
        self.assertGreater(sum(m["replication_sent_catch_up_bytes_total"] for m in end), payload / 2)
        self.assertGreater(sum(m["replication_tail_misses_total"] for m in end), 0)


if __name__ == "__main__":
    unittest.main()
