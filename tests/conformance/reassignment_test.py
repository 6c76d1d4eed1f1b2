"""Three brokers, whose partitions Apache Kafka's own tools move, elect leaders of and throttle; features; a broker that leaves."""

import json
import os
import re
import unittest

from harness import KAFKA_TOOL, Cluster, need_kafka_tools, run, until

need_kafka_tools()

RECORDS, RECORD_BYTES = 20000, 1000


class Reassignment(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(default_replication_factor="1", min_insync_replicas="1", offsets_topic_replication_factor="1")
        cls.addClassCleanup(cls.cluster.remove)
        cls.cluster.start()

    def tool(self, name, *arguments, **options):
        return run(KAFKA_TOOL, name, "--bootstrap-server", self.cluster.bootstrap, *arguments, **options).stdout.decode()

    def name(self):
        return self.id().rsplit(".", 1)[-1].replace("_", "-")

    def make(self, *placements):
        """A topic whose partitions lie as told: "0:1" is leader 0 and follower 1."""
        self.tool("kafka-topics", "--create", "--topic", self.name(), "--replica-assignment", ",".join(placements))
        return self.name()

    def fill(self, topic):
        self.tool("kafka-producer-perf-test", "--topic", topic, "--num-records", RECORDS, "--record-size", RECORD_BYTES, "--throughput", -1)

    def plan(self, *moves):
        path = os.path.join(self.cluster.brokers[0].directory, f"{self.name()}.json")
        with open(path, "w") as out:
            json.dump({"version": 1, "partitions": [{"topic": topic, "partition": partition, "replicas": replicas}
                                                    for topic, partition, replicas in moves]}, out)
        return path

    def reassign(self, verb, plan, *arguments, **options):
        return self.tool("kafka-reassign-partitions", f"--{verb}", "--reassignment-json-file", plan, *arguments, **options)

    def described(self, topic):
        rows = re.findall(r"Partition: (\d+)\s+Leader: (\S+)\s+Replicas: ([\d,]+)\s+Isr: ([\d,]+)", self.tool("kafka-topics", "--describe", "--topic", topic))
        return {int(row[0]): {"leader": row[1], "replicas": row[2], "isr": sorted(row[3].split(","))} for row in rows}

    def test_a_partition_moves_with_its_records_and_the_tool_sees_it_through(self):
        topic = self.make("0:1", "1:2")
        self.fill(topic)
        plan = self.plan((topic, 0, [2, 1]), (topic, 1, [0, 1, 2]))
        self.assertIn("Successfully started", self.reassign("execute", plan))
        until(lambda: "is completed" in self.reassign("verify", plan) and "still in progress" not in self.reassign("verify", plan),
              lambda: f"the move is through\n{self.cluster.logs()}")
        now = self.described(topic)
        self.assertEqual((now[0]["replicas"], now[0]["isr"], now[0]["leader"]), ("2,1", ["1", "2"], "2"))
        self.assertEqual((now[1]["replicas"], now[1]["isr"]), ("0,1,2", ["0", "1", "2"]))
        self.assertIn("No partition reassignments found", self.tool("kafka-reassign-partitions", "--list"))
        read = self.tool("kafka-consumer-perf-test", "--topic", topic, "--num-records", RECORDS)
        self.assertRegex(read, rf"\b{RECORDS}\b")

    def test_a_throttled_move_takes_its_time_and_can_be_cancelled(self):
        topic = self.make("0:1")
        self.fill(topic)
        plan = self.plan((topic, 0, [0, 2]))
        output = self.reassign("execute", plan, "--throttle", 1000000)  # 20 MB: about twenty seconds
        self.assertIn("Successfully started", output)
        self.assertRegex(self.tool("kafka-reassign-partitions", "--list"), rf"{topic}-0: replicas: 0,2,1\. adding: 2\. removing: 1\.")
        self.assertIn("still in progress", self.reassign("verify", plan))
        cancelled = self.reassign("cancel", plan)
        self.assertIn("Successfully cancelled", cancelled)
        self.assertIn("No partition reassignments found", self.tool("kafka-reassign-partitions", "--list"))
        self.assertEqual(self.described(topic)[0]["replicas"], "0,1")
        configs = self.tool("kafka-configs", "--describe", "--entity-type", "topics", "--entity-name", topic)
        self.assertNotIn("replication.throttled", configs)

    def test_what_cannot_be_moved_is_refused_with_words(self):
        topic = self.make("0:1")
        refused = run(KAFKA_TOOL, "kafka-reassign-partitions", "--bootstrap-server", self.cluster.bootstrap, "--execute", "--reassignment-json-file",
                      self.plan((topic, 0, [0, 9])), check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("Unknown broker id 9", (refused.stdout + refused.stderr).decode())

    def test_the_preferred_replica_leads_again_when_it_is_told_to(self):
        topic = self.make("1:0")
        plan = self.plan((topic, 0, [0, 1]))
        self.reassign("execute", plan)
        until(lambda: self.described(topic)[0]["replicas"] == "0,1", "another replica is preferred")
        self.assertEqual(self.described(topic)[0]["leader"], "1")
        elected = self.tool("kafka-leader-election", "--election-type", "preferred", "--topic", topic, "--partition", 0)
        self.assertIn("Successfully completed leader election (PREFERRED)", elected)
        self.assertEqual(self.described(topic)[0]["leader"], "0")
        again = self.tool("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")
        self.assertNotIn("Error", again)
        needless = self.tool("kafka-leader-election", "--election-type", "unclean", "--topic", topic, "--partition", 0)
        self.assertIn("Valid replica already elected", needless)

    def test_features_are_described_and_unknown_ones_refused(self):
        described = self.tool("kafka-features", "describe").split("Feature: millrace.version")[1].split("Feature:")[0]
        self.assertRegex(described, r"SupportedMinVersion: 1\s+SupportedMaxVersion: 1\s+FinalizedVersionLevel: 1\s")
        refused = run(KAFKA_TOOL, "kafka-features", "--bootstrap-server", self.cluster.bootstrap, "upgrade", "--feature", "nobody.knows=3", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("nobody.knows", (refused.stdout + refused.stderr).decode())

    def test_a_broker_that_votes_or_holds_replicas_stays_and_one_that_does_not_leaves(self):
        self.make("2:1")
        def unregister():
            done = run(KAFKA_TOOL, "kafka-cluster", "unregister", "--bootstrap-server", self.cluster.bootstrap, "--id", 2, check=False)
            return (done.stdout + done.stderr).decode()
        self.assertIn("holds 1 replicas", unregister())
        gone = run(KAFKA_TOOL, "kafka-cluster", "unregister", "--bootstrap-server", self.cluster.bootstrap, "--id", 9, check=False)
        self.assertIn("broker 9", (gone.stdout + gone.stderr).decode())


if __name__ == "__main__":
    unittest.main()
