"""Tests of MARKREAD (IRCv3 C{draft/read-marker})."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.config import IrcConfig
from tests.chat.accounts.account_fakes import Chat as Accounts
from tests.chat.irc.kit import SERVER, Chat, Line
from tests.chat.irc.memory_history import MemoryHistory, Pending

CAP = "draft/read-marker"
OLD, NEW = "2019-01-04T14:33:26.123Z", "2019-06-01T12:00:00.000Z"


class MarkerCase(SynchronousTestCase):
    """A chat with accounts and a history."""

    def setUp(self) -> None:
        """Start it."""
        self.history = MemoryHistory()
        self.start()

    def start(self, **settings: Any) -> None:
        """Start the chat with other settings."""
        config = IrcConfig(command_rate=None, **settings)
        self.chat = Chat(config, history=self.history, accounts=Accounts().accounts)


class MarkreadTests(MarkerCase):
    """Tests with and without an account."""

    def test_set_and_get(self) -> None:
        """A marker is C{*} before it is set, and then what was set; it only grows."""
        for account in ("ann", None):
            client = self.chat.client("ann", CAP, account=account)
            for line, answer in (
                ("MARKREAD #Room", "*"),
                (f"MARKREAD #room timestamp={OLD}", f"timestamp={OLD}"),
                ("MARKREAD #ROOM", f"timestamp={OLD}"),
                (f"MARKREAD #room timestamp={NEW}", f"timestamp={NEW}"),
                (f"MARKREAD #room timestamp={OLD}", f"timestamp={NEW}"),
                ("MARKREAD bob", "*"),
            ):
                target = line.split()[1]
                self.assertEqual(
                    client.ask(line), [f":{SERVER} MARKREAD {target} {answer}"]
                )
            client.send("QUIT")

    def test_bounded(self) -> None:
        """Who has no account has so many markers; the oldest gives way."""
        self.start(markers=2)
        client = self.chat.client("ann", CAP)
        for name in ("a", "b", "a", "c"):
            client.send(f"MARKREAD {name} timestamp={OLD}")
        self.assertEqual(list(client.session.markers or ()), ["a", "c"])

    def test_others_of_the_account(self) -> None:
        """All clients of the account are told, and nobody else."""
        ann = self.chat.client("ann", CAP, account="ann")
        phone = self.chat.client("phone", CAP, account="Ann")
        others = [
            self.chat.client("plain", account="ann"),
            self.chat.client("bob", CAP, account="bob"),
            self.chat.client("cat", CAP),
            self.chat.connect(),
        ]
        line = f":{SERVER} MARKREAD #x timestamp={NEW}"
        self.assertEqual(ann.ask(f"MARKREAD #x timestamp={NEW}"), [line])
        self.assertEqual(phone.raw(), [line])
        ann.send(f"MARKREAD #x timestamp={OLD}", "MARKREAD #x")
        self.assertEqual(phone.raw(), [])
        for other in others:
            self.assertEqual(other.raw(), [])

    def test_refused(self) -> None:
        """What cannot be read is FAIL, and so is what cannot be kept."""
        ann = self.chat.client("ann", CAP, account="ann")
        for line, code in (
            ("MARKREAD", "NEED_MORE_PARAMS"),
            ("MARKREAD #x *", "INVALID_PARAMS"),
            ("MARKREAD #x timestamp=*", "INVALID_PARAMS"),
            ("MARKREAD #x timestamp=now", "INVALID_PARAMS"),
            (f"MARKREAD #x time={OLD}", "INVALID_PARAMS"),
        ):
            read = Line.read(ann.ask(line)[0])
            self.assertEqual((read.verb, read.params[1]), ("FAIL", code), line)
        self.history.busy = True
        read = Line.read(ann.ask(f"MARKREAD #x timestamp={OLD}")[0])
        self.assertEqual(read.params[:3], ["MARKREAD", "INTERNAL_ERROR", "#x"])
        self.assertEqual(ann.ask("MARKREAD #x"), [f":{SERVER} MARKREAD #x *"])


class JoinTests(MarkerCase):
    """Tests of the marker that is told on JOIN."""

    def test_joined(self) -> None:
        """The marker comes after one's own JOIN and before 366, for holders."""
        for account in ("ann", None):
            ann = self.chat.client("ann", CAP, account=account)
            ann.send(f"MARKREAD #Room timestamp={OLD}")
            lines = [Line.read(raw) for raw in ann.ask("JOIN #room,#other")]
            self.assertEqual(
                [line.verb for line in lines], ["JOIN", "MARKREAD", "353", "366"] * 2
            )
            self.assertEqual(lines[1].params, ["#room", f"timestamp={OLD}"])
            self.assertEqual(lines[5].params, ["#other", "*"])
            ann.send("QUIT")

    def test_gone_meanwhile(self) -> None:
        """Who is killed while the marker is looked up joins nothing more."""
        ann = self.chat.client("ann", CAP, account="ann")
        pending = Pending()
        self.history.waits.append(pending)
        ann.send("JOIN #a,#b")
        self.chat.network.kill(ann.session.me, "spam")
        self.chat.client("ann")
        pending.complete()
        ann.link.resume()
        self.assertEqual(self.chat.hub.state.rooms, {})
        self.assertEqual(ann.verbs(), ["JOIN", "ERROR"])
