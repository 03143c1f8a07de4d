"""Tests of L{netsvc.chat.bus}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netsvc.chat.bus import LocalBus
from netsvc.chat.events import Event, Quit, Source


def event(name: str) -> Event:
    """Make some event."""
    return Quit(0, name, Source("a", "a", "a"))


class LocalBusTests(SynchronousTestCase):
    """Tests of L{LocalBus}."""

    def setUp(self) -> None:
        """A bus with two subscribers."""
        self.bus = LocalBus()
        self.out: list[str] = []
        self.bus.subscribe(lambda event: self.out.append(f"a{event.msgid}"))
        self.bus.subscribe(lambda event: self.out.append(f"b{event.msgid}"))

    def test_at_once(self) -> None:
        """An event has come out at all when it has been put in."""
        self.bus.publish(event("1"))
        self.assertEqual(self.out, ["a1", "b1"])

    def test_while_busy(self) -> None:
        """What an event causes comes out behind it at all, in order."""

        def more(event_: Event) -> None:
            if event_.msgid == "1":
                self.bus.publish(event("2"))
                self.bus.publish(event("3"))

        self.bus = LocalBus()
        self.bus.subscribe(more)
        self.bus.subscribe(lambda event: self.out.append(event.msgid))
        self.bus.publish(event("1"))
        self.assertEqual(self.out, ["1", "2", "3"])

    def test_mistake(self) -> None:
        """A subscriber's exception is the publisher's; what waits keeps its place."""

        def broken(event_: Event) -> None:
            if event_.msgid == "1":
                self.bus.publish(event("2"))
                raise RuntimeError("broken")

        self.bus.subscribe(broken)
        self.assertRaises(RuntimeError, self.bus.publish, event("1"))
        self.bus.publish(event("3"))
        self.assertEqual(self.out, ["a1", "b1", "a2", "b2", "a3", "b3"])
