"""kcat (librdkafka 2.0.2) against the broker."""

import json
import unittest

from harness import BrokerTest, need, real_text, run

need("kcat", "kcat")


class Kcat(BrokerTest):
    def kcat(self, *arguments, **options):
        return run("kcat", "-b", self.bootstrap, *arguments, **options)

    def test_lists_the_broker_and_its_topics(self):
        self.kcat("-P", "-t", self.name(), input=b"one\n")
        listing = json.loads(self.kcat("-L", "-J").stdout)
        host, port = self.bootstrap.split(":")
        self.assertEqual([b["name"] for b in listing["brokers"]], [f"{host}:{port}"])
        self.assertIn(self.name(), [t["topic"] for t in listing["topics"]])

    def test_what_is_produced_comes_back_in_order(self):
        lines = [line for line in real_text(20000) if line]
        self.kcat("-P", "-t", self.name(), "-p", "0", input=b"\n".join(lines) + b"\n")
        consumed = self.kcat("-C", "-t", self.name(), "-p", "0", "-o", "beginning", "-e", "-q").stdout
        self.assertEqual(consumed, b"\n".join(lines) + b"\n")

    def test_keys_headers_and_empty_values_survive(self):
        self.kcat("-P", "-t", self.name(), "-K", ":", "-H", "trace=abc", "-H", "empty=", input=b"k1:v1\nk2:\n")
        consumed = self.kcat("-C", "-t", self.name(), "-o", "beginning", "-e", "-q", "-J").stdout
        records = [json.loads(line) for line in consumed.splitlines()]
        self.assertEqual([(r["key"], r["payload"]) for r in records], [("k1", "v1"), ("k2", "")])
        self.assertEqual(records[0]["headers"][:2], ["trace", "abc"])

    def test_an_offset_in_the_middle_is_honoured(self):
        self.kcat("-P", "-t", self.name(), "-p", "0", input=b"".join(b"%d\n" % i for i in range(1000)))
        consumed = self.kcat("-C", "-t", self.name(), "-p", "0", "-o", "990", "-e", "-q").stdout
        self.assertEqual(consumed.split(), [b"%d" % i for i in range(990, 1000)])

    def test_time_finds_an_offset(self):
        self.kcat("-P", "-t", self.name(), "-p", "0", input=b"early\n")
        answer = self.kcat("-Q", "-t", f"{self.name()}:0:0").stdout.decode()
        self.assertIn("offset 0", answer)

    def test_a_group_reads_all_and_resumes_after_its_commit(self):
        topic, group = self.name(), self.name()
        self.kcat("-P", "-t", topic, input=b"a\nb\nc\n")
        first = self.kcat("-G", group, "-X", "auto.offset.reset=earliest", "-e", "-q", topic).stdout
        self.assertEqual(sorted(first.split()), [b"a", b"b", b"c"])
        self.kcat("-P", "-t", topic, input=b"d\n")
        second = self.kcat("-G", group, "-X", "auto.offset.reset=earliest", "-e", "-q", topic).stdout
        self.assertEqual(second.split(), [b"d"])


if __name__ == "__main__":
    unittest.main()
