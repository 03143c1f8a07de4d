"""Tests of L{netsvc.chat.courier}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.courier import Courier
from netsvc.chat.events import AwaySet, Source
from netsvc.chat.rooms import Audience
from tests.chat.hub_fakes import Chat, FakeArchive, FakeKeeper, FakeSession, FakeWire
from tests.chat.hub_fakes import seen as seen_by


def event(name: str) -> AwaySet:
    """Make some event."""
    return AwaySet(0, name, Source("a", "a", "a"), None)


class CourierTests(SynchronousTestCase):
    """Delivery in one order, after the commit."""

    def setUp(self) -> None:
        """Three sessions on two wires."""
        self.courier = Courier()
        self.wire, self.other_wire = FakeWire(), FakeWire()
        self.a, self.b = FakeSession(self.wire), FakeSession(self.wire)
        self.c = FakeSession(self.other_wire)
        self.all: Audience = {self.wire: [self.a, self.b], self.other_wire: [self.c]}

    def test_at_once(self) -> None:
        """What needs no commit is delivered at once."""
        self.courier.deliver(event("1"), self.all)
        for session in (self.a, self.b, self.c):
            self.assertEqual(session.seen, ["AwaySet 1"])

    def test_encoded_once(self) -> None:
        """An event is encoded once for each wire, and written at once to all of it."""
        self.courier.deliver(event("1"), self.all)
        self.assertEqual(len(self.wire.encoded), 1)
        self.assertEqual(len(self.wire.sent), 1)
        self.assertEqual(len(self.other_wire.encoded), 1)
        self.assertEqual(self.courier.deliveries, 3)

    def test_own(self) -> None:
        """Who caused an event is shown it in their own way, and after the others."""
        self.courier.deliver(event("1"), self.all, self.a)
        self.assertEqual(self.a.seen, ["own AwaySet 1"])
        self.assertEqual(self.b.seen, ["AwaySet 1"])

    def test_waits(self) -> None:
        """What waits for a commit is delivered by it, and what follows behind it."""
        self.courier.deliver(event("1"), self.all, self.a, ticket=1)
        self.courier.deliver(event("2"), self.all, self.b)
        self.assertEqual(self.c.seen, [])
        self.assertEqual(self.courier.waiting, 2)
        self.courier.committed(1)
        self.assertEqual(self.c.seen, ["AwaySet 1", "AwaySet 2"])
        self.assertEqual(self.a.seen, ["own AwaySet 1", "AwaySet 2"])
        self.assertEqual(self.b.seen, ["AwaySet 1", "own AwaySet 2"])
        self.assertEqual(self.courier.waiting, 0)

    def test_part_of_it(self) -> None:
        """A commit delivers what it holds and no more."""
        self.courier.deliver(event("1"), self.all, ticket=1)
        self.courier.deliver(event("2"), self.all, ticket=2)
        self.courier.committed(1)
        self.assertEqual(self.a.seen, ["AwaySet 1"])
        self.courier.committed(2)
        self.assertEqual(self.a.seen, ["AwaySet 1", "AwaySet 2"])

    def test_safe_before(self) -> None:
        """A ticket that is safe already is not waited for."""
        self.courier.committed(5)
        self.courier.deliver(event("1"), self.all, ticket=5)
        self.assertEqual(self.a.seen, ["AwaySet 1"])

    def test_one_write(self) -> None:
        """What one commit releases is one write to all who get the same."""
        for number in range(1, 5):
            self.courier.deliver(event(str(number)), self.all, ticket=number)
        self.courier.committed(4)
        self.assertEqual(len(self.wire.sent), 1)
        self.assertEqual(self.wire.sent[0][1], (self.a, self.b))
        self.assertEqual(self.a.seen, [f"AwaySet {n}" for n in range(1, 5)])

    def test_reply_waits(self) -> None:
        """A reply waits behind what its session has caused, and no other reply."""
        self.courier.deliver(event("1"), self.all, self.a, ticket=1)
        self.courier.reply(self.a, b"pong\n")
        self.courier.reply(self.b, b"pong\n")
        self.assertEqual(self.a.seen, [])
        self.assertEqual(self.b.seen, ["pong"])
        self.courier.committed(1)
        self.assertEqual(self.a.seen, ["own AwaySet 1", "pong"])
        self.courier.reply(self.a, b"more\n")
        self.assertEqual(self.a.seen[-1], "more")

    def test_after(self) -> None:
        """A call waits behind what its session has caused; with nothing, it is made."""
        calls: list[int] = []
        self.courier.after(self.a, lambda: calls.append(0))
        self.courier.deliver(event("1"), self.all, self.a, ticket=1)
        self.courier.after(self.a, lambda: calls.append(len(self.a.seen)))
        self.assertEqual(calls, [0])
        self.courier.committed(1)
        self.assertEqual(calls, [0, 1])

    def test_other_wire(self) -> None:
        """Who has another wire by the commit sees their own event still once."""
        for tickets in ([1], [2, 3]):
            for ticket in tickets:
                self.courier.deliver(event("1"), self.all, self.a, ticket)
            self.a.wire = self.other_wire
            self.courier.committed(tickets[-1])
            self.assertEqual(self.a.seen, ["own AwaySet 1"] * len(tickets))
            self.a.wire = self.wire
            self.a.seen.clear()
        self.assertEqual(self.b.seen, ["AwaySet 1"] * 3)

    def test_not_shown(self) -> None:
        """What a wire does not show is written to none of its sessions."""
        self.wire.encode = lambda event: b""  # type: ignore[method-assign]
        self.courier.deliver(event("1"), self.all, self.a, ticket=1)
        self.courier.deliver(event("2"), self.all, self.c, ticket=1)
        self.courier.committed(1)
        self.courier.deliver(event("3"), self.all)
        self.assertEqual(self.wire.sent, [])
        self.assertEqual(self.a.seen, ["own AwaySet 1"])
        self.assertEqual(self.c.seen, ["AwaySet 1", "own AwaySet 2", "AwaySet 3"])
        self.assertEqual(self.courier.deliveries, 2)

    def test_alone(self) -> None:
        """What only its causer could see is written to nobody."""
        self.courier.deliver(event("1"), {self.wire: [self.a]}, self.a)
        self.assertEqual(self.wire.sent, [])
        self.assertEqual(self.a.seen, ["own AwaySet 1"])

    def test_committed_while_delivering(self) -> None:
        """A commit that comes while another is delivered waits for its end."""

        def own(shown: AwaySet) -> None:
            self.a.seen.append(f"own {shown.msgid}")
            self.courier.committed(2)
            self.assertEqual(self.c.seen, ["AwaySet 1"])

        self.a.own = own  # type: ignore[assignment, method-assign]
        self.courier.deliver(event("1"), self.all, self.a, ticket=1)
        self.courier.deliver(event("2"), self.all, ticket=2)
        self.courier.committed(1)
        self.assertEqual(self.c.seen, ["AwaySet 1", "AwaySet 2"])

    def test_after_that_and_more(self) -> None:
        """Replies and calls keep their place among events that are released at once."""
        self.courier.deliver(event("1"), self.all, self.a, ticket=1)
        self.courier.deliver(event("2"), self.all, self.b, ticket=1)
        self.courier.reply(self.a, b"pong\n")
        self.courier.after(self.a, lambda: self.a.seen.append("called"))
        self.courier.deliver(event("3"), self.all, self.a, ticket=1)
        self.courier.committed(1)
        self.assertEqual(
            self.a.seen,
            ["own AwaySet 1", "AwaySet 2", "pong", "called", "own AwaySet 3"],
        )

    def test_while_delivering(self) -> None:
        """What an event causes while it is delivered comes after it, for all."""

        def own(shown: AwaySet) -> None:
            self.a.seen.append(f"own {shown.msgid}")
            if shown.msgid == "1":
                self.courier.deliver(event("3"), self.all)

        self.a.own = own  # type: ignore[assignment, method-assign]
        self.courier.deliver(event("1"), self.all, self.a, ticket=1)
        self.courier.deliver(event("2"), self.all, ticket=1)
        self.courier.committed(1)
        self.assertEqual(self.a.seen, ["own 1", "AwaySet 2", "AwaySet 3"])
        self.assertEqual(self.c.seen, ["AwaySet 1", "AwaySet 2", "AwaySet 3"])


class HubDeliveryTests(SynchronousTestCase):
    """The hub and the courier together."""

    def setUp(self) -> None:
        """Two people in a room whose messages are kept."""
        self.keeper = FakeKeeper()
        self.chat = Chat(keeper=self.keeper, archive=FakeArchive())
        self.ann, self.bob = self.chat.room("#r", "ann", "bob")

    def test_stored_first(self) -> None:
        """A message is shown to nobody before it is stored."""
        self.chat.hub.say(self.ann, "#r", "hello")
        self.assertEqual(self.keeper.kept[-1].text, "hello")
        self.assertEqual(seen_by(self.bob), [])
        self.assertEqual(seen_by(self.ann), [])
        self.chat.courier.committed(len(self.keeper.kept))
        self.assertEqual(len(seen_by(self.bob)), 1)
        self.assertEqual(len(seen_by(self.ann)), 1)

    def test_who_was_there(self) -> None:
        """Who joins while a message waits is not shown it; who was there is."""
        self.chat.hub.say(self.ann, "#r", "hello")
        cyd = self.chat.enter("cyd")
        self.chat.hub.join(cyd, "#r")
        self.chat.hub.part(self.bob, "#r")
        self.chat.courier.committed(len(self.keeper.kept))
        self.assertEqual(
            [each.split()[0] for each in seen_by(self.bob)], ["Said", "Joined", "own"]
        )
        self.assertEqual([each.split()[0] for each in seen_by(cyd)], ["own", "Parted"])
