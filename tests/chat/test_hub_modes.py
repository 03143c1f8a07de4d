"""Tests of L{netsvc.chat.room_modes}, and of what the hub makes of it."""

from __future__ import annotations

from netsvc.chat import events
from netsvc.chat.events import Change, Reason
from netsvc.chat.limits import HubLimits
from netsvc.chat.masks import MASK_LENGTH
from netsvc.chat.room_modes import MOST
from tests.chat.hub_case import HubCase, last
from tests.chat.hub_fakes import Chat, kinds


class ModeCase(HubCase):
    """A room with an operator and another."""

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.ann, self.bob = self.chat.room("#a", "ann", "bob")
        self.room = self.hub.room("#a")

    def changed(self, text: str) -> list[str]:
        """Change modes, all of which can be; give what was shown."""
        self.assertEqual(self.modes(self.ann, "#a", text), [])
        return self.shown()

    def shown(self) -> list[str]:
        """Give what the last event showed."""
        session = self.ann.session
        if not session.owned:  # type: ignore[attr-defined]
            return []
        event = last(self.ann, events.ModesSet)
        self.chat.clear(self.ann)
        return [
            f"{'+' if each.adding else '-'}{each.letter}"
            + (f" {each.argument}" if each.argument is not None else "")
            for each in event.changes
        ]

    def bad(self, text: str, reason: Reason = Reason.BAD_MODE_ARGUMENT) -> None:
        """Ask for a change that is refused, while another of the same line counts."""
        letter = text[1]
        other = "m" if letter != "m" else "s"
        (error,) = self.modes(self.ann, "#a", f"{text} +{other}")
        self.assertIs(error.reason, reason)
        self.assertEqual(self.shown(), [f"+{other}"])
        self.modes(self.ann, "#a", f"-{other}")
        self.chat.clear(self.ann)


class WhoTests(ModeCase):
    """Who may change modes."""

    def test_operators(self) -> None:
        """Only operators of the room and the server may."""
        self.refused(Reason.NOT_OPERATOR, self.modes, self.bob, "#a", "+i")
        outsider = self.chat.enter("cyd")
        self.hub.set_operator(outsider, "root")
        self.refused(Reason.NOT_OPERATOR, self.modes, outsider, "#a", "+i")
        self.hub.set_modes(None, "#a", [Change(True, "i")])
        self.assertIn("i", self.room.flags)

    def test_asked_first(self) -> None:
        """That there is no such room is said before anything else."""
        self.refused(Reason.NO_SUCH_ROOM, self.modes, self.ann, "#b", "+o nobody")

    def test_server(self) -> None:
        """What the server sets is shown as its own, in lists too."""
        self.hub.set_modes(None, "#a", [Change(True, "b", "eve")])
        (mask,) = self.room.lists["b"].values()
        self.assertEqual(mask.setter, "irc.test.example")
        self.assertEqual(kinds(self.bob), ["ModesSet"])


class FlagTests(ModeCase):
    """Modes that are on or off."""

    def test_changes(self) -> None:
        """All see what really changed, once, in order."""
        self.assertEqual(self.changed("+i +m -n +i +t -m"), ["+i", "+m", "-n", "-m"])
        self.assertEqual(self.room.flags, {*"it"})
        self.assertEqual(kinds(self.bob), ["ModesSet"])

    def test_nothing(self) -> None:
        """When nothing changes nobody is told."""
        self.assertEqual(self.changed("+n -i"), [])
        self.assertEqual(kinds(self.bob), [])

    def test_unknown(self) -> None:
        """Letters that are no modes are refused one by one."""
        self.bad("+x", Reason.UNKNOWN_MODE)
        self.bad("-z", Reason.UNKNOWN_MODE)


class KeyTests(ModeCase):
    """Keys."""

    def test_key(self) -> None:
        """It is set, changed, and taken away without being told."""
        self.assertEqual(self.changed("+k one"), ["+k one"])
        self.assertEqual(self.changed("+k one"), [])
        self.assertEqual(self.changed("+k two"), ["+k two"])
        self.assertEqual(self.changed("-k wrong"), ["-k *"])
        self.assertEqual(self.changed("-k"), [])
        self.assertIsNone(self.room.key)

    def test_ignored(self) -> None:
        """Without its parameter it is nothing; the rest counts."""
        self.assertEqual(self.changed("+k +i"), ["+i"])

    def test_bad(self) -> None:
        """What could not be typed again is no key."""
        for key in (":x", "a,b", "x" * 33, "\x01"):
            self.bad(f"+k {key}")
        (error,) = self.hub.set_modes(self.ann, "#a", [Change(True, "k", "")])
        self.assertEqual(error.context, ("#a", "k", "*"))


class LimitTests(ModeCase):
    """The limit of members."""

    def test_limit(self) -> None:
        """It is a number, shown as such."""
        self.assertEqual(self.changed("+l 05"), ["+l 5"])
        self.assertEqual(self.changed("+l 5"), [])
        self.assertEqual(self.room.limit, 5)
        self.assertEqual(self.changed(f"+l {MOST}"), [f"+l {MOST}"])
        self.assertEqual(self.changed("-l"), ["-l"])
        self.assertEqual(self.changed("-l"), [])
        self.assertIsNone(self.room.limit)

    def test_ignored(self) -> None:
        """Without its parameter it is nothing; the rest counts."""
        self.assertEqual(self.changed("+l +i"), ["+i"])

    def test_bad(self) -> None:
        """Nothing else is a limit, however long."""
        for text in ("0", "x", "1.5", str(MOST + 1), "9" * 10_000, "\u0663", "++3"):
            self.bad(f"+l {text}")


class ListTests(ModeCase):
    """Bans, exceptions and invitations."""

    def test_full_form(self) -> None:
        """A mask is shown in full, and is the same in any case."""
        self.assertEqual(self.changed("+b Eve"), ["+b Eve!*@*"])
        self.assertEqual(self.changed("+b EVE!*@*"), [])
        (mask,) = self.room.lists["b"].values()
        self.assertEqual(
            (mask.text, mask.setter, mask.time),
            ("Eve!*@*", "ann!ann@ann.example", 1_000_000_000),
        )
        self.assertEqual(self.changed("-b eve"), ["-b eve!*@*"])
        self.assertEqual(self.changed("-b eve"), [])
        self.assertEqual(self.room.lists["b"], {})

    def test_apart(self) -> None:
        """Each list is one of its own."""
        self.changed("+b eve +e eve +I eve")
        self.changed("-e eve")
        self.assertEqual([len(self.room.lists[c]) for c in "beI"], [1, 0, 1])

    def test_ignored(self) -> None:
        """Without its parameter it is a question, and no change."""
        self.assertEqual(self.changed("+b -e +i"), ["+i"])

    def test_bad(self) -> None:
        """What could not be shown in a list is no mask."""
        long = "x" * MASK_LENGTH
        for mask in (":x!*@*", "x\x01y", "x\x9by", long, "~q:x", "~m:~q:x"):
            self.bad(f"+b {mask}")
        (error,) = self.modes(self.ann, "#a", "+b ~q:x")
        self.assertEqual(error.context, ("#a", "b", "~q:x"))
        self.hub.set_modes(self.ann, "#a", [Change(True, "b", "a b")])
        self.assertEqual(self.room.lists["b"], {})

    def test_limit(self) -> None:
        """A list is bounded; each that finds no place is refused and counted."""
        chat = Chat(HubLimits(list_entries=2))
        (ann,) = chat.room("#a", "ann")
        self.hub = chat.hub
        errors = self.modes(ann, "#a", "+b a +b b +b c +b A -b a +b d +b e")
        self.assertEqual(
            [(error.reason, error.context) for error in errors],
            [
                (Reason.LIST_FULL, ("#a", "b", "c!*@*")),
                (Reason.LIST_FULL, ("#a", "b", "e!*@*")),
            ],
        )
        self.assertEqual(list(chat.hub.room("#a").lists["b"]), ["b!*@*", "d!*@*"])
        self.assertEqual(chat.hub.refused["list-entries"], 2)


class MasksTests(HubCase):
    """How many masks one may set, in all rooms together."""

    def setUp(self) -> None:
        """Make two rooms of the same operator, who may set three masks."""
        super().setUp()
        self.chat = Chat(HubLimits(masks=3))
        self.hub = self.chat.hub
        self.ann, self.bob = self.chat.room("#a", "ann", "bob")
        self.hub.join(self.ann, "#b")

    def full(self, text: str) -> int:
        """Change modes of the second room; give how many were too many."""
        errors = self.modes(self.ann, "#b", text)
        self.assertTrue(all(each.reason is Reason.LIST_FULL for each in errors))
        return len(errors)

    def test_limit(self) -> None:
        """Masks beyond what one may set are refused, and counted."""
        self.modes(self.ann, "#a", "+b a +e b")
        self.assertEqual(self.full("+I c +b d"), 1)
        self.assertEqual(list(self.hub.room("#b").lists["I"]), ["c!*@*"])
        self.assertEqual(self.hub.refused["list-entries"], 1)

    def test_removed(self) -> None:
        """Who takes a mask off, or leaves the room behind empty, makes place."""
        self.modes(self.ann, "#a", "+b a +e b +o bob")
        self.modes(self.bob, "#a", "-b a")
        self.assertEqual(self.full("+b c +b d +b e"), 1)
        self.hub.part(self.ann, "#a")
        self.hub.leave(self.bob, "Quit")
        self.assertEqual(self.full("+b e"), 0)
        self.hub.leave(self.ann, "Quit")
        self.assertEqual(self.hub.state.masks, {})

    def test_twice(self) -> None:
        """A mask that two hubs of one bus have set at the same time counts once."""
        seen: list[events.Event] = []
        self.hub.bus.subscribe(seen.append)
        self.modes(self.ann, "#a", "+b a")
        self.hub.bus.publish(seen[-1])
        self.assertEqual(list(self.hub.state.masks.values()), [1])
        self.modes(self.ann, "#a", "-b a")
        self.assertEqual(self.hub.state.masks, {})

    def test_payers(self) -> None:
        """An account has an account of its own, and the server none."""
        self.modes(self.ann, "#a", "+b a +e b +e c")
        self.hub.set_account(self.ann, "Ann")
        self.assertEqual(self.full("+b c"), 0)
        self.modes(None, "#a", "+b d +b e +b f +b g")
        self.assertEqual(self.hub.state.masks["account ann"], 1)
        self.assertEqual(self.hub.state.masks[""], 4)


class StatusTests(ModeCase):
    """Operators and voices."""

    def test_status(self) -> None:
        """It is given and taken, and shown with the nick as it is spelled."""
        self.assertEqual(self.changed("+o BOB +v bob"), ["+o bob", "+v bob"])
        self.assertEqual(self.changed("+o bob"), [])
        self.assertEqual(self.room.prefixes(self.bob), "@+")
        self.assertEqual(self.changed("-o bob"), ["-o bob"])
        self.assertEqual(self.room.prefixes(self.bob), "+")

    def test_ignored(self) -> None:
        """Without a nick it is nothing."""
        self.assertEqual(self.changed("+o -v"), [])

    def test_nobody(self) -> None:
        """Who is nowhere, and who is elsewhere, get none."""
        self.bad("+o nobody", Reason.NO_SUCH_NICK)
        self.chat.enter("cyd")
        self.bad("+v cyd", Reason.NOT_ON_ROOM)

    def test_given_up(self) -> None:
        """Who gives up being an operator changes the rest of that line, and no more."""
        self.assertEqual(self.changed("-o ann +i"), ["-o ann", "+i"])
        self.refused(Reason.NOT_OPERATOR, self.modes, self.ann, "#a", "+o ann")
