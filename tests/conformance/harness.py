"""Starts brokers for the conformance tests and runs other people's clients against them.

Every broker listens on free ports of 127.0.0.1 with its data in a new temporary directory, and is stopped by its pid. With
MILLRACE_BOOTSTRAP set, tests that need no hold on the process run against that broker instead, so that a test can be tried against
Apache Kafka itself.
"""

import atexit
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("MILLRACE_BIN", TOP / "build/release/bin"))
KAFKA_TOOL = TOP.parent / "shared/peers/kafka/tool"
SKIPPED = 77  # ctest's SKIP_RETURN_CODE
READY_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20
WAIT_SECONDS_MAX = 60
CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAA"  # of clusters of several brokers


def skip(reason):
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(SKIPPED)


def use_newer_clients():
    """Runs this program again with the clients of cmake/install-packages, which are newer than Debian's."""
    clients = TOP / "build/clients"
    if pathlib.Path(sys.prefix) == clients:
        return
    if not (clients / "requirements.txt").exists():
        skip(f"{clients} is missing: run cmake/install-packages test where Python's package index can be reached")
    python = str(clients / "bin/python")
    os.execv(python, [python, "-B", *sys.argv])


def need(command, package):
    if not shutil.which(command):
        skip(f"{command} is missing: install the Debian package {package}")


def need_kafka_tools():
    """Skips the whole file when Apache Kafka's tools cannot be run here."""
    if not KAFKA_TOOL.exists():
        skip("../shared/peers/kafka, which runs Apache Kafka's tools, is not beside this checkout")
    if not shutil.which("java") or not shutil.which("mvn"):
        skip("java or mvn is missing: install openjdk-17-jre-headless and maven")
    if subprocess.run([str(KAFKA_TOOL.parent / "fetch")], capture_output=True).returncode != 0:
        skip("Apache Kafka's tools could not be resolved from Maven Central")


_given_ports = set()


def free_ports(count):
    """Ports that were free a moment ago and that nobody in this process was given before."""
    sockets, ports = [], []
    try:
        while len(ports) < count:  # all are held at once, so that they differ
            sockets.append(socket.socket())
            sockets[-1].bind(("127.0.0.1", 0))
            port = sockets[-1].getsockname()[1]
            if port not in _given_ports:
                ports.append(port)
        _given_ports.update(ports)
        return ports
    finally:
        for s in sockets:
            s.close()


def until(condition, what, seconds_max=WAIT_SECONDS_MAX):
    """Asks another process again and again until the answer holds, and returns it. `what` is text, or makes it when it is needed."""
    deadline = time.monotonic() + seconds_max
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds_max} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def show(evidence):
    """Prints what is long before a test fails, so that what it says, at the end, is short."""
    print(evidence, flush=True)
    return "(what there was to see is printed above)"


def run(*command, input=None, timeout=120, check=True):
    """Runs a client to its end and returns what it printed; raises with all of its output when it fails."""
    done = subprocess.run([str(c) for c in command], input=input, capture_output=True, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"{command[0]} exited {done.returncode}\n{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}")
    return done


class Broker:
    """One millrace-broker process and its data directory; the directory outlives stop() and kill() so that start() finds it again."""

    host, launcher = "127.0.0.1", []  # a subclass may run it elsewhere

    def __init__(self, **properties):
        self.kafka_port, self.http_port = free_ports(2)
        self.bootstrap = f"{self.host}:{self.kafka_port}"
        self.directory = tempfile.mkdtemp(prefix="millrace-test-")
        self.properties = properties
        self.log_path = os.path.join(self.directory, "broker.log")
        self.process = None
        atexit.register(self.remove)  # also when whoever reads what the test prints is gone

    def start(self):
        settings = {"listeners": f"PLAINTEXT://{self.bootstrap}", "millrace.http.listener": f"{self.host}:{self.http_port}",
                    "millrace.rpc.listener": f"{self.host}:0",
                    "group.initial.rebalance.delay.ms": "100"}
        settings.update({name.replace("_", "."): value for name, value in self.properties.items()})
        command = [*self.launcher, str(BINARIES / "millrace-broker"), "--data-dir", os.path.join(self.directory, "data")]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self.is_ready, lambda: f"the broker is ready\n{self.log()}", READY_SECONDS_MAX)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the broker exited {self.process.returncode} before it was ready\n{self.log()}")
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.http_port}/readyz", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.host}:{self.http_port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def log(self):
        return pathlib.Path(self.log_path).read_text(errors="replace")[-8000:]

    def kill(self):
        """SIGKILL: what a crash of the process leaves behind."""
        self.process.kill()
        self.process.wait(STOP_SECONDS_MAX)

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the broker did not stop within {STOP_SECONDS_MAX} s of SIGTERM\n{self.log()}") from None

    def remove(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cluster:
    """Brokers 0, 1, … of one cluster. The first `voters` of them begin the metadata quorum, and each is told of all of those."""

    def __init__(self, count=3, voters=3, **properties):
        rpc = free_ports(count)
        quorum = ",".join(f"{i}@127.0.0.1:{rpc[i]}" for i in range(voters))
        settings = {"default_replication_factor": "3", "min_insync_replicas": "2", **properties}
        self.brokers = [Broker(node_id=str(i), broker_rack=f"rack-{i}", millrace_cluster_id=CLUSTER_ID, controller_quorum_voters=quorum,
                               millrace_rpc_listener=f"127.0.0.1:{rpc[i]}", **settings) for i in range(count)]
        self.bootstrap = ",".join(broker.bootstrap for broker in self.brokers)

    def start(self, brokers=None):
        # All at once: none is ready before most of the voters are there.
        failures = []

        def start(broker):
            try:
                broker.start()
            except AssertionError as failure:
                failures.append(failure)

        starts = [threading.Thread(target=start, args=(broker,)) for broker in self.brokers if brokers is None or broker in brokers]
        for thread in starts:
            thread.start()
        for thread in starts:
            thread.join()
        if failures:
            raise failures[0]
        return self

    def logs(self):
        return show("".join(f"---- broker {i}\n{broker.log()}" for i, broker in enumerate(self.brokers)))

    def remove(self):
        for broker in self.brokers:
            broker.remove()


class BrokerTest(unittest.TestCase):
    """Tests of one file share one broker, and each uses topics and groups named after itself."""

    properties = {}

    @classmethod
    def setUpClass(cls):
        cls.broker = None
        cls.bootstrap = os.environ.get("MILLRACE_BOOTSTRAP")
        if not cls.bootstrap:
            cls.broker = Broker(**cls.properties).start()
            cls.bootstrap = cls.broker.bootstrap

    @classmethod
    def tearDownClass(cls):
        if cls.broker:
            try:
                code = cls.broker.stop()
                assert code == 0, f"the broker exited {code} on SIGTERM\n{cls.broker.log()}"
            finally:
                cls.broker.remove()

    def name(self):
        return self.id().rsplit(".", 1)[-1].replace("_", "-")


def real_text(lines_max):
    """Lines of real text that every Debian machine has, of many lengths, some empty."""
    lines = []
    for place in ("/usr/share/common-licenses", "/usr/include"):
        for file in sorted(pathlib.Path(place).rglob("*")):
            if file.is_file() and len(lines) < lines_max:
                lines += file.read_bytes().splitlines()
    return lines[:lines_max]
