"""Clients that run all the time and remember what they were told, and the judge of what they remember.

Each writer is an idempotent producer; the value of a record says who wrote it, to which partition, and its number there. Readers follow
from the first record on while brokers fall; a group commits what it has read. What is wrong is in words in `History.wrong`.
"""

import collections
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaException, Producer, TopicPartition

from harness import until

PROGRESS_SECONDS_MAX = 30  # after a fault, every partition has to acknowledge again within this
END_SECONDS_MAX = 60
# A broker that stands still keeps its connections open: how long an application waits for one is its own choice.
RECONNECT = {"log_level": 0, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "socket.timeout.ms": 5000}
WRONG_MAX = 20


class History:
    def __init__(self, topic, partitions):
        self.topic, self.partitions = topic, partitions
        self.lock = threading.Lock()
        self.acked = [{} for _ in range(partitions)]  # offset: value
        self.seen = [{} for _ in range(partitions)]   # offset: value, by any reader at any time
        self.committed = [OFFSET_INVALID] * partitions  # the highest offset whose commit was confirmed; less than any
        self.last_ack, self.longest_gap = [time.monotonic()] * partitions, [0.0] * partitions
        self.wrong, self.suspects = [], {}  # in words; {partition: {value: the offsets it is at}} of what is there twice

    def add_wrong(self, what):
        with self.lock:
            if len(self.wrong) < WRONG_MAX:
                self.wrong.append(what)

    def add_ack(self, partition, offset, value):
        now = time.monotonic()
        with self.lock:
            self.longest_gap[partition] = max(self.longest_gap[partition], now - self.last_ack[partition])
            self.last_ack[partition] = now
            other = self.acked[partition].setdefault(offset, value)
        if other != value:
            self.add_wrong(f"{self.topic}-{partition}@{offset} was acknowledged to {other} and to {value}")

    def add_seen(self, who, partition, offset, value):
        with self.lock:
            other = self.seen[partition].setdefault(offset, value)
        if other != value:
            self.add_wrong(f"{self.topic}-{partition}@{offset} was read as {other}, and by {who} as {value}")

    def begin_gap(self):
        with self.lock:
            self.longest_gap, self.last_ack = [0.0] * self.partitions, [time.monotonic()] * self.partitions

    def longest(self):
        """The longest time that one partition was without an acknowledgement since begin_gap()."""
        now = time.monotonic()
        with self.lock:
            return max(max(gap, now - last) for gap, last in zip(self.longest_gap, self.last_ack))

    def acks(self):
        with self.lock:
            return [len(acked) for acked in self.acked]

    def wait_for_acks(self, count, explain):
        targets = [acks + count for acks in self.acks()]
        until(lambda: self.wrong or all(now >= target for now, target in zip(self.acks(), targets)),
              lambda: f"each partition acknowledges {count} more (now {self.acks()}, awaited {targets})\n{explain()}", PROGRESS_SECONDS_MAX)


class Client:
    def __init__(self, history, bootstrap):
        self.history, self.bootstrap = history, bootstrap
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.guarded, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def guarded(self):
        try:
            self.run()
        except Exception as error:  # an application would have seen it
            self.history.add_wrong(f"{type(self).__name__}: {error!r}")

    def end(self):
        self.ended.set()
        self.thread.join()


class Writer(Client):
    def __init__(self, history, bootstrap, name, per_second):
        super().__init__(history, bootstrap)
        self.name, self.pause = name, 1 / per_second
        self.next = [0] * history.partitions
        self.producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 120000,
                                  "partitioner": "consistent", **RECONNECT})

    def delivered(self, error, message):
        if error:
            self.history.add_wrong(f"writer {self.name} was told: {error}")
        else:
            self.history.add_ack(message.partition(), message.offset(), message.value().decode())

    def run(self):
        turn = 0
        while not self.ended.is_set():
            partition = turn % self.history.partitions
            try:
                self.producer.produce(self.history.topic, f"{self.name} {partition} {self.next[partition]}".encode(), partition=partition,
                                      on_delivery=self.delivered)
                self.next[partition] += 1
                turn += 1
            except BufferError:
                pass
            self.producer.poll(self.pause)
        left = self.producer.flush(END_SECONDS_MAX)
        if left:
            self.history.add_wrong(f"writer {self.name} has {left} records that were neither acknowledged nor failed")


class Reader(Client):
    def __init__(self, history, bootstrap, name):
        super().__init__(history, bootstrap)
        self.name = name

    def run(self):
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"reader-{self.name}", "enable.auto.commit": False,
                             "auto.offset.reset": "error", **RECONNECT})
        try:
            consumer.assign([TopicPartition(self.history.topic, p, OFFSET_BEGINNING) for p in range(self.history.partitions)])
            last = [-1] * self.history.partitions
            while not self.ended.is_set():
                for message in consumer.consume(1000, 0.2):
                    if message.error():
                        if not message.error().retriable() and message.error().code() >= 0:
                            self.history.add_wrong(f"reader {self.name} was told: {message.error()}")
                        continue
                    partition, offset = message.partition(), message.offset()
                    if offset <= last[partition]:
                        self.history.add_wrong(f"reader {self.name} got {self.history.topic}-{partition}@{offset} after {last[partition]}")
                    last[partition] = offset
                    self.history.add_seen(self.name, partition, offset, message.value().decode())
        finally:
            consumer.close()


class GroupReader(Client):
    """Commits what it has read; a commit that was confirmed must be there in the end."""

    def run(self):
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "followers", "enable.auto.commit": False,
                             "auto.offset.reset": "earliest", "session.timeout.ms": 20000, **RECONNECT})
        try:
            consumer.subscribe([self.history.topic])
            while not self.ended.is_set():
                messages = [m for m in consumer.consume(1000, 0.5) if not m.error()]
                if not messages:
                    continue
                try:
                    for done in consumer.commit(asynchronous=False):
                        if done.error is None and done.offset > self.history.committed[done.partition]:
                            self.history.committed[done.partition] = done.offset
                except KafkaException:
                    continue  # not confirmed: the coordinator is on its way to another broker
        finally:
            consumer.close()


def read_all(bootstrap, topic, partitions):
    """What a consumer that comes last reads of each partition: {offset: value}."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "last", "enable.auto.commit": False, "auto.offset.reset": "error"})
    try:
        ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), END_SECONDS_MAX)[1] for p in range(partitions)]
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
        found = [{} for _ in range(partitions)]
        deadline = time.monotonic() + END_SECONDS_MAX
        while any(len(f) < end for f, end in zip(found, ends)):
            assert time.monotonic() < deadline, f"{[len(f) for f in found]} of {ends} records were read"
            for message in consumer.consume(10000, 1):
                assert message.error() is None, message.error()
                found[message.partition()][message.offset()] = message.value().decode()
        return found
    finally:
        consumer.close()


def twice(records):
    """The first records that are there more than once: {value: offsets}."""
    offsets = collections.defaultdict(list)
    for offset in sorted(records):
        offsets[records[offset]].append(offset)
    return dict([(value, found) for value, found in offsets.items() if len(found) > 1][:WRONG_MAX])


def judge(history, bootstrap):
    """Everything that is wrong, in words; empty when nothing is."""
    found = read_all(bootstrap, history.topic, history.partitions)
    for partition, records in enumerate(found):
        name = f"{history.topic}-{partition}"
        for offset, value in history.acked[partition].items():
            if records.get(offset) != value:
                history.add_wrong(f"LOST: {name}@{offset} was acknowledged as {value}; there is {records.get(offset)}")
        for offset, value in history.seen[partition].items():
            if records.get(offset) != value:
                history.add_wrong(f"INCONSISTENT: {name}@{offset} was read as {value}; there is {records.get(offset)}")
        numbers = collections.defaultdict(list)
        for offset in sorted(records):
            writer, _, number = records[offset].split()
            numbers[writer].append(int(number))
        for writer, of_writer in numbers.items():
            if len(set(of_writer)) != len(of_writer):
                history.suspects[partition] = doubled = twice(records)
                history.add_wrong(f"DUPLICATED: {name} has records of writer {writer} twice: {doubled}")
            elif of_writer != sorted(of_writer):
                history.add_wrong(f"REORDERED: {name}: the records of writer {writer} are not in their order")
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "followers"})
    try:
        for kept in consumer.committed([TopicPartition(history.topic, p) for p in range(history.partitions)], END_SECONDS_MAX):
            if kept.offset < history.committed[kept.partition]:
                history.add_wrong(f"LOST COMMIT: {history.topic}-{kept.partition}: {history.committed[kept.partition]} was confirmed, {kept.offset} is there")
    finally:
        consumer.close()
    return history.wrong
