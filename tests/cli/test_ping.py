"""The command line of C{netsvc ping}."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.cli import ping
from netsvc.daemon.targets import TLSSettings
from netsvc.echo.probe import main as probe_main
from netsvc.echo.probe.main import ReportOptions
from netsvc.echo.probe.target import ProbeSettings, Transport
from netsvc.echo.probe.thresholds import Limit, Thresholds

MS = 1_000_000


class Bench(SynchronousTestCase):
    """Runs the command line without the probe."""

    def setUp(self) -> None:
        """Keep what the probe would be told, and what is written."""
        self.out, self.err = io.StringIO(), io.StringIO()
        self.told: list[tuple[ProbeSettings, Thresholds, ReportOptions]] = []
        self.patch(probe_main, "run_probe", self.run_probe)

    def run_probe(self, *told: Any) -> int:
        self.told.append(told)
        return 1

    def call(self, line: str) -> int:
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        return ping.main(line.split())

    def settings(self, line: str) -> ProbeSettings:
        self.call(line)
        self.assertEqual(self.err.getvalue(), "")
        return self.told[-1][0]


class SettingsTests(Bench):
    """Options become settings."""

    def test_defaults(self) -> None:
        """A host is enough: UDP, port 7007, 64 bytes, each second, for ever."""
        self.assertEqual(self.call("localhost"), 1)
        expected = (ProbeSettings("localhost"), Thresholds(), ReportOptions())
        self.assertEqual(self.told, [expected])

    def test_all(self) -> None:
        """Each option has its place."""
        self.assertEqual(
            self.settings(
                "-c 5 -d 1m -i 100us -s 1000 -W 500ms --tls --ca issuers.pem "
                "--server-name other.example -6 [2001:db8::7]:7"
            ),
            ProbeSettings(
                "2001:db8::7",
                7,
                Transport.TLS,
                sizes=(1000,),
                count=5,
                duration=60_000 * MS,
                interval=100_000,
                timeout=500 * MS,
                family=6,
                tls=TLSSettings(Path("issuers.pem"), True, "other.example"),
            ),
        )

    def test_transports(self) -> None:
        """One of three transports."""
        for word in ("udp", "tcp", "tls"):
            settings = self.settings(f"--{word} localhost")
            self.assertEqual(settings.transport, Transport(word))
        self.assertFalse(self.settings("--tls --insecure localhost").tls.verify)

    def test_sweep(self) -> None:
        """The count of a sweep is for each size, ten by default."""
        settings = self.settings("--sweep 64:256 localhost")
        self.assertEqual((settings.sizes, settings.count), ((64, 128, 256), 30))
        self.assertEqual(self.settings("-c 2 --sweep 1:2 localhost").count, 4)
        self.assertIsNone(self.settings("-d 5 --sweep 1:2 localhost").count)

    def test_source(self) -> None:
        """A source address implies its family."""
        settings = self.settings("--source ::1 localhost")
        self.assertEqual((settings.source, settings.family), ("::1", 6))
        self.assertEqual(self.settings("-4 --source 127.0.0.1 x").family, 4)

    def test_report(self) -> None:
        """The report has its options, and a monitor gets five packets."""
        self.call("-q --histogram --json localhost")
        expected = ReportOptions(quiet=True, histogram=True, json=True)
        self.assertEqual(self.told[-1][2], expected)
        self.assertEqual(self.settings("--nagios localhost").count, 5)
        self.assertTrue(self.told[-1][2].monitor)
        self.assertEqual(self.settings("--nagios -c 7 localhost").count, 7)

    def test_thresholds(self) -> None:
        """Thresholds are in milliseconds and percent."""
        self.call(
            "--warn-rtt 50ms --crit-rtt .1 --warn-loss 1 --crit-loss 20% "
            "--crit-jitter 100us localhost"
        )
        self.assertEqual(
            self.told[-1][1],
            Thresholds(Limit(50, 100), Limit(1, 20), Limit(None, 0.1)),
        )


class UsageTests(Bench):
    """Mistakes are a line on standard error, and exit status 3."""

    def test_mistakes(self) -> None:
        """Each mistake is named."""
        for line, words in {
            "": "HOST[:PORT]",
            "a b": "unrecognized arguments: b",
            "--frob a": "--frob",
            "--tcp --udp a": "not allowed with",
            "--json --nagios a": "not allowed with",
            "-s 1 --sweep 1:2 a": "not allowed with",
            "-4 -6 a": "not allowed with",
            "a:http": "no port number",
            "-c 0 a": "'0' is no number of packets",
            "-c 9999999999999999999 a": "is no number of packets",
            "-i 9us a": "shorter than 10 us",
            "-i soon a": "'soon' is no duration",
            "-d 0 a": "too short",
            "-s 65508 a": "65508 bytes are more than the 65507 of UDP",
            "--sweep 1:65508 a": "65508 bytes are more than the 65507 of UDP",
            "--tcp -s 1048577 a": "1048577 bytes are more than the 1048576 of TCP",
            "--tcp -s 0 a": "an empty message",
            "--sweep 2:1 a": "does not rise",
            "--ca x a": "--ca, --insecure and --server-name need --tls",
            "--tls --insecure --ca x a": "nothing for --ca to check",
            "--source here a": "--source 'here' is no address",
            "-4 --source ::1 a": "--source ::1 is no IPv4 address",
            "--warn-rtt 2s --crit-rtt 1s a": "--warn-rtt is above --crit-rtt",
            "--warn-loss 0 a": "no percentage above 0",
            "--coun 5 a": "--coun",
        }.items():
            self.err.seek(0)
            self.err.truncate()
            self.assertEqual(self.call(line), 3, line)
            error = self.err.getvalue()
            self.assertTrue(error.startswith("netsvc ping: "), error)
            self.assertTrue(error.endswith("(try 'netsvc ping --help')\n"), error)
            self.assertEqual(error.count("\n"), 1, error)
            self.assertIn(words, error)
        self.assertEqual((self.out.getvalue(), self.told), ("", []))

    def test_escaped(self) -> None:
        """An argument cannot steer the terminal."""
        self.assertEqual(self.call("--\x1b[2J a"), 3)
        self.assertIn(r"--\x1b[2J", self.err.getvalue())


class HelpTests(Bench):
    """C{--help}."""

    def test_help(self) -> None:
        """The help names every option and is no failure."""
        self.assertEqual(self.call("--help"), 0)
        text = self.out.getvalue()
        for word in ("HOST[:PORT]", "--sweep", "--crit-jitter", "exit status:"):
            self.assertIn(word, text)

    def test_light(self) -> None:
        """The help and a mistake load neither Twisted nor rich."""
        program = (
            "import sys; from netsvc.cli.ping import main; main(sys.argv[1:]);"
            "print(sorted({'twisted', 'rich', 'OpenSSL'} & set(sys.modules)))"
        )
        for arguments in (["--help"], ["-c", "0", "localhost"]):
            run = subprocess.run(
                [sys.executable, "-c", program, *arguments],
                capture_output=True,
                check=True,
                text=True,
                timeout=60,
            )
            self.assertEqual(run.stdout.splitlines()[-1], "[]")


class EncodingTests(Bench):
    """Streams that cannot encode everything."""

    def test_escaped(self) -> None:
        """What the encoding lacks is written as an escape."""
        out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", self.err)
        ping.main(["localhost"])
        self.assertEqual(out.errors, "backslashreplace")
