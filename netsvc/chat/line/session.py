"""
One person on a line: what they type, and what they are shown.

Nothing here knows how the lines come and go (L{netsvc.chat.line.link.Output}): a
stream brings them by L{netsvc.chat.line.intake}, and a datagram can bring one each.

Whoever brings them gives the next one to L{LineSession.receive} only when the session
is not L{busy<LineSession.busy>}; it calls C{wake} when it is so no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from netsvc.chat import events
from netsvc.chat.charset import Charset
from netsvc.chat.events import Event
from netsvc.chat.line import commands, entrance, greeting
from netsvc.chat.line.refusals import Mistake, sentence
from netsvc.chat.line.wire import LineWire, to_bytes
from netsvc.chat.line.words import own_words
from netsvc.chat.names import fold
from netsvc.chat.text import clean

if TYPE_CHECKING:
    from netsvc.chat.hub import Hub
    from netsvc.chat.line.frontend import LineFrontend
    from netsvc.chat.line.link import Output, Peer, Work
    from netsvc.chat.member import Member
    from netsvc.chat.network import Network
    from netsvc.chat.rooms import Room

#: Why others see somebody go who did not read what they were sent.
SENDQ_EXCEEDED: Final = "SendQ exceeded"


def _nothing() -> None:
    """Nobody waits."""


class LineSession:
    """
    Somebody on a line, as the hub's L{Session<netsvc.chat.events.Session>}.

    @ivar frontend: What it shares with the others.
    @ivar output: The connection.
    @ivar stream: Where it writes.
    @ivar peer: Who connects.
    @ivar charset: Reads and writes the connection's character set.
    @ivar wire: How events look to it.
    @ivar member: Who it is in the hub, once it is inside.
    @ivar room: The key of the room in which it is talking, or C{None}.
    @ivar recent: Keys of the rooms in which it was talking, the last one last.
    @ivar is_new: Whether it has been shown no room yet.
    @ivar is_guest: Whether its nick was given to it, not chosen.
    @ivar since: When it began, in seconds.
    @ivar tries: How many wrong passwords of the server it has given.
    @ivar wake: Is called when it is busy no more.
    @ivar closing: Whether nothing more is read from it.
    """

    __slots__ = (
        "__weakref__",
        "_cut_for",
        "_gone",
        "_held",
        "_moving",
        "_spoken",
        "_working",
        "charset",
        "closing",
        "frontend",
        "is_guest",
        "is_new",
        "member",
        "output",
        "peer",
        "recent",
        "room",
        "since",
        "stream",
        "tries",
        "wake",
        "wire",
    )

    def __init__(self, frontend: LineFrontend, output: Output, peer: Peer) -> None:
        """
        Somebody has connected. L{netsvc.chat.line.entrance.begin} is to be called when
        they can be written to.

        @param frontend: What it shares with the others.
        @param output: The connection.
        @param peer: Who.
        """
        self.frontend = frontend
        self.output = output
        self.stream = output.stream
        self.peer = peer
        self.charset = Charset()
        # That of the room where it will be: no need to change it then.
        self.wire: LineWire = frontend.wires.get(room=fold(frontend.network.lobby))
        self.member: Member | None = None
        self.room: str | None = None
        self.recent: tuple[str, ...] = ()
        self.is_guest = self.is_new = True
        self.since = frontend.network.seconds()
        self.wake: Callable[[], None] = _nothing
        self.closing = False
        self._gone = self._spoken = False
        self._held: str | None = None
        self._moving = self._working = self.tries = 0
        self._cut_for = ""
        frontend.sessions[self] = None

    # What it is.

    @property
    def network(self) -> Network:
        """The chat."""
        return self.frontend.network

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.frontend.network.hub

    @property
    def me(self) -> Member:
        """Who it is in the hub; for commands of those who are inside."""
        assert self.member is not None, "not inside yet"
        return self.member

    @property
    def busy(self) -> bool:
        """Whether the next line has to wait."""
        return self._working > 0 or self._moving > 0

    # Where it is talking.

    def current(self) -> Room:
        """
        Give the room in which it is talking.

        Who was put out of it is told so, once: what they say next goes to the room
        where they were talking before.

        @raise Mistake: If it is in none, or was put out of it.
        """
        member, key = self.me, self.room
        if key is not None:
            room = member.rooms.get(key)
            if room is not None:
                return room
            before = self.fall_back()
            if before is not None:
                raise Mistake(
                    "you are no longer in that room, nothing was done:"
                    f" you are in {before.name} now"
                )
        raise Mistake("you are in no room: /join #room takes you into one")

    def talk_in(self, key: str | None) -> None:
        """What is typed goes to another room from now on, or to none."""
        self.room = key
        if key is not None:
            rooms = self.me.rooms
            before = (each for each in self.recent if each in rooms and each != key)
            self.recent = (*before, key)
        self._move()

    def fall_back(self) -> Room | None:
        """Talk in the room before that one, if there is any still; give it."""
        rooms = self.me.rooms
        for key in reversed(self.recent):
            if key in rooms:
                self.talk_in(key)
                return rooms[key]
        self.recent = ()
        self.talk_in(None)
        return None

    def _move(self) -> None:
        """Have another wire, if the room or the character set is another."""
        if self.wire.room != self.room or self.wire.encoding != self.charset.encoding:
            self._moving += 1
            # What it has caused and is on its way finds it by its old wire.
            self.hub.courier.after(self, self._moved)

    def _moved(self) -> None:
        self._moving -= 1
        if self._moving:
            return  # what came between the two finds it by its old wire, too
        self.wire = self.frontend.wires.get(self.charset.encoding, self.room)
        if self.member is not None:
            self.hub.regroup(self.member)
        text, self._held = self._held, None
        if text is not None:
            self.obey(text)
        self._idle()

    # Being told (the hub's Session).

    def own(self, event: Event) -> None:
        """Show what its own member caused, but for what they have typed."""
        if self._gone:
            return
        text = own_words(event)
        if text:
            self.show(text)
        if type(event) is events.Joined:
            greeting.show_room(self, event)

    def show(self, text: str) -> None:
        """Write lines now."""
        self.send(to_bytes(text, self.charset.encoding))

    def send(self, data: bytes) -> None:
        """Write to this client alone."""
        if not self._gone:
            self.stream.write(data)
            if self in self.frontend.paused:
                self.check_queue()

    def close(self, reason: str) -> None:
        """
        End the connection.

        @param reason: What the client is told, and the others.
        """
        self.finish(f"! {clean(reason)}", reason)

    def finish(self, last: str, reason: str) -> None:
        """
        End the connection when all that came before is said.

        @param last: The last line; empty for none.
        @param reason: What the others are told.
        """
        if self.closing:
            return
        self._leave(reason)
        self.hub.courier.after(self, lambda: self._end(last))

    def _end(self, last: str) -> None:
        if self._gone:
            return
        if last:
            self.show(last)
        self._gone = True
        self.output.end()

    def _leave(self, reason: str) -> None:
        """Read nothing more, and leave the hub."""
        self.closing = True
        self.frontend.sessions.pop(self, None)
        self.frontend.outside.pop(self, None)
        self.frontend.telnets.pop(self, None)
        if self.member is not None:
            self.hub.leave(self.member, reason)

    def lost(self, reason: str) -> None:
        """
        The connection is gone.

        @param reason: What the others are told, unless they were told another before.
        """
        self._gone = True
        self.frontend.paused.discard(self)
        if not self.closing:
            self._leave(self._cut_for or reason)
        # So that it is freed at once, and not when cycles are looked for.
        self.member = None
        self.wake = _nothing

    # Slow readers.

    def pause(self) -> None:
        """The client does not take what is sent."""
        self.frontend.paused.add(self)

    def resume(self) -> None:
        """The client takes it again."""
        self.frontend.paused.discard(self)

    def check_queue(self) -> None:
        """Cut the connection if too much waits for the client to read it."""
        if self._gone or self.output.pending() <= self.frontend.options.send_queue:
            return
        self.frontend.paused.discard(self)
        self._gone = True
        self._cut_for = SENDQ_EXCEEDED
        self.network.counters["line-send-queue"] += 1
        self.output.cut()

    # Answering.

    def reply(self, text: str) -> None:
        """Answer with lines, behind what the client itself has caused."""
        self.hub.courier.reply(self, to_bytes(text, self.charset.encoding))

    def note(self, text: str) -> None:
        """Answer with a line that says what is so."""
        self.reply(f"* {text}")

    def refuse(self, error: Exception) -> None:
        """Answer that something was not done, and report mistakes of ours."""
        text = sentence(error)
        if text is None:
            self.output.failed(error)
            text = "something went wrong here, and was reported: try something else"
        elif isinstance(error, TimeoutError):
            self.network.counters["line-command-timeout"] += 1
        self.reply(f"! {text}")

    # Being asked.

    def receive(self, line: bytes) -> None:
        """Take a line, without its end, as it came."""
        charset = self.charset
        unreadable, decided = charset.unreadable, charset.decided
        text, switched = charset.decode(line)
        if switched is not None:
            self.network.counters["line-charset-switched"] += 1
            self._move()
            # What they were shown on joining, they could not read.
            again = not decided and self.network.history is not None
            self.note(
                f"character set: {switched}, as that line can be read in no other;"
                " /charset chooses one"
                + ", and /history shows in it what was said before"
                * again
            )
        elif charset.unreadable != unreadable:
            self.network.counters["line-unreadable"] += 1
            if unreadable == 0:
                self.reply(
                    "! that line is neither UTF-8 nor CP949, parts of it are lost:"
                    " set your terminal to one of them"
                )
        if self._moving:
            self._held = text
        else:
            self.obey(text)

    def too_long(self) -> None:
        """A line was longer than it may be, and was dropped."""
        self.network.counters["line-too-long"] += 1
        limit = self.frontend.options.line_limit
        self.reply(
            f"! that line was not sent, it is longer than {limit} bytes: send it in"
            " parts"
        )

    def choose(self, encoding: str) -> None:
        """Use a character set, or C{auto}: whatever fits what comes."""
        if encoding == "auto":
            self.charset.auto()
        elif encoding == "cp949":
            self.charset.pin("cp949")
        else:
            self.charset.pin("utf-8")
        self._move()

    def obey(self, text: str) -> None:
        """Do what a line of text says."""
        if self.closing:
            return
        text = clean(text).strip()
        if not text:
            return
        try:
            if not self._spoken and entrance.is_foreign(text):
                self.network.counters["line-no-text-protocol"] += 1
                self.close("this is a chat, and no web server")
                return
            self._spoken = True
            work = commands.dispatch(self, text)
        except Exception as error:
            self.refuse(error)
        else:
            if work is not None:
                self.start(work)

    def start(self, work: Work) -> None:
        """Do what takes time; the next line waits."""
        self._working += 1
        self.output.run(work, self.frontend.options.command_timeout, self._done)

    def _done(self, error: Exception | None) -> None:
        self._working -= 1
        if error is not None and not self._gone:
            self.refuse(error)
        self._idle()

    def _idle(self) -> None:
        """Ask for the next line, if there is nothing to wait for."""
        if not self.busy:
            self.wake()
