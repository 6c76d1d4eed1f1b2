"""What no well-behaved client sends: every case gets a defined answer, and the broker serves others meanwhile and afterwards."""

import os
import resource
import select
import socket
import struct
import subprocess
import time
import unittest

from harness import BINARIES, WAIT_SECONDS_MAX, Broker, BrokerTest, free_ports, run, until
from wire import (API_VERSIONS, CREATE_TOPICS, FETCH, METADATA, PRODUCE, Closed, Wire, batch, create_topics, fetch, frame, metadata, produce,
                  produced, text)

CORRUPT_MESSAGE, UNSUPPORTED_VERSION, INVALID_RECORD, MESSAGE_TOO_LARGE, INVALID_TOPIC = 2, 35, 87, 10, 17
STORAGE_ERROR = 56
IDLE_CONNECTIONS = 10_000


class Frames(BrokerTest):
    def tearDown(self):
        with Wire(self.bootstrap) as wire:
            self.assertEqual(struct.unpack_from(">h", wire.call(API_VERSIONS, 0, b""))[0], 0, "the broker no longer serves")

    def assert_closed(self, data):
        with Wire(self.bootstrap) as wire:
            with self.assertRaises(Closed):
                wire.send_raw(data)
                wire.receive()

    def test_a_frame_larger_than_the_limit_is_refused_before_it_is_read(self):
        self.assert_closed(struct.pack(">i", 104_857_601) + b"\x00" * 100)

    def test_a_negative_size_closes_the_connection(self):
        self.assert_closed(struct.pack(">i", -5))

    def test_an_empty_frame_closes_the_connection(self):
        self.assert_closed(struct.pack(">i", 0))

    def test_a_body_that_ends_early_closes_the_connection(self):
        self.assert_closed(frame(METADATA, 4, struct.pack(">i", 3) + text("one")))

    def test_an_announced_array_larger_than_the_frame_is_refused_without_the_memory(self):
        self.assert_closed(frame(METADATA, 4, struct.pack(">i", 0x7FFFFFFF)))

    def test_a_small_frame_of_a_million_empty_elements_is_refused(self):
        # Metadata v9: a compact array of topics, each an empty name and no tags; a hundred megabytes when decoded.
        self.assert_closed(frame(METADATA, 9, b"\x00" + b"\x81\x80\x7b" + b"\x01\x00" * 2_015_232 + b"\x00" * 8))

    def test_bytes_after_the_body_are_ignored_as_kafka_ignores_them(self):
        with Wire(self.bootstrap) as wire:  # librdkafka 2.16 sends such bytes
            self.assertGreater(len(wire.call(METADATA, 4, metadata() + b"extra")), 0)
            self.assertGreater(len(wire.call(METADATA, 4, metadata())), 0)

    def test_an_unknown_api_key_closes_the_connection(self):
        self.assert_closed(frame(999, 0, b""))

    def test_an_unsupported_version_closes_the_connection(self):
        self.assert_closed(frame(METADATA, 99, metadata()))

    def test_a_newer_api_versions_request_is_told_which_versions_there_are(self):
        with Wire(self.bootstrap) as wire:
            code, count, key = struct.unpack_from(">hih", wire.call(API_VERSIONS, 120, b"\x00whatever this is"))
            self.assertEqual((code, count, key), (UNSUPPORTED_VERSION, 1, API_VERSIONS))

    def test_an_http_request_closes_the_connection(self):
        self.assert_closed(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def test_a_tls_hello_closes_the_connection(self):
        self.assert_closed(bytes.fromhex("16030100c8010000c40303") + os.urandom(190))

    def test_a_request_cut_in_the_middle_is_forgotten_when_the_client_leaves(self):
        with Wire(self.bootstrap) as wire:
            wire.send_raw(frame(METADATA, 4, metadata())[:10])

    def test_pipelined_requests_are_answered_in_order(self):
        with Wire(self.bootstrap) as wire:
            wire.send_raw(b"".join(frame(API_VERSIONS, 0, b"", correlation=i) for i in range(100)))
            self.assertEqual([wire.receive()[0] for _ in range(100)], list(range(100)))

    def test_a_request_that_arrives_byte_by_byte_is_answered(self):
        with Wire(self.bootstrap) as wire:
            for byte in frame(API_VERSIONS, 0, b""):
                wire.send_raw(bytes([byte]))
            self.assertEqual(wire.receive()[0], 7)

    def test_topic_names_that_are_not_allowed_are_refused(self):
        for name in ("", ".", "..", "a/b", "a b", "ü", "x" * 250):
            with Wire(self.bootstrap) as wire:
                answer = wire.call(METADATA, 4, metadata([name]))
                self.assertIn(struct.pack(">h", INVALID_TOPIC) + text(name) if name.isascii() else struct.pack(">h", INVALID_TOPIC), answer, name)

    def test_topics_of_names_that_are_not_allowed_are_not_created(self):
        names = ["", ".", "..", "a/b", "a b", "a\0b", "x" * 250]
        with Wire(self.bootstrap) as wire:
            answer = wire.call(CREATE_TOPICS, 0, create_topics(names))
        for name in names:
            self.assertIn(text(name) + struct.pack(">h", INVALID_TOPIC), answer, repr(name))


class Batches(BrokerTest):
    def setUp(self):
        self.topic = self.name()
        with Wire(self.bootstrap) as wire:
            for _ in range(100):  # the first answer may say that the topic is being made
                if struct.pack(">hh", 0, len(self.topic)) in wire.call(METADATA, 4, metadata([self.topic])):
                    break

    def answer(self, *batches):
        with Wire(self.bootstrap) as wire:
            return produced(wire.call(PRODUCE, 8, produce(self.topic, b"".join(batches))))

    def assert_refused(self, code, *batches):
        self.assertEqual(self.answer(*batches), (code, -1))
        self.assertEqual(self.answer(batch([b"good"])), (0, 0), "a refused batch left something behind")

    def test_a_wrong_crc_is_refused(self):
        self.assert_refused(CORRUPT_MESSAGE, batch([b"x"], crc=1))

    def test_a_wrong_count_is_refused(self):
        self.assert_refused(INVALID_RECORD, batch([b"x", b"y"], count=3))

    def test_a_wrong_length_is_refused(self):
        self.assert_refused(CORRUPT_MESSAGE, batch([b"x"], length=-1))

    def test_a_length_beyond_the_request_is_refused(self):
        code, offset = self.answer(batch([b"x"], length=5000))
        self.assertIn(code, (CORRUPT_MESSAGE, INVALID_RECORD))
        self.assertEqual(offset, -1)

    def test_an_unknown_magic_is_refused(self):
        self.assert_refused(CORRUPT_MESSAGE, batch([b"x"], magic=3))

    def test_two_batches_for_one_partition_are_refused(self):
        self.assert_refused(INVALID_RECORD, batch([b"x"]), batch([b"y"]))

    def test_a_batch_over_the_topics_limit_is_refused(self):
        self.assert_refused(MESSAGE_TOO_LARGE, batch([b"x" * 1_100_000]))

    def test_no_batch_at_all_is_refused(self):
        self.assert_refused(INVALID_RECORD, b"")

    def test_with_acks_0_a_refused_batch_closes_the_connection(self):
        with Wire(self.bootstrap) as wire:
            wire.send(PRODUCE, 8, produce(self.topic, batch([b"x"], crc=1), acks=0))
            with self.assertRaises(Closed):
                wire.receive()

    def test_with_acks_0_a_good_batch_gets_no_answer_and_is_there(self):
        with Wire(self.bootstrap) as wire:
            wire.send(PRODUCE, 8, produce(self.topic, batch([b"x"]), acks=0), correlation=1)
            wire.send(API_VERSIONS, 0, b"", correlation=2)
            self.assertEqual(wire.receive()[0], 2)
        self.assertEqual(self.answer(batch([b"y"])), (0, 1))


class Crowds(BrokerTest):
    def test_ten_thousand_silent_connections_leave_the_broker_serving(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < IDLE_CONNECTIONS + 200:
            self.skipTest(f"the limit of open files is {hard}: raise it above {IDLE_CONNECTIONS + 200}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        broker = Broker().start()  # inherits the raised limit
        self.addCleanup(broker.remove)
        host, port = broker.bootstrap.split(":")
        crowd = []
        try:
            for _ in range(IDLE_CONNECTIONS):
                crowd.append(socket.create_connection((host, int(port)), timeout=20))
            with Wire(broker.bootstrap) as wire:
                self.assertEqual(struct.unpack_from(">h", wire.call(API_VERSIONS, 0, b""))[0], 0)
        finally:
            for one in crowd:
                one.close()
        self.assertEqual(broker.stop(), 0)

    def test_a_client_that_never_reads_does_not_hold_up_others(self):
        with Wire(self.bootstrap, receive_buffer=4096) as deaf:
            deaf.socket.settimeout(2)
            try:
                for i in range(20_000):  # far more than the sockets' buffers hold of answers
                    deaf.send_raw(frame(API_VERSIONS, 0, b"", correlation=i))
            except (Closed, TimeoutError):
                pass  # the broker has stopped reading from it, or dropped it
            with Wire(self.bootstrap) as other:
                self.assertEqual(struct.unpack_from(">h", other.call(API_VERSIONS, 0, b""))[0], 0)

    def test_a_client_that_asks_for_records_and_never_reads_costs_little_memory(self):
        broker = Broker().start()
        self.addCleanup(broker.remove)
        with Wire(broker.bootstrap) as wire:
            wire.call(METADATA, 4, metadata(["many"]))
            small, offsets = batch([b"x" * 10_000]), 0
            while offsets < 400:
                offsets += produced(wire.call(PRODUCE, 8, produce("many", small)))[0] == 0
        before = resident_mib(broker)
        deaf = [Wire(broker.bootstrap, receive_buffer=4096) for _ in range(10)]
        try:
            for one in deaf:
                one.socket.setblocking(False)
                for i in range(10_000):
                    # Some are file ranges, some are copied into memory, some wait.
                    four = b"".join([frame(FETCH, 4, fetch("many")), frame(FETCH, 4, fetch("many", i % 400, 12_000)),
                                     frame(FETCH, 4, fetch("many", offsets, wait_ms=500)), frame(METADATA, 4, metadata())])
                    try:
                        if one.socket.send(four) != len(four):
                            break  # the broker no longer reads
                    except BlockingIOError:
                        break
            with Wire(broker.bootstrap) as other:
                for i in range(200):
                    self.assertEqual(produced(other.call(PRODUCE, 8, produce("many", small))), (0, offsets + i))
            self.assertLess(resident_mib(broker) - before, 48)
        finally:
            for one in deaf:
                one.socket.close()
        self.assertEqual(broker.stop(), 0)

    def test_a_flood_of_connections_is_closed_at_the_limit_while_clients_are_served(self):
        broker = Broker(max_connections="40").start()
        self.addCleanup(broker.remove)
        client = Wire(broker.bootstrap)
        self.addCleanup(client.socket.close)
        host, port = broker.bootstrap.split(":")
        held = [socket.create_connection((host, int(port))) for _ in range(39)]
        until(lambda: connections(broker) == 40, "all are connected")
        slowest, refused = 0, 0
        for _ in range(30):
            crowd = [socket.create_connection((host, int(port))) for _ in range(50)]
            began = time.monotonic()
            self.assertEqual(struct.unpack_from(">h", client.call(API_VERSIONS, 0, b""))[0], 0)
            slowest = max(slowest, time.monotonic() - began)
            for one in crowd:
                one.settimeout(10)
                try:
                    refused += one.recv(1) == b""
                except ConnectionError:
                    refused += 1
                one.close()
        self.assertEqual(refused, 30 * 50)
        self.assertLess(slowest, 1)
        for one in held:
            one.close()
        until(lambda: serves(broker), "others are let in after some left")
        self.assertEqual(broker.stop(), 0)

    def test_one_address_does_not_get_more_connections_than_its_share(self):
        broker = Broker(max_connections_per_ip="5").start()
        self.addCleanup(broker.remove)
        host, port = broker.bootstrap.split(":")
        held = [socket.create_connection((host, int(port))) for _ in range(5)]
        until(lambda: connections(broker) == 5, "all are connected")
        self.assertFalse(serves(broker))
        held.pop().close()
        until(lambda: serves(broker), "another is let in after one left")
        for one in held:
            one.close()
        self.assertEqual(broker.stop(), 0)


class Silence(unittest.TestCase):
    def test_a_connection_that_is_silent_too_long_is_closed_and_one_that_speaks_is_not(self):
        broker = Broker(connections_max_idle_ms="1500").start()
        self.addCleanup(broker.remove)
        with Wire(broker.bootstrap) as silent, Wire(broker.bootstrap) as busy:
            deadline = time.monotonic() + WAIT_SECONDS_MAX
            while not select.select([silent.socket], [], [], 0.25)[0]:  # until the silent one hears something: its end
                busy.call(API_VERSIONS, 0, b"")
                self.assertLess(time.monotonic(), deadline)
            with self.assertRaises(Closed):
                silent.read(1)
            busy.call(API_VERSIONS, 0, b"")
        self.assertEqual(broker.stop(), 0)

    def test_a_peer_that_vanished_without_a_word_is_forgotten(self):
        broker = Broker(connections_max_idle_ms="1500").start()
        self.addCleanup(broker.remove)
        wire = Wire(broker.bootstrap)
        wire.call(API_VERSIONS, 0, b"")
        here = "%04X" % wire.socket.getsockname()[1]
        with open("/proc/net/tcp") as table:
            there = "%04X" % broker.kafka_port  # the port of ours may have belonged to another connection a moment ago
            theirs = [row for row in map(str.split, table) if row[1].endswith(":" + there) and row[2].endswith(":" + here)]
        self.assertEqual([row[5].split(":")[0] for row in theirs], ["02"], "the broker's side has no keepalive timer")
        tcp_repair = 19  # a socket that is closed in this state sends nothing
        try:
            wire.socket.setsockopt(socket.IPPROTO_TCP, tcp_repair, 1)
        except OSError as error:
            wire.socket.close()
            self.skipTest(f"TCP_REPAIR: {error}: this needs the right to administer the network")
        wire.socket.close()
        self.assertEqual(connections(broker), 1)
        until(lambda: connections(broker) == 0, "the vanished peer is forgotten")
        self.assertEqual(broker.stop(), 0)


def resident_mib(broker):
    with open(f"/proc/{broker.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


def connections(broker):
    for line in broker.get("/metrics").splitlines():
        if line.startswith("millrace_server_connections "):
            return float(line.split()[1])


def serves(broker):
    try:
        with Wire(broker.bootstrap) as wire:
            return struct.unpack_from(">h", wire.call(API_VERSIONS, 0, b""))[0] == 0
    except (Closed, OSError):
        return False


class StartUp(unittest.TestCase):
    """A start that cannot work ends at once with exit code 1 and one line that says what and what to do."""

    def refused(self, *arguments, code=1):
        done = subprocess.run([str(BINARIES / "millrace-broker"), *arguments], capture_output=True, timeout=30, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def arguments(self, directory, cluster=None, node=None):
        kafka, http = free_ports(2)
        more = [f"millrace.cluster.id={cluster}"] if cluster else []
        more += [f"node.id={node}"] if node is not None else []
        settings = [f"listeners=PLAINTEXT://127.0.0.1:{kafka}", f"millrace.http.listener=127.0.0.1:{http}",
                    "millrace.rpc.listener=127.0.0.1:0", *more]
        return ["--data-dir", directory, *[part for s in settings for part in ("--set", s)]]

    def used_directory(self):
        broker = Broker().start()
        self.addCleanup(broker.remove)
        return broker, os.path.join(broker.directory, "data")

    def test_a_data_directory_in_use(self):
        _, directory = self.used_directory()
        said = self.refused(*self.arguments(directory))
        self.assertIn(directory, said)
        self.assertIn("another running broker", said)

    def test_a_data_directory_of_another_node(self):
        broker, directory = self.used_directory()
        broker.stop()
        said = self.refused(*self.arguments(directory, node=5))
        self.assertIn(directory, said)
        self.assertIn("node", said)

    def test_a_data_directory_of_another_cluster(self):
        broker, directory = self.used_directory()
        broker.stop()
        said = self.refused(*self.arguments(directory, cluster="AAAAAAAAQACAAAAAAAAAAA"))
        self.assertIn(directory, said)
        self.assertIn("cluster", said)

    def test_a_data_directory_that_cannot_be_written(self):
        said = self.refused(*self.arguments("/proc/millrace-cannot-be-here"))
        self.assertIn("/proc/millrace-cannot-be-here", said)

    def test_a_port_that_is_taken(self):
        broker, _ = self.used_directory()
        other = Broker()
        self.addCleanup(other.remove)
        http = free_ports(1)[0]
        said = self.refused("--data-dir", os.path.join(other.directory, "data"), "--set", f"listeners=PLAINTEXT://{broker.bootstrap}",
                            "--set", f"millrace.http.listener=127.0.0.1:{http}", "--set", "millrace.rpc.listener=127.0.0.1:0")
        self.assertIn(broker.bootstrap, said)

    def test_a_misspelt_property_names_the_nearest(self):
        said = self.refused("--set", "log.retention.hour=3")
        self.assertIn("log.retention.hours", said)

    def test_a_value_out_of_range(self):
        said = self.refused("--set", "num.partitions=-3")
        self.assertIn("num.partitions", said)

    def test_an_unknown_flag_is_wrong_usage(self):
        self.refused("--no-such-flag", code=2)


class FullDisk(unittest.TestCase):
    def test_producing_fails_reading_goes_on_and_space_brings_it_back(self):
        broker = Broker()
        self.addCleanup(broker.remove)
        data = os.path.join(broker.directory, "data")
        os.mkdir(data)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", data], capture_output=True).returncode != 0:
            self.skipTest("a small file system could not be mounted: this needs root and the right to mount")
        self.addCleanup(run, "umount", "-l", data)
        broker.start()
        with Wire(broker.bootstrap) as wire:
            for _ in range(100):
                if struct.pack(">hh", 0, 4) in wire.call(METADATA, 4, metadata(["full"])):
                    break
            big, offsets = batch([b"x" * 100_000]), 0
            for _ in range(1000):
                code, _ = produced(wire.call(PRODUCE, 8, produce("full", big)))
                if code != 0:
                    break
                offsets += 1
            self.assertEqual(code, STORAGE_ERROR)
            self.assertGreater(offsets, 10)
            self.assertIsNone(broker.process.poll(), "the broker stopped")
            read = run("kcat", "-b", broker.bootstrap, "-C", "-t", "full", "-o", "beginning", "-c", offsets, "-q").stdout
            self.assertEqual(len(read.splitlines()), offsets)
            run("mount", "-o", "remount,size=64m", data)
            self.assertEqual(produced(wire.call(PRODUCE, 8, produce("full", big))), (0, offsets))
        self.assertEqual(broker.stop(), 0)


if __name__ == "__main__":
    unittest.main()
