"""A hub and sessions that see events as L{tests.chat.hub_model} names them."""

from __future__ import annotations

from typing import Any

from netsvc.chat import events
from netsvc.chat.events import Event
from netsvc.chat.member import Member
from tests.chat.hub_fakes import Chat, FakeArchive, FakeKeeper, FakeSession, FakeWire
from tests.chat.hub_model_parts import ACCOUNT, ITS_NICKS, LIMITS, Entry, key


def entry(event: Event) -> Entry:
    """Give an event as the model names it."""
    nick = event.source.nick
    match event:
        case events.Said():
            return ("said", nick, event.target, event.kind, event.text, event.status)
        case events.Joined():
            return ("joined", nick, event.source.host, event.room)
        case events.Parted():
            return ("parted", nick, event.room, event.reason)
        case events.Kicked():
            return ("kicked", nick, event.room, event.nick, event.reason)
        case events.TopicSet():
            return ("topic", nick, event.room, event.topic)
        case events.ModesSet():
            changes = tuple((c.adding, c.letter, c.argument) for c in event.changes)
            return ("modes", nick, event.room, changes)
        case events.InvitationSeen():
            return ("invitation", nick, event.room, event.nick)
        case events.Invited():
            return ("invited", nick, event.room, event.nick)
        case events.Quit():
            return ("quit", nick, event.reason)
        case events.Renamed():
            return ("renamed", nick, event.nick)
        case events.AwaySet():
            return ("away", nick, event.text)
        case events.AccountSet():
            return ("account", nick, event.account)
        case events.RealnameSet():
            return ("realname", nick, event.realname)
        case events.HostSet():
            return ("host", nick, event.host)
        case events.Watched():
            return ("watched", event.nick, event.online)
    raise AssertionError(f"nobody is shown {event}")


class Wire(FakeWire):
    """A wire that writes the numbers of events in a list that all wires share."""

    def __init__(self, shown: list[Event], *, extended: bool) -> None:
        """Start with nothing encoded."""
        super().__init__()
        self.shown = shown
        self.extended_monitor = extended
        self.shows_hosts = not extended

    def encode(self, event: Event) -> bytes:
        """Render an event as its number in the list."""
        if isinstance(event, events.HostSet) and not self.shows_hosts:
            return b""
        self.shown.append(event)
        return f"{len(self.shown) - 1}\n".encode()


class Session(FakeSession):
    """A session that has what it is shown as the model names it."""

    wire: Wire

    def __init__(self, wire: Wire) -> None:
        """Start with nothing seen."""
        super().__init__(wire)
        self.entries: list[Entry] = []
        self.order: list[int] = []

    def own(self, event: Event) -> None:
        """Remember an event of one's own."""
        self.entries.append(("own", *entry(event)))
        self.order.append(int(event.msgid[1:]))

    def send(self, data: bytes) -> None:
        """Remember what was written."""
        for line in data.decode().splitlines():
            if line.isdigit():
                event = self.wire.shown[int(line)]
                self.entries.append(entry(event))
                self.order.append(int(event.msgid[1:]))
            else:
                self.entries.append(("reply", line))


class World:
    """A hub and its sessions, told what to do by words that can be repeated."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.keeper = FakeKeeper()
        self.archive = FakeArchive()
        shown: list[Event] = []
        self.wires = [Wire(shown, extended=False), Wire(shown, extended=True)]
        self.chat = Chat(
            LIMITS,
            self.keeper,
            archive=self.archive,
            reserved=lambda nick: ACCOUNT if nick in map(key, ITS_NICKS) else None,
        )
        self.members: list[Member] = []
        self.sessions: list[Session] = []

    def enter(self, nick: str, account: str | None, wire: int) -> None:
        """Somebody comes."""
        number = len(self.members)
        self.chat.now += 0.5
        member = self.chat.enter(
            nick,
            account=account,
            user=f"user{number % 4}",
            host=f"host{number % 3}.example",
            wire=self.wires[wire],
            session=Session,
        )
        self.members.append(member)
        self.sessions.append(member.session)  # type: ignore[arg-type]

    def do(self, command: str, who: int | None, *args: Any) -> Any:
        """Somebody calls a command of the hub; C{None} is the server."""
        self.chat.now += 0.5
        member = None if who is None else self.members[who]
        return getattr(self.chat.hub, command)(member, *args)

    def reply(self, who: int, text: str) -> None:
        """Somebody is answered."""
        self.chat.courier.reply(self.sessions[who], text.encode() + b"\n")

    def rewire(self, who: int, wire: int) -> None:
        """Somebody's events look otherwise from now on."""
        self.sessions[who].wire = self.wires[wire]
        self.chat.hub.regroup(self.members[who])

    def commit(self, ticket: int) -> None:
        """What was kept up to there is safe."""
        self.chat.courier.committed(ticket)
