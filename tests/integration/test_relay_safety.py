"""What strangers cannot do to a relay, nor to others by it."""

from __future__ import annotations

import random
import select
import socket
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netsvc.multiplex.batch import Batch, available
from tests.integration.echo_process import need_root, until
from tests.integration.figures import figure
from tests.integration.relay_process import RelayCase, RelayProcess, UdpPeer
from tests.integration.streams import ANSWER

#: Datagrams of the flood.
FLOOD = 100_000

#: Seconds to wait for what must not come.
SILENCE = 0.3

#: What everybody is answered, by a cookie.
ASK = b"/cookie".ljust(27)


def let_read(port: int) -> None:
    """Wait until a process has read what its UDP port was sent."""
    end = time.monotonic() + ANSWER
    address = f"0100007F:{port:04X}"
    while time.monotonic() < end:
        lines = Path("/proc/net/udp").read_text().splitlines()
        rows = [line.split() for line in lines]
        waiting = [row[4].partition(":")[2] for row in rows if row[1] == address]
        if waiting and not int(waiting[0], 16):
            return
        time.sleep(0.001)


def forged(source: tuple[str, int], to: tuple[str, int], data: bytes) -> bytes:
    """Make an IPv4 packet with a UDP datagram that says it is from somebody else."""
    udp = source[1].to_bytes(2, "big") + to[1].to_bytes(2, "big")
    udp += (8 + len(data)).to_bytes(2, "big") + bytes(2) + data
    head = bytes((0x45, 0)) + (20 + len(udp)).to_bytes(2, "big") + bytes(4)
    head += bytes((64, socket.IPPROTO_UDP)) + bytes(2)
    return head + socket.inet_aton(source[0]) + socket.inet_aton(to[0]) + udp


class SpoofTests(RelayCase):
    """Datagrams with somebody else's source address."""

    def attack(self, relay: RelayProcess) -> tuple[int, int, list[bytes]]:
        """
        Forge a victim's joins while the room talks.

        @return: Bytes sent under the victim's address, bytes that came to it, and the
            datagrams.
        """
        need_root("forging a source address")
        victim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(victim.close)
        victim.bind(("127.0.7.7", 0))
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.addCleanup(raw.close)
        ann = self.peer(relay)
        code = None
        ann.say(b"hello there")
        first = ann.hear()
        for word in first.split():
            if len(word) == 6 and b"type" in first:
                code = word
        if code is not None:
            ann.say(code)
            ann.until(b"you are guest")
        sent, heard = 0, []
        to = ("127.0.0.1", relay.port)
        for number in range(60):
            data = (b"/join #lobby", b"hi", b"/who", b"hello " * 9)[number % 4]
            raw.sendto(forged(victim.getsockname(), to, data), (to[0], 0))
            sent += len(data)
            ann.say(b"something that everybody in the room is told, number %d" % number)
            time.sleep(0.005)
        ann.sync()
        while select.select([victim], [], [], SILENCE)[0]:
            heard.append(victim.recv(65536))
        return sent, sum(map(len, heard)), heard

    def test_credit(self) -> None:
        """A victim is sent at most three times what was sent in its name."""
        relay = self.start("--admission", "credit")
        sent, got, heard = self.attack(relay)
        figure(self, "bytes to a victim for a forged one", got / sent, most=3)
        self.assertTrue(heard)

    def test_cookie(self) -> None:
        """Where a cookie is needed, a victim is sent no message of a room."""
        relay = self.start("--admission", "cookie")
        sent, got, heard = self.attack(relay)
        figure(self, "bytes to a victim for a forged one", got / sent, most=3)
        self.assertTrue(heard)
        for data in heard:
            self.assertNotIn(b"something that everybody", data)
            self.assertRegex(data, rb"type|^\?")

    def test_loop(self) -> None:
        """One forged datagram from an echo service gets one answer, and no more."""
        need_root("forging a source address")
        relays = {
            admission: self.begin("--admission", admission)
            for admission in ("credit", "cookie", "open")
        }
        for admission, relay in relays.items():
            relay.wait()
            echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.addCleanup(echo.close)
            echo.bind(("127.0.0.1", 0))
            with socket.socket(
                socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW
            ) as raw:
                to = ("127.0.0.1", relay.port)
                raw.sendto(forged(echo.getsockname(), to, b"forged"), (to[0], 0))
            answers = 0
            while select.select([echo], [], [], SILENCE if answers else ANSWER)[0]:
                data, where = echo.recvfrom(65536)
                answers += 1
                echo.sendto(data, where)
            what = f"answers to a forged datagram ({admission})"
            figure(self, what, answers, least=1, most=1)
            peer = self.peer(relay)
            peer.say(ASK)
            self.assertTrue(peer.hear())  # the relay has read what came before
            counted = relay.stop()
            self.assertEqual(counted["loop"], 1)


class FloodTests(RelayCase):
    """Whatever comes."""

    def test_random(self) -> None:
        """A hundred thousand random datagrams: no traceback, and memory stays flat."""
        relay = self.start(
            "--max-peers", "200", "--source-rate", "off", "--admission", "credit"
        )
        choice = random.Random(7)
        starts = (b"", b"\0\1", b"\5", b"/", b"/join #", b"/resume ", b"/cookie ")
        magic = b"\0\1\0\0\x21\x12\xa4\x42"
        sockets = []
        for number in range(40):
            skt = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.addCleanup(skt.close)
            skt.bind((f"127.0.{number % 20}.9", 0))
            skt.connect(("127.0.0.1", relay.port))
            skt.setblocking(False)
            sockets.append(skt)
        memory = []
        for number in range(FLOOD):
            data = choice.randbytes(choice.randrange(40))
            kind = number % 3
            if kind == 0:
                data = choice.choice(starts) + data
            elif kind == 1:
                data = magic + data.ljust(12)[:12] + data
            else:
                data = data.hex().encode()
            try:
                sockets[number % 40].send(data)
            except OSError:
                continue
            if number % 256 == 0:
                let_read(relay.port)
            if number % (FLOOD // 10) == FLOOD // 10 - 1:
                memory.append(relay.memory())
        grown = (memory[-1] - memory[2]) / 1024
        figure(self, "memory of the relay grown", grown, "MiB", most=8)
        # It is there still.
        for skt in sockets:
            skt.close()
        peer = UdpPeer(relay.port, source="127.0.99.1")
        self.addCleanup(peer.skt.close)

        def heard() -> bool:
            peer.say(ASK)
            return bool(peer.hear(0.5))

        until(heard, "the relay answers")
        counted = relay.stop()
        self.assertGreater(counted["datagrams"], FLOOD * 3 // 4)
        self.assertGreater(counted["junk"], 0)


class BatchTests(SynchronousTestCase):
    """L{netsvc.multiplex.batch}, on sockets."""

    def setUp(self) -> None:
        """Make a socket to send from."""
        if not available():
            raise SkipTest("there is no sendmmsg here")
        self.skt = self.socket(socket.AF_INET, "127.0.0.1")
        self.skt.setblocking(False)

    def socket(self, family: int, host: str) -> socket.socket:
        """Make a socket."""
        skt = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(skt.close)
        skt.bind((host, 0))
        skt.settimeout(ANSWER)
        return skt

    def test_versions(self) -> None:
        """Each is sent its version; what fails for one is told, the others get it."""
        hearers = [self.socket(socket.AF_INET, "127.0.0.1") for _ in range(7)]
        batch = Batch(self.skt)
        made = [batch.destination(each.getsockname()) for each in hearers]
        made.insert(3, batch.destination(("127.0.0.1", 0)))
        failed: list[tuple[int, int | None]] = []
        batch.send(
            (b"a", b"a\n", b"a\r\n"),
            [each.headers[n % 3] for n, each in enumerate(made)],
            lambda number, error: failed.append((number, error.errno)),
        )
        self.assertEqual([number for number, _ in failed], [3])
        places = [0, 1, 2, 4, 5, 6, 7]
        for place, hearer in zip(places, hearers, strict=True):
            self.assertEqual(
                hearer.recv(99), (b"a", b"a\n", b"a\r\n")[place % 3], place
            )

    def test_ipv6(self) -> None:
        """It works over IPv6, with and without a scope."""
        skt = self.socket(socket.AF_INET6, "::1")
        skt.setblocking(False)
        hearer = self.socket(socket.AF_INET6, "::1")
        batch = Batch(skt)
        for address in (hearer.getsockname(), hearer.getsockname()[:2]):
            made = batch.destination(address)
            batch.send((b"six",), [made.headers[0]], lambda n, error: None)
            self.assertEqual(hearer.recv(99), b"six")

    def test_more_than_one_call(self) -> None:
        """More than one call takes are sent in several."""
        hearer = self.socket(socket.AF_INET, "127.0.0.1")
        batch = Batch(self.skt)
        made = batch.destination(hearer.getsockname())
        failed: list[int] = []
        batch.send(
            (b"x",), [made.headers[0]] * 1500, lambda number, error: failed.append(1)
        )
        batch.send(
            (b"x" * 65537,), [made.headers[0]], lambda n, error: failed.append(2)
        )
        self.assertEqual(failed[-1:], [2])
        hearer.setblocking(False)
        heard = 0
        try:
            while hearer.recv(9):
                heard += 1
        except BlockingIOError:
            pass
        self.assertGreater(heard, 50)  # its buffer is not that large
