"""Tests of events as IRC lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat import events
from netsvc.chat.events import Change, Event, Kind, Said, Session, Source
from netsvc.chat.irc.message import BODY_LIMIT, fit, lines_of
from netsvc.chat.irc.wire import (
    RENDERED,
    WIRE_LIMIT,
    IrcWire,
    Wires,
    mode_changes,
    prefix_of,
    said_prefix,
)

SERVER = "irc.example.org"
ANN = Source("ann", "u", "h.example", "Ann\\1", "Ann A", bot=True)
BOB = Source("bob", "v", "i.example")
TIME = 1_777_550_400_123
HEAD = "time=2026-04-30T12:00:00.123Z;msgid=id-1;account=Ann\\\\1;bot"


def _wires() -> Wires:
    return Wires(SERVER, lambda data, sessions: None)


def _wire(*capabilities: str) -> IrcWire:
    return _wires().get(frozenset(capabilities))


#: A client with every capability, and one with none.
FULL = _wire(*RENDERED)
NONE = _wire()


def _said(text: str = "hi", **more: Any) -> Said:
    values: dict[str, Any] = {"source": ANN, "target": "#c", "kind": Kind.MESSAGE}
    return Said(TIME, "id-1", **{**values, **more}, text=text)


class RenderTests(SynchronousTestCase):
    """Each event has its line."""

    def _check(self, event: Event, plain: str, full: str | None = None) -> None:
        """Compare an event's lines with no capability, and with all."""
        self.assertEqual(NONE.encode(event).decode(), plain)
        source = prefix_of(event.source)
        for line in lines_of(NONE.encode(event)):
            self.assertTrue(line.startswith(f":{source} ".encode()))
        if full is None:
            full = f"@{HEAD} {plain}" if plain else ""
        self.assertEqual(FULL.encode(event).decode(), full)

    def test_said(self) -> None:
        """A message is PRIVMSG or NOTICE; a status stays before its target."""
        self._check(_said(), ":ann!u@h.example PRIVMSG #c :hi\r\n")
        self._check(
            _said(kind=Kind.NOTICE, status="@"),
            ":ann!u@h.example NOTICE @#c :hi\r\n",
        )
        self._check(_said(":)"), ":ann!u@h.example PRIVMSG #c ::)\r\n")

    def test_client_tags(self) -> None:
        """Client-only tags stand behind ours, for those who read tags."""
        self._check(
            _said(tags=(("+typing", "active"), ("+x", "a;b"), ("+e", ""))),
            ":ann!u@h.example PRIVMSG #c :hi\r\n",
            f"@{HEAD};+typing=active;+x=a\\:b;+e :ann!u@h.example PRIVMSG #c :hi\r\n",
        )

    def test_tagmsg(self) -> None:
        """TAGMSG is for those who read tags alone."""
        event = _said("", kind=Kind.TAGS, tags=(("+typing", "done"),), status="+")
        self._check(event, "", f"@{HEAD};+typing=done :ann!u@h.example TAGMSG +#c\r\n")
        self.assertEqual(_wire("server-time", "account-tag").encode(event), b"")
        self.assertEqual(
            _wire("message-tags").encode(event),
            b"@msgid=id-1;bot;+typing=done :ann!u@h.example TAGMSG +#c\r\n",
        )

    def test_each_tag(self) -> None:
        """Each tag is for those who asked for it."""
        line = b":ann!u@h.example PRIVMSG #c :hi\r\n"
        for name, tags in (
            ("server-time", b"@time=2026-04-30T12:00:00.123Z "),
            ("account-tag", b"@account=Ann\\\\1 "),
            ("message-tags", b"@msgid=id-1;bot "),
            ("setname", b""),
        ):
            self.assertEqual(_wire(name).encode(_said()), tags + line)
        self.assertEqual(
            _wire("account-tag", "message-tags").encode(_said(source=BOB)),
            b"@msgid=id-1 :bob!v@i.example PRIVMSG #c :hi\r\n",
        )

    def test_joined(self) -> None:
        """JOIN has account and real name for those who want to know."""
        event = events.Joined(TIME, "id-1", ANN, "#c")
        self._check(
            event,
            ":ann!u@h.example JOIN #c\r\n",
            f"@{HEAD} :ann!u@h.example JOIN #c Ann\\1 :Ann A\r\n",
        )
        stranger = events.Joined(TIME, "id-1", BOB, "#c", "gone")
        self.assertEqual(
            _wire("extended-join", "away-notify").encode(stranger),
            b":bob!v@i.example JOIN #c * :\r\n:bob!v@i.example AWAY :gone\r\n",
        )

    def test_joined_away(self) -> None:
        """The msgid of a JOIN is not that of the AWAY behind it."""
        event = events.Joined(TIME, "id-1", BOB, "#c", "gone")
        self.assertEqual(
            _wire("message-tags", "away-notify").encode(event),
            b"@msgid=id-1 :bob!v@i.example JOIN #c\r\n:bob!v@i.example AWAY :gone\r\n",
        )

    def test_rooms(self) -> None:
        """PART, KICK, TOPIC and MODE."""
        start = ":ann!u@h.example"
        head = (TIME, "id-1", ANN, "#c")
        for event, text in (
            (events.Parted(*head), "PART #c"),
            (events.Parted(*head, "bye all"), "PART #c :bye all"),
            (events.Kicked(*head, "bob", "go"), "KICK #c bob :go"),
            (events.TopicSet(*head, "a b"), "TOPIC #c :a b"),
            (events.TopicSet(*head, ""), "TOPIC #c :"),
            (events.ModesSet(*head, (Change(True, "m"),)), "MODE #c +m"),
            (events.ModesSet(*head, ()), None),
            (events.Invited(*head, "bob"), "INVITE bob #c"),
        ):
            self._check(event, f"{start} {text}\r\n" if text else "")

    def test_people(self) -> None:
        """NICK, QUIT and WALLOPS."""
        start = ":ann!u@h.example"
        head = (TIME, "id-1", ANN)
        for event, text in (
            (events.Renamed(*head, "anna"), "NICK anna"),
            (events.Quit(*head, "Quit: bye"), "QUIT :Quit: bye"),
            (events.Announced(*head, "hear hear"), "WALLOPS :hear hear"),
        ):
            self._check(event, f"{start} {text}\r\n")

    def test_notified(self) -> None:
        """Changes of people are for those who asked for them."""
        start = ":ann!u@h.example"
        head = (TIME, "id-1", ANN)
        for event, name, text in (
            (events.AwaySet(*head, "gone"), "away-notify", "AWAY :gone"),
            (events.AwaySet(*head, None), "away-notify", "AWAY"),
            (events.AccountSet(*head, "Ann"), "account-notify", "ACCOUNT Ann"),
            (events.AccountSet(*head, None), "account-notify", "ACCOUNT *"),
            (events.RealnameSet(*head, "A B"), "setname", "SETNAME :A B"),
            (events.HostSet(*head, "x", "y.z"), "chghost", "CHGHOST x y.z"),
            (
                events.InvitationSeen(*head, "#c", "bob"),
                "invite-notify",
                "INVITE bob #c",
            ),
        ):
            line = f"{start} {text}\r\n"
            self._check(event, "", f"@{HEAD} {line}")
            self.assertEqual(_wire(name).encode(event).decode(), line)
            self.assertEqual(_wire(*RENDERED - {name}).encode(event), b"")

    def test_watched(self) -> None:
        """MONITOR's numerics have no nick, so that all get the same."""
        for online, text in (
            (True, "730 * :ann!u@h.example"),
            (False, "731 * :ann"),
        ):
            event = events.Watched(TIME, "id-1", ANN, "ann", online)
            line = f":{SERVER} {text}\r\n"
            self.assertEqual(NONE.encode(event).decode(), line)
            self.assertEqual(
                FULL.encode(event).decode(), f"@{HEAD.partition(';')[0]} {line}"
            )

    def test_not_shown(self) -> None:
        """That somebody came is no line."""
        self._check(events.Came(TIME, "id-1", ANN), "")

    def test_server(self) -> None:
        """What the server does has its name as source."""
        event = events.ModesSet(
            TIME, "id-1", events.server_source(SERVER), "#c", (Change(True, "n"),)
        )
        self._check(
            event,
            f":{SERVER} MODE #c +n\r\n",
            f"@{';'.join(HEAD.split(';')[:2])} :{SERVER} MODE #c +n\r\n",
        )

    def test_flags(self) -> None:
        """A wire says what the hub must know of it."""
        self.assertTrue(FULL.extended_monitor and FULL.shows_hosts)
        self.assertFalse(NONE.extended_monitor or NONE.shows_hosts)

    def test_seconds(self) -> None:
        """The time is right when its second changes, and when it goes back."""
        wire = _wire("server-time")
        for time, text in (
            (0, b"1970-01-01T00:00:00.000Z"),
            (999, b"1970-01-01T00:00:00.999Z"),
            (1000, b"1970-01-01T00:00:01.000Z"),
            (TIME, b"2026-04-30T12:00:00.123Z"),
            (5, b"1970-01-01T00:00:00.005Z"),
        ):
            line = wire.encode(events.Quit(time, "i", BOB, "x"))
            self.assertTrue(line.startswith(b"@time=" + text + b" "))


class OwnTests(SynchronousTestCase):
    """Who causes an event may see it otherwise."""

    def test_away(self) -> None:
        """One's own AWAY is no line, nor one behind one's own JOIN."""
        self.assertEqual(
            FULL.encode_own(events.AwaySet(TIME, "id-1", ANN, "gone")), b""
        )
        self.assertEqual(
            NONE.encode_own(events.Joined(TIME, "id-1", BOB, "#c", "gone")),
            b":bob!v@i.example JOIN #c\r\n",
        )
        joined = events.Joined(TIME, "id-1", BOB, "#c", "gone")
        self.assertEqual(len(lines_of(FULL.encode_own(joined))), 1)

    def test_echo(self) -> None:
        """The echo is the line that others get."""
        self.assertEqual(FULL.encode_own(_said()), FULL.encode(_said()))

    def test_label(self) -> None:
        """A label and a batch stand before the other tags."""
        line = ":ann!u@h.example PRIVMSG #c :hi\r\n"
        for wire, label, batch, tags in (
            (NONE, "a b", None, "@label=a\\sb "),
            (NONE, None, "7", "@batch=7 "),
            (NONE, "a", "7", "@batch=7;label=a "),
            (FULL, "a", None, f"@label=a;{HEAD} "),
        ):
            data = wire.encode_own(_said(), label=label, batch=batch)
            self.assertEqual(data.decode(), tags + line)

    def test_batch_of_lines(self) -> None:
        """Each line of an event is in the batch."""
        event = events.ModesSet(
            TIME,
            "id-1",
            ANN,
            "#c",
            tuple(Change(True, "b", f"{n}{'x' * 100}!*@*") for n in range(9)),
        )
        lines = lines_of(NONE.encode_own(event, batch="1"))
        self.assertGreater(len(lines), 1)
        for line in lines:
            self.assertTrue(line.startswith(b"@batch=1 :ann!"))

    def test_hidden(self) -> None:
        """What is not shown is not shown with a label either."""
        event = events.AccountSet(TIME, "id-1", ANN, "x")
        self.assertEqual(NONE.encode_own(event, label="a"), b"")


class SharingTests(SynchronousTestCase):
    """Sessions and wires share what is the same for them."""

    def test_same_wire(self) -> None:
        """Those with the same capabilities that matter have the same wire."""
        wires = _wires()
        wire = wires.get(frozenset({"server-time", "sasl", "batch"}))
        self.assertIs(wires.get(frozenset({"server-time"})), wire)
        self.assertIsNot(wires.get(frozenset()), wire)
        self.assertEqual(wire.capabilities, {"server-time"})
        self.assertEqual(len(wires), 2)

    def test_limit(self) -> None:
        """Whatever clients ask for, there are no more wires than sets."""
        wires = _wires()
        names = [*sorted(RENDERED), "sasl", "batch"]
        for number in range(2 ** len(names)):
            wires.get(
                frozenset(name for bit, name in enumerate(names) if number >> bit & 1)
            )
        self.assertEqual(len(wires), WIRE_LIMIT)

    def test_rendered_once(self) -> None:
        """A message is rendered once for all wires with the same tags."""
        wires = _wires()
        first = wires.get(frozenset({"server-time", "setname"}))
        second = wires.get(frozenset({"server-time"}))
        other = wires.get(frozenset())
        event = _said()
        data = first.encode(event)
        self.assertIs(second.encode(event), data)
        self.assertIs(first.encode_own(event), data)
        self.assertNotEqual(other.encode(event), data)
        self.assertIs(second.encode(event), data)
        self.assertNotEqual(second.encode(_said("x")), data)
        self.assertEqual(second.encode(event), data)

    def test_send(self) -> None:
        """What is to be written goes where the wires were told."""
        sent: list[tuple[bytes, Sequence[Session]]] = []
        wires = Wires(SERVER, lambda data, sessions: sent.append((data, sessions)))
        wires.get(frozenset()).send(b"x", ())
        self.assertEqual(sent, [(b"x", ())])


class ModeTests(SynchronousTestCase):
    """Changes of modes are written together."""

    def test_signs(self) -> None:
        """A sign stands where it changes; parameters follow in order."""
        changes = [
            Change(True, "o", "ann"),
            Change(True, "n"),
            Change(False, "v", "bob"),
            Change(False, "l"),
            Change(True, "k", "key"),
        ]
        self.assertEqual(mode_changes(changes, 400), ["+on-vl+k ann bob key"])
        self.assertEqual(mode_changes([], 400), [])

    def test_key(self) -> None:
        """A key that is taken away is a star, whatever it was."""
        self.assertEqual(mode_changes([Change(False, "k", "x")], 99), ["-k *"])
        self.assertEqual(mode_changes([Change(False, "k")], 99), ["-k *"])

    def test_no_parameter(self) -> None:
        """What cannot be a parameter does not become two."""
        self.assertEqual(mode_changes([Change(True, "b", "a b")], 99), ["+b *"])
        self.assertEqual(mode_changes([Change(True, "b", ":a")], 99), ["+b *"])

    @given(
        st.lists(
            st.builds(
                Change,
                st.booleans(),
                st.sampled_from("bov"),
                st.text(st.sampled_from("ab가"), min_size=1, max_size=30),
            )
        ),
        st.integers(100, 400),
    )
    def test_split(self, changes: list[Change], room: int) -> None:
        """All changes are written, in order, in lines that hold them."""
        found = []
        for text in mode_changes(changes, room):
            self.assertLessEqual(len(text.encode()), room)
            letters, *arguments = text.split(" ")
            adding = True
            for letter in letters:
                if letter in "+-":
                    adding = letter == "+"
                else:
                    found.append(Change(adding, letter, arguments.pop(0)))
            self.assertEqual(arguments, [])
        self.assertEqual(found, changes)


class HostileTests(SynchronousTestCase):
    """Foreign text ends no line."""

    @given(st.text(), st.text(), st.text(), st.text())
    def test_any_text(self, name: str, text: str, tag: str, host: str) -> None:
        """Whatever people are called and say, each event is the lines it should be."""
        source = Source(f"n{name}", "u", host, tag, text)
        said = Said(TIME, "id", source, name, Kind.MESSAGE, text, "", (("+a", tag),))
        change = Change(True, "b", text)
        for event in (
            said,
            events.Joined(TIME, "id", source, name),
            events.Parted(TIME, "id", source, name, text),
            events.TopicSet(TIME, "id", source, name, text),
            events.ModesSet(TIME, "id", source, name, (change,)),
            events.Quit(TIME, "id", source, text),
            events.RealnameSet(TIME, "id", source, text),
            events.Watched(TIME, "id", source, name, True),
        ):
            for wire in (FULL, NONE):
                data = wire.encode_own(event, label=tag)
                self.assertEqual(data.count(b"\n"), 0 if not data else 1)
                self.assertEqual(data.count(b"\r"), data.count(b"\n"))
                self.assertEqual(data[-2:], b"\r\n" if data else b"")
                body = data.partition(b" ")[2] if data[:1] == b"@" else data
                self.assertLessEqual(len(body), BODY_LIMIT)

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=600))
    def test_cut_beforehand(self, text: str) -> None:
        """A text that was made to fit is delivered whole."""
        text = fit(said_prefix(ANN, Kind.NOTICE, "@#방"), text.strip("\r\n\0"))
        text = text.translate({10: None, 13: None, 0: None})
        event = _said(text, kind=Kind.NOTICE, target="#방", status="@")
        data = NONE.encode(event)
        self.assertLessEqual(len(data), BODY_LIMIT)
        self.assertTrue(data.decode().endswith(f"NOTICE @#방 :{text}\r\n"))
