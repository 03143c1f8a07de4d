"""C{netsvc ping} as a process, against servers that behave as badly as told."""

from __future__ import annotations

import json
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.integration import ping_servers
from tests.integration.balance_peers import free_ports
from tests.integration.balance_process import hold_port
from tests.integration.ping_bench import Bench
from tests.integration.ping_servers import Answers, TCPServer, UDPServer


class UDPTests(Bench):
    """UDP, with a network that behaves as told."""

    def test_lines(self) -> None:
        """Each packet is a line, and the run a summary."""
        target = self.serve(UDPServer())
        run = self.ping("-c", "3", "-i", "20ms", target)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        lines = run.stdout.splitlines()
        for number in (1, 2, 3):
            self.assertRegex(
                lines[number], rf"^64 bytes: seq={number} rtt=\d+\.\d+ ms$"
            )
        self.assertIn("3 sent, 3 received, 0 lost (0 %)", run.stdout)

    def test_bad_network(self) -> None:
        """Loss, bursts, duplicates, reordering, damage and lateness are all counted."""

        slower = 1

        def answers(number: int, data: bytes) -> Answers:
            if number in (3, 4, 9):
                return []
            if number == 5:
                return [(0, data), (0, data)]
            if number == 6:
                return [(0.1 * slower, data)]
            if number == 7:
                return [(0, data[:-1] + bytes([data[-1] ^ 1]))]
            if number == 8:
                return [(0.9 * slower, data)]
            if number == 10:
                return [(0, data), (0, b"hello"), (0, b"?" + data[1:])]
            return [(0, data)]

        expected = {
            "status": "warning",
            "sent": 40,
            "received": 37,
            "lost": 3,
            "loss_percent": 7.5,
            "late": 1,
            "duplicates": 1,
            "reordered": 2,
            "corrupt": 1,
            "damaged": 1,
            "unexpected": 1,
            "in_flight": 0,
            "bursts": {"count": 2, "longest": 2},
        }
        # On a busy machine others may be late: it is tried again, with more time.
        for slower in (1, 2, 5):
            target = self.serve(UDPServer(answers))
            times = ("-i", f"{40 * slower}ms", "-W", f"{600 * slower}ms")
            *packets, summary = self.records("-c", "40", *times, target)
            found = {name: summary[name] for name in expected}
            if found == expected:
                break
        self.assertEqual(found, expected)
        self.assertEqual(summary["rtt_ms"]["samples"], 36)
        eighth = [record["status"] for record in packets if record.get("seq") == 8]
        self.assertEqual(eighth, ["timeout", "late"])

    def test_fast(self) -> None:
        """At 100 us every packet is sent, on time in the mean, and matched."""
        target = self.serve(UDPServer())
        summary = self.summary("-c", "3000", "-i", "100us", "-W", "10s", target)
        self.assertEqual(summary["sent"], 3000)
        self.assertEqual(summary["timer_error_ms"]["samples"], 3000)
        self.assertEqual((summary["corrupt"], summary["duplicates"]), (0, 0))
        self.assertGreater(summary["received"], 2500)
        self.assertGreaterEqual(summary["elapsed_s"], 0.2999)

    def test_sweep(self) -> None:
        """Every size from empty to the largest datagram is answered and told apart."""
        target = self.serve(UDPServer())
        sweep = ("--json", "-q", "--sweep", "0:65507", "-i", "5ms", target)
        # Two empty ones that are under way at once cannot be told apart: on a busy
        # machine it is tried again.
        for _ in range(3):
            rows = json.loads(self.ping(*sweep).stdout)["by_size"]
            if all(row["received"] == 10 for row in rows):
                break
        self.assertEqual((rows[0]["bytes"], rows[-1]["bytes"]), (0, 65_507))
        for row in rows:
            self.assertEqual((row["sent"], row["received"]), (10, 10), row)
            self.assertEqual(row["corrupt"], 0, row)

    def test_refused(self) -> None:
        """A refusal is seen for each packet, and is unknown, with one clear line."""
        (port,) = free_ports(1)
        run = self.ping("-c", "2", "-i", "20ms", f"127.0.0.1:{port}")
        self.assertEqual(run.returncode, 3)
        where = rf"127\.0\.0\.1 port {port}/udp"
        expected = rf"\Anetsvc ping: {where}: connection refused[^\n]*\n\Z"
        self.assertRegex(run.stderr, expected)
        for number in (1, 2):
            self.assertIn(f"seq={number} connection refused", run.stdout)

    def test_silent(self) -> None:
        """No answer at all is critical, after the timeout."""
        target = self.serve(UDPServer(lambda number, data: []))
        run = self.ping("-c", "2", "-i", "10ms", "-W", "100ms", target)
        self.assertEqual(run.returncode, 2)
        self.assertIn("seq=2 no answer within 100 ms", run.stdout)
        self.assertTrue(run.stdout.endswith("CRITICAL: no answer\n"))

    def test_source(self) -> None:
        """Packets come from the source address, or are not sent at all."""
        server = UDPServer()
        target = self.serve(server)
        run = self.ping("-c", "1", "--source", "127.0.0.9", target)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(server.peers, {"127.0.0.9"})
        run = self.ping("-c", "1", "--source", "192.0.2.9", target)
        self.assertEqual(run.returncode, 3)
        self.assertIn("cannot use the source address 192.0.2.9", run.stderr)

    def test_ipv6(self) -> None:
        """IPv6 works as IPv4 does, refusals included."""
        try:
            server = UDPServer(host="::1")
        except OSError:
            raise SkipTest("this host has no IPv6") from None
        self.addCleanup(server.close)
        run = self.ping("-c", "1", f"[::1]:{server.port}")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn(f"::1 port {server.port}/udp", run.stdout)
        run = self.ping("-6", "-c", "1", "[::1]:9")
        self.assertEqual(run.returncode, 3)
        self.assertIn("::1 port 9/udp: connection refused", run.stderr)

    def test_monitor(self) -> None:
        """A monitor gets one line and the status."""
        target = self.serve(UDPServer())
        run = self.ping("--nagios", "-i", "10ms", "--warn-rtt", "1us", target)
        self.assertEqual((run.returncode, run.stderr), (1, ""))
        expected = r"\AECHO WARNING - [^\n]* \| rtt=[^\n]* sent=5;;;0\n\Z"
        self.assertRegex(run.stdout, expected)


class TCPTests(Bench):
    """TCP, with servers that cut, close and do not read."""

    def test_pieces(self) -> None:
        """A greeting and answers in tiny pieces do not disturb the measurement."""
        target = self.serve(TCPServer(ping_servers.echo_in_pieces))
        record = self.summary("--tcp", "-c", "10", "-i", "5ms", "-s", "300", target)
        self.assertEqual((record["received"], record["corrupt"]), (10, 0))
        self.assertEqual(record["unexpected"], 29)
        self.assertGreater(record["connect_ms"]["mean"], 0)

    def test_sizes(self) -> None:
        """One byte to a mebibyte go through."""
        target = self.serve(TCPServer(ping_servers.echo))
        for size in ("1", "31", "32", "1048576"):
            record = self.summary("--tcp", "-c", "3", "-i", "50ms", "-s", size, target)
            self.assertEqual((record["received"], record["corrupt"]), (3, 0), size)

    def test_reconnects(self) -> None:
        """A connection that is closed is reported, and made again."""
        server = TCPServer(ping_servers.echo_twice)
        target = self.serve(server)
        records = self.records("--tcp", "-c", "5", "-i", "400ms", target)
        kinds = [record["type"] for record in records]
        self.assertEqual(kinds.count("connected"), 2)
        self.assertIn(
            {"type": "disconnected", "reason": "closed by the other side"}, records
        )
        self.assertGreater(records[-1]["errors"], 0)
        self.assertGreater(records[-1]["received"], 2)

    def test_not_an_echo(self) -> None:
        """A service that answers something else is no echo: critical."""
        target = self.serve(TCPServer(ping_servers.echo_upper_case))
        run = self.ping("--tcp", "-c", "3", "-i", "5ms", "-s", "8", target)
        self.assertEqual(run.returncode, 2)
        self.assertTrue(run.stdout.endswith("CRITICAL: no intact answer\n"))

    def test_never_reads(self) -> None:
        """A server that does not read is not fed without end."""
        target = self.serve(TCPServer(lambda connection: time.sleep(1)))
        size = ("-s", "1000000", "-c", "60", "-i", "5ms", "-W", "200ms")
        record = self.summary("--tcp", *size, target)
        self.assertEqual((record["status"], record["received"]), ("critical", 0))
        self.assertGreater(record["errors"], 30)

    def test_refused(self) -> None:
        """A refusal is one clear line, and unknown."""
        with hold_port() as held:
            port = held.getsockname()[1]
            run = self.ping("--tcp", f"127.0.0.1:{port}")
        self.assertEqual((run.returncode, run.stdout), (3, ""))
        expected = f"netsvc ping: 127.0.0.1 port {port}/tcp: connection refused\n"
        self.assertEqual(run.stderr, expected)


class TLSTests(Bench):
    """TLS, with a certificate that nobody has signed."""

    def setUp(self) -> None:
        """Serve an echo with a self-signed certificate for localhost."""
        folder = Path(self.mktemp())
        folder.mkdir()
        self.ca, context = ping_servers.make_certificate(folder)
        self.target = self.serve(TCPServer(ping_servers.echo, context))

    def refusal(self, *arguments: str) -> str:
        run = self.ping("--tls", "-c", "1", *arguments)
        self.assertEqual((run.returncode, run.stdout), (3, ""))
        self.assertEqual(run.stderr.count("\n"), 1)
        return run.stderr

    def test_trusted(self) -> None:
        """With its issuer named, the certificate is good for name and address."""
        port = self.target.partition(":")[2]
        for target in (self.target, f"localhost:{port}"):
            run = ("--tls", "--ca", str(self.ca), "-c", "3", "-i", "10ms", "-4", target)
            record = self.summary(*run)
            self.assertEqual((record["received"], record["corrupt"]), (3, 0))
            self.assertGreater(record["handshake_ms"]["mean"], 0)

    def test_not_trusted(self) -> None:
        """By default the system's issuers count, and this is none of them."""
        reason = self.refusal(self.target)
        self.assertIn("self-signed, expired or from an unknown", reason)

    def test_wrong_name(self) -> None:
        """A certificate for another name is refused."""
        other = ("--ca", str(self.ca), "--server-name", "other.example")
        self.assertIn("not for this name", self.refusal(*other, self.target))

    def test_insecure(self) -> None:
        """On demand nothing is checked."""
        run = self.ping("--tls", "--insecure", "-c", "1", self.target)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"\Aconnected in [\d.]+ ms, TLSv1\.3 handshake")

    def test_no_tls(self) -> None:
        """A service that does not speak TLS is said not to."""
        plain = self.serve(TCPServer(ping_servers.echo))
        self.assertIn("does not speak TLS", self.refusal(plain))
