"""A million records of real text with each codec: all arrive once, in order per partition, byte for byte (the program roundtrip checks)."""

import os
import pathlib
import tempfile
import unittest

from harness import BINARIES, BrokerTest, real_text, run, skip

ROUNDTRIP = pathlib.Path(os.environ.get("MILLRACE_ROUNDTRIP", BINARIES.parent / "tests/roundtrip"))
RECORDS = int(os.environ.get("MILLRACE_ROUNDTRIP_RECORDS", 1_000_000))
PARTITIONS = 3

if not ROUNDTRIP.exists():
    skip("the program roundtrip was not built: install the Debian package librdkafka-dev and build again")


class Codecs(BrokerTest):
    properties = {"log_segment_bytes": "33554432"}  # small segments, so that reading crosses many of them

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.text = tempfile.NamedTemporaryFile()
        cls.text.write(b"\n".join(real_text(400_000)) + b"\n")
        cls.text.flush()

    def round_trip(self, codec):
        done = run(ROUNDTRIP, "--bootstrap", self.bootstrap, "--topic", f"text-{codec}", "--codec", codec, "--records", RECORDS,
                   "--partitions", PARTITIONS, "--text", self.text.name, timeout=280)
        print(done.stdout.decode(), end="", flush=True)

    def test_uncompressed(self):
        self.round_trip("none")

    def test_gzip(self):
        self.round_trip("gzip")

    def test_snappy(self):
        self.round_trip("snappy")

    def test_lz4(self):
        self.round_trip("lz4")

    def test_zstd(self):
        self.round_trip("zstd")


if __name__ == "__main__":
    unittest.main()
