"""The metadata quorum grows, shrinks and has a dead member replaced, by Apache Kafka's own kafka-metadata-quorum, on real processes."""

import os
import pathlib
import re
import shutil
import unittest

from harness import KAFKA_TOOL, Cluster, need_kafka_tools, run, until

need_kafka_tools()


class Quorum(unittest.TestCase):
    def begin(self, count, voters):
        self.cluster = Cluster(count, voters, default_replication_factor="1", min_insync_replicas="1", offsets_topic_replication_factor="1")
        self.addCleanup(self.cluster.remove)
        self.brokers = self.cluster.brokers
        self.topics = 0

    def tool(self, name, *arguments, through=None, **options):
        at = self.brokers[through].bootstrap if through is not None else self.cluster.bootstrap
        return run(KAFKA_TOOL, name, "--bootstrap-server", at, *arguments, **options).stdout.decode()

    def quorum(self, *arguments, **options):
        return self.tool("kafka-metadata-quorum", *arguments, **options)

    def data(self, broker):
        return os.path.join(self.brokers[broker].directory, "data")

    def directory_id(self, broker):
        properties = pathlib.Path(self.data(broker), "meta.properties").read_text()
        return re.search(r"^directory.id=(\S+)", properties, re.MULTILINE)[1]

    def controller_properties(self, broker):
        """What kafka-metadata-quorum add-controller reads: the file that Apache Kafka's controller of that id would have."""
        rpc = self.brokers[broker].properties["millrace_rpc_listener"]
        path = os.path.join(self.brokers[broker].directory, "controller.properties")
        with open(path, "w") as out:
            out.write(f"process.roles=controller\nnode.id={broker}\nmetadata.log.dir={self.data(broker)}\nlog.dirs={self.data(broker)}\n"
                      f"controller.listener.names=CONTROLLER\nlisteners=CONTROLLER://{rpc}\nadvertised.listeners=CONTROLLER://{rpc}\n")
        return path

    def add(self, broker, through=None):
        at = self.brokers[through].bootstrap if through is not None else self.cluster.bootstrap
        return run(KAFKA_TOOL, "kafka-metadata-quorum", "--bootstrap-server", at, "--command-config", self.controller_properties(broker),
                   "add-controller").stdout.decode()

    def drop(self, broker, directory=None, **options):
        return self.quorum("remove-controller", "--controller-id", broker, "--controller-directory-id", directory or self.directory_id(broker), **options)

    def replicas(self, **options):
        """{broker: (role, log end, directory)}, as the leader has it."""
        rows = re.findall(r"^(\d+)\s+(\S+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s+(\w+)", self.quorum("describe", "--replication", **options), re.MULTILINE)
        return {int(row[0]): (row[6], int(row[2]), row[1]) for row in rows}

    def voters(self, **options):
        return {broker for broker, row in self.replicas(**options).items() if row[0] in ("Leader", "Follower")}

    def leader(self, **options):
        return next(broker for broker, row in self.replicas(**options).items() if row[0] == "Leader")

    def make_topic(self, through):
        """The metadata log takes entries."""
        self.topics += 1
        self.tool("kafka-topics", "--create", "--topic", f"t{self.topics}", "--partitions", 1, through=through)

    def expect_voters(self, voters, through):
        until(lambda: self.voters(through=through) == voters, lambda: f"the voters are {voters}\n{self.cluster.logs()}")

    def test_it_grows_from_one_to_five_and_back(self):
        self.begin(5, 1)
        self.cluster.start()
        rows = self.replicas()
        self.assertEqual({broker: row[0] for broker, row in rows.items()}, {0: "Leader", 1: "Observer", 2: "Observer", 3: "Observer", 4: "Observer"})
        self.assertEqual({broker: row[2] for broker, row in rows.items()}, {broker: self.directory_id(broker) for broker in range(5)})

        self.add(1)
        self.add(2)
        self.expect_voters({0, 1, 2}, through=2)
        status = self.quorum("describe", "--status")
        self.assertRegex(status, r"LeaderId:\s+0\n")
        for broker in range(3):
            self.assertIn(f"CONTROLLER://{self.brokers[broker].properties['millrace_rpc_listener']}", status)
        self.brokers[0].kill()
        until(lambda: self.leader(through=1) in (1, 2), "another voter leads")
        self.make_topic(through=1)
        self.brokers[0].start()

        self.add(3, through=4)
        self.add(4, through=3)
        self.expect_voters({0, 1, 2, 3, 4}, through=0)
        # Every configuration file names broker 0 alone: what the metadata says is remembered.
        for broker in self.brokers:
            broker.kill()
        self.cluster.start(self.brokers[1:4])
        self.make_topic(through=2)
        self.cluster.start([self.brokers[0], self.brokers[4]])

        voters = {0, 1, 2, 3, 4}
        for broker in (0, 3, 4, 1):
            self.drop(broker)
            voters.discard(broker)
            self.expect_voters(voters, through=broker)
            self.make_topic(through=broker)
        self.assertEqual(self.leader(), 2)
        for broker in (0, 1):
            self.assertEqual(self.brokers[broker].stop(), 0)
            self.brokers[broker].start()
        self.assertEqual({broker: row[0] for broker, row in self.replicas().items()},
                         {0: "Observer", 1: "Observer", 2: "Leader", 3: "Observer", 4: "Observer"})
        until(lambda: len({row[1] for row in self.replicas().values()}) == 1, "all have the whole log")

    def test_a_voter_that_lost_its_disk_is_replaced(self):
        self.begin(3, 3)
        self.cluster.start()
        lost = self.directory_id(2)
        self.brokers[2].kill()
        shutil.rmtree(self.data(2))
        self.drop(2, lost, through=0)
        self.expect_voters({0, 1}, through=0)
        run(KAFKA_TOOL, "kafka-cluster", "unregister", "--bootstrap-server", self.brokers[0].bootstrap, "--id", 2)
        self.brokers[2].start()
        self.assertNotEqual(self.directory_id(2), lost)
        self.assertEqual(self.replicas()[2][0], "Observer")
        self.add(2)
        self.expect_voters({0, 1, 2}, through=2)
        self.brokers[0].kill()
        self.make_topic(through=2)

    def test_what_cannot_be_is_refused_with_words(self):
        self.begin(3, 3)
        self.cluster.start()
        self.assertIn("DuplicateVoter", self.refused(lambda: self.add(1)))
        self.assertIn("VoterNotFound", self.refused(lambda: self.drop(1, self.directory_id(0))))
        self.brokers[2].kill()
        other = 1 - self.leader(through=0)

        def policy():
            return "PolicyViolation" in self.refused(lambda: self.drop(other, through=0))

        until(policy, "a voter that the others need stays")

    def refused(self, what):
        try:
            done = what()
        except AssertionError as failure:
            return str(failure)
        raise AssertionError(f"it was not refused: {done}")


if __name__ == "__main__":
    unittest.main()
