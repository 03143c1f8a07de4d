"""
Events as IRC lines.

What a client sees depends on the capabilities that it enabled. Sessions for which the
same bytes are right share one L{IrcWire}, and each event is rendered once for it. A
message is even rendered once for all wires that put the same tags on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from netsvc.chat import events
from netsvc.chat.events import Event, Kind, Said, Session, Source
from netsvc.chat.irc.message import (
    BODY_LIMIT,
    body,
    escape,
    fits_middle,
    lines_of,
    render_tags,
    tagged,
)
from netsvc.chat.irc.numerics import RPL_MONOFFLINE, RPL_MONONLINE
from netsvc.chat.irc.times import format_seconds

RENDERED: Final = frozenset(
    {
        "account-notify",
        "account-tag",
        "away-notify",
        "chghost",
        "extended-join",
        "extended-monitor",
        "invite-notify",
        "message-tags",
        "server-time",
        "setname",
    }
)
"""The capabilities that decide what events look like."""

WIRE_LIMIT: Final = 2 ** len(RENDERED)
"""How many wires there can be: one for each set of them."""

VERBS: Final = {
    Kind.MESSAGE: "PRIVMSG",
    Kind.NOTICE: "NOTICE",
    Kind.TAGS: "TAGMSG",
}
"""The command of each sort of message."""


def prefix_of(source: Source) -> str:
    """Give a source as it stands in a line: a mask, or the server's name."""
    if not source.nick:
        return source.host
    return f"{source.nick}!{source.user}@{source.host}"


def said_prefix(source: Source, kind: Kind, target: str) -> int:
    """
    Count the bytes of a message's line before its text, for L{fit}.

    @param target: As the line has it, with the prefix of a STATUSMSG.
    """
    start = f":{prefix_of(source)} {VERBS[kind]} {target} :"
    return len(start.encode("utf-8", "replace"))


class _Shared:
    """
    What all wires of a server share.

    @ivar server: The server's name.
    @ivar said: The message that was rendered last.
    @ivar lines: What it looks like, by the tags that wires put on it.
    """

    __slots__ = ("_second", "_text", "lines", "said", "server")

    def __init__(self, server: str) -> None:
        self.server = server
        self.said: Said | None = None
        self.lines: dict[tuple[bool, bool, bool], bytes] = {}
        self._second = -1
        self._text = ""

    def time(self, milliseconds: int) -> str:
        """A time tag. Most are of the same second as the one before."""
        second, fraction = divmod(milliseconds, 1000)
        if second != self._second:
            self._second, self._text = second, format_seconds(second)
        return f"time={self._text}.{fraction:03d}Z"


class Wires:
    """All wires of one server, made when they are first asked for."""

    def __init__(
        self, server: str, send: Callable[[bytes, Sequence[Session]], None]
    ) -> None:
        """
        Start with none.

        @param server: The server's name.
        @param send: Writes the same bytes to many sessions.
        """
        self._shared = _Shared(server)
        self._send = send
        self._wires: dict[frozenset[str], IrcWire] = {}

    def get(self, capabilities: frozenset[str]) -> IrcWire:
        """
        Give the wire of those who have these capabilities in effect.

        Those that do not change what events look like make no difference.
        """
        key = capabilities & RENDERED
        wire = self._wires.get(key)
        if wire is None:
            wire = self._wires[key] = IrcWire(key, self._shared, self._send)
        return wire

    def __len__(self) -> int:
        """Say how many there are; never more than L{WIRE_LIMIT}."""
        return len(self._wires)


class IrcWire:
    """
    How events look to those who have the same capabilities.

    @ivar capabilities: Those of them that matter here.
    @ivar extended_monitor: Whether they hear all about those whom they watch.
    @ivar shows_hosts: Whether they are told of another host as such. The others are
        shown nothing here: for them the hub makes it a quit, joins and modes.
    """

    def __init__(
        self,
        capabilities: frozenset[str],
        shared: _Shared,
        send: Callable[[bytes, Sequence[Session]], None],
    ) -> None:
        """Render for a set of capabilities. L{Wires} makes these."""
        self.capabilities = capabilities
        self.extended_monitor = "extended-monitor" in capabilities
        self.shows_hosts = "chghost" in capabilities
        self._shared = shared
        self._send = send
        self._time = "server-time" in capabilities
        self._message_tags = "message-tags" in capabilities
        self._account_tag = "account-tag" in capabilities
        self._tagging = (self._time, self._message_tags, self._account_tag)
        self._extended_join = "extended-join" in capabilities
        self._away = "away-notify" in capabilities
        self._account = "account-notify" in capabilities
        self._setname = "setname" in capabilities
        self._invite = "invite-notify" in capabilities
        self._renderers: dict[type[Event], Callable[[Any], bytes]] = {
            Said: self._said,
            events.Joined: self._joined,
            events.Parted: self._parted,
            events.Kicked: self._kicked,
            events.TopicSet: self._topic,
            events.ModesSet: self._modes,
            events.Invited: self._invited,
            events.InvitationSeen: self._invitation_seen,
            events.Quit: self._quit,
            events.Renamed: self._renamed,
            events.AwaySet: self._away_set,
            events.AccountSet: self._account_set,
            events.RealnameSet: self._realname_set,
            events.HostSet: self._host_set,
            events.Announced: self._announced,
            events.Watched: self._watched,
        }

    def encode(self, event: Event) -> bytes:
        """
        Render an event for others than who caused it.

        @return: Lines with their CR LF; nothing when it is not shown to them.
        """
        render = self._renderers.get(type(event))
        return b"" if render is None else render(event)

    def encode_own(
        self, event: Event, label: str | None = None, batch: str | None = None
    ) -> bytes:
        """
        Render an event for who caused it, or one of the past.

        Their own AWAY is no line for them, nor one behind their JOIN.

        @param label: The label of the command that it answers; for an event that is
            one line.
        @param batch: The reference of the batch that it is in.
        """
        if isinstance(event, events.Joined):
            data = self._join_line(event)
        elif isinstance(event, events.AwaySet):
            return b""
        else:
            data = self.encode(event)
        if not data or (label is None and batch is None):
            return data
        extra = render_tags(
            (name, value)
            for name, value in (("batch", batch), ("label", label))
            if value is not None
        )
        return b"".join(tagged(line, extra) for line in lines_of(data))

    def send(self, data: bytes, sessions: Sequence[Session]) -> None:
        """Write the same bytes to many sessions."""
        self._send(data, sessions)

    def _tags(self, event: Event, *, named: bool = True) -> str:
        """
        The tags of an event that are for all.

        @param named: Whether the line may have the event's msgid.
        """
        source = event.source
        found = []
        if self._time:
            found.append(self._shared.time(event.time))
        if self._message_tags and named:
            found.append(f"msgid={escape(event.msgid)}")
        if self._account_tag and source.account is not None:
            found.append(f"account={escape(source.account)}")
        if self._message_tags and source.bot:
            found.append("bot")
        return ";".join(found)

    def _line(self, event: Event, text: str, *, named: bool = True) -> bytes:
        """A line whose source is the event's."""
        data = body(f":{prefix_of(event.source)} {text}")
        return tagged(data, self._tags(event, named=named))

    def _said(self, event: Said) -> bytes:
        """PRIVMSG, NOTICE, TAGMSG."""
        shared = self._shared
        if event is not shared.said:
            shared.said = event
            shared.lines.clear()
        data = shared.lines.get(self._tagging)
        if data is None:
            data = shared.lines[self._tagging] = self._message(event)
        return data

    def _message(self, event: Said) -> bytes:
        """The line of a message."""
        start = f":{prefix_of(event.source)} {VERBS[event.kind]} "
        tags = self._tags(event)
        if event.tags and self._message_tags:
            tags = f"{tags};{render_tags(event.tags)}"
        if event.kind is Kind.TAGS:
            if not self._message_tags:
                return b""
            return tagged(body(f"{start}{event.status}{event.target}"), tags)
        line = body(f"{start}{event.status}{event.target} :{event.text}")
        return tagged(line, tags)

    def _join_line(self, event: events.Joined) -> bytes:
        """JOIN, of an account and a real name for those who want to know."""
        text = f"JOIN {event.room}"
        if self._extended_join:
            source = event.source
            text = f"{text} {source.account or '*'} :{source.realname}"
        return self._line(event, text)

    def _joined(self, event: events.Joined) -> bytes:
        """JOIN, and AWAY behind it when that is so."""
        data = self._join_line(event)
        if self._away and event.away is not None:
            data += self._line(event, f"AWAY :{event.away}", named=False)
        return data

    def _parted(self, event: events.Parted) -> bytes:
        """PART."""
        reason = f" :{event.reason}" if event.reason else ""
        return self._line(event, f"PART {event.room}{reason}")

    def _kicked(self, event: events.Kicked) -> bytes:
        """KICK."""
        return self._line(event, f"KICK {event.room} {event.nick} :{event.reason}")

    def _topic(self, event: events.TopicSet) -> bytes:
        """TOPIC."""
        return self._line(event, f"TOPIC {event.room} :{event.topic}")

    def _modes(self, event: events.ModesSet) -> bytes:
        """MODE: one line, or more where one cannot hold all."""
        start = f"MODE {event.room} "
        used = len(f":{prefix_of(event.source)} {start}\r\n".encode("utf-8", "replace"))
        return b"".join(
            self._line(event, start + text, named=not index)
            for index, text in enumerate(mode_changes(event.changes, BODY_LIMIT - used))
        )

    def _invited(self, event: events.Invited) -> bytes:
        """INVITE, for who is invited."""
        return self._line(event, f"INVITE {event.nick} {event.room}")

    def _invitation_seen(self, event: events.InvitationSeen) -> bytes:
        """INVITE, for the members of the room."""
        return self._invited(event) if self._invite else b""

    def _quit(self, event: events.Quit) -> bytes:
        """QUIT."""
        return self._line(event, f"QUIT :{event.reason}")

    def _renamed(self, event: events.Renamed) -> bytes:
        """NICK."""
        return self._line(event, f"NICK {event.nick}")

    def _away_set(self, event: events.AwaySet) -> bytes:
        """AWAY."""
        if not self._away:
            return b""
        return self._line(event, f"AWAY :{event.text}" if event.text else "AWAY")

    def _account_set(self, event: events.AccountSet) -> bytes:
        """ACCOUNT."""
        if not self._account:
            return b""
        return self._line(event, f"ACCOUNT {event.account or '*'}")

    def _realname_set(self, event: events.RealnameSet) -> bytes:
        """SETNAME."""
        return self._line(event, f"SETNAME :{event.realname}") if self._setname else b""

    def _host_set(self, event: events.HostSet) -> bytes:
        """CHGHOST."""
        if not self.shows_hosts:
            return b""
        return self._line(event, f"CHGHOST {event.user} {event.host}")

    def _announced(self, event: events.Announced) -> bytes:
        """WALLOPS."""
        return self._line(event, f"WALLOPS :{event.text}")

    def _watched(self, event: events.Watched) -> bytes:
        """MONITOR's numerics. They have no nick, and so are the same for all."""
        server = self._shared.server
        if event.online:
            text = f":{server} {RPL_MONONLINE} * :{event.source.mask}"
        else:
            text = f":{server} {RPL_MONOFFLINE} * :{event.nick}"
        return tagged(body(text), self._shared.time(event.time) if self._time else "")


def mode_changes(changes: Sequence[events.Change], room: int) -> list[str]:
    """
    Write changes of modes: C{+o-v ann bob}, in as few texts as hold them.

    A key that is taken away is shown as C{*}, and so is what cannot be a parameter.

    @param room: The most bytes of each text.
    """
    texts: list[str] = []
    letters, arguments = "", ""
    adding: bool | None = None
    for change in changes:
        argument = change.argument
        if change.letter == "k" and not change.adding:
            argument = "*"
        if argument is not None and not fits_middle(argument):
            argument = "*"
        sign = "" if change.adding is adding else "-+"[change.adding]
        more = arguments if argument is None else f"{arguments} {argument}"
        longer = f"{letters}{sign}{change.letter}"
        if letters and len((longer + more).encode("utf-8", "replace")) > room:
            texts.append(letters + arguments)
            longer = f"{'-+'[change.adding]}{change.letter}"
            more = "" if argument is None else f" {argument}"
        letters, arguments, adding = longer, more, change.adding
    if letters:
        texts.append(letters + arguments)
    return texts
