#!/usr/bin/env python3
"""crds/ in a real API server: the definitions are accepted, samples/taken_* are taken, samples/refused_* are refused with
the words of their first line. Each document of a sample is applied in turn; only the last one may be refused. The same
samples are read by operator/api, so that the local API server and the real one agree.

Needs ../shared/kube; exits with 77 (skipped) where that is missing.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
KUBE = TOP.parent / "shared" / "kube"
SAMPLES = sorted((TOP / "tests/crds/samples").glob("*.yaml"))

if not (KUBE / "up").exists():
    print(f"skipped: {KUBE}/up is missing, so there is no API server to ask")
    sys.exit(77)


class Crds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.state = tempfile.TemporaryDirectory(prefix="millrace-crds-")
        cls.environment = dict(os.environ, MILLRACE_KUBE_DIR=cls.state.name)
        cls.addClassCleanup(cls.state.cleanup)
        cls.addClassCleanup(subprocess.run, [KUBE / "down"], env=cls.environment, check=False, capture_output=True)
        up = subprocess.run([KUBE / "up", "--apiserver-only"], env=cls.environment, check=True, capture_output=True, text=True)
        cls.environment["KUBECONFIG"] = up.stdout.strip().splitlines()[-1]
        cls.kubectl("apply", "-f", TOP / "crds")
        cls.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/kafkaclusters.millrace.dev", "crd/kafkatopics.millrace.dev")

    @classmethod
    def kubectl(cls, *words, text=None, check=True):
        done = subprocess.run([KUBE / "bin/kubectl", *map(str, words)], env=cls.environment, input=text, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
        return done

    def tearDown(self):
        self.kubectl("delete", "kafkaclusters,kafkatopics", "--all")

    def apply(self, document, check=True):
        return self.kubectl("apply", "--validate=strict", "-f", "-", text=document, check=check)

    def test_the_definitions_are_structural_and_nothing_in_them_is_unknown(self):
        for name in ("kafkaclusters", "kafkatopics"):
            self.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", TOP / f"crds/{name}.yaml")
            conditions = self.kubectl("get", "crd", f"{name}.millrace.dev", "-o", "jsonpath={.status.conditions[*].type}").stdout
            self.assertNotIn("NonStructuralSchema", conditions)

    def test_samples(self):
        self.assertTrue(SAMPLES)
        for sample in SAMPLES:
            with self.subTest(sample.name):
                text = sample.read_text()
                *before, last = text.split("---\n")
                for document in before:
                    self.apply(document)
                answer = self.apply(last, check=False)
                if sample.name.startswith("taken_"):
                    self.assertEqual(answer.returncode, 0, answer.stderr)
                else:
                    words = re.match(r"# says: (.*)", text)[1]
                    self.assertNotEqual(answer.returncode, 0, f"it was taken: {answer.stdout}")
                    self.assertIn(words, answer.stderr)
                self.tearDown()

    def test_defaults_columns_and_short_names(self):
        self.apply((TOP / "tests/crds/samples/taken_topic_smallest.yaml").read_text())
        self.apply((TOP / "tests/crds/samples/taken_cluster_smallest.yaml").read_text())
        spec = self.kubectl("get", "kft", "payments", "-o", "jsonpath={.spec}").stdout
        self.assertIn('"deletionPolicy":"Delete"', spec)
        self.assertRegex(self.kubectl("get", "kfc").stdout.splitlines()[0], r"NAME\s+READY\s")
        self.assertRegex(self.kubectl("get", "kft").stdout.splitlines()[0], r"CLUSTER\s+READY\s")

    def status_of(self, kind, name):
        return json.loads(self.kubectl("get", kind, name, "-o", "json").stdout).get("status", {})

    def patch_status(self, kind, name, status, check=True):
        return self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}), check=check)

    def test_a_whole_status_is_kept_and_what_is_not_in_the_schema_is_not(self):
        for kind, plural, name in (("kafkacluster", "kfc", "orders"), ("kafkatopic", "kft", "payments")):
            sample = "cluster" if plural == "kfc" else "topic"
            self.apply((TOP / f"tests/crds/samples/taken_{sample}_smallest.yaml").read_text())
            whole = json.loads((TOP / f"tests/crds/status/{kind}.json").read_text())
            self.patch_status(plural, name, whole)
            self.assertEqual(self.status_of(plural, name), whole)
            self.patch_status(plural, name, {"partitons": 7})
            self.assertEqual(self.status_of(plural, name), whole, "a field that is not in the schema is dropped")
            for wrong in ({"replicas": "three"}, {"conditions": [{"type": "Ready", "status": "Maybe"}]}, {"observedGeneration": True}):
                refused = self.patch_status(plural, name, wrong, check=False)
                self.assertNotEqual(refused.returncode, 0, wrong)
                self.assertIn("status." + next(iter(wrong)), refused.stderr)

    def test_scale_and_status_are_subresources(self):
        self.apply((TOP / "tests/crds/samples/taken_cluster_smallest.yaml").read_text())
        self.kubectl("scale", "kfc", "orders", "--replicas=5")
        self.assertEqual(self.kubectl("get", "kfc", "orders", "-o", "jsonpath={.spec.replicas}/{.metadata.generation}").stdout, "5/2")
        status = '{"status":{"replicas":5,"selector":"a=b","conditions":[{"type":"Ready","status":"True"}]}}'
        self.kubectl("patch", "kfc", "orders", "--subresource=status", "--type=merge", "-p", status)
        self.assertEqual(self.kubectl("get", "kfc", "orders", "-o", "jsonpath={.metadata.generation}").stdout, "2")
        self.assertRegex(self.kubectl("get", "kfc", "orders").stdout, r"orders\s+True")


if __name__ == "__main__":
    unittest.main()
