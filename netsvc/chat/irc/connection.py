"""
An IRC client's connection: what it is told, how it is answered, and how it ends.

All answers go through the hub's courier, so that no reply overtakes the message that it
follows, and into the labelled answer (IRCv3 C{labeled-response}) if one was asked for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from netsvc.chat import events
from netsvc.chat.events import Event, HubError, Said
from netsvc.chat.irc import numerics, refusals
from netsvc.chat.irc.batches import LabeledResponse
from netsvc.chat.irc.frontend import IrcFrontend
from netsvc.chat.irc.link import Link, Peer
from netsvc.chat.irc.message import build

if TYPE_CHECKING:
    from netsvc.chat.hub import Hub
    from netsvc.chat.member import Member
    from netsvc.chat.network import Network

#: Why peers see somebody go whose queue was full.
SENDQ_EXCEEDED: Final = "SendQ exceeded"

#: Events that who causes them is told of otherwise.
_SILENT: Final = frozenset({events.Quit, events.Invited, events.Came})


class IrcConnection:
    """
    The side of a session that writes; the hub's
    L{Session<netsvc.chat.events.Session>}.

    @ivar frontend: What it shares with the others.
    @ivar link: The connection.
    @ivar stream: Its transport.
    @ivar peer: Who connects.
    @ivar caps: The capabilities in effect.
    @ivar wire: How events look to it.
    @ivar nick: The nick that it asked for before it was registered; empty before.
    @ivar member: Who it is in the hub, once it is registered.
    @ivar closing: Whether nothing more is read from it.
    """

    __slots__ = (
        "_answer",
        "_gone",
        "_irc_wire",
        "_labelled",
        "caps",
        "closing",
        "frontend",
        "link",
        "member",
        "nick",
        "peer",
        "stream",
        "wire",
    )

    def __init__(self, frontend: IrcFrontend, link: Link, peer: Peer) -> None:
        """
        Somebody has connected.

        @param frontend: What it shares with the others.
        @param link: The connection.
        @param peer: Who.
        """
        self.frontend = frontend
        self.link = link
        self.stream = link.stream
        self.peer = peer
        self.caps: frozenset[str] = frozenset()
        self._irc_wire = frontend.wires.get(self.caps)
        self.wire: events.Wire = self._irc_wire
        self.nick = ""
        self.member: Member | None = None
        self.closing = False
        self._gone = False
        self._labelled = False
        self._answer: LabeledResponse | None = None

    @property
    def network(self) -> Network:
        """The chat."""
        return self.frontend.network

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.frontend.network.hub

    @property
    def client(self) -> str:
        """The nick as it stands in replies: C{*} while there is none."""
        if self.member is not None:
            return self.member.nick
        return self.nick or "*"

    def rewire(self) -> None:
        """See events by the capabilities that are in effect now."""
        wire = self.frontend.wires.get(self.caps)
        if wire is not self.wire:
            self.wire = self._irc_wire = wire
            if self.member is not None:
                self.hub.regroup(self.member)

    # Being told (the hub's Session).

    def own(self, event: Event) -> None:
        """Show what its own member caused: C{echo-message} decides for messages."""
        if type(event) is Said:
            if "echo-message" not in self.caps:
                return
        elif type(event) in _SILENT:
            return
        data = self._irc_wire.encode_own(event)
        if data:
            self.send(data)

    def send(self, data: bytes) -> None:
        """Write to this client, in the answer to its command if that has a label."""
        if self._answer is not None:
            data = self._answer.add(data)
            if not data:
                return
        self.push(data)

    def push(self, data: bytes) -> None:
        """Write to this client what answers no command."""
        if not self._gone:
            self.stream.write(data)
            if self in self.frontend.paused:
                self.check_queue()

    # The end.

    def close(self, reason: str) -> None:
        """
        End the connection.

        @param reason: What the client is told, and its peers.
        """
        if self.closing:
            return
        self._leave(reason)
        self.hub.courier.after(self, partial(self._end, reason))

    def _end(self, reason: str) -> None:
        """Say good-bye when all before that is said, if anybody is still there."""
        if self._gone:
            return
        host = self.peer.address or "local"
        data = build("ERROR", trailing=f"Closing Link: {host} ({reason})")
        answer, self._answer = self._answer, None
        if answer is not None:
            data = answer.add(data) + answer.finish()
        self.push(data)
        self._gone = True
        self.link.lose()

    def _leave(self, reason: str) -> None:
        """Read nothing more, and leave the hub."""
        self.closing = True
        if self.member is not None:
            self.hub.leave(self.member, reason)

    def lost(self, reason: str) -> None:
        """
        The connection is gone.

        @param reason: What peers are told, unless they were told another before.
        """
        self._gone = True
        self.frontend.paused.discard(self)
        if not self.closing:
            self._leave(reason)

    # Slow readers.

    def pause(self) -> None:
        """The client does not take what is sent."""
        self.frontend.paused.add(self)

    def resume(self) -> None:
        """The client takes it again."""
        self.frontend.paused.discard(self)

    def check_queue(self) -> None:
        """Cut the connection if too much waits for the client to read it."""
        if self._gone or self.link.pending() <= self.frontend.config.send_queue:
            return
        self.frontend.paused.discard(self)
        self._gone = True
        self.network.counters["irc-send-queue"] += 1
        # Not in the middle of a delivery.
        self.link.later(0, self._cut)

    def _cut(self) -> None:
        """Cut it at once: there is no use in another line."""
        if not self.closing:
            self._leave(SENDQ_EXCEEDED)
        self.link.abort()

    # Answering.

    def reply(self, data: bytes) -> None:
        """Write an answer, behind what the client itself has caused."""
        self.hub.courier.reply(self, data)

    def numeric(self, code: str, *params: str, text: str | None = None) -> None:
        """
        Answer with a numeric.

        @param params: What stands between the nick and the text.
        @param text: The text, if it is not the numeric's own.
        """
        name = self.frontend.network.name
        self.reply(numerics.reply(name, code, self.client, *params, text=text))

    def line(
        self,
        verb: str,
        *params: str,
        source: str | None = None,
        trailing: str | None = None,
    ) -> None:
        """
        Answer with a line.

        @param source: Who sends it; by default the server.
        @param trailing: One parameter more, always written behind a colon.
        """
        source = source or self.frontend.network.name
        self.reply(build(verb, *params, source=source, trailing=trailing))

    def fail(self, verb: str, code: str, *context: str, text: str) -> None:
        """Answer with FAIL (IRCv3 C{standard-replies})."""
        self.line("FAIL", verb, code, *context, trailing=text)

    def warn(self, verb: str, code: str, *context: str, text: str) -> None:
        """Answer with WARN."""
        self.line("WARN", verb, code, *context, trailing=text)

    def note(self, verb: str, code: str, *context: str, text: str) -> None:
        """Answer with NOTE."""
        self.line("NOTE", verb, code, *context, trailing=text)

    def refuse(self, error: HubError, verb: str) -> None:
        """Answer with the numeric for what the hub refuses."""
        code, params, text = refusals.numeric(error, verb)
        self.numeric(code, *params, text=text)

    def need_more(self, verb: str) -> None:
        """Answer that a command has too few parameters."""
        self.numeric(numerics.ERR_NEEDMOREPARAMS, verb)

    # Labelled answers.

    def begin_answer(self, label: str) -> None:
        """The answer to the command that follows has a label."""
        self._labelled = True
        self.hub.courier.after(self, partial(self._answering, label))

    def _answering(self, label: str) -> None:
        """All before the command is said: its answer begins."""
        name = self.frontend.network.name
        new = self.frontend.references.new
        self._answer = LabeledResponse(name, label, new)

    def _answered(self) -> None:
        """The answer is complete."""
        answer, self._answer = self._answer, None
        if answer is not None:
            self.push(answer.finish())

    def end_answer(self) -> None:
        """The command is done: so is the answer, when all of it is said."""
        if self._labelled:
            self._labelled = False
            self.hub.courier.after(self, self._answered)
