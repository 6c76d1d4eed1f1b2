"""What three brokers on this machine do, for bench.py: each part yields {figure: value} once a round."""

import signal
import struct
import threading
import time

import harness
from wire import CREATE_TOPICS, PRODUCE, Wire, batch, produce, text

PRODUCE_BYTES = 200_000_000
LATENCY_REQUESTS = 5_000
RATES, RATE_PARTITIONS = (1_000, 10_000), 16
GAP_RATE = 500  # records a second, each waited for by nobody
SETTLE_SECONDS_MAX = 60
IDLE_SECONDS = 20
MANY_TOPICS, IDLE_TOPICS, IDLE_PARTITIONS = 1000, 5, 1000


def create(bootstrap, names, partitions, replicas):
    """CreateTopics v2, in one request."""
    topics = b"".join(text(name) + struct.pack(">ihii", partitions, replicas, 0, 0) for name in names)
    with Wire(bootstrap.split(",")[0]) as wire:
        wire.socket.settimeout(SETTLE_SECONDS_MAX)
        wire.call(CREATE_TOPICS, 2, struct.pack(">i", len(names)) + topics + struct.pack(">ib", SETTLE_SECONDS_MAX * 1000, 0))


def partitions_of(cluster, name):
    from confluent_kafka.admin import AdminClient
    topic = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0}).list_topics(name, timeout=10).topics[name]
    return [] if topic.error else list(topic.partitions.values())


def wait_in_sync(cluster, name, replicas):
    def whole():
        try:
            partitions = partitions_of(cluster, name)
        except Exception:
            return False
        return partitions and all(len(p.isrs) == replicas and p.leader >= 0 for p in partitions)
    harness.until(whole, f"{name} is in sync on {replicas}", SETTLE_SECONDS_MAX)
    return partitions_of(cluster, name)


def with_cluster(work):
    cluster = harness.Cluster().start()
    try:
        yield from work(cluster)
    finally:
        cluster.remove()


def throughput(cluster, load, cpu_seconds):
    for replicas in (1, 3):
        name, records = f"throughput-{replicas}", PRODUCE_BYTES // 1024
        create(cluster.bootstrap, [name], 1, replicas)
        wait_in_sync(cluster, name, replicas)
        before = sum(cpu_seconds(broker.process.pid) for broker in cluster.brokers)
        done = load("produce", cluster.bootstrap, name, 1024, records)
        spent = sum(cpu_seconds(broker.process.pid) for broker in cluster.brokers) - before
        yield {f"RF {replicas} produce 1024 B MB/s": done["mb_per_s"], f"RF {replicas} all brokers' CPU s/GB": spent / (records * 1024 / 1e9)}


def latency(cluster):
    for replicas in (1, 3):
        name = f"latency-{replicas}"
        create(cluster.bootstrap, [name], 1, replicas)
        leader = wait_in_sync(cluster, name, replicas)[0].leader
        body = produce(name, batch([b"x" * 100], int(time.time() * 1000)), acks=-1)
        times = []
        with Wire(cluster.brokers[leader].bootstrap) as wire:
            for _ in range(LATENCY_REQUESTS):
                begin = time.perf_counter()
                wire.call(PRODUCE, 8, body)
                times.append((time.perf_counter() - begin) * 1e6)
        times = sorted(times[LATENCY_REQUESTS // 10:])
        yield {f"RF {replicas} acks=all 100 B {label} us": times[int(len(times) * share)] for label, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))}


def rates(cluster, load):
    """As an application sees it: librdkafka at a fixed rate, from when a record is due to its acknowledgement."""
    for rate in RATES:
        for replicas in (1, 3):
            name = f"rate-{rate}-{replicas}"
            create(cluster.bootstrap, [name], RATE_PARTITIONS, replicas)
            wait_in_sync(cluster, name, replicas)
            done = load("rate", cluster.bootstrap, name, 1024, rate)
            yield {f"RF {replicas} acks=all 1 KiB at {rate:,}/s {label} us": done[f"{label}_us"] for label in ("p50", "p99", "p99.9", "max")}


class Gaps:
    """An idempotent producer that never stops, and the longest time between two of its acknowledgements."""

    def __init__(self, bootstrap, topic):
        from confluent_kafka import Producer
        self.topic, self.last, self.longest, self.failed, self.acks = topic, time.monotonic(), 0.0, 0, 0
        self.ended = threading.Event()
        self.producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0, "log_level": 0,
                                  "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "socket.timeout.ms": 5000})
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            try:
                self.producer.produce(self.topic, b"x" * 100, on_delivery=self.told)
            except BufferError:
                pass
            self.producer.poll(1 / GAP_RATE)
        self.producer.flush(SETTLE_SECONDS_MAX)

    def told(self, error, _):
        if error:
            self.failed += 1
            return
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        self.acks += 1

    def during(self, fault, repair, settled):
        goal = self.acks + 100
        harness.until(lambda: self.acks >= goal, "the producer is acknowledged", SETTLE_SECONDS_MAX)
        self.longest, self.last = 0.0, time.monotonic()
        fault()
        goal = self.acks + GAP_RATE // 2
        harness.until(lambda: self.acks >= goal, "the producer is acknowledged again", SETTLE_SECONDS_MAX)
        longest = self.longest
        repair()
        settled()
        return longest

    def end(self):
        self.ended.set()
        self.thread.join()


def gaps(cluster, rounds):
    """`rounds` kills of the leader, and a quarter as many of each other fault."""
    create(cluster.bootstrap, ["gaps"], 1, 3)
    wait_in_sync(cluster, "gaps", 3)
    writer = Gaps(cluster.bootstrap, "gaps")

    def leader():
        return cluster.brokers[partitions_of(cluster, "gaps")[0].leader]

    def controller():
        lines = cluster.brokers[0].get("/metrics").splitlines()
        return cluster.brokers[int(float(next(line for line in lines if line.startswith("millrace_raft_leader ")).split()[-1]))]

    def settled():
        wait_in_sync(cluster, "gaps", 3)

    def measure(name, broker, fault, repair):
        return {f"gap after {name} s": writer.during(lambda: fault(broker), lambda: repair(broker), settled)}

    try:
        for _ in range(rounds):
            yield measure("kill -9 of the leader", leader(), lambda b: b.kill(), lambda b: b.start())
        for _ in range(rounds // 4):
            yield measure("SIGSTOP of the leader", leader(), lambda b: b.process.send_signal(signal.SIGSTOP), lambda b: b.process.send_signal(signal.SIGCONT))
            yield measure("clean stop of the leader", leader(), lambda b: b.stop(), lambda b: b.start())
            if controller() is not leader():
                yield measure("kill -9 of the controller alone", controller(), lambda b: b.kill(), lambda b: b.start())
        yield {"errors told to the producer": writer.failed}
    finally:
        writer.end()


def many(cluster, resident_mib, cpu_seconds):
    begin = time.monotonic()
    create(cluster.bootstrap, [f"many-{i}" for i in range(MANY_TOPICS)], 1, 3)
    yield {f"CreateTopics of {MANY_TOPICS:,} s": time.monotonic() - begin}
    begin = time.monotonic()
    for i in range(IDLE_TOPICS):
        create(cluster.bootstrap, [f"idle-{i}"], IDLE_PARTITIONS, 3)
    for i in range(IDLE_TOPICS):
        wait_in_sync(cluster, f"idle-{i}", 3)
    yield {f"{IDLE_TOPICS * IDLE_PARTITIONS:,} partitions of RF 3 in sync s": time.monotonic() - begin}
    before = [cpu_seconds(broker.process.pid) for broker in cluster.brokers]
    time.sleep(IDLE_SECONDS)  # what is measured is time in which nothing happens
    for broker, was in zip(cluster.brokers, before):
        yield {f"idle with {MANY_TOPICS + IDLE_TOPICS * IDLE_PARTITIONS:,} partitions: CPU % of a core": (cpu_seconds(broker.process.pid) - was) / IDLE_SECONDS * 100,
               f"idle with {MANY_TOPICS + IDLE_TOPICS * IDLE_PARTITIONS:,} partitions: MiB": resident_mib(broker.process.pid)}
