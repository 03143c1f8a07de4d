"""Stand-ins for what the client's core talks to."""

from __future__ import annotations

from twisted.internet.task import Clock

from netsvc.chat.client.entry import Wishes
from netsvc.chat.client.lines import Line
from netsvc.chat.client.link import Receiver
from netsvc.chat.client.look import Pieces
from netsvc.chat.client.session import LEAVE_TIMEOUT, Session, View


class FakeLink:
    """A link that a test opens and closes.

    @ivar opens: how often it was to be opened.
    @ivar sent: what was sent.
    @ivar closes: how often it was to be closed.
    """

    def __init__(self) -> None:
        self.opens = 0
        self.closes = 0
        self.sent: list[str] = []

    def open(self) -> None:
        self.opens += 1

    def send(self, line: str) -> None:
        self.sent.append(line)

    def close(self) -> None:
        self.closes += 1

    def take(self) -> list[str]:
        """What was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent


class FakeView:
    """A view that remembers.

    @ivar told: everything in order, as text.
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def show(self, line: Line) -> None:
        self.told.append(line.text)

    def note(self, text: str) -> None:
        self.told.append(f"note {text}")

    def locked(self) -> None:
        self.told.append("locked")

    def entered(self, is_as_wished: bool) -> None:
        self.told.append(f"entered {is_as_wished}")

    def held(self, is_held: bool) -> None:
        self.told.append(f"held {is_held}")

    def ended(self, trouble: str) -> None:
        self.told.append(f"ended {trouble}")

    def take(self) -> list[str]:
        """What was told since the last time."""
        told, self.told = self.told, []
        return told


class FakeScreen:
    """A screen that remembers.

    @ivar lines: what was shown, as text.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.refreshes = 0
        self.is_finished = False

    def print(self, pieces: Pieces) -> None:
        self.lines.append("".join(text for _, text in pieces))

    def refresh(self) -> None:
        self.refreshes += 1

    def finish(self) -> None:
        self.is_finished = True

    def take(self) -> list[str]:
        """What was shown since the last time."""
        lines, self.lines = self.lines, []
        return lines


class FakeSource:
    """An input that remembers whether it is to be read."""

    def __init__(self) -> None:
        self.is_reading = False

    def resume(self) -> None:
        self.is_reading = True

    def pause(self) -> None:
        self.is_reading = False


class Stay:
    """A session with all that it needs."""

    def __init__(
        self,
        view: View,
        wishes: Wishes | None = None,
        reconnect: bool = True,
        leave_timeout: float = LEAVE_TIMEOUT,
        password: str = "",
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.link = FakeLink()

        def make(receiver: Receiver) -> FakeLink:
            return self.link

        self.session = Session(
            wishes or Wishes(),
            make,
            view,
            self.clock,
            lambda: 0.5,
            reconnect,
            leave_timeout,
            password,
        )

    def enter(self, nick: str = "guest1") -> None:
        """Connect, and be let into the lobby."""
        self.session.start()
        self.session.opened()
        self.hear("* Welcome", f"* {nick} has joined #lobby")

    def hear(self, *lines: str) -> None:
        """Receive lines."""
        for line in lines:
            self.session.received(line)
