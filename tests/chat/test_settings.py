"""Tests of L{netsvc.chat.settings}."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.hub_settings import Operator, parse_operator
from netsvc.chat.settings import (
    ChatSettings,
    Gateway,
    parse_gateway,
    parse_listen_or_off,
)
from netsvc.daemon.settings import SettingsError

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"


def make(**values: Any) -> ChatSettings:
    """Make settings of text."""
    return ChatSettings(**values)


class ParserTests(SynchronousTestCase):
    """What single values may be."""

    def test_listen(self) -> None:
        """A frontend listens on a stream, or nowhere."""
        self.assertIsNone(parse_listen_or_off("off"))
        listen = parse_listen_or_off("tcp:7070:interface=127.0.0.1")
        self.assertEqual(str(listen), "tcp:7070:interface=127.0.0.1")
        for text in ("udp:7070", "nowhere", ""):
            self.assertRaises(ValueError, parse_listen_or_off, text)

    def test_operator(self) -> None:
        """An operator has a name and an Argon2 hash."""
        text = f"root:{HASH}"
        operator = parse_operator(text)
        self.assertEqual(operator, Operator("root", HASH))
        self.assertEqual(str(operator), text)
        for text in ("root", f":{HASH}", f"a b:{HASH}", "root:secret", "root:", HASH):
            self.assertRaises(ValueError, parse_operator, text)

    def test_gateway(self) -> None:
        """A gateway has an address and a file, whose name may have commas."""
        gateway = parse_gateway("192.0.2.1,/a,b")
        self.assertEqual(gateway, Gateway("192.0.2.1", Path("/a,b")))
        self.assertEqual(str(gateway), "192.0.2.1,/a,b")
        text = "192.0.2.1,credential:webirc"
        self.assertEqual(str(parse_gateway(text)), text)
        for text in ("", "192.0.2.1", "192.0.2.1,", ",/secret"):
            self.assertRaises(ValueError, parse_gateway, text)


class SettingsTests(SynchronousTestCase):
    """What the settings allow together."""

    def refused(self, key: str, **values: Any) -> str:
        """See that settings are refused, for one of them; give why."""
        error = self.assertRaises(SettingsError, ChatSettings, **values)
        self.assertEqual(error.key, key)
        return str(error.problem)

    def test_default(self) -> None:
        """Nothing must be given."""
        settings = make()
        self.assertEqual([str(each) for each in settings.line], ["tcp:7070"])
        self.assertEqual([str(each) for each in settings.irc], ["tcp:6667"])
        self.assertEqual((settings.lobby, settings.replay), ("#lobby", 20))
        self.assertEqual((settings.store, settings.sts_port), (None, 0))
        self.assertEqual(settings.history_days, 30 * 86400)

    def test_off(self) -> None:
        """Each frontend can be off, but not both."""
        self.assertEqual(make(irc=("off",)).irc, (None,))
        self.assertEqual(make(line=("off",)).line, (None,))
        self.assertIn("nothing", self.refused("irc", irc=("off",), line=("off",)))

    def test_server_name(self) -> None:
        """A server's name has a dot, and nothing but what a host's name has."""
        make(server_name="irc.example-1.org")
        for name in ("localhost", "irc example.org", "\uccb4.kr", "irc_1.org"):
            self.assertIn("dot", self.refused("server_name", server_name=name))

    def test_network_name(self) -> None:
        """A network's name is one word."""
        make(network_name="\uc218\uc5c5")
        for name in ("two words", ":x", "a:b"):
            self.assertIn("word", self.refused("network_name", network_name=name))

    def test_lobby(self) -> None:
        """The lobby is a room."""
        make(lobby="#\uad50\uc2e4")
        for name in ("lobby", "#a b"):
            self.assertIn("room", self.refused("lobby", lobby=name))
