"""A relay as its users meet it: nc, ncat, socat, a few lines of their own, a chat."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

from tests.integration.echo_process import COMMANDS, PATIENCE, tool, until
from tests.integration.relay_process import UDP, RelayCase, UdpPeer

#: What a student writes: nothing but socket(), sendto(), recvfrom().
STUDENT = """\
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto("hello from a student".encode(), ("127.0.0.1", int(sys.argv[1])))
while True:
    data, where = s.recvfrom(65536)
    print(data.decode(), flush=True)
    if b"bye" in data:
        break
"""


class TalkTests(RelayCase):
    """Text."""

    def test_student(self) -> None:
        """A program of a few lines talks and listens."""
        relay = self.start()
        ann = self.member(relay, b"ann")
        program = subprocess.Popen(
            [sys.executable, "-c", STUDENT, str(relay.port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            ann.until(b"<guest2> hello from a student")
            ann.say(b"bye")
            out, _ = program.communicate(timeout=PATIENCE)
        finally:
            program.kill()
            program.wait()
        self.assertIn("you are guest2", out)
        self.assertIn("<ann> bye", out)

    def run_tool(self, relay_port: int, ann: UdpPeer, *words: str) -> None:
        """Talk by a program that sends what is typed; leave by a command."""
        shown = self.folder / f"shown-{words[0]}"
        with shown.open("wb") as out:
            program = subprocess.Popen(
                [tool(words[0]), *words[1:]],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.DEVNULL,
            )
        assert program.stdin is not None
        heard = b"<ann> I hear you, " + words[0].encode()
        try:
            program.stdin.write(b"hello by %s\n" % words[0].encode())
            program.stdin.flush()
            ann.until(b"hello by " + words[0].encode())
            ann.say(heard[6:])
            program.stdin.write(b"/quit\n")
            program.stdin.flush()
            ann.until(b"has quit")
            wanted = {heard, b"* goodbye"}
            until(
                lambda: wanted <= {*shown.read_bytes().splitlines()},
                f"{words[0]} shows {wanted}",
            )
        finally:
            program.kill()
            program.wait()
            program.stdin.close()

    def test_tools(self) -> None:
        """nc, ncat and socat talk; each gets whole lines."""
        relay = self.start()
        ann = self.member(relay, b"ann")
        port = str(relay.port)
        self.run_tool(relay.port, ann, "nc", "-u", "127.0.0.1", port)
        self.run_tool(relay.port, ann, "ncat", "-u", "127.0.0.1", port)
        self.run_tool(relay.port, ann, "socat", "-", f"UDP4:127.0.0.1:{port}")

    def test_many(self) -> None:
        """What one says, fifty hear, each once, however they end their lines."""
        relay = self.start()
        ann = self.member(relay, b"ann")
        peers = []
        for number in range(50):
            peer = self.peer(relay)
            peer.say(b"/nick p%d%s" % (number, (b"", b"\n", b"\r\n")[number % 3]))
            peer.until(b"is now known as")
            peers.append(peer)
        for speaker, hearers in ((peers[0], [ann, *peers[1:]]), (ann, peers)):
            speaker.say(b"ready")
            for each in hearers:  # what was said before is behind them then
                each.until(b"> ready")
        ann.say(b"one", b"two")
        for number, peer in enumerate(peers):
            end = (b"", b"\n", b"\r\n")[number % 3]
            self.assertEqual(
                [peer.hear(), peer.hear()], [b"<ann> one" + end, b"<ann> two" + end]
            )
        self.assertEqual(ann.drain(0), [])

    def test_reload(self) -> None:
        """A reload costs nobody a message, whichever of our addresses they use."""
        relay = self.start(listens=("udp:0:interface=0.0.0.0",))
        ann = self.member(relay, b"ann")
        bob = UdpPeer(relay.port, "127.0.0.2", "127.0.0.1")
        self.addCleanup(bob.skt.close)
        bob.say(b"/nick bob")
        bob.until(b"is now known as bob")
        for number in range(2):
            ann.say(b"number %d" % number)
            bob.until(b"<ann> number %d" % number)
            bob.say(b"answer %d" % number)
            ann.until(b"<bob> answer %d" % number)
            os.kill(relay.pid, signal.SIGHUP)

            def reloaded(times: int = number + 1) -> bool:
                return relay.log.count("reloaded") >= times

            until(reloaded, "it has reloaded")

    def test_one_gone(self) -> None:
        """A peer whose socket is gone does not keep the others from hearing."""
        relay = self.start()
        ann, bob = self.member(relay, b"ann"), self.member(relay, b"bob")
        gone = self.member(relay, b"gone")
        gone.skt.close()
        for number in range(20):
            ann.say(b"number %d" % number)
        bob.until(b"number 19")
        self.assertEqual(sum(b"number" in each for each in bob.seen), 20)

    def test_silent(self) -> None:
        """Who is silent for long is gone, but for who sends empty datagrams."""
        for seconds in (1, 5, 20):
            relay = self.start("--peer-timeout", f"{seconds}s")
            ann, bob = self.member(relay, b"ann"), self.member(relay, b"bob")
            end = time.monotonic() + 3 * seconds
            heard = b""
            while b"bob has quit" not in heard and time.monotonic() < end:
                ann.say(b"")
                heard += b"".join(ann.drain(0.01))
            if b"* bob has quit (No sign of life)" in heard:
                break
            # On a busy machine ann may be late, too: next time there is more time.
        else:
            self.fail(f"bob is there still: {ann.seen}")
        bob.say(b"again")
        ann.until(b"again")

    def test_stop(self) -> None:
        """At SIGTERM everybody is told, and the process ends with status 0."""
        relay = self.start()
        ann = self.member(relay, b"ann")
        counted = relay.stop()
        ann.until(b"! The server is stopping")
        self.assertGreaterEqual(counted["datagrams"], 1)
        self.assertEqual(counted["peers"], 1)

    def test_wildcard(self) -> None:
        """On all addresses, everybody hears from the address that they asked."""
        relay = self.start(listens=("udp:0",))
        ann = UdpPeer(relay.port, "127.0.0.1")
        bob = UdpPeer(relay.port, "127.0.0.5")
        self.addCleanup(ann.skt.close)
        self.addCleanup(bob.skt.close)
        bob.skt.connect(("127.0.0.5", relay.port))  # it hears nobody else now
        ann.say(b"hello")
        ann.until(b"you are guest1")
        bob.skt.send(b"hello")
        bob.until(b"you are guest2")
        ann.say(b"can you hear me?")
        bob.until(b"<guest1> can you hear me?")

    def test_ipv6(self) -> None:
        """It works over IPv6, too, beside IPv4, in the same rooms."""
        relay = self.start(listens=(UDP, "udp:0:interface=\\:\\:1"))
        ann = self.member(relay, b"ann")
        bob = UdpPeer(relay.ports[1], "::1")
        self.addCleanup(bob.skt.close)
        bob.say(b"hello from six")
        bob.until(b"you are guest")
        ann.until(b"hello from six")
        ann.say(b"hello from four")
        bob.until(b"<ann> hello from four")

    def test_raw(self) -> None:
        """Payloads go byte for byte, up to the largest datagram that there is."""
        relay = self.start("--raw")
        ann, bob = self.peer(relay), self.peer(relay)
        bob.say(b"\0")
        ann.say(b"\0\xff")
        self.assertEqual(bob.hear(), b"\0\xff")
        large = bytes(range(256)) * 255 + b"\n" * 227
        self.assertEqual(len(large), 65507)
        ann.say(large)
        self.assertEqual(bob.hear(), large)
        ann.say(b"/nick ann")
        ann.until(b"is now known as ann")
        self.assertEqual(bob.drain(0.05), [])

    def test_chat(self) -> None:
        """With netsvc-chat --udp the rooms are those of the other doors."""
        relay = self.start(
            "--line",
            "tcp:0:interface=127.0.0.1",
            "--irc",
            "off",
            plugin="netsvc-chat",
        )
        log = relay.log
        line = int(log.split("tcp:0:interface=127.0.0.1 (127.0.0.1:")[1].split(")")[0])
        udp = int(log.split("udp:0:interface=127.0.0.1 (127.0.0.1:")[1].split(")")[0])
        with socket.create_connection(("127.0.0.1", line), PATIENCE) as client:
            file = client.makefile("rb")
            while b"commands" not in file.readline():
                pass
            peer = UdpPeer(udp)
            self.addCleanup(peer.skt.close)
            peer.say(b"hello by UDP")
            peer.until(b"you are guest2")
            while (said := file.readline()) != b"<guest2> hello by UDP\r\n":
                self.assertNotEqual(said, b"")
            client.sendall(b"hello by TCP\n")
            peer.until(b"<guest1> hello by TCP")
            file.close()
        relay.stop()

    def test_history(self) -> None:
        """A relay that is told to keeps what is said, over its end."""
        store = self.folder / "relay.sqlite"
        options = ("--history", "--store", str(store))
        relay = self.start(*options)
        ann = self.member(relay, b"ann")
        ann.say(b"for later")
        ann.say(b"/history")
        ann.until(b"<ann> for later")
        relay.stop()
        relay = self.start(*options)
        bob = self.peer(relay)
        bob.say(b"what was it?")
        bob.until(b"<ann> for later")

    def test_refused(self) -> None:
        """A port that is taken ends the process with one line and status 1."""
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        twistd = [str(COMMANDS / "twistd"), "-n", "--pidfile=", "netsvc-relay"]
        done = subprocess.run(
            [*twistd, "--listen", f"udp:{port}:interface=127.0.0.1"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertEqual(done.returncode, 1)
        (line,) = done.stderr.splitlines()
        self.assertIn("netsvc-relay: cannot listen on udp:", line)
