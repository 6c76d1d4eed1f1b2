"""A Kafka connection by hand, for what no client library would send."""

import collections
import socket
import struct

RECEIVE_SECONDS_MAX = 20
PRODUCE, FETCH, METADATA, API_VERSIONS, CREATE_TOPICS, ELECT_LEADERS, ALTER_PARTITION_REASSIGNMENTS = 0, 1, 3, 18, 19, 43, 45
ELECTION_NOT_NEEDED = 84

Partition = collections.namedtuple("Partition", "leader replicas in_sync")


class Closed(Exception):
    """The broker closed the connection."""


class Wire:
    def __init__(self, bootstrap, receive_buffer=None):
        host, port = bootstrap.split(":")
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(RECEIVE_SECONDS_MAX)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, key, version, body, correlation=7):
        self.send_raw(frame(key, version, body, correlation))

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionError, BrokenPipeError) as error:
            raise Closed from error

    def receive(self):
        """(correlation id, body) of the next response with a version 0 header."""
        size = struct.unpack(">i", self.read(4))[0]
        answer = self.read(size)
        return struct.unpack(">i", answer[:4])[0], answer[4:]

    def read(self, size):
        parts = b""
        while len(parts) < size:
            try:
                got = self.socket.recv(size - len(parts))
            except ConnectionError as error:
                raise Closed from error
            if not got:
                raise Closed
            parts += got
        return parts

    def call(self, key, version, body):
        self.send(key, version, body)
        return self.receive()[1]


def frame(key, version, body, correlation=7, client=b"test"):
    payload = struct.pack(">hhih", key, version, correlation, len(client)) + client + body
    return struct.pack(">i", len(payload)) + payload


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def metadata(topics=None):
    """Body of Metadata v4 with auto-creation allowed."""
    names = struct.pack(">i", -1) if topics is None else struct.pack(">i", len(topics)) + b"".join(text(t) for t in topics)
    return names + b"\x01"


def produce(topic, batch, acks=1, partition=0):
    """Body of Produce v8."""
    return (struct.pack(">hhi", -1, acks, 10000) + struct.pack(">i", 1) + text(topic) + struct.pack(">iii", 1, partition, len(batch)) + batch)


def fetch(topic, offset=0, bytes_max=1 << 20, partition=0, wait_ms=0):
    """Body of Fetch v4."""
    return (struct.pack(">iiiib", -1, wait_ms, 1, bytes_max, 0) + struct.pack(">i", 1) + text(topic)
            + struct.pack(">iiqi", 1, partition, offset, bytes_max))


def create_topics(names, partitions=1):
    """Body of CreateTopics v0."""
    topics = b"".join(text(name) + struct.pack(">ihii", partitions, 1, 0, 0) for name in names)
    return struct.pack(">i", len(names)) + topics + struct.pack(">i", 10000)


def elect_preferred(topic, partitions):
    """Body of ElectLeaders v1."""
    return (struct.pack(">b", 0) + struct.pack(">i", 1) + text(topic) + struct.pack(f">i{len(partitions)}i", len(partitions), *partitions)
            + struct.pack(">i", 10000))


def reassign(topic, replicas):
    """The rest of the header and the body of AlterPartitionReassignments v0: {partition: its new replicas}."""
    def compact(items):
        return bytes([len(items) + 1]) + b"".join(items)

    moves = compact([struct.pack(">i", p) + compact([struct.pack(">i", r) for r in to]) + b"\0" for p, to in replicas.items()])
    return b"\0" + struct.pack(">i", 10000) + compact([bytes([len(topic) + 1]) + topic.encode() + moves + b"\0"]) + b"\0"


def reassigned(answer):
    """The error codes of an AlterPartitionReassignments v0 response for one topic: of all of it, and of its partitions."""
    reader = Reader(answer)
    reader.skip(1 + 4)
    codes = {reader.take("h")}
    reader.skip_compact()
    for _ in range(reader.take("B") - 1):
        reader.skip_compact()
        for _ in range(reader.take("B") - 1):
            codes.add(reader.take("ih")[1])
            reader.skip_compact()
            reader.skip(1)
        reader.skip(1)
    return codes


def elected(answer):
    """The error codes of an ElectLeaders v1 response for one topic: of all of it, and of its partitions."""
    reader = Reader(answer)
    codes = {reader.take("ih")[1]}
    for _ in range(reader.take("i")):
        reader.skip_text()
        for _ in range(reader.take("i")):
            codes.add(reader.take("ih")[1])
            reader.skip_text()
    return codes


def described(answer):
    """The partitions of the one topic in a Metadata v4 response: {index: Partition}."""
    reader = Reader(answer)
    reader.skip(4)
    for _ in range(reader.take("i")):
        reader.skip(4)
        reader.skip_text()
        reader.skip(4)
        reader.skip_text()
    reader.skip_text()
    reader.skip(4 + 4 + 2)
    reader.skip_text()
    reader.skip(1)
    partitions = {}
    for _ in range(reader.take("i")):
        _, index, leader = reader.take("hii")
        partitions[index] = Partition(leader, reader.take_numbers(), reader.take_numbers())
    return partitions


class Reader:
    """Takes an answer apart from its beginning to its end."""

    def __init__(self, answer):
        self.answer, self.at = answer, 0

    def skip(self, size):
        self.at += size

    def take(self, fields):
        """One number, or a tuple of several."""
        numbers = struct.unpack_from(">" + fields, self.answer, self.at)
        self.at += struct.calcsize(">" + fields)
        return numbers if len(numbers) > 1 else numbers[0]

    def take_numbers(self):
        count = self.take("i")
        return list(struct.unpack(f">{count}i", self.take(f"{4 * count}s")))

    def skip_text(self):
        self.skip(max(0, self.take("h")))

    def skip_compact(self):
        """A compact string of less than 127 bytes, or none."""
        self.skip(max(0, self.take("B") - 1))


def produced(answer):
    """(error code, base offset) of the one partition in a Produce v8 response."""
    topic_length = struct.unpack_from(">h", answer, 4)[0]
    _, code, offset = struct.unpack_from(">ihq", answer, 4 + 2 + topic_length + 4)
    return code, offset


def _crc_table():
    table = []
    for i in range(256):
        value = i
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc_table()


def crc32c(data):
    state = 0xFFFFFFFF
    for byte in data:
        state = (state >> 8) ^ _TABLE[(state ^ byte) & 0xFF]
    return state ^ 0xFFFFFFFF


def varint(number):
    number = (number << 1) ^ (number >> 63)
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def batch(values, timestamp=1_700_000_000_000, count=None, magic=2, crc=None, length=None):
    """A record batch v2 of records without keys; the named fields can be set wrong."""
    records = b""
    for i, value in enumerate(values):
        record = b"\x00" + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(record)) + record
    covered = struct.pack(">hiqqqhii", 0, len(values) - 1, timestamp, timestamp, -1, -1, -1, len(values) if count is None else count) + records
    checksum = crc32c(covered) if crc is None else crc
    return struct.pack(">qiib", 0, len(covered) + 9 if length is None else length, -1, magic) + struct.pack(">I", checksum) + covered
