"""The network between the brokers of one machine, through which all of their conversations go, so that a test can cut one of them off.

Brokers reach each other at ports of this network, which passes on what they say. Who has opened a connection is known from the process
that holds its socket. What a cut concerns is neither passed on nor closed: both sides hear nothing, as when packets are lost.
"""

import os
import selectors
import socket
import threading

CHUNK = 1 << 18


def socket_inode(port, peer_port):
    """Of the socket of 127.0.0.1:port that is connected to 127.0.0.1:peer_port."""
    local, remote = f"0100007F:{port:04X}", f"0100007F:{peer_port:04X}"
    with open("/proc/net/tcp") as table:
        for line in table:
            fields = line.split()
            if fields[1] == local and fields[2] == remote:
                return fields[9]
    return None


def holds(pid, inode):
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{name}") == f"socket:[{inode}]":
                    return True
            except OSError:
                continue
    except OSError:
        pass
    return False


class RpcNetwork:
    """`ports` are where brokers 0, 1, … are reached, `targets` where they listen; `pids` says which process each is (None: none)."""

    def __init__(self, ports, targets, pids):
        self.targets, self.pids = targets, pids
        self.selector, self.lock, self.ended = selectors.DefaultSelector(), threading.Lock(), False
        self.cut_off, self.pairs = set(), {}  # socket: (the other one, the two brokers)
        self.listeners = []
        for number, port in enumerate(ports):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(64)
            self.listeners.append(listener)
            self.selector.register(listener, selectors.EVENT_READ, number)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def cut(self, broker):
        with self.lock:
            self.cut_off.add(broker)
            self.update()

    def heal(self):
        with self.lock:
            self.cut_off.clear()
            self.update()

    def close(self):
        self.ended = True
        self.thread.join()
        for each in [*self.listeners, *self.pairs]:
            each.close()

    def update(self):
        for each, (_, ends) in self.pairs.items():
            is_heard = each.fileno() in self.selector.get_map()
            if is_heard and ends & self.cut_off:
                self.selector.unregister(each)
            elif not is_heard and not ends & self.cut_off:
                self.selector.register(each, selectors.EVENT_READ, None)

    def run(self):
        while not self.ended:
            for key, _ in self.selector.select(0.1):
                with self.lock:
                    if key.data is not None:
                        self.accept(key.fileobj, key.data)
                    elif key.fileobj in self.pairs and not self.pairs[key.fileobj][1] & self.cut_off:
                        self.pass_on(key.fileobj)

    def accept(self, listener, number):
        caller, (_, port) = listener.accept()
        inode = socket_inode(port, listener.getsockname()[1])
        ends = {number} | {i for i, pid in enumerate(self.pids()) if pid is not None and inode and holds(pid, inode)}
        target = socket.socket()
        try:
            target.connect(("127.0.0.1", self.targets[number]))
        except OSError:
            caller.close()
            target.close()
            return
        for one, other in ((caller, target), (target, caller)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs[one] = (other, ends)
        self.update()

    def pass_on(self, one):
        other, _ = self.pairs[one]
        try:
            data = one.recv(CHUNK)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for each in (one, other):
            del self.pairs[each]
            self.selector.unregister(each)
            each.close()
