"""Tests of MODE; the rules are those of the chat reference, section 2."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.irc.commands.modes import parse_modes
from netsvc.chat.limits import HubLimits
from tests.chat.irc.kit import SERVER, START, Chat, Client


def _codes(client: Client, *lines: str) -> list[str]:
    client.raw()
    client.send(*lines)
    return client.verbs()


class RoomModeTests(SynchronousTestCase):
    """The modes of rooms."""

    def setUp(self) -> None:
        """Two in a room, of which ann is the operator, and one outside."""
        self.chat = Chat()
        self.ann, self.bob = self.chat.room("#c", "ann", "bob")
        self.eve = self.chat.client("eve")

    def test_asked(self) -> None:
        """Rule 27: a MODE without letters is answered with 324, then 329."""
        seconds = START // 1000
        self.assertEqual(
            self.eve.ask("MODE #C"),
            [f":{SERVER} 324 eve #c +nt", f":{SERVER} 329 eve #c {seconds}"],
        )

    def test_no_modes(self) -> None:
        """Rule 27: 324 has at least a plus."""
        self.assertEqual(self.ann.ask("MODE #c -nt")[0][-12:], " MODE #c -nt")
        self.assertEqual(self.ann.ask("MODE #c")[0], f":{SERVER} 324 ann #c +")

    def test_key_shown_to_members(self) -> None:
        """Rule 26: 324 shows the key to members only."""
        self.ann.send("MODE #c +kl beer 7")
        self.assertEqual(
            self.bob.ask("MODE #c")[-2], f":{SERVER} 324 bob #c +ntkl beer 7"
        )
        self.assertEqual(self.eve.ask("MODE #c")[0], f":{SERVER} 324 eve #c +ntkl * 7")

    def test_missing_room(self) -> None:
        """Rule 21: a missing room is 403, whatever else is in the line."""
        for rest in ("", " +o nobody", " +Z", " b"):
            self.assertEqual(_codes(self.ann, f"MODE #no{rest}"), ["403"])
        self.assertEqual(_codes(self.ann, "MODE"), ["461"])

    def test_secret_room(self) -> None:
        """A secret room is none for those outside: they learn no modes and no bans."""
        self.ann.send("MODE #c +s")
        self.assertEqual(_codes(self.eve, "MODE #c"), ["403"])
        self.assertEqual(_codes(self.eve, "MODE #c b"), ["403"])
        self.assertEqual(_codes(self.bob, "MODE #c b"), ["368"])

    def test_operator_first(self) -> None:
        """Rule 22: who is no operator gets 482 before 401 and 441."""
        for line in ("+o nobody", "+o eve", "+m", "+Z", "-k"):
            self.assertEqual(_codes(self.bob, f"MODE #c {line}"), ["482"])
        self.assertEqual(_codes(self.eve, "MODE #c +o ann"), ["482"])

    def test_nick(self) -> None:
        """Rule 22: a nick that nobody has is 401, one that is not inside is 441."""
        self.assertEqual(
            self.ann.ask("MODE #c +o nobody"),
            [f":{SERVER} 401 ann nobody :No such nick/channel"],
        )
        self.assertEqual(
            self.ann.ask("MODE #c +v EVE"),
            [f":{SERVER} 441 ann eve #c :They aren't on that channel"],
        )

    def test_status(self) -> None:
        """A status is shown to all, with the nick as it is spelled."""
        self.bob.raw()
        line = ":ann!ann@192.0.2.1.cloak MODE #c +o bob"
        self.assertEqual(self.ann.ask("MODE #c +o BOB"), [line])
        self.assertEqual(self.bob.raw(), [line])
        self.assertEqual(self.ann.ask("MODE #c +o bob"), [])
        self.assertEqual(self.ann.ask("MODE #c +o"), [])

    def test_unknown_letter(self) -> None:
        """Rule 28: an unknown letter is 472, once, and the others are applied."""
        lines = self.ann.ask("MODE #c +ZmZ-Z")
        self.assertEqual(
            sorted(lines),
            [
                ":ann!ann@192.0.2.1.cloak MODE #c +m",
                f":{SERVER} 472 ann Z :is unknown mode char to me",
            ],
        )

    def test_only_what_changed(self) -> None:
        """Rule 27: only what changed is shown; if nothing did, there is no line."""
        self.assertEqual(self.ann.ask("MODE #c +nt"), [])
        self.assertEqual(
            self.ann.ask("MODE #c +tinm-s+t"),
            [":ann!ann@192.0.2.1.cloak MODE #c +im"],
        )

    def test_limit(self) -> None:
        """Rule 25: +l wants a number above 0, and -l eats no parameter."""
        for wrong in ("0", "-1", "abc", ":", "99999999999", "2147483648"):
            lines = self.ann.ask(f"MODE #c +lm {wrong}", "MODE #c -m")
            shown = wrong.lstrip(":") or "*"
            self.assertEqual(
                sorted(lines),
                [
                    ":ann!ann@192.0.2.1.cloak MODE #c +m",
                    ":ann!ann@192.0.2.1.cloak MODE #c -m",
                    f":{SERVER} 696 ann #c l {shown} :Invalid mode parameter",
                ],
            )
        self.assertEqual(
            self.ann.ask("MODE #c +lm"), [":ann!ann@192.0.2.1.cloak MODE #c +m"]
        )
        self.assertEqual(
            self.ann.ask("MODE #c +l 5"), [":ann!ann@192.0.2.1.cloak MODE #c +l 5"]
        )
        self.assertEqual(
            self.ann.ask("MODE #c -lv bob"),
            [":ann!ann@192.0.2.1.cloak MODE #c -l"],
        )
        self.assertEqual(
            self.ann.ask("MODE #c -l+v bob"),
            [":ann!ann@192.0.2.1.cloak MODE #c +v bob"],
        )

    def test_full_room(self) -> None:
        """Rule 25: a room with as many members as the limit is full: 471."""
        self.ann.send("MODE #c +l 2")
        self.assertEqual(_codes(self.eve, "JOIN #c"), ["471"])

    def test_invited_past_limit(self) -> None:
        """Who is invited may come into a full room."""
        self.ann.send("MODE #c +l 2", "INVITE eve #c")
        self.assertIn("JOIN", _codes(self.eve, "JOIN #c"))

    def test_key(self) -> None:
        """Rule 26: -k takes any parameter or none, and is always shown with one."""
        mask = ":ann!ann@192.0.2.1.cloak"
        self.assertEqual(self.ann.ask("MODE #c +k"), [])
        self.assertEqual(
            self.ann.ask("MODE #c +k a", "MODE #c -k other"),
            [f"{mask} MODE #c +k a", f"{mask} MODE #c -k *"],
        )
        self.assertEqual(
            self.ann.ask("MODE #c +k a", "MODE #c -k", "MODE #c -k"),
            [f"{mask} MODE #c +k a", f"{mask} MODE #c -k *"],
        )

    def test_bad_key(self) -> None:
        """Rule 26: a key that cannot be one is 696, and is not repeated."""
        for wrong in (":pass phrase", "long" * 50, ":", "a,b", "::a"):
            self.assertEqual(
                self.ann.ask(f"MODE #c +k {wrong}"),
                [f":{SERVER} 696 ann #c k * :Invalid mode parameter"],
            )

    def test_lists(self) -> None:
        """Rule 27: a letter of a list without a parameter gives the list."""
        seconds = START // 1000
        for letter, entry, end, what in (
            ("b", "367", "368", "ban"),
            ("e", "348", "349", "exception"),
            ("I", "346", "347", "invite exception"),
        ):
            self.assertEqual(
                self.ann.ask(f"MODE #c +{letter} bad"),
                [f":ann!ann@192.0.2.1.cloak MODE #c +{letter} bad!*@*"],
            )
            told = [
                f":{SERVER} {entry} eve #c bad!*@* ann!ann@192.0.2.1.cloak {seconds}",
                f":{SERVER} {end} eve #c :End of channel {what} list",
            ]
            self.assertEqual(self.eve.ask(f"MODE #c {letter}"), told)
            self.assertEqual(self.eve.ask(f"MODE #c +{letter * 9}"), told)
            self.assertEqual(self.eve.ask(f"MODE #c -{letter} :"), told)

    def test_mask_taken_away(self) -> None:
        """A mask is taken away whatever its case, and in short form too."""
        self.ann.send("MODE #c +b BAD!*@*")
        self.assertEqual(
            self.ann.ask("MODE #c -b bad"),
            [":ann!ann@192.0.2.1.cloak MODE #c -b bad!*@*"],
        )
        self.assertEqual(self.ann.ask("MODE #c -b bad"), [])

    def test_extended_masks(self) -> None:
        """Accounts and mutes are listed as they were set, and short masks completed."""
        self.ann.send("MODE #c +bbb ~a:Acc ~m:quiet ~m:~a:x*")
        masks = [line.params[2] for line in self._list("b")]
        self.assertEqual(masks, ["~a:Acc", "~m:quiet!*@*", "~m:~a:x*"])
        self.assertEqual(len(self.ann.ask("MODE #c -b ~a:acc")), 1)
        self.assertEqual(len(self._list("b")), 2)

    def _list(self, letter: str) -> list[Any]:
        self.ann.raw()
        self.ann.send(f"MODE #c {letter}")
        return self.ann.lines()[:-1]

    def test_full_list(self) -> None:
        """A list that is full is 478, with the mask."""
        chat = Chat(limits=HubLimits(list_entries=1))
        (ann,) = chat.room("#c", "ann")
        lines = ann.ask("MODE #c +bb a b")
        self.assertEqual(lines[0], ":ann!ann@192.0.2.1.cloak MODE #c +b a!*@*")
        self.assertEqual(lines[1], f":{SERVER} 478 ann #c b!*@* :Channel list is full")

    def test_bad_mask(self) -> None:
        """A mask that is too long is 696."""
        self.assertEqual(_codes(self.ann, f"MODE #c +b {'a' * 160}"), ["696"])

    def test_many(self) -> None:
        """Changes with a parameter beyond what MODES says are dropped, and counted."""
        masks = " ".join(f"m{n}" for n in range(25))
        self.ann.ask(f"MODE #c +{'b' * 25}m {masks}")
        self.assertEqual(len(self._list("b")), 20)
        self.assertIn("m", self.chat.hub.room("#c").flags)
        self.assertEqual(self.chat.network.counters["irc-modes-dropped"], 5)

    def test_long_change(self) -> None:
        """What does not fit into a line is shown in several, each with its sign."""
        nicks = [f"{n:02}" * 12 for n in range(16)]
        masks = [f"{nick}!*@*" for nick in nicks]
        lines = self.ann.ask(f"MODE #c +{'b' * 16} {' '.join(nicks)}")
        self.assertGreater(len(lines), 1)
        shown: list[str] = []
        for line in lines:
            self.assertLessEqual(len(line), 510)
            _, verb, room, letters, *arguments = line.split(" ")
            self.assertEqual((verb, room), ("MODE", "#c"))
            self.assertEqual(letters, "+" + "b" * len(arguments))
            shown += arguments
        self.assertEqual(shown, masks)

    @given(st.text("+-bklovmZ", min_size=1), st.lists(st.text("a1,:"), max_size=5))
    def test_any_letters(self, letters: str, arguments: list[str]) -> None:
        """Whatever is asked for, no parameter is used twice, and lists come once."""
        request = parse_modes([letters, *arguments], 3)
        used = [each.argument for each in request.changes if each.argument is not None]
        rest = iter(arguments)
        self.assertTrue(all(each in rest for each in used))
        self.assertLessEqual(len(used), 3)
        self.assertEqual(len(request.lists), len(set(request.lists)))


class UserModeTests(SynchronousTestCase):
    """The modes of people."""

    def setUp(self) -> None:
        """Two people."""
        self.chat = Chat()
        self.ann = self.chat.client("ann")
        self.bob = self.chat.client("bob")

    def test_asked(self) -> None:
        """MODE with one's own nick is answered with 221."""
        self.assertEqual(self.ann.ask("MODE ANN"), [f":{SERVER} 221 ann +"])
        self.ann.send("MODE ann +wi")
        self.assertEqual(self.ann.ask("MODE ann")[-1], f":{SERVER} 221 ann +iw")

    def test_changed(self) -> None:
        """What changed is confirmed by MODE; nothing is said when nothing did."""
        mask = ":ann!ann@192.0.2.1.cloak MODE ann"
        self.assertEqual(self.ann.ask("MODE ann +i"), [f"{mask} +i"])
        self.assertEqual(self.ann.ask("MODE ann +i"), [])
        self.assertEqual(self.ann.ask("MODE ann +wB-i+i"), [f"{mask} +wB-i+i"])
        self.assertEqual(self.ann.ask("MODE ann -iwB"), [f"{mask} -iwB"])

    def test_unknown(self) -> None:
        """Rule 28: known letters are applied and confirmed, then there is one 501."""
        self.assertEqual(
            self.ann.ask("MODE ann +ZiY"),
            [
                ":ann!ann@192.0.2.1.cloak MODE ann +i",
                f":{SERVER} 501 ann :Unknown MODE flag",
            ],
        )

    def test_operator(self) -> None:
        """Rule 28: +o on oneself is ignored; -o gives it up."""
        self.assertEqual(self.ann.ask("MODE ann +o"), [])
        self.assertEqual(self.ann.ask("MODE ann -o"), [])
        self.chat.hub.set_operator(self.ann.session.me, "root")
        self.assertEqual(
            self.ann.ask("MODE ann -o"), [":ann!ann@192.0.2.1.cloak MODE ann -o"]
        )
        self.assertIsNone(self.ann.session.me.oper)

    def test_others(self) -> None:
        """Rule 28: another's modes are 502, and those of nobody 401."""
        for rest in ("", " +i"):
            self.assertEqual(
                self.ann.ask(f"MODE bob{rest}"),
                [f":{SERVER} 502 ann :Cannot change mode for other users"],
            )
            self.assertEqual(_codes(self.ann, f"MODE nobody{rest}"), ["401"])
