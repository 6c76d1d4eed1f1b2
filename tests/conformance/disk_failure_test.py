"""A disk that fails while the broker runs: what nobody can be promised any more ends the process, with its own exit code and one line."""

import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

from harness import BINARIES, READY_SECONDS_MAX, STOP_SECONDS_MAX, free_ports, until
from wire import METADATA, PRODUCE, Wire, batch, metadata, produce, produced

FATAL_DISK_ERROR = 3
STORAGE_ERROR = 56


class DiskFailure(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="millrace-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def start(self, **limits):
        kafka, http = free_ports(2)
        self.bootstrap = f"127.0.0.1:{kafka}"
        # Its words go into a pipe: the limit below also holds for files that it logs to.
        process = subprocess.Popen([str(BINARIES / "millrace-broker"), "--data-dir", os.path.join(self.directory, "data"),
                                    "--set", f"listeners=PLAINTEXT://{self.bootstrap}", "--set", f"millrace.http.listener=127.0.0.1:{http}",
                                    "--set", "millrace.rpc.listener=127.0.0.1:0"],
                                   stderr=subprocess.PIPE, **limits)
        self.addCleanup(self.end, process)

        def connects():
            self.assertIsNone(process.poll(), "the broker did not start")
            try:
                with socket.create_connection(("127.0.0.1", kafka)):
                    return True
            except ConnectionError:
                return False
        until(connects, "the broker takes connections", READY_SECONDS_MAX)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stderr.close()

    def make_topic(self, name):
        with Wire(self.bootstrap) as wire:
            for _ in range(100):  # the first answer may say that the topic is being made
                if struct.pack(">hh", 0, len(name)) in wire.call(METADATA, 4, metadata([name])):
                    return
        self.fail(f"{name} was not made")

    def test_a_metadata_log_that_cannot_be_written_ends_the_process_with_3_and_one_line(self):
        process = self.start()
        self.make_topic("before")
        with Wire(self.bootstrap) as wire:
            self.assertEqual(produced(wire.call(PRODUCE, 8, produce("before", batch([b"kept"])))), (0, 0))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
        with Wire(self.bootstrap) as wire:
            # A partition alone answers an error and the broker stays.
            self.assertEqual(produced(wire.call(PRODUCE, 8, produce("before", batch([b"lost"]))))[0], STORAGE_ERROR)
            self.assertIsNone(process.poll())
            wire.send(METADATA, 4, metadata(["after"]))
            code = process.wait(STOP_SECONDS_MAX)
        said = process.communicate()[1].decode().splitlines()
        self.assertEqual(code, FATAL_DISK_ERROR, said)
        self.assertTrue(said[-1].startswith(f"millrace-broker: the disk of {self.directory}/data failed: "), said[-1])
        self.assertTrue(said[-1].endswith("; check it, then start the broker again"), said[-1])

        again = self.start()
        with Wire(self.bootstrap) as wire:
            self.assertEqual(produced(wire.call(PRODUCE, 8, produce("before", batch([b"next"])))), (0, 1), "what was acknowledged is there")
        again.send_signal(signal.SIGTERM)
        self.assertEqual(again.wait(STOP_SECONDS_MAX), 0)

    def test_the_limit_of_open_files_is_raised_to_the_hard_one(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        process = self.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard)))
        self.assertEqual(resource.prlimit(process.pid, resource.RLIMIT_NOFILE), (hard, hard))
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=STOP_SECONDS_MAX)[1].decode()
        self.assertIn("was=200", said)

    def test_a_low_hard_limit_of_open_files_is_warned_of(self):
        process = self.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500)))
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=STOP_SECONDS_MAX)[1].decode()
        self.assertIn("the limit of open files is low", said)


if __name__ == "__main__":
    unittest.main()
