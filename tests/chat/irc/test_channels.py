"""Tests of L{netsvc.chat.irc.commands.channels}: JOIN, PART, TOPIC, INVITE, KICK...

Rule numbers are those of the chat reference, sections 1 and 2.
"""

from __future__ import annotations

from itertools import chain

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.events import Change
from netsvc.chat.limits import HubLimits
from tests.chat.irc.kit import SERVER, START, Chat, Client, Line

MASK = "{0}!{0}@192.0.2.1.cloak"


class ChannelCase(SynchronousTestCase):
    """A chat, and a way to set modes without MODE."""

    def setUp(self) -> None:
        """Start a chat."""
        self.chat = Chat()

    def mode(self, room: str, modes: str, *arguments: str) -> None:
        """Set modes of a room as the server."""
        left = list(arguments)
        adding = modes[0] == "+"
        changes = [
            Change(adding, letter, left.pop(0) if left else None)
            for letter in modes[1:]
        ]
        self.assertEqual(self.chat.hub.set_modes(None, room, changes), [])

    def codes(self, client: Client, line: str) -> list[str]:
        """Send a line, and give the commands of the answer."""
        return [Line.read(raw).verb for raw in client.ask(line)]


class JoinTests(ChannelCase):
    """Tests of JOIN."""

    def test_new(self) -> None:
        """Who joins a new room sees JOIN, 353, 366, and no topic (rule 10)."""
        ann = self.chat.client("ann")
        self.assertEqual(
            ann.ask("JOIN #Room"),
            [
                f":{MASK.format('ann')} JOIN #Room",
                f":{SERVER} 353 ann = #Room :@ann",
                f":{SERVER} 366 ann #Room :End of /NAMES list",
            ],
        )

    def test_topic(self) -> None:
        """The topic and its setter come before the names, the spelling is the same."""
        ann, _ = self.chat.room("#Room", "ann", "bob")
        ann.send("TOPIC #room :hello there")
        cat = self.chat.client("cat")
        lines = [Line.read(raw) for raw in cat.ask("JOIN #ROOM")]
        self.assertEqual(
            [line.verb for line in lines], ["JOIN", "332", "333", "353", "366"]
        )
        self.assertEqual(lines[1].params, ["cat", "#Room", "hello there"])
        self.assertEqual(
            lines[2].params, ["cat", "#Room", MASK.format("ann"), str(START // 1000)]
        )
        self.assertEqual({line.params[-2] for line in lines[3:]}, {"#Room"})

    def test_again(self) -> None:
        """Who is there already is told nothing."""
        (ann,) = self.chat.room("#x", "ann")
        self.assertEqual(ann.ask("JOIN #X"), [])

    def test_several(self) -> None:
        """Several rooms are joined, with their keys, in order; refusals between."""
        owner = self.chat.client("owner")
        owner.send("JOIN #a,#b,#c")
        self.mode("#b", "+k", "kb")
        self.mode("#c", "+k", "kc")
        ann = self.chat.client("ann")
        self.assertEqual(
            self.codes(ann, "JOIN #a,bad,#b,,#c ,x,wrong,,kc"),
            ["JOIN", "353", "366", "403", "475", "JOIN", "353", "366"],
        )

    def test_refused(self) -> None:
        """Modes refuse with their numerics: 471, 473, 474, 475, 477."""
        self.chat.room("#x", "owner")
        ann = self.chat.client("ann")
        for modes, argument, code in (
            ("+l", "1", "471"),
            ("+i", None, "473"),
            ("+b", "ann!*@*", "474"),
            ("+k", "secret", "475"),
            ("+R", None, "477"),
        ):
            self.mode("#x", modes, *([argument] if argument else []))
            self.assertEqual(self.codes(ann, "JOIN #x"), [code], modes)
            self.mode("#x", "-" + modes[1:], *([argument] if argument else []))
        self.assertEqual(self.codes(ann, "JOIN #x")[0], "JOIN")

    def test_invalid(self) -> None:
        """What is no room's name is 403."""
        ann = self.chat.client("ann")
        for name in ("x", "#", "&x", "#a:b", "#" + "x" * 64, "+#x"):
            self.assertEqual(self.codes(ann, f"JOIN {name}"), ["403"], name)

    def test_too_many(self) -> None:
        """Beyond the limit of rooms it is 405."""
        chat = Chat(limits=HubLimits(rooms_per_member=2))
        ann = chat.client("ann")
        self.assertEqual(self.codes(ann, "JOIN #a,#b,#c")[-1], "405")

    def test_zero(self) -> None:
        """JOIN 0 leaves all rooms."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        ann.send("JOIN #y")
        self.assertEqual(self.codes(ann, "JOIN 0"), ["PART", "PART"])
        self.assertEqual(bob.verbs(), ["PART"])
        self.assertEqual(ann.session.me.rooms, {})

    def test_extended(self) -> None:
        """Who has extended-join sees account and real name, C{*} without an account."""
        ann = self.chat.client("ann", "extended-join")
        ann.send("JOIN #x")
        ann.raw()
        self.chat.client("bob", account="Robert").send("JOIN #x")
        self.chat.client("cat").send("JOIN #x")
        self.assertEqual(
            [line.params for line in ann.lines()],
            [["#x", "Robert", "bob Real"], ["#x", "*", "cat Real"]],
        )

    def test_away(self) -> None:
        """Who has away-notify is told after the JOIN of somebody away; nobody else."""
        ann = self.chat.client("ann", "away-notify")
        bob = self.chat.client("bob")
        for client in (ann, bob):
            client.send("JOIN #x")
            client.raw()
        ann.raw()
        cat = self.chat.client("cat", "away-notify")
        cat.send("AWAY :lunch")
        self.assertEqual(self.codes(cat, "JOIN #x"), ["JOIN", "353", "366"])
        self.assertEqual(ann.verbs(), ["JOIN", "AWAY"])
        self.assertEqual(bob.verbs(), ["JOIN"])

    def test_no_implicit_names(self) -> None:
        """Who has no-implicit-names is sent no names."""
        for name in ("no-implicit-names", "draft/no-implicit-names"):
            ann = self.chat.client("ann", name)
            self.assertEqual(self.codes(ann, "JOIN #x"), ["JOIN"])
            ann.send("QUIT")

    def test_names(self) -> None:
        """Names have prefixes and masks as negotiated; many take several lines."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        self.mode("#x", "+ov", "bob", "bob")
        cat = self.chat.client("cat", "multi-prefix", "userhost-in-names")
        cat.send("JOIN #x")
        names = next(line for line in cat.lines() if line.verb == "353")
        self.assertEqual(
            names.params[3].split(),
            [
                f"@{MASK.format('ann')}",
                f"@+{MASK.format('bob')}",
                MASK.format("cat"),
            ],
        )
        ann.send("PART #x")
        bob.raw()
        everybody = {"cat", "@bob", "zoe"}
        for number in range(60):
            nick = f"somebody_with_a_name_{number}"
            everybody.add(nick)
            self.chat.client(nick).send("JOIN #x")
        zoe = self.chat.client("zoe")
        answers = zoe.ask("JOIN #x")
        self.assertTrue(all(len(raw) <= 510 for raw in answers))
        found = [
            Line.read(raw).params[3].split()
            for raw in answers
            if Line.read(raw).verb == "353"
        ]
        self.assertGreater(len(found), 2)
        self.assertEqual(sorted(chain(*found)), sorted(everybody))
        self.assertEqual(Line.read(answers[-1]).verb, "366")

    def test_invisible(self) -> None:
        """Who joins sees the invisible members, too."""
        ann, _ = self.chat.room("#x", "ann", "bob")
        self.chat.hub.set_user_modes(ann.session.me, True, "i")
        cat = self.chat.client("cat")
        cat.send("JOIN #x")
        names = next(line for line in cat.lines() if line.verb == "353")
        self.assertEqual(names.params[3], "@ann bob cat")

    def test_secret_symbol(self) -> None:
        """The symbol of a secret room is C{@} (rule 30)."""
        self.chat.room("#x", "ann")
        self.mode("#x", "+s")
        bob = self.chat.client("bob")
        bob.send("JOIN #x")
        names = next(line for line in bob.lines() if line.verb == "353")
        self.assertEqual(names.params[1], "@")


class PartTests(ChannelCase):
    """Tests of PART."""

    def test_part(self) -> None:
        """All members and the leaver see one PART for each room, with the reason."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        mask = MASK.format("ann")
        self.assertEqual(ann.ask("PART #X :bye now"), [f":{mask} PART #x :bye now"])
        self.assertEqual(bob.raw(), [f":{mask} PART #x :bye now"])
        self.assertEqual(bob.ask("PART #x"), [f":{MASK.format('bob')} PART #x"])

    def test_refused(self) -> None:
        """An unknown room is 403, one that one is not in 442; the rest is left."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        ann.send("JOIN #y")
        self.assertEqual(self.codes(bob, "PART #y,#no,,#x"), ["442", "403", "PART"])
        self.assertEqual(self.codes(bob, "PART"), ["461"])


class TopicTests(ChannelCase):
    """Tests of TOPIC."""

    def test_set(self) -> None:
        """A topic is shown to all; asked for with 332 and 333, else 331 (rule 34)."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        self.assertEqual(self.codes(bob, "TOPIC #x"), ["331"])
        self.assertEqual(
            ann.ask("TOPIC #X :a topic"), [f":{MASK.format('ann')} TOPIC #x :a topic"]
        )
        self.assertEqual(bob.lines()[-1].params, ["#x", "a topic"])
        self.assertEqual(self.codes(bob, "TOPIC #x"), ["332", "333"])
        self.assertEqual(ann.ask("TOPIC #x :"), [f":{MASK.format('ann')} TOPIC #x :"])
        self.assertEqual(self.codes(bob, "TOPIC #x"), ["331"])

    def test_refused(self) -> None:
        """461, 403, 442 for outsiders, 482 under C{+t}; C{-t} lets members."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        cat = self.chat.client("cat")
        self.assertEqual(self.codes(cat, "TOPIC"), ["461"])
        self.assertEqual(self.codes(cat, "TOPIC #no"), ["403"])
        self.assertEqual(self.codes(cat, "TOPIC #x :x"), ["442"])
        self.assertEqual(self.codes(bob, "TOPIC #x :x"), ["482"])
        self.mode("#x", "-t")
        self.assertEqual(self.codes(bob, "TOPIC #x :x")[-1], "TOPIC")
        self.assertEqual(self.codes(cat, "TOPIC #x"), ["332", "333"])
        self.mode("#x", "+s")
        self.assertEqual(self.codes(cat, "TOPIC #x"), ["403"])
        self.assertEqual(self.codes(ann, "TOPIC #x"), ["332", "333"])


class InviteTests(ChannelCase):
    """Tests of INVITE (rule 32)."""

    def test_invite(self) -> None:
        """The invited gets INVITE, the inviter 341, others nothing without the cap."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        cat, dan = self.chat.client("cat"), self.chat.client("dan", "invite-notify")
        dan.send("JOIN #x")
        for client in (ann, bob, dan):
            client.raw()
        self.assertEqual(ann.ask("INVITE Cat #X"), [f":{SERVER} 341 ann cat #X"])
        mask = MASK.format("ann")
        self.assertEqual(cat.raw(), [f":{mask} INVITE cat #x"])
        self.assertEqual(bob.raw(), [])
        self.assertEqual(dan.raw(), [f":{mask} INVITE cat #x"])

    def test_opens_once(self) -> None:
        """An invitation opens C{+i} once, and is listed until then (336, 337)."""
        ann, _ = self.chat.room("#x", "ann", "bob")
        self.mode("#x", "+i")
        cat = self.chat.client("cat")
        self.assertEqual(self.codes(cat, "JOIN #x"), ["473"])
        ann.send("INVITE cat #x")
        lines = [Line.read(raw) for raw in cat.ask("INVITE")]
        self.assertEqual([line.verb for line in lines], ["336", "337"])
        self.assertEqual(lines[0].params, ["cat", "#x"])
        self.assertEqual(self.codes(cat, "JOIN #x")[0], "JOIN")
        self.assertEqual(self.codes(cat, "INVITE"), ["337"])
        cat.send("PART #x")
        self.assertEqual(self.codes(cat, "JOIN #x"), ["473"])

    def test_refused(self) -> None:
        """461, 401, 403, 442 for outsiders, 443 if there, 482 under C{+i}."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        cat = self.chat.client("cat")
        self.assertEqual(self.codes(ann, "INVITE cat"), ["461"])
        self.assertEqual(self.codes(ann, "INVITE nobody #x"), ["401"])
        self.assertEqual(self.codes(ann, "INVITE cat #no"), ["403"])
        self.assertEqual(self.codes(cat, "INVITE cat #x"), ["442"])
        self.assertEqual(
            ann.ask("INVITE bob #x")[0].split()[1:5], ["443", "ann", "bob", "#x"]
        )
        self.assertEqual(self.codes(bob, "INVITE cat #x"), ["341"])
        self.mode("#x", "+i")
        self.assertEqual(self.codes(bob, "INVITE cat #x"), ["482"])

    def test_away(self) -> None:
        """Who invites somebody away is told so."""
        ann, _ = self.chat.room("#x", "ann", "bob")
        self.chat.client("cat").send("AWAY :lunch")
        self.assertEqual(self.codes(ann, "INVITE cat #x"), ["341", "301"])


class KickTests(ChannelCase):
    """Tests of KICK (rule 33)."""

    def test_several(self) -> None:
        """One line for each, with the comment on each; the kicker's nick is default."""
        ann, bob, _, dan = self.chat.room("#x", "ann", "bob", "cat", "dan")
        mask = MASK.format("ann")
        self.assertEqual(
            ann.ask("KICK #X bob,cat :out with you"),
            [f":{mask} KICK #x {nick} :out with you" for nick in ("bob", "cat")],
        )
        self.assertEqual(dan.verbs(), ["KICK", "KICK"])
        self.assertEqual(bob.raw()[-1], f":{mask} KICK #x bob :out with you")
        self.assertEqual(ann.ask("KICK #x dan"), [f":{mask} KICK #x dan :ann"])

    def test_pairs(self) -> None:
        """As many rooms as nicks are paired; another number is 461."""
        ann, bob, _ = self.chat.room("#x", "ann", "bob", "cat")
        ann.send("JOIN #y")
        bob.send("JOIN #y")
        self.assertEqual(self.codes(ann, "KICK #x,#y cat,bob"), ["KICK", "KICK"])
        self.assertEqual(self.codes(ann, "KICK #x,#y a,b,c"), ["461"])
        self.assertEqual(self.codes(ann, "KICK #x"), ["461"])

    def test_refused(self) -> None:
        """403, 442 for outsiders, 482, 441 for who is elsewhere, 401 for unknown."""
        ann, bob = self.chat.room("#x", "ann", "bob")
        cat = self.chat.client("cat")
        self.assertEqual(self.codes(cat, "KICK #no bob"), ["403"])
        self.assertEqual(self.codes(cat, "KICK #x bob"), ["442"])
        self.assertEqual(self.codes(bob, "KICK #x nobody"), ["482"])
        self.assertEqual(
            ann.ask("KICK #x cat")[0].split()[1:5], ["441", "ann", "cat", "#x"]
        )
        self.assertEqual(self.codes(ann, "KICK #x nobody,,bob"), ["401", "KICK"])


class SetnameTests(ChannelCase):
    """Tests of SETNAME (IRCv3 C{setname})."""

    def test_setname(self) -> None:
        """Holders among the peers, and oneself, are told; without it is silent."""
        ann = self.chat.client("ann", "setname")
        bob = self.chat.client("bob")
        for client in (ann, bob):
            client.send("JOIN #x")
        ann.raw()
        mask = MASK.format("ann")
        self.assertEqual(ann.ask("SETNAME :A B"), [f":{mask} SETNAME :A B"])
        self.assertEqual(bob.ask("SETNAME :C D"), [])
        self.assertEqual(ann.lines()[0].params, ["C D"])
        self.assertEqual(bob.session.me.realname, "C D")

    def test_refused(self) -> None:
        """An empty or long name is FAIL SETNAME INVALID_REALNAME, and 461 without."""
        ann = self.chat.client("ann")
        for name in (":", "한" * 51):
            self.assertIn(
                " FAIL SETNAME INVALID_REALNAME :", ann.ask(f"SETNAME {name}")[0]
            )
        self.assertEqual(self.codes(ann, "SETNAME"), ["461"])
