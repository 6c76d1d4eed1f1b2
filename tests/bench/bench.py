#!/usr/bin/env python3
"""Speed and memory of the release build on this machine: prints a table, writes build/bench.json. Asserts nothing.

usage: bench.py BIN_DIRECTORY [--rounds N] [--only start,memory,throughput,latency,cluster] [--bootstrap HOST:PORT]

--bootstrap measures throughput and latency of another broker (Apache Kafka, say) with the same programs.
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
import clusters  # noqa: E402
import harness  # noqa: E402
from wire import API_VERSIONS, CREATE_TOPICS, METADATA, PRODUCE, Closed, Wire, batch, metadata, produce, text  # noqa: E402

GIB = 1 << 30
SIZES = (100, 1024, 10240)
THROUGHPUT_BYTES = 400_000_000  # a run's payload, so that a run takes seconds
LATENCY_REQUESTS = 20_000
RECEIVE_SECONDS_MAX = 30


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no VmRSS of process {pid}")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_ms():
    """From exec to the first Metadata answer, on an empty directory."""
    broker = harness.Broker()
    port = broker.kafka_port
    begin = time.perf_counter()
    with open(broker.log_path, "ab") as log:
        broker.process = subprocess.Popen(
            [str(harness.BINARIES / "millrace-broker"), "--data-dir", os.path.join(broker.directory, "data"),
             "--set", f"listeners=PLAINTEXT://127.0.0.1:{port}", "--set", f"millrace.http.listener=127.0.0.1:{broker.http_port}",
             "--set", "millrace.rpc.listener=127.0.0.1:0"],
            stdout=log, stderr=log)
    try:
        while time.perf_counter() - begin < RECEIVE_SECONDS_MAX:
            try:
                Wire(broker.bootstrap).call(METADATA, 4, metadata())
                return (time.perf_counter() - begin) * 1000
            except (OSError, Closed):
                continue
        raise RuntimeError(f"no Metadata answer\n{broker.log()}")
    finally:
        broker.stop()
        broker.remove()


def memory():
    broker = harness.Broker(num_partitions="1").start()
    try:
        pid, figures = broker.process.pid, {}
        Wire(broker.bootstrap).call(METADATA, 4, metadata())
        figures["idle MiB"] = resident_mib(pid)
        wire = Wire(broker.bootstrap)
        wire.call(CREATE_TOPICS, 2, struct.pack(">i", 1) + text("many") + struct.pack(">ihiiib", 1000, 1, 0, 0, 60000, 0))
        figures["1,000 idle partitions MiB"] = resident_mib(pid)
        load("produce", broker.bootstrap, "fill", 10240, GIB // 10240)
        figures["after 1 GiB produced MiB"] = resident_mib(pid)
        return figures
    finally:
        broker.stop()
        broker.remove()


def load(mode, bootstrap, topic, size, records):
    program = pathlib.Path(os.environ.get("MILLRACE_LOAD", harness.BINARIES.parent / "tests/load"))
    return json.loads(harness.run(program, mode, bootstrap, topic, size, records, timeout=300).stdout)


def throughput(bootstrap, pid, size, round_number):
    topic, records = f"throughput-{size}-{round_number}", THROUGHPUT_BYTES // size
    Wire(bootstrap).call(METADATA, 4, metadata([topic]))
    rows = {}
    for mode in ("produce", "consume"):
        before = cpu_seconds(pid) if pid else 0
        done = load(mode, bootstrap, topic, size, records)
        rows[f"{mode} {size} B MB/s"] = done["mb_per_s"]
        if pid:
            rows[f"{mode} {size} B broker CPU s/GB"] = (cpu_seconds(pid) - before) / (records * size / 1e9)
    return rows


def latency(bootstrap):
    """One Produce of 100 B at a time (acks=1), and one ApiVersions at a time."""
    rows = {}
    wire = Wire(bootstrap)
    wire.call(METADATA, 4, metadata(["latency"]))
    requests = {"produce 100 B": (PRODUCE, 8, produce("latency", batch([b"x" * 100], int(time.time() * 1000)))), "ApiVersions": (API_VERSIONS, 0, b"")}
    for name, request in requests.items():
        times = []
        for _ in range(LATENCY_REQUESTS):
            begin = time.perf_counter()
            wire.call(*request)
            times.append((time.perf_counter() - begin) * 1e6)
        times = sorted(times[LATENCY_REQUESTS // 10:])  # the first tenth warms both sides up
        for label, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
            rows[f"{name} {label} us"] = times[int(len(times) * share)]
    return rows


def measured(arguments):
    sections = arguments.only.split(",")
    for round_number in range(arguments.rounds):
        if "start" in sections and not arguments.bootstrap:
            yield {"exec to first Metadata ms": start_ms()}
        if "memory" in sections and not arguments.bootstrap:
            yield memory()
        if not {"latency", "throughput"} & set(sections):
            continue
        broker = None if arguments.bootstrap else harness.Broker().start()
        bootstrap, pid = (arguments.bootstrap, None) if arguments.bootstrap else (broker.bootstrap, broker.process.pid)
        try:
            if "latency" in sections:
                yield latency(bootstrap)
            if "throughput" in sections:
                for size in SIZES:
                    yield throughput(bootstrap, pid, size, round_number)
        finally:
            if broker:
                broker.stop()
                broker.remove()


def measured_clusters(arguments):
    if "cluster" not in arguments.only.split(",") or arguments.bootstrap:
        return
    for _ in range(arguments.rounds):
        yield from clusters.with_cluster(lambda cluster: clusters.throughput(cluster, load, cpu_seconds))
        yield from clusters.with_cluster(clusters.latency)
        yield from clusters.with_cluster(lambda cluster: clusters.rates(cluster, load))
    yield from clusters.with_cluster(lambda cluster: clusters.gaps(cluster, arguments.kills))
    yield from clusters.with_cluster(lambda cluster: clusters.many(cluster, resident_mib, cpu_seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_directory", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="start,memory,latency,throughput,cluster")
    parser.add_argument("--kills", type=int, default=20, help="of a leader, in the part cluster")
    parser.add_argument("--bootstrap")
    arguments = parser.parse_args()
    harness.BINARIES = arguments.bin_directory.resolve()
    if "cluster" in arguments.only.split(","):
        harness.use_newer_clients()

    figures = {}
    for rows in itertools.chain(measured(arguments), measured_clusters(arguments)):
        for name, value in rows.items():
            figures.setdefault(name, []).append(value)
    print(f"{'figure':44} {'median':>10} {'least':>10} {'most':>10}   runs")
    for name, values in figures.items():
        print(f"{name:44} {statistics.median(values):10.2f} {min(values):10.2f} {max(values):10.2f}   {len(values)}")
    output = harness.TOP / "build/bench.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"written to {output.relative_to(harness.TOP)}")


main()
