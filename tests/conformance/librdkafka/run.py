#!/usr/bin/env python3
"""librdkafka's own tests, unmodified, against three brokers.

Every numbered test that needs a broker is run by itself with a time limit, in the scenario it is written for: "default" (topics are
created on first use) or "noautocreate". Tests that wait for an API which the brokers do not have are in waiting.txt and are run only when
they are named; a line there whose APIs all exist is a failure. The source is got and built in build/librdkafka by source.py.
"""

import argparse
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import source  # noqa: E402
from harness import TOP, Cluster, skip  # noqa: E402
from wire import API_VERSIONS, Wire  # noqa: E402

LOGS = source.PLACE / "logs"
APPEAR_AS = "4.4.0"  # the Apache Kafka whose APIs and versions the brokers serve; the tests ask only whether it is older than 3.1
SECONDS_MAX = 400  # of one test, or part of one
WHAT_MAX = 200  # characters of a complaint
# Its number is also that of one that waits; this subtest is all of it.
ALL_OF = {"0045_subscribe_update_non_exist_and_partchange": "do_test_non_exist_and_partchange"}
NEED_KAFKA_TOOLS = {"0045_subscribe_update_non_exist_and_partchange"}  # and many of those that wait
QUICK = ["0001", "0002", "0005", "0007", "0008", "0011", "0012", "0013", "0014", "0017", "0022", "0031", "0034", "0036", "0044", "0048",
         "0054", "0057", "0059", "0060", "0063", "0070", "0073", "0085", "0099", "0101", "0112", "0130", "0111"]


@dataclass
class Test:
    name: str
    scenario: str

    @property
    def number(self):
        return self.name[:4]


@dataclass
class Waiting:
    name: str
    for_what: list
    parts: list  # of the test that need nothing that is missing: what is in names of its subtests, or "as VERSION"


@dataclass
class Result:
    name: str
    state: str
    seconds: float
    what: str = ""


def tests_of_source():
    """The tests that need a broker, in the order of the source; those that are broken everywhere or are run by hand are left out."""
    text = (source.SOURCE / "tests/test.c").read_text()
    tests = []
    for row in text[text.index("struct test tests[]"):].split("_TEST(")[1:]:
        name, flags = re.match(r"(\w+),\s*([\w\s|]+)", row).groups()
        if not re.search(r"\b(TEST_F_LOCAL|TEST_F_MANUAL|TEST_F_KNOWN_ISSUE)\b", flags):
            scenario = re.search(r'\.scenario = "(\w+)', row)
            tests.append(Test(name, scenario[1] if scenario else "default"))
    return tests


def read_waiting():
    """The lines of waiting.txt by the name of the test."""
    found = {}
    for line in (HERE / "waiting.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, for_what, parts = (field.strip() for field in f"{line}||".split("|")[:3])
            found[name] = Waiting(name, [w.strip() for w in for_what.split(",")], [p.strip() for p in parts.split(";") if p.strip()])
    return found


class Brokers:
    """Three brokers as the tests expect Apache Kafka's: its defaults, three racks, and what the scenario says."""

    def __init__(self, scenario):
        self.cluster = Cluster(num_partitions="4", auto_create_topics_enable="false" if scenario == "noautocreate" else "true",
                               min_insync_replicas="1", group_initial_rebalance_delay_ms="3000",
                               replica_selector_class="org.apache.kafka.common.replica.RackAwareReplicaSelector")
        self.scenario, self.bootstrap = scenario, self.cluster.bootstrap

    def __enter__(self):
        self.cluster.start()
        return self

    def __exit__(self, *_):
        for i, broker in enumerate(self.cluster.brokers):
            log = pathlib.Path(broker.log_path)
            (LOGS / f"broker-{self.scenario}-{i}.log").write_text(log.read_text(errors="replace"))
        self.cluster.remove()

    def dead(self):
        return [i for i, broker in enumerate(self.cluster.brokers) if broker.process.poll() is not None]


class Runner:
    """Runs the tests' own program, one number at a time."""

    def __init__(self, brokers, kafka, quick):
        self.brokers, self.kafka, self.quick = brokers, kafka, quick
        self.ended = {}  # how the program ended and after how many seconds, by its log
        self.conf = pathlib.Path(brokers.cluster.brokers[0].directory) / "test.conf"  # goes with the brokers
        self.conf.write_text(f"bootstrap.servers={brokers.bootstrap}\nbroker.address.family=v4\ntest.timeout.multiplier=2\n")

    def run(self, test, part=None):
        environment = {**os.environ, "TESTS": test.number, "TEST_SCENARIO": test.scenario, "TEST_KAFKA_VERSION": APPEAR_AS,
                       "RDKAFKA_TEST_CONF": str(self.conf), "BROKERS": self.brokers.bootstrap,
                       "LD_LIBRARY_PATH": f"{source.SOURCE}/src:{source.SOURCE}/src-cpp"}
        environment.pop("CI", None)  # with it they leave out some of what they measure
        older = part and re.fullmatch(r"as ([\d.]+)", part)  # it leaves out what such a broker does not have
        if older:
            environment["TEST_KAFKA_VERSION"] = older[1]
        elif part:
            environment["SUBTESTS"] = part
        if self.kafka:
            environment["KAFKA_PATH"] = str(self.kafka)
        name = f"{test.name} {part}" if part else test.name
        log = LOGS / f"{test.number}-{test.scenario}{'-' + re.sub(r'[^a-zA-Z0-9]+', '-', part) if part else ''}.log"
        if log not in self.ended:  # one run is for all tests that share the number
            begin = time.monotonic()
            self.ended[log] = self.program(environment, log, SECONDS_MAX), time.monotonic() - begin
        ended, seconds = self.ended[log]
        text = re.sub(r"\x1b\[[0-9;]*m|\x1b\(B", "", log.read_text(errors="replace"))
        state, what = "FAILED", f"the test program {ended}"
        if row := re.search(rf"^\|\s*{test.name}\s*\|\s*(\w+)\s*\|\s*([\d.]+)s\s*\|(.*)$", text, re.M):
            state, seconds, what = row[1], float(row[2]), row[3].strip()
        if complaint := re.search(rf'^### Test "(?:{test.name}|<MAIN>)\W.*\n(.*)', text, re.M):
            state, what = "FAILED", complaint[1]
        if part and not older and state == "PASSED" and not any(part in title for title in re.findall(r"\[ (\w+:\d+.*) \]", text)):
            state, what = "FAILED", "it has no such part"
        return Result(name, state, seconds, what[:WHAT_MAX])

    def program(self, environment, log, seconds_max):
        """Runs it to its end, or until its time is over, and says which."""
        options = ["-p1", "-L", "-K", "-Q"] if self.quick else ["-p1", "-L", "-K"]
        with open(log, "w") as out:
            process = subprocess.Popen([str(source.RUNNER), *options], cwd=source.SOURCE / "tests", env=environment,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            try:
                return f"ended with {process.wait(seconds_max)}"
            except subprocess.TimeoutExpired:
                return f"did not end within {seconds_max} s"
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)  # also what it started
                except ProcessLookupError:
                    pass
                process.wait()


def served_apis(bootstrap):
    """The names of the APIs that the brokers serve, as the schemas spell them."""
    names = {}
    for schema in (TOP / "broker/protocol/schemas").glob("*.schema"):
        names.update((int(key), name) for key, name in re.findall(r"^api (\d+) (\w+)", schema.read_text(), re.M))
    with Wire(bootstrap.partition(",")[0]) as wire:
        body = wire.call(API_VERSIONS, 0, b"")  # error, count, then key and versions of each
    keys = struct.unpack_from(f">{3 * struct.unpack_from('>i', body, 2)[0]}h", body, 6)[::3]
    return {names[key] for key in keys if key in names}


def needless(waits, bootstrap):
    """Tests that are said to wait although all that they wait for are APIs that are there by now."""
    served = served_apis(bootstrap)
    return [wait.name for wait in waits.values() if all(what in served for what in wait.for_what)]


def main():
    parser = argparse.ArgumentParser(description="runs librdkafka's tests against three brokers")
    parser.add_argument("tests", nargs="*", help="numbers or names, such as 0012 or 0045_subscribe_update; without: all that do not wait")
    parser.add_argument("--quick", action="store_true", help="some of them, with less data, in about a minute")
    parser.add_argument("--built", action="store_true", help="skip when librdkafka is not built yet")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="of the build")
    arguments = parser.parse_args()
    if arguments.built and not source.BUILT.exists():
        skip("librdkafka's tests are not built: run ./dev librdkafka once")
    source.build(arguments.jobs)
    LOGS.mkdir(exist_ok=True)
    kafka = None if arguments.quick else source.offer_kafka_tools()
    waits, tests = read_waiting(), tests_of_source()
    if unknown := set(waits) - {t.name for t in tests}:
        sys.exit("waiting.txt has tests that are not there: " + ", ".join(sorted(unknown)))
    named = arguments.tests or (QUICK if arguments.quick else [])
    if unknown := [name for name in named if not any(name in (t.name, t.number) for t in tests)]:
        sys.exit("no test " + ", ".join(unknown))
    chosen = [t for t in tests if not named or t.name in named or t.number in named]
    return report(*run_all(chosen, waits, bool(arguments.tests), kafka, arguments.quick))


def run_all(chosen, waits, also_waiting, kafka, quick):
    """(results, tests that wait, tests that need not wait any more)"""
    results, waiting, stale = [], [], []
    print(f"{'test':50} {'state':8} {'seconds':>8}", flush=True)

    def add(result):
        results.append(result)
        print(f"{result.name:50} {result.state:8} {result.seconds:8.1f} {result.what}", flush=True)

    for scenario in dict.fromkeys(t.scenario for t in chosen):
        with Brokers(scenario) as brokers:
            runner, stale = Runner(brokers, kafka, quick), needless(waits, brokers.bootstrap)
            for test in (t for t in chosen if t.scenario == scenario):
                wait = waits.get(test.name)
                if test.name in NEED_KAFKA_TOOLS and not kafka:
                    add(Result(test.name, "SKIPPED", 0, "Apache Kafka's tools are not here"))
                elif not wait or also_waiting:
                    add(runner.run(test, ALL_OF.get(test.name)))
                else:
                    waiting.append(wait)
                    print(f"{test.name:50} {'waits':17} for {', '.join(wait.for_what)}", flush=True)
                    for part in wait.parts:
                        add(runner.run(test, part))
                if dead := brokers.dead():
                    sys.exit(f"broker {dead} is gone: see {LOGS}")
    return results, waiting, stale


def report(results, waiting, stale):
    failed = [r for r in results if r.state not in ("PASSED", "SKIPPED")]
    skipped = [r for r in results if r.state == "SKIPPED"]
    print(f"\n{len(results) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped, {len(waiting)} wait")
    for result in failed:
        print(f"failed: {result.name}: {result.what}; its log is in {LOGS}")
    for name in stale:
        print(f"failed: {name} waits in waiting.txt for what the brokers have: take its line away")
    return bool(failed or stale)


if __name__ == "__main__":
    sys.exit(main())
