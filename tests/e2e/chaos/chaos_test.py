"""Three real brokers, clients that never stop, and everything that happens to machines: nothing acknowledged is lost, doubled, reordered
or read in two ways, and no client's application sees an error.

MILLRACE_SEED repeats the choices of a run, MILLRACE_CHAOS_SECONDS sets how long the mixed test goes on (default 40).
"""

import collections
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "conformance"))

from harness import Broker, show, until, use_newer_clients

use_newer_clients()

from confluent_kafka.admin import AdminClient, NewTopic

import history
import network
import wire

BROKERS, PARTITIONS = 3, 6
WRITERS, RECORDS_PER_SECOND = 2, 400
IN_SYNC_SECONDS_MAX = 60
SESSION_SECONDS = 2
DISK_BYTES = 64 << 20
CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAA"
TOPIC = "chaos"
Batch = collections.namedtuple("Batch", "first last leader_epoch producer producer_epoch sequence")
BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")  # of a record batch, as in Kafka's protocol guide


class ChaosBroker(Broker):
    def __init__(self, net, i, **properties):
        self.host, self.launcher, self.id = net.host(i), net.launcher(i), i
        super().__init__(**properties)
        self.data = os.path.join(self.directory, "data")
        os.mkdir(self.data)
        self.has_disk = os.environ[network.INSIDE] == "namespaces"
        if self.has_disk:  # a small one of its own, so that it can be filled
            network.run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", self.data)

    def replica_sizes(self):
        return {f"{TOPIC}-{p}": sum(log.stat().st_size for log in pathlib.Path(self.data, f"{TOPIC}-{p}").glob("*.log")) for p in range(PARTITIONS)}

    def batches(self, partition):
        """What this replica holds."""
        for log in sorted(pathlib.Path(self.data, f"{TOPIC}-{partition}").glob("*.log")):
            data, at = log.read_bytes(), 0
            while at + BATCH_HEADER.size <= len(data):
                base, length, leader_epoch, _, _, _, last, _, _, producer, epoch, sequence, _ = BATCH_HEADER.unpack_from(data, at)
                yield Batch(base, base + last, leader_epoch, producer, epoch, sequence)
                at += 12 + length

    def fill_disk(self):
        block = b"\0" * (1 << 16)
        with open(os.path.join(self.data, "filler"), "wb", buffering=0) as filler:
            try:
                while filler.write(block) == len(block):
                    pass
            except OSError:
                pass

    def empty_disk(self):
        os.unlink(os.path.join(self.data, "filler"))

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        super_remove = super().remove
        if self.process and self.process.poll() is None:
            self.kill()
        if self.has_disk:
            subprocess.run(["umount", self.data], capture_output=True)
        super_remove()


class Chaos(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("MILLRACE_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"seed {self.seed} (repeat with MILLRACE_SEED={self.seed})", flush=True)
        self.dice = random.Random(self.seed)
        self.network = network.make(BROKERS)
        self.addCleanup(self.network.close)
        voters = ",".join(f"{i}@{self.network.advertised(i)}" for i in range(BROKERS))
        self.brokers = [ChaosBroker(self.network, i, node_id=str(i), millrace_cluster_id=CLUSTER_ID, controller_quorum_voters=voters,
                                    millrace_rpc_listener=self.network.listened(i), millrace_rpc_advertised_listener=self.network.advertised(i),
                                    default_replication_factor="3", min_insync_replicas="2", offsets_topic_num_partitions="3",
                                    log_segment_bytes=str(4 << 20)) for i in range(BROKERS)]
        for broker in self.brokers:
            self.addCleanup(broker.remove)
        self.network.use_processes(lambda: [broker.process.pid if broker.process else None for broker in self.brokers])
        self.bootstrap = ",".join(broker.bootstrap for broker in self.brokers)
        self.start(self.brokers)
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, BROKERS)])[TOPIC].result(30)
        self.history = history.History(TOPIC, PARTITIONS)
        self.clients = [history.Writer(self.history, self.bootstrap, f"w{i}", RECORDS_PER_SECOND) for i in range(WRITERS)]
        self.clients += [history.Reader(self.history, self.bootstrap, "r0"), history.GroupReader(self.history, self.bootstrap)]
        for client in self.clients:
            client.start()
            self.addCleanup(client.end)
        self.history.wait_for_acks(100, self.logs)

    def start(self, brokers):
        failures = []

        def guarded(broker):
            try:
                broker.start()
            except AssertionError as failure:
                failures.append(str(failure))

        threads = [threading.Thread(target=guarded, args=(broker,)) for broker in brokers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, "\n".join(failures)

    def logs(self):
        """What there is to see when something went wrong: each broker's log, and how long each replica is."""
        return show("".join(f"---- broker {broker.id}: {broker.replica_sizes()}\n{broker.log()}" for broker in self.brokers))

    def batches_of_suspects(self):
        """Which producer wrote what is there twice, as what, and under which leader."""
        lines = []
        for partition, doubled in self.history.suspects.items():
            offsets = sum(doubled.values(), [])
            for broker in self.brokers:
                lines += [f"{TOPIC}-{partition} on broker {broker.id}: {batch}\n" for batch in broker.batches(partition)
                          if any(batch.first <= offset <= batch.last for offset in offsets)]
        return "".join(lines)

    def new_epochs(self):
        """A producer begins a new epoch when it is told that sequences are missing. None ever are; and what it had sent to other partitions
        it sends again, as new."""
        batches = [(partition, batch) for partition in range(PARTITIONS) for batch in self.brokers[0].batches(partition)]
        assert len(batches) > 0
        return [f"NEW EPOCH: {TOPIC}-{partition}: {batch}" for partition, batch in batches if batch.producer_epoch > 0][:history.WRONG_MAX]

    def topic(self):
        """The topic's partitions, once all brokers see the same: one that was cut off goes on with what it knew."""
        def views():
            try:
                seen = []
                for broker in self.brokers:
                    with wire.Wire(broker.bootstrap) as connection:
                        seen.append(wire.described(connection.call(wire.METADATA, 4, wire.metadata([TOPIC]))))
            except (wire.Closed, OSError):
                return False
            return len(seen[0]) == PARTITIONS and seen[0] == seen[1] == seen[2] and seen
        return until(views, lambda: f"all brokers see the same partitions\n{self.logs()}", IN_SYNC_SECONDS_MAX)[0]

    def in_sync(self):
        return all(len(partition.in_sync) == BROKERS for partition in self.topic().values())

    def suffer(self, name, begin, hold_seconds, end):
        """One fault: what begins it, how long it lasts at least, what ends it. Acknowledgements have to come during it and after it."""
        self.history.begin_gap()
        begin()
        until_over = time.monotonic() + hold_seconds
        self.history.wait_for_acks(100, self.logs)
        until(lambda: time.monotonic() >= until_over or self.history.wrong, "the fault has lasted", hold_seconds + IN_SYNC_SECONDS_MAX)
        end()
        until(self.in_sync, lambda: f"all brokers are in sync again after: {name}\n{self.logs()}", IN_SYNC_SECONDS_MAX)
        self.history.wait_for_acks(50, self.logs)
        if self.history.wrong:
            self.fail(f"after {name}, seed {self.seed}: {self.history.wrong}\n{self.logs()}")
        print(f"{name}: a partition was without an acknowledgement for at most {self.history.longest():.2f} s", flush=True)

    def judge(self):
        for client in self.clients:
            client.end()
        if wrong := history.judge(self.history, self.bootstrap) + self.new_epochs():
            show(self.batches_of_suspects())
            self.fail(f"seed {self.seed}: {wrong}\n{self.logs()}")
        print(f"{sum(self.history.acks())} records acknowledged, {sum(map(len, self.history.seen))} read while it happened", flush=True)

    # The faults.

    def killed(self, broker):
        self.suffer(f"kill -9 of broker {broker.id}", broker.kill, SESSION_SECONDS * self.dice.choice([0.2, 2]), broker.start)

    def stopped(self, broker):
        self.suffer(f"clean stop of broker {broker.id}", lambda: self.assertEqual(broker.stop(), 0), 0, broker.start)

    def paused(self, broker):
        seconds = SESSION_SECONDS * self.dice.choice([0.3, 1, 2.5])
        self.suffer(f"pause of broker {broker.id} for {seconds:.1f} s", lambda: broker.process.send_signal(signal.SIGSTOP), seconds,
                    lambda: broker.process.send_signal(signal.SIGCONT))

    def cut_off(self, broker):
        seconds = SESSION_SECONDS * self.dice.choice([1, 3])
        self.suffer(f"broker {broker.id} cut off for {seconds} s", lambda: self.network.cut_off(broker.id), seconds, self.network.heal)

    def half_cut(self, broker):
        if not self.network.has_one_way_cuts:
            return print("left out: a proxy does not lose what goes one way only", flush=True)
        others = [other.id for other in self.brokers if other is not broker]
        sender, receiver = self.dice.choice([(broker.id, others[0]), (others[1], broker.id)])
        self.suffer(f"what broker {sender} sends to broker {receiver} is lost", lambda: self.network.cut_one_way(sender, receiver),
                    SESSION_SECONDS * 2, self.network.heal)

    def full_disk(self, broker):
        if not broker.has_disk:
            return print("left out: brokers have no disks of their own to fill without namespaces", flush=True)

        def end():
            broker.empty_disk()
            if broker.process.poll() is not None:  # a metadata log that cannot be written ends the broker
                self.assertEqual(broker.process.returncode, 3, broker.log())
                broker.start()

        self.suffer(f"full disk of broker {broker.id}", broker.fill_disk, SESSION_SECONDS, end)

    def ask(self, key, version, body, codes_of, done):
        """Any broker that answers does it; the controller may be on its way to another one."""
        codes = []

        def asked():
            try:
                with wire.Wire(self.dice.choice(self.brokers).bootstrap) as connection:
                    codes.append(codes_of(connection.call(key, version, body)))
            except (wire.Closed, OSError):
                return False
            if codes[-1] <= done:
                return True
            print(f"request {key} was answered with {codes[-1]}, asked again", flush=True)
            return False
        until(asked, lambda: f"request {key} is done, the last answers were {codes[-5:]}\n{self.logs()}", IN_SYNC_SECONDS_MAX)

    def place(self, choose):
        """New replicas for every partition, of its present ones and all brokers."""
        replicas = {p: choose(partition.replicas) for p, partition in self.topic().items()}
        self.ask(wire.ALTER_PARTITION_REASSIGNMENTS, 0, wire.reassign(TOPIC, replicas), wire.reassigned, {0})
        return replicas

    def leaders_moved(self, _):
        def move():
            wanted = self.place(lambda replicas: replicas[1:] + replicas[:1])
            self.ask(wire.ELECT_LEADERS, 1, wire.elect_preferred(TOPIC, list(wanted)), wire.elected, {0, wire.ELECTION_NOT_NEEDED})
            until(lambda: all(partition.leader == wanted[p][0] for p, partition in self.topic().items()),
                  lambda: f"each partition is led by the broker it was given to\n{self.logs()}", IN_SYNC_SECONDS_MAX)

        self.suffer("all leaders moved", move, 0, lambda: None)

    def killed_while_replicas_come(self, broker):
        """Its replicas are taken away and given back, and it dies on the way."""
        def begin():
            self.place(lambda replicas: [r for r in replicas if r != broker.id])
            until(lambda: all(broker.id not in partition.replicas for partition in self.topic().values()),
                  lambda: f"broker {broker.id} has no replica any more\n{self.logs()}", IN_SYNC_SECONDS_MAX)
            self.place(lambda replicas: replicas + [broker.id])
            broker.kill()

        self.suffer(f"kill -9 of broker {broker.id} while it gets its replicas back", begin, SESSION_SECONDS, broker.start)

    # The tests.

    def test_brokers_are_killed(self):
        for broker in self.dice.sample(self.brokers, BROKERS):
            self.killed(broker)
        self.judge()

    def test_brokers_stand_still(self):
        for broker in self.dice.sample(self.brokers, BROKERS):
            self.paused(broker)
        self.judge()

    def test_brokers_are_cut_off_from_each_other(self):
        for broker in self.dice.sample(self.brokers, BROKERS):
            self.cut_off(broker)
        self.half_cut(self.dice.choice(self.brokers))
        self.judge()

    def test_disks_are_full(self):
        if not self.brokers[0].has_disk:
            self.skipTest("brokers have no disks of their own to fill without namespaces")
        for broker in self.dice.sample(self.brokers, BROKERS):
            self.full_disk(broker)
        self.judge()

    def test_brokers_are_restarted_one_after_the_other(self):
        for broker in self.brokers:
            self.stopped(broker)
        self.judge()

    def test_replicas_and_leaders_move(self):
        for broker in self.dice.sample(self.brokers, BROKERS):
            self.leaders_moved(broker)
            self.killed_while_replicas_come(broker)
        self.judge()

    def test_everything_happens_in_any_order(self):
        faults = [self.leaders_moved, self.killed_while_replicas_come, self.killed, self.stopped, self.paused, self.cut_off, self.half_cut, self.full_disk]
        deadline = time.monotonic() + float(os.environ.get("MILLRACE_CHAOS_SECONDS", "40"))
        while time.monotonic() < deadline:
            self.dice.choice(faults)(self.dice.choice(self.brokers))
        self.judge()


if __name__ == "__main__":
    network.enter()
    unittest.main()
