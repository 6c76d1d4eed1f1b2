"""`millrace local` end to end: manifests become a running broker that kcat uses, heal when it dies, and keep their data."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
from harness import BINARIES, TOP, WAIT_SECONDS_MAX, need, run, show, until  # noqa: E402

need("kcat", "kcat")
try:
    import confluent_kafka  # noqa: F401
    from three_brokers_test import Writer, read_all  # noqa: E402
except ImportError:
    Writer = None
MILLRACE = BINARIES / "millrace"
needs_client = unittest.skipIf(Writer is None, "SKIPPED: confluent-kafka for Python is missing: install the Debian package python3-confluent-kafka")


class LocalCluster(unittest.TestCase):
    """A local cluster of deploy/local in a directory of its own, and what one says to it."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-local-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.data = os.path.join(self.directory, "state")
        self.manifests = os.path.join(self.directory, "manifests")
        shutil.copytree(TOP / "deploy/local", self.manifests)

    def millrace(self, *arguments, **options):
        return run(MILLRACE, *arguments, timeout=60, **options)

    def local(self, verb, *arguments, **options):
        return self.millrace("local", verb, "--data-dir", self.data, *arguments, **options)

    def up(self):
        self.addCleanup(self.local, "down", check=False)
        return self.local("up", "-f", self.manifests, "--detach").stdout.decode()

    def status(self):
        return json.loads(self.local("status", "-o", "json").stdout)["clusters"][0]

    def wait_for(self, what, condition):
        until(condition, lambda: f"{what}: {self.status()}")

    def edit(self, file, before, after):
        path = pathlib.Path(self.manifests, file)
        text = path.read_text()
        self.assertIn(before, text)
        path.write_text(text.replace(before, after))
        return path.read_text()

    def topic(self, name):
        return next((t for t in self.status()["topics"] if t["name"] == name), None)

    def apply(self, manifest, **options):
        path = os.path.join(self.directory, "change.yaml")
        pathlib.Path(path).write_text(manifest)
        return self.millrace("apply", "-f", path, "--data-dir", self.data, **options)

    def topic_manifest(self, name="invoices", partitions=2, cluster="local", replicas=1, more=""):
        return (f"apiVersion: millrace.dev/v1alpha1\nkind: KafkaTopic\nmetadata: {{name: {name}}}\n"
                f"spec:\n  clusterRef: {{name: {cluster}}}\n  partitions: {partitions}\n  replicas: {replicas}\n{more}")

    def described(self, kind, name):
        return self.millrace("describe", kind, name, "--data-dir", self.data).stdout.decode()


class OneBroker(LocalCluster):
    def setUp(self):
        super().setUp()
        for file in ("cluster.yaml", "topics.yaml"):
            self.edit(file, "replicas: 3", "replicas: 1")

    def test_up_makes_the_manifests_run_and_down_stops_them(self):
        said = self.up()
        status = self.status()
        self.assertTrue(status["ready"], status)
        self.assertIn(status["bootstrap"], said)
        self.assertIn("kcat", said)
        self.assertEqual(len(status["brokers"]), 1)
        self.assertEqual(len(status["topics"]), 2)
        self.assertTrue(all(t["ready"] for t in status["topics"]), status)
        name = status["topics"][0]["name"]
        run("kcat", "-b", status["bootstrap"], "-P", "-t", name, input=b"hello\n")
        read = run("kcat", "-b", status["bootstrap"], "-C", "-t", name, "-o", "beginning", "-e", "-q").stdout
        self.assertEqual(read, b"hello\n")
        pid = status["brokers"][0]["pid"]
        self.local("down")
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)

    def test_a_killed_broker_comes_back_with_its_records(self):
        self.up()
        before = self.status()
        name = before["topics"][0]["name"]
        run("kcat", "-b", before["bootstrap"], "-P", "-t", name, input=b"kept\n")
        os.kill(before["brokers"][0]["pid"], signal.SIGKILL)
        self.wait_for("a new process", lambda: self.status()["brokers"][0]["pid"] not in (None, before["brokers"][0]["pid"]))
        self.wait_for("ready", lambda: self.status()["ready"])
        read = run("kcat", "-b", self.status()["bootstrap"], "-C", "-t", name, "-o", "beginning", "-e", "-q").stdout
        self.assertEqual(read, b"kept\n")

    def test_a_changed_configuration_restarts_the_only_broker(self):
        self.up()
        before = self.status()["brokers"][0]["pid"]
        self.edit("cluster.yaml", "  listeners:", "  config: {log.retention.hours: 5}\n  listeners:")
        self.millrace("apply", "-f", self.manifests, "--data-dir", self.data)
        self.wait_for("a new process", lambda: [b["pid"] for b in self.status()["brokers"] if b["pid"] not in (None, before)])
        self.wait_for("ready", lambda: self.status()["ready"])

    def test_down_and_up_again_keeps_records_and_purge_forgets_them(self):
        self.up()
        name = self.status()["topics"][0]["name"]
        run("kcat", "-b", self.status()["bootstrap"], "-P", "-t", name, input=b"kept\n")
        self.local("down")
        self.up()
        read = run("kcat", "-b", self.status()["bootstrap"], "-C", "-t", name, "-o", "beginning", "-e", "-q").stdout
        self.assertEqual(read, b"kept\n")
        self.local("down", "--purge")
        self.assertFalse(os.path.exists(self.data))

    def test_topics_are_created_grown_and_deleted_by_their_manifests(self):
        self.up()
        self.apply(self.topic_manifest(partitions=2))
        self.wait_for("the topic", lambda: (self.topic("invoices") or {}).get("ready"))
        self.apply(self.topic_manifest(partitions=4))
        self.wait_for("growth", lambda: self.topic("invoices")["partitions"] == 4)
        shrunk = self.apply(self.topic_manifest(partitions=1), check=False)
        if shrunk.returncode == 0:  # taken by the API, refused by the reconciler
            self.wait_for("the refusal", lambda: not self.topic("invoices")["ready"])
        else:
            self.assertIn("partitions", shrunk.stderr.decode())
        self.millrace("delete", "topic", "invoices", "--data-dir", self.data)
        self.wait_for("deletion", lambda: self.topic("invoices") is None)
        listing = json.loads(run("kcat", "-b", self.status()["bootstrap"], "-L", "-J").stdout)
        self.assertNotIn("invoices", [t["topic"] for t in listing["topics"]])

    def test_what_has_no_effect_here_is_named_and_blocks_nothing(self):
        path = pathlib.Path(self.manifests, "cluster.yaml")
        path.write_text("apiVersion: millrace.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {name: local}\nspec:\n"
                        "  image: registry/other:1\n  resources: {requests: {cpu: 1}}\n  rack: {topologyKey: zone}\n"
                        "  autoscaling: {mode: Advise}\n  storage: {type: persistent-claim, size: 1Gi, class: fast}\n"
                        "  listeners:\n  - {name: plain, port: 9092, type: internal}\n  - {name: outer, port: 9094, type: nodeport}\n"
                        "  template: {pod: {spec: {nodeSelector: {a: b}}}}\n")
        self.up()
        self.assertTrue(self.status()["ready"])
        fields = ["spec.image", "spec.storage.size", "spec.storage.class", "spec.listeners[outer].type", "spec.resources", "spec.rack",
                  "spec.autoscaling", "spec.template.pod.spec.nodeSelector"]
        said = "without effect on the local backend: " + ", ".join(fields)
        self.assertIn(said, self.described("cluster", "local"))
        why = self.millrace("why", "local", "--data-dir", self.data).stdout.decode()
        self.assertIn("Nothing blocks", why)
        self.assertIn(said, why)
        outer = json.loads(self.millrace("get", "clusters", "-o", "json", "--data-dir", self.data).stdout)
        outer = {one["name"]: one["bootstrapServers"] for one in outer["items"][0]["status"]["listeners"]}["outer"]
        run("kcat", "-b", outer, "-L")
        self.apply(path.read_text().replace("  rack: {topologyKey: zone}\n", ""))
        self.wait_for("the warning's change", lambda: "spec.rack" not in self.described("cluster", "local").split("Conditions", 1)[-1])

    def test_more_replicas_than_brokers_are_refused_with_the_reason(self):
        self.up()
        self.apply(self.topic_manifest(name="wide", replicas=3))
        self.wait_for("the refusal", lambda: "TooFewBrokers" in self.described("topic", "wide"))
        self.assertIn("has 1 broker", self.described("topic", "wide"))
        listing = json.loads(run("kcat", "-b", self.status()["bootstrap"], "-L", "-J").stdout)
        self.assertNotIn("wide", [t["topic"] for t in listing["topics"]])

    def test_the_status_counts_what_each_broker_has(self):
        self.up()

        def row():
            listed = json.loads(self.millrace("get", "clusters", "-o", "json", "--data-dir", self.data).stdout)
            return listed["items"][0]["status"]["brokers"][0]
        self.wait_for("the counts", lambda: row().get("partitions") == 4)
        self.assertEqual(row(), {"id": 0, "pod": "local-kafka-0", "ready": True, "leaders": 4, "partitions": 4})
        self.apply(self.topic_manifest(partitions=2))
        self.wait_for("the new counts", lambda: row()["leaders"] == 6)

    def test_a_topic_of_a_missing_cluster_waits_and_says_so(self):
        self.up()
        self.apply(self.topic_manifest(name="orphan", cluster="nowhere"))
        until(lambda: "nowhere" in self.described("topic", "orphan").split("Conditions", 1)[-1], lambda: self.described("topic", "orphan"))

    def test_malformed_manifests_are_refused_with_field_file_and_line(self):
        self.up()
        cases = {
            "unknown field": (self.topic_manifest(more="  partitons: 3\n"), ["partitons", "change.yaml:8"]),
            "wrong type": (self.topic_manifest(partitions="many"), ["partitions", "change.yaml:6"]),
            "missing name": (self.topic_manifest().replace("{name: invoices}", "{}"), ["name", "change.yaml"]),
            "duplicate topic": (self.topic_manifest() + "---\n" + self.topic_manifest(), ["invoices", "change.yaml"]),
        }
        for case, (manifest, words) in cases.items():
            with self.subTest(case):
                refused = self.apply(manifest, check=False)
                self.assertNotEqual(refused.returncode, 0)
                for word in words:
                    self.assertIn(word, refused.stderr.decode())
        self.assertIsNone(self.topic("invoices"))

    def test_interrupting_up_in_the_foreground_stops_the_broker(self):
        process = subprocess.Popen([str(MILLRACE), "local", "up", "-f", self.manifests, "--data-dir", self.data],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            printed = ""
            while "kcat" not in printed:
                line = process.stdout.readline()
                self.assertTrue(line, f"it ended early:\n{printed}")
                printed += line
            pid = self.status()["brokers"][0]["pid"]
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=WAIT_SECONDS_MAX)
            self.assertEqual(process.returncode, 0, printed + rest)
            with self.assertRaises(ProcessLookupError):
                os.kill(pid, 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


class ThreeBrokers(LocalCluster):
    def logs(self):
        logs = pathlib.Path(self.data, "logs").rglob("*.log") if os.path.exists(self.data) else []
        return show(f"{self.status()}\n" + "".join(f"---- {log}\n{log.read_text(errors='replace')[-4000:]}" for log in sorted(logs)))

    def pids(self):
        return {broker["id"]: broker["pid"] for broker in self.status()["brokers"]}

    def wait_for_ready(self, brokers=3):
        def is_ready():
            status = self.status()
            return status["ready"] and len(status["brokers"]) == brokers and all(b["ready"] for b in status["brokers"])
        self.wait_for(f"{brokers} brokers ready", is_ready)

    def members(self, bootstrap):
        listing = json.loads(run("kcat", "-b", bootstrap, "-L", "-J").stdout)
        return sorted(broker["id"] for broker in listing["brokers"])

    def in_sync(self, topic, replicas=3):
        listing = json.loads(run("kcat", "-b", self.status()["bootstrap"], "-L", "-J", "-t", topic).stdout)
        return all(len(partition["isrs"]) == replicas for partition in listing["topics"][0]["partitions"])

    def cluster(self):
        return json.loads(self.millrace("get", "clusters", "-o", "json", "--data-dir", self.data).stdout)["items"][0]

    def claim(self, broker):
        return os.path.join(self.data, "volumes/default", f"data-local-kafka-{broker}")

    def condition(self, type):
        return next(one for one in self.cluster()["status"]["conditions"] if one["type"] == type)

    def brokers(self):
        return json.loads(self.millrace("get", "brokers", "-o", "json", "--data-dir", self.data).stdout)

    def partitions(self, broker):
        return next((row.get("partitions", 0) for row in self.brokers() if row["id"] == broker), 0)

    def why(self):
        return self.millrace("why", "local", "--data-dir", self.data).stdout.decode()

    def scale(self, before, after):
        self.edit("cluster.yaml", f"replicas: {before}", f"replicas: {after}")
        self.millrace("apply", "-f", os.path.join(self.manifests, "cluster.yaml"), "--data-dir", self.data)

    def check(self, writer, topic):
        self.assertEqual(writer.end(), 0, "records were neither acknowledged nor failed")
        self.assertEqual(writer.failed, [])
        values = read_all(self.status()["bootstrap"], topic, writer.sent)
        for partition, read in values.items():
            self.assertEqual(read, sorted(set(read)), f"partition {partition} has records twice or out of order")
        missing = set(writer.acked) - {value for read in values.values() for value in read}
        self.assertEqual(missing, set(), "acknowledged records are missing")

    def test_three_brokers_form_a_cluster_keep_their_ports_and_stop_together(self):
        said = self.up()
        status = self.status()
        self.assertTrue(status["ready"], status)
        self.assertIn(status["bootstrap"], said)
        brokers = status["brokers"]
        self.assertEqual([b["id"] for b in brokers], [0, 1, 2])
        self.assertTrue(all(b["ready"] for b in brokers), status)
        ports = [b[name] for b in brokers for name in ("kafka", "rpc", "http")]
        self.assertEqual(len(set(ports)), 9, ports)
        self.assertEqual(status["bootstrap"], ",".join(b["kafka"] for b in brokers))
        self.assertEqual({t["name"]: t["replicas"] for t in status["topics"]}, {"events": 3, "payments": 3})
        for broker in brokers:  # through each of them alone
            self.assertEqual(self.members(broker["kafka"]), [0, 1, 2])
        run("kcat", "-b", status["bootstrap"], "-P", "-t", "events", "-X", "acks=all", input=b"hello\n")
        cluster_id = self.cluster()["status"]["clusterId"]
        self.local("down")
        for broker in brokers:
            with self.assertRaises(ProcessLookupError):
                os.kill(broker["pid"], 0)
        self.up()
        self.assertEqual([b["kafka"] for b in self.status()["brokers"]], [b["kafka"] for b in brokers])
        self.assertEqual(self.cluster()["status"]["clusterId"], cluster_id)
        read = run("kcat", "-b", self.status()["bootstrap"], "-C", "-t", "events", "-o", "beginning", "-e", "-q").stdout
        self.assertEqual(read, b"hello\n")

    def test_a_cluster_that_is_made_again_takes_up_the_data_that_is_there(self):
        self.up()
        cluster_id = self.cluster()["status"]["clusterId"]
        run("kcat", "-b", self.status()["bootstrap"], "-P", "-t", "events", input=b"kept\n")
        pids = self.pids().values()
        for name, partitions in (("events", 3), ("payments", 1)):
            self.apply(self.topic_manifest(name=name, partitions=partitions, replicas=3, more="  deletionPolicy: Retain\n"))
            self.millrace("delete", "topic", name, "--data-dir", self.data)
        self.millrace("delete", "cluster", "local", "--data-dir", self.data)

        def are_gone():
            return not any(os.path.exists(f"/proc/{pid}") for pid in pids)
        until(are_gone, "the brokers end")
        self.millrace("apply", "-f", self.manifests, "--data-dir", self.data)
        self.wait_for_ready()
        self.assertEqual(self.cluster()["status"]["clusterId"], cluster_id)
        read = run("kcat", "-b", self.status()["bootstrap"], "-C", "-t", "events", "-o", "beginning", "-e", "-q").stdout
        self.assertEqual(read, b"kept\n")

    @needs_client
    def test_each_broker_killed_in_turn_is_seen_and_healed_and_no_record_is_lost(self):
        self.up()
        writer = Writer(self.status()["bootstrap"], "events", self.logs)
        try:
            writer.wait_for_more()
            for broker in range(3):
                pid = self.pids()[broker]
                os.kill(pid, signal.SIGKILL)
                self.wait_for("the loss is seen", lambda: not self.status()["ready"])
                self.assertFalse(self.status()["brokers"][broker]["ready"] and self.pids()[broker] == pid, "it looks as if it lived")
                self.wait_for("a new process", lambda: self.pids()[broker] not in (None, pid))
                self.wait_for_ready()
                self.wait_for("all are in sync", lambda: self.in_sync("events"))
                writer.wait_for_more()
        finally:
            writer.ended.set()
        self.check(writer, "events")
        table = self.local("status").stdout.decode()
        rows = [line.split() for line in table.splitlines() if line.split()[:1] in (["0"], ["1"], ["2"])]
        self.assertEqual([(row[1], row[-1]) for row in rows], [("ready", "1")] * 3, table)  # one restart each

    @needs_client
    def test_a_changed_configuration_restarts_one_broker_after_the_other_under_permits_and_writers_notice_no_error(self):
        self.up()
        before = self.pids()
        writer = Writer(self.status()["bootstrap"], "events", self.logs)
        least_ready, done, held = 3, set(), []
        try:
            writer.wait_for_more()
            self.edit("cluster.yaml", "  listeners:", "  config: {log.retention.hours: 5}\n  listeners:")
            self.millrace("apply", "-f", self.manifests, "--data-dir", self.data)

            def rolled():
                nonlocal least_ready
                status = self.status()
                least_ready = min(least_ready, sum(b["ready"] for b in status["brokers"]))
                held.append([row["id"] for row in self.brokers() if row.get("permit")])
                rollout = self.cluster()["status"]["rollout"]
                done.add((rollout["done"], rollout["total"]))
                return (status["ready"] and len(status["brokers"]) == 3 and rollout["done"] == 3 and held[-1] == [] and
                        all(b["pid"] not in (None, before[b["id"]]) for b in status["brokers"]))
            self.wait_for("all brokers were restarted", rolled)
            self.wait_for("all are in sync", lambda: self.in_sync("events"))
            writer.wait_for_more()
        finally:
            writer.ended.set()
        self.check(writer, "events")
        self.assertEqual(least_ready, 2, "never were two brokers away")
        self.assertTrue(done > {(3, 3)}, done)
        self.assertTrue(all(len(ids) <= 1 for ids in held), held)
        self.assertTrue(any(held), "no permit was seen")

    def test_a_topic_that_needs_all_its_brokers_blocks_restarts_and_is_named(self):
        self.up()
        self.apply(self.topic_manifest(name="strict", partitions=1, replicas=3, more="  config: {min.insync.replicas: 3}\n"))
        self.wait_for("the topic", lambda: (self.topic("strict") or {}).get("ready"))
        before = self.pids()
        self.edit("cluster.yaml", "  listeners:", "  config: {log.retention.hours: 5}\n  listeners:")
        self.millrace("apply", "-f", os.path.join(self.manifests, "cluster.yaml"), "--data-dir", self.data)
        self.wait_for("the refusal", lambda: "partition strict-0 needs 3 in-sync replicas" in self.why())
        block = self.cluster()["status"]["rollout"]["blockedBy"][0]
        self.assertEqual((block["rule"], block["object"]), ("MinInsync", "partition strict-0"))
        self.assertIn("since", block)
        self.assertEqual(self.pids(), before, "nobody was restarted")
        self.apply(self.topic_manifest(name="strict", partitions=1, replicas=3, more="  config: {min.insync.replicas: 2}\n"))
        self.wait_for("all brokers were restarted", lambda: self.status()["ready"] and not set(before.values()) & set(self.pids().values()))

    @needs_client
    def test_a_broker_is_added_gets_replicas_and_leaves_again_with_nothing_lost(self):
        self.up()
        writer = Writer(self.status()["bootstrap"], "events", self.logs)
        try:
            writer.wait_for_more()
            before = self.pids()
            self.scale(3, 4)
            self.wait_for_ready(4)
            self.assertEqual({id: self.pids()[id] for id in range(3)}, before, "those that ran go on undisturbed")
            self.assertEqual(self.members(self.status()["bootstrap"]), [0, 1, 2, 3])
            self.wait_for("replicas move to it", lambda: self.partitions(3) > 0)
            self.wait_for("all is even", lambda: self.condition("Progressing")["reason"] == "UpToDate")
            writer.wait_for_more()
            self.scale(4, 3)
            self.wait_for("broker 3 has left", lambda: [row["id"] for row in self.brokers()] == [0, 1, 2])
            self.wait_for_ready()
            self.wait_for("all are in sync", lambda: self.in_sync("events"))
            writer.wait_for_more()
        finally:
            writer.ended.set()
        self.check(writer, "events")
        self.assertEqual(self.members(self.status()["bootstrap"]), [0, 1, 2])
        self.assertEqual(self.pids(), before)
        self.assertTrue(os.path.exists(self.claim(3)), "what is on its disk is kept")
        self.scale(3, 4)  # with what is left of its earlier life
        self.wait_for_ready(4)
        self.wait_for("replicas move to it again", lambda: self.partitions(3) > 0)
        self.wait_for("all is even again", lambda: self.condition("Progressing")["reason"] == "UpToDate")
        self.check(writer, "events")

    def test_a_quorum_of_five_follows_five_brokers(self):
        self.edit("cluster.yaml", "replicas: 3", "replicas: 5")
        self.edit("cluster.yaml", "size: 10Gi", "size: 10Gi, deleteClaim: true")
        self.up()
        self.wait_for_ready(5)

        def voters():
            return [row["id"] for row in self.brokers() if row.get("votes")]
        self.wait_for("five vote", lambda: voters() == [0, 1, 2, 3, 4])
        self.scale(5, 4)
        self.wait_for("broker 4 has left", lambda: [row["id"] for row in self.brokers()] == [0, 1, 2, 3])
        self.wait_for("three vote", lambda: voters() == [0, 1, 2])
        self.wait_for("its claim has gone with it", lambda: not os.path.exists(self.claim(4)))
        self.assertTrue(os.path.exists(self.claim(3)))

    def test_fewer_brokers_than_a_topic_has_replicas_is_refused_and_taking_it_back_is_enough(self):
        self.up()
        self.scale(3, 2)
        self.wait_for("the refusal", lambda: self.condition("Ready")["reason"] == "CannotScaleDown")
        self.assertIn("topic events has 3 replicas", self.condition("Ready")["message"])
        self.assertIn("topic events has 3 replicas", self.why())
        self.assertEqual(len(self.status()["brokers"]), 3)
        self.scale(2, 3)
        self.wait_for_ready()

    def test_the_missing_voters_of_a_lost_quorum_are_named(self):
        self.up()
        pids = self.pids()
        for broker in (1, 2):
            os.kill(pids[broker], signal.SIGSTOP)
        try:
            self.wait_for("the loss is explained", lambda: "QuorumLost" in self.why())
            said = self.why()
            self.assertIn("needs 2 of its 3 voters and 1 answers; missing are broker 1", said)
            self.assertIn("broker 2", said)
        finally:
            for broker in (1, 2):
                os.kill(pids[broker], signal.SIGCONT)
        self.wait_for_ready()
        self.wait_for("nothing blocks", lambda: "Nothing blocks" in self.why())

    def test_one_broker_becomes_three(self):
        self.edit("cluster.yaml", "replicas: 3", "replicas: 1")
        self.edit("topics.yaml", "replicas: 3", "replicas: 1")
        self.up()
        run("kcat", "-b", self.status()["bootstrap"], "-P", "-t", "payments", input=b"kept\n")
        cluster_id = self.cluster()["status"]["clusterId"]
        self.edit("cluster.yaml", "replicas: 1", "replicas: 3")
        self.millrace("apply", "-f", os.path.join(self.manifests, "cluster.yaml"), "--data-dir", self.data)
        self.wait_for_ready()
        self.wait_for("the first broker knows of the others", lambda: self.cluster()["status"]["rollout"]["done"] == 3)
        self.wait_for_ready()
        self.assertEqual(self.cluster()["status"]["clusterId"], cluster_id)
        # Whoever was cut off while the only voter was restarted learns of it a moment later.
        self.wait_for("all know of each other", lambda: self.members(self.status()["bootstrap"]) == [0, 1, 2])
        read = run("kcat", "-b", self.status()["bootstrap"], "-C", "-t", "payments", "-o", "beginning", "-e", "-q").stdout
        self.assertEqual(read, b"kept\n")
        run("kcat", "-b", self.status()["bootstrap"], "-P", "-t", "payments", "-X", "acks=all", input=b"more\n")
        self.apply(self.topic_manifest(name="wide", partitions=3, replicas=3))
        self.wait_for("the topic", lambda: (self.topic("wide") or {}).get("ready"))


if __name__ == "__main__":
    unittest.main()
