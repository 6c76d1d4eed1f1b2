"""Where the brokers of a test live, so that it can lose the packets between any two of them while clients reach all.

With namespaces, each broker has a network of its own, joined by a bridge, and a cut gives one end a wrong hardware address of the other:
its packets go nowhere, in silence, in one direction. Where namespaces are not allowed, the brokers' conversations pass through a proxy
(tests/conformance/rpc_network.py), which can cut a broker off from all others, but not one direction.
"""

import os
import shutil
import subprocess
import sys

from harness import free_ports
from rpc_network import RpcNetwork

INSIDE = "MILLRACE_CHAOS_INSIDE"  # the name of the environment variable that says which network this process is in
NOWHERE = "02:77:00:00:ff:ff"


def enter():
    """Runs this program again inside namespaces of its own, where that is possible."""
    if os.environ.get(INSIDE):
        return
    way = ["unshare", "--net", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net", "--mount"]
    probe = "ip link add br0 type bridge && mount -t tmpfs tmpfs /mnt"
    if os.environ.get("MILLRACE_CHAOS_PROXY") or not shutil.which("ip") or not shutil.which("unshare") or subprocess.run(
            [*way, "sh", "-c", probe], capture_output=True).returncode != 0:
        print("network namespaces are not to be had here (or MILLRACE_CHAOS_PROXY is set): brokers talk through a proxy", flush=True)
        os.environ[INSIDE] = "proxy"
        return
    os.environ[INSIDE] = "namespaces"
    os.execvp(way[0], [*way, sys.executable, "-B", *sys.argv])


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


class NamespaceNetwork:
    has_one_way_cuts = True

    def __init__(self, count):
        self.holders = []
        self.rpc = [9091] * count
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "br0", "type", "bridge")
        run("ip", "address", "add", "10.77.0.254/24", "dev", "br0")
        run("ip", "link", "set", "br0", "up")
        for i in range(count):
            # A namespace lives as long as this process, which ends when ours does.
            holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            holder.stdout.readline()
            self.holders.append(holder)
            run("ip", "link", "add", f"broker{i}", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            run("ip", "link", "set", f"broker{i}", "master", "br0", "up")
            self.inside(i, "ip", "link", "set", "lo", "up")
            self.inside(i, "ip", "link", "set", "eth0", "address", self.hardware(i), "up")
            self.inside(i, "ip", "address", "add", f"{self.host(i)}/24", "dev", "eth0")

    def host(self, i):
        return f"10.77.0.{10 + i}"

    def advertised(self, i):
        return f"{self.host(i)}:{self.rpc[i]}"

    listened = advertised

    def hardware(self, i):
        return f"02:77:00:00:00:{i:02x}"

    def launcher(self, i):
        return ["nsenter", f"--net=/proc/{self.holders[i].pid}/ns/net", "--"]

    def inside(self, i, *command):
        run(*self.launcher(i), *command)

    def cut_one_way(self, sender, receiver):
        self.inside(sender, "ip", "neigh", "replace", self.host(receiver), "lladdr", NOWHERE, "nud", "permanent", "dev", "eth0")

    def cut_off(self, broker):
        for other in range(len(self.holders)):
            if other != broker:
                self.cut_one_way(broker, other)
                self.cut_one_way(other, broker)

    def heal(self):
        for i in range(len(self.holders)):
            for j in range(len(self.holders)):
                if i != j:
                    self.inside(i, "ip", "neigh", "replace", self.host(j), "lladdr", self.hardware(j), "nud", "permanent", "dev", "eth0")

    def use_processes(self, _):
        pass

    def close(self):
        for i, holder in enumerate(self.holders):
            holder.communicate()
            subprocess.run(["ip", "link", "delete", f"broker{i}"], capture_output=True)
        run("ip", "link", "delete", "br0")


class ProxyNetwork:
    has_one_way_cuts = False

    def __init__(self, count):
        self.ports, self.targets = free_ports(count), free_ports(count)
        self.proxy = None

    def host(self, _):
        return "127.0.0.1"

    def advertised(self, i):
        return f"127.0.0.1:{self.ports[i]}"

    def listened(self, i):
        return f"127.0.0.1:{self.targets[i]}"

    def launcher(self, _):
        return []

    def use_processes(self, pids):
        self.proxy = RpcNetwork(self.ports, self.targets, pids)

    def cut_off(self, broker):
        self.proxy.cut(broker)

    def heal(self):
        self.proxy.heal()

    def close(self):
        self.proxy.close()


def make(count):
    return NamespaceNetwork(count) if os.environ[INSIDE] == "namespaces" else ProxyNetwork(count)
