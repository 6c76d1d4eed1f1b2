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
from harness import BINARIES, TOP, WAIT_SECONDS_MAX, need, run, until  # noqa: E402

need("kcat", "kcat")
MILLRACE = BINARIES / "millrace"


class Local(unittest.TestCase):
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

    def topic(self, name):
        return next((t for t in self.status()["topics"] if t["name"] == name), None)

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

    def apply(self, manifest, **options):
        path = os.path.join(self.directory, "change.yaml")
        pathlib.Path(path).write_text(manifest)
        return self.millrace("apply", "-f", path, "--data-dir", self.data, **options)

    def topic_manifest(self, name="invoices", partitions=2, cluster="local", more=""):
        return (f"apiVersion: millrace.dev/v1alpha1\nkind: KafkaTopic\nmetadata: {{name: {name}}}\n"
                f"spec:\n  clusterRef: {{name: {cluster}}}\n  partitions: {partitions}\n  replicas: 1\n{more}")

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

    def described(self, kind, name):
        return self.millrace("describe", kind, name, "--data-dir", self.data).stdout.decode()

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
        self.apply(self.topic_manifest(name="wide").replace("replicas: 1", "replicas: 3"))
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


if __name__ == "__main__":
    unittest.main()
