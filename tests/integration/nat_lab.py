"""
A small internet in network namespaces: a public segment, and machines behind NATs.

Each namespace is held by a process that ends when the test does, however it ends; with
it go the interfaces, the rules and the connections. Nothing has a name in the system,
so any number of labs can stand side by side. Needs root, C{ip}, C{nft}, C{nsenter} and
C{unshare} (Debian: iproute2, nftables, util-linux).
"""

from __future__ import annotations

import subprocess
from unittest import TestCase

from twisted.trial.unittest import SkipTest

from tests.integration.echo_process import PATIENCE, need_root, tool

#: The public segment, and the server in it.
PUBLIC = "203.0.113"
SERVER = f"{PUBLIC}.1"

#: What may stand between a machine and the public segment.
NONE, CONE, SYMMETRIC = KINDS = ("none", "cone", "symmetric")

#: A NAT that drops what comes unasked, as home routers do. One that did not would make
#: an entry for the other side's first punch, and give the own one another port.
_NAT = """
table ip nat {{
  chain post {{
    type nat hook postrouting priority 100;
    oifname "wan" masquerade {random}
  }}
}}
table ip filt {{
  chain forw {{
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
  }}
  chain inp {{
    type filter hook input priority 0; policy accept;
    ct state established,related accept
    iifname "wan" drop
  }}
}}
"""

#: Loss of every datagram that crosses the public segment, wherever it goes.
_LOSS = """
table bridge loss {{
  chain forw {{
    type filter hook forward priority 0; policy accept;
    ip protocol udp numgen random mod 100 < {percent} drop
  }}
}}
"""


class Space:
    """
    A network namespace.

    @ivar address: The address of the machine in it, empty while it has none.
    """

    def __init__(self, test: TestCase) -> None:
        """Make it; the test's end ends it."""
        self.address = ""
        self._holder = subprocess.Popen(
            [tool("unshare"), "--net", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        test.addCleanup(self._end)
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != b"ready\n":
            why = self._holder.stderr.read().decode().strip()
            raise SkipTest(f"no network namespaces here: {why}")
        self.pid = self._holder.pid

    def _end(self) -> None:
        holder = self._holder
        holder.kill()
        holder.wait(PATIENCE)
        for stream in (holder.stdin, holder.stdout, holder.stderr):
            if stream is not None:
                stream.close()

    def wrap(self) -> list[str]:
        """Give the command that runs the one that follows it in here."""
        return [tool("nsenter"), f"--net=/proc/{self.pid}/ns/net", "--"]

    def do(self, script: str, text: str = "") -> None:
        """
        Run a shell script in here.

        @param text: Its input.
        """
        done = subprocess.run(
            [*self.wrap(), "sh", "-ec", script],
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, (script, done.stdout.decode())


class Lab:
    """
    The public segment with a server in it.

    @ivar server: Where the server runs, at L{SERVER}.
    """

    def __init__(self, test: TestCase) -> None:
        """Build it, or skip the test where that cannot be done."""
        need_root("a lab of network namespaces")
        for name in ("ip", "nft", "nsenter", "unshare"):
            tool(name)
        self._test = test
        self._sides = 0
        self._segment = Space(test)
        self._segment.do("ip link add br0 type bridge; ip link set br0 up")
        self._nats: list[Space] = []
        self.server = self._public(1)

    def side(self, kind: str) -> Space:
        """
        Add a machine.

        @param kind: What stands between it and the public segment.
        """
        self._sides += 1
        number = 10 + self._sides
        wan = self._public(number, "eth0" if kind == NONE else "wan")
        if kind == NONE:
            return wan
        machine = Space(self._test)
        lan = f"10.{number}.0"
        wan.do(
            f"ip link add lan type veth peer name eth0 netns {machine.pid}\n"
            f"ip addr add {lan}.1/24 dev lan; ip link set lan up\n"
            "echo 1 > /proc/sys/net/ipv4/ip_forward\n"
            "nft -f -",
            _NAT.format(random="fully-random" if kind == SYMMETRIC else ""),
        )
        machine.do(
            f"ip addr add {lan}.2/24 dev eth0; ip link set eth0 up; ip link set lo up\n"
            f"ip route add default via {lan}.1"
        )
        machine.address = f"{lan}.2"
        self._nats.append(wan)
        return machine

    def lose(self, percent: int) -> None:
        """Lose so many datagrams of a hundred, at random."""
        self._segment.do("nft -f -", _LOSS.format(percent=percent))

    def forget_after(self, seconds: int) -> None:
        """Have the NATs forget who was silent for so long (Linux: 30 and 120 s)."""
        folder = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout"
        for nat in self._nats:
            nat.do(f"echo {seconds} > {folder}; echo {seconds} > {folder}_stream")

    def _public(self, number: int, name: str = "eth0") -> Space:
        """Make a machine in the public segment."""
        space = Space(self._test)
        self._segment.do(
            f"ip link add p{number} type veth peer name {name} netns {space.pid}\n"
            f"ip link set p{number} master br0 up"
        )
        space.do(
            f"ip addr add {PUBLIC}.{number}/24 dev {name}; ip link set {name} up\n"
            "ip link set lo up"
        )
        space.address = f"{PUBLIC}.{number}"
        return space
