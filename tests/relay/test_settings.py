"""Tests of L{netsvc.relay.settings} and of the command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat import tap as chat_tap
from netsvc.chat.service import ChatService
from netsvc.chat.store.database import MEMORY
from netsvc.daemon.settings import SettingsError
from netsvc.relay import tap
from netsvc.relay.service import RelayService, spread, store_path
from netsvc.relay.settings import RelaySettings, parse_datagrams


def make(**values: Any) -> RelaySettings:
    """Make settings of text."""
    return RelaySettings(**values)


class SettingsTests(SynchronousTestCase):
    """What may be asked for."""

    def test_defaults(self) -> None:
        """By itself it listens on UDP port 7075, and keeps nothing."""
        settings = make()
        self.assertEqual([str(each) for each in settings.listen], ["udp:7075"])
        self.assertEqual(settings.admission, ("auto",))
        self.assertFalse(settings.raw or settings.history or settings.accounts)
        self.assertEqual(store_path(settings), Path(MEMORY))

    def test_store(self) -> None:
        """Where something is kept, it is in a file of its own."""
        for settings in (make(history=True), make(accounts=True)):
            self.assertEqual(store_path(settings).name, "relay.sqlite")
        self.assertEqual(store_path(make(store="/x/y")), Path("/x/y"))

    def test_listen(self) -> None:
        """It listens on datagrams only."""
        self.assertEqual(str(parse_datagrams("udp:0")), "udp:0")
        self.assertRaises(ValueError, parse_datagrams, "tcp:7075")

    def test_mistakes(self) -> None:
        """What does not fit together is refused, by the name of what is to change."""
        for key, values in (
            ("admission", {"admission": ("open", "credit")}),
            ("stun_user", {"stun_user": "ann"}),
            ("stun_user", {"stun_password": "/x"}),
            ("history", {"raw": True, "history": True}),
            ("lobby", {"lobby": "lobby"}),
        ):
            error = self.assertRaises(SettingsError, make, **values)
            self.assertEqual(error.key, key)

    def test_admissions(self) -> None:
        """There is one admission for all listeners, or one for each."""
        listen = ("udp:1", "udp:2")
        settings = make(listen=listen, admission=("open",))
        self.assertEqual(spread(settings.admission, settings.listen), ("open",) * 2)
        settings = make(listen=listen, admission=("open", "cookie"))
        self.assertEqual(
            spread(settings.admission, settings.listen), ("open", "cookie")
        )


class CommandTests(SynchronousTestCase):
    """The command lines of netsvc-relay and netsvc-chat."""

    def test_relay(self) -> None:
        """netsvc-relay runs a relay with a hub of its own."""
        options = tap.Options()
        options.parseOptions(["--listen", "udp:7", "--raw", "--drain-timeout", "3s"])
        daemon = tap.makeService(options, MemoryReactorClock())
        (service,) = daemon
        assert isinstance(service, RelayService)
        self.assertTrue(service.owns_host)
        self.assertEqual(daemon.drain_timeout, 3)
        self.assertIn("--admission", options.getUsage())

    def test_refused(self) -> None:
        """A mistake ends the process with one line."""
        for words, text in (
            (["--listen", "tcp:7075"], "datagrams only"),
            (["--stun-user", "ann"], "--stun-user"),
            (["--raw", "--history"], "--history"),
        ):
            error = self.assertRaises(SystemExit, tap.Options().parseOptions, words)
            self.assertIn(text, str(error))

    def test_unreadable_password(self) -> None:
        """A password file that cannot be read ends the process with one line."""
        settings = make(stun_user="ann", stun_password=str(Path("missing").absolute()))
        error = self.assertRaises(
            SystemExit, RelayService, settings, MemoryReactorClock()
        )
        self.assertIn("netsvc-relay: --stun-password: cannot read", str(error))

    def test_chat(self) -> None:
        """netsvc-chat --udp runs a relay in the chat's rooms."""
        options = chat_tap.Options()
        options.parseOptions(
            ["--store", ":memory:", "--udp", "udp:7", "-u", "udp:8", "--lobby", "#hall"]
        )
        daemon = chat_tap.makeService(options, MemoryReactorClock())
        chat, relay = daemon
        assert isinstance(chat, ChatService)
        assert isinstance(relay, RelayService)
        self.assertIs(relay.host, chat.host)
        self.assertFalse(relay.owns_host)
        self.assertEqual(len(relay.settings.listen), 2)

    def test_chat_off(self) -> None:
        """Without it, or with off, there is no relay."""
        for words in ([], ["--udp", "off"]):
            options = chat_tap.Options()
            options.parseOptions(["--store", ":memory:", *words])
            daemon = chat_tap.makeService(options, MemoryReactorClock())
            self.assertEqual(len(list(daemon)), 1)
