"""The command line of C{netsvc chat}."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.client.entry import Wishes
from netsvc.chat.client.target import ClientSettings
from netsvc.cli import chat
from netsvc.daemon.targets import TLSSettings


class CommandLineTests(SynchronousTestCase):
    """Options."""

    def run_chat(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = chat.main(words)
        return status, out.getvalue(), err.getvalue()

    def settings(self, *words: str) -> ClientSettings:
        with mock.patch("netsvc.chat.client.main.run_chat", return_value=7) as run:
            self.assertEqual(self.run_chat(*words), (7, "", ""))
        (settings,) = run.call_args.args
        assert isinstance(settings, ClientSettings)
        return settings

    def test_defaults(self) -> None:
        """A host is enough."""
        self.assertEqual(self.settings("a"), ClientSettings("a", 7070))

    def test_all(self) -> None:
        """Each option is heard."""
        file = Path(self.mktemp())
        file.write_text("secret word\nmore\n")
        found = self.settings(
            *("a:1", "--room", "x", "--room", "#y", "--nick", "지우"),
            *("--charset", "euc-kr", "--timestamps", "--no-reconnect"),
            *("--tls", "--ca", "f", "--server-name", "b"),
            *("--password-file", str(file), "--no-commands"),
        )
        self.assertEqual(
            found,
            ClientSettings(
                "a",
                1,
                TLSSettings(Path("f"), True, "b"),
                Wishes("지우", ("#x", "#y"), "cp949"),
                "cp949",
                reconnect=False,
                timestamps=True,
                password="secret word",
                commands=False,
            ),
        )
        self.assertEqual(
            self.settings("a", "--tls", "--no-verify").tls, TLSSettings(verify=False)
        )

    def test_udp(self) -> None:
        """A target over UDP has a port and options of its own."""
        with mock.patch("netsvc.chat.client.main.run_chat", return_value=7) as run:
            self.assertEqual(self.run_chat("udp:[::1]", "--direct", "force")[0], 7)
            self.assertEqual(self.run_chat("udp:a:1", "--charset", "cp949")[0], 7)
        first, second = run.call_args_list
        self.assertEqual(first.args[0], ClientSettings("::1", 7075, udp=True))
        reactor = mock.Mock()
        link = first.args[1](reactor, mock.Mock())
        self.assertEqual(link.paths.mode, "force")
        self.assertEqual(second.args[1](reactor, mock.Mock()).paths.mode, "auto")
        self.assertEqual(second.args[0].where, "udp:a:1")

    def test_bad(self) -> None:
        """A mistake is one line, and status 2."""
        odd = Path(self.mktemp())
        odd.write_bytes(b"\xff\n")
        for words, text in (
            ((), "HOST"),
            (("a:x",), "no port"),
            (("a", "--room", "a b"), "no name of a room"),
            (("a", "--nick", "a b\x1b"), "is no nick"),
            (("a", "--charset", "x"), "there are: utf-8, cp949"),
            (("a", "--ca", "f"), "need --tls"),
            (("a", "--no-verify"), "need --tls"),
            (("a", "--server-name", "b"), "need --tls"),
            (("a", "--tls", "--no-verify", "--ca", "f"), "leaves nothing"),
            (("a", "--password-file", "none"), "cannot read 'none': No such file"),
            (("a", "--password-file", str(odd)), "no text in UTF-8"),
            (("a", "--tim"), "unrecognized"),
            (("udp:a", "--tls"), "there is no --tls over UDP"),
            (("a", "--direct", "auto"), "--direct is for udp:HOST"),
            (("udp:a", "--direct", "x"), "invalid choice: 'x'"),
            (("udp:a:x",), "no port"),
        ):
            status, out, err = self.run_chat(*words)
            self.assertEqual((status, out, err.count("\n")), (2, "", 1), err)
            self.assertIn(text, err)
            self.assertNotIn("\x1b", err)

    def test_help(self) -> None:
        """Help tells the options, and succeeds."""
        status, out, err = self.run_chat("--help")
        self.assertEqual((status, err), (0, ""))
        for option in ("--room", "--no-verify", "--no-reconnect"):
            self.assertIn(option, out)
