"""kill -9 in the middle of producing, again and again: every acknowledged record is there afterwards, once."""

import os
import random
import threading
import unittest

from harness import Broker, skip

try:
    from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition, OFFSET_BEGINNING
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError:
    skip("confluent-kafka for Python is missing: install the Debian package python3-confluent-kafka")

KILLS = 20
PARTITIONS = 3
ACKS_BETWEEN_KILLS = (500, 5000)
WAIT_SECONDS_MAX = 60


class Crash(unittest.TestCase):
    def test_no_acknowledged_record_is_lost_or_doubled_over_twenty_kills(self):
        seed = int(os.environ.get("MILLRACE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"seed {seed} (repeat with MILLRACE_SEED={seed})", flush=True)
        dice = random.Random(seed)
        broker = Broker().start()
        self.addCleanup(broker.remove)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic("crash", PARTITIONS, 1)])["crash"].result(WAIT_SECONDS_MAX)

        acked, failed, sent = set(), [], 0
        enough = threading.Event()
        target = 0

        def delivered(error, message):
            if error:
                failed.append((message.value(), str(error)))
                return
            acked.add(int(message.value()))
            if len(acked) >= target:
                enough.set()

        producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 120000,
                             "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 50, "queue.buffering.max.messages": 20000})
        for kill in range(KILLS):
            target = len(acked) + dice.randint(*ACKS_BETWEEN_KILLS)
            enough.clear()
            while not enough.is_set():
                self.assertEqual(failed, [], f"kill {kill}, seed {seed}")
                try:
                    producer.produce("crash", b"%d" % sent, partition=sent % PARTITIONS, on_delivery=delivered)
                    sent += 1
                    producer.poll(0)
                except BufferError:
                    producer.poll(0.01)
            broker.kill()  # with thousands of records in flight
            broker.start()
        self.assertEqual(producer.flush(WAIT_SECONDS_MAX), 0, "records were neither acknowledged nor failed")
        self.assertEqual(failed, [], f"seed {seed}")
        self.assertEqual(len(acked), sent)

        seen = self.read_all(broker)
        for partition, values in seen.items():
            self.assertEqual(values, sorted(values), f"partition {partition} is out of order, seed {seed}")
        everything = sorted(value for values in seen.values() for value in values)
        self.assertEqual(everything, list(range(sent)), f"seed {seed}: records lost or doubled")
        self.assertEqual(broker.stop(), 0)

    def read_all(self, broker):
        consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.partition.eof": True})
        consumer.assign([TopicPartition("crash", p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
        seen, ended = {p: [] for p in range(PARTITIONS)}, set()
        while len(ended) < PARTITIONS:
            message = consumer.poll(WAIT_SECONDS_MAX)
            self.assertIsNotNone(message, "no message and no end within the time")
            if message.error():
                self.assertEqual(message.error().code(), KafkaError._PARTITION_EOF)
                ended.add(message.partition())
            else:
                seen[message.partition()].append(int(message.value()))
        consumer.close()
        return seen


if __name__ == "__main__":
    unittest.main()
