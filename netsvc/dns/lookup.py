"""
One lookup: which servers are asked, when, and how it ends.

Servers are asked one after the other, each when the one before has failed or has
not answered for a while; what was asked before may still be answered, so that a
reply that is late is as good as one that is not. It ends with the first answer, or
when all have failed, or when the total time is up. Pure: time, randomness and
deadlines are its L{Engine}'s.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Protocol

from netsvc.dns.asked import Asked, Upstream
from netsvc.dns.chain import on_chain
from netsvc.dns.codes import RD
from netsvc.dns.conversation import Conversation
from netsvc.dns.errors import (
    BadAliases,
    BadChain,
    LookupFailed,
    NoServers,
    ServerError,
    ServerTimeout,
    most_telling,
)
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.result import Message, Question, Result, Security
from netsvc.dns.wheel import Timed

#: What is counted when a server has not answered to the end.
TIMEOUT = "timeout"

_pack_tail = Struct("!HH").pack

#: How a lookup ends: with an answer or with an error.
Done = Callable[["Lookup", Result | None, LookupFailed | None], object]


class Engine(Protocol):
    """
    What a lookup needs.

    @ivar timeout: The most seconds for which one server is waited for before another
        is asked, too.
    @ivar tries: How often each server is asked.
    @ivar parallel: How many servers are asked at once.
    @ivar hedge: Whether another server is asked as soon as most answers of the
        first would have come.
    @ivar mixes_case: Whether the case of letters is set at random.
    @ivar max_mismatches: After how many datagrams that are no reply to a query its
        server is asked over TCP.
    """

    timeout: float
    tries: int
    parallel: int
    hedge: bool
    mixes_case: bool
    max_mismatches: int

    def now(self) -> float:
        """Give the time."""

    def noise(self, count: int) -> bytes:
        """Give random bytes."""

    def set_deadline(self, what: Timed, when: float) -> None:
        """Have C{what.due} called."""

    def clear_deadline(self, what: Timed) -> None:
        """Have it not called."""


class Lookup:
    """
    One question on its way to an answer.

    @ivar engine: Its time, randomness and deadlines.
    @ivar question: The question.
    @ivar flags: The second word of its queries' headers.
    @ivar options: What else is asked for.
    @ivar tail: The packed question without its name.
    @ivar key: The resolver's.
    @ivar waiting: Who waits for the answer; the resolver's.
    @ivar slot: The wheel's.
    """

    __slots__ = (
        "_asked",
        "_conversations",
        "_deadline",
        "_done",
        "_errors",
        "_upstreams",
        "engine",
        "flags",
        "key",
        "options",
        "question",
        "slot",
        "tail",
        "waiting",
    )

    def __init__(
        self,
        engine: Engine,
        question: Question,
        options: QueryOptions,
        upstreams: list[Upstream],
        done: Done,
    ) -> None:
        """
        @param upstreams: The servers, in the order in which they are to be asked.
        @param done: Called once, when it has ended; never after L{cancel}.
        """
        self.engine = engine
        self.question = question
        self.options = options
        self._upstreams = upstreams
        self._done: Done | None = done
        _, rtype, rclass = question
        self.tail = _pack_tail(rtype, rclass)
        self.flags = RD if options is PLAIN else options.flags
        self._conversations: list[Conversation] = []
        self._errors: tuple[ServerError, ...] = ()
        self._asked = 0
        self._deadline = 0.0
        self.slot = 0
        self.key: object = None
        self.waiting: list[object] = []

    def start(self, total: float) -> None:
        """
        Begin.

        @param total: Seconds until it ends with a failure.
        """
        if not self._upstreams:
            self._end(None, NoServers("there is no server to ask"))
            return
        now = self.engine.now()
        self._deadline = now + total
        self._next(now)
        if self.engine.parallel > 1:
            for _ in range(min(self.engine.parallel, len(self._upstreams)) - 1):
                self._next(now)

    def cancel(self) -> None:
        """Give up; C{done} is not called."""
        self._done = None
        self._end(None, None)

    # The servers, one after the other.

    def _next(self, now: float) -> None:
        """Ask the next server; wait to the end if all were asked often enough."""
        engine, upstreams = self.engine, self._upstreams
        count = len(upstreams)
        conversations = self._conversations
        while self._asked < count * engine.tries and self._done is not None:
            turn, index = divmod(self._asked, count)
            self._asked += 1
            if index < len(conversations):
                conversation = conversations[index]
                if conversation.is_over:
                    continue
            else:
                conversation = Conversation(self, upstreams[index])
                conversations.append(conversation)
            memory = conversation.upstream.memory
            wait = memory.patience * (1 << turn)
            if engine.hedge and not turn:
                wait = memory.hedge
            if wait > engine.timeout:
                wait = engine.timeout
            until = now + wait
            if until > self._deadline:
                until = self._deadline
            engine.set_deadline(self, until)
            if turn:
                conversation.ask(now, turn == engine.tries - 1)
            else:
                conversation.begin(now)
            return
        if self._done is not None:
            engine.set_deadline(self, self._deadline)

    def due(self, now: float) -> None:
        """The server that was asked last has not answered, or the time is up."""
        if now >= self._deadline:
            for conversation in self._conversations:
                if not conversation.is_over:
                    self._silent(conversation, now)
            self._fail()
            return
        self._next(now)

    def _silent(self, conversation: Conversation, now: float) -> None:
        """A server has not answered to the end."""
        memory = conversation.upstream.memory
        memory.failed(now)
        memory.counts[TIMEOUT] += 1
        conversation.stalled()
        transport = conversation.pending[-1].transport if conversation.pending else ""
        self._errors += (ServerTimeout(memory.server, transport),)

    # What the conversations tell.

    def answered(
        self,
        conversation: Conversation,
        asked: Asked,
        message: Message,
        data: bytes,
        now: float,
    ) -> None:
        """A server has answered; the next is asked if its aliases lead nowhere."""
        question = self.question
        _, flags, rcode, _, answer, authority, additional, edns, size, _ = message
        try:
            records = on_chain(answer, question) if answer else ()
        except BadChain as error:
            server = conversation.upstream.memory.server
            self.failed(conversation, BadAliases(server, asked.transport, str(error)))
            return
        fields = (
            question,
            rcode,
            records,
            authority,
            additional,
            flags,
            edns,
            conversation.upstream.memory.server,
            asked.transport,
            now - asked.sent,
            size,
            self._errors,
            Security.UNCHECKED,
            (),
            0.0,
            False,
            data,
        )
        result = tuple.__new__(Result, fields)  # half the time of calling the class
        if len(self._conversations) > 1:
            self._note_silent(now)
        self._end(result, None)

    def failed(self, conversation: Conversation, error: ServerError) -> None:
        """A server has failed: ask the next one."""
        self._errors += (error,)
        if self._done is None:
            return
        conversations = self._conversations
        if len(conversations) == len(self._upstreams) and all(
            each.is_over for each in conversations
        ):
            self._fail()
        else:
            self._next(self.engine.now())

    # The end.

    def _fail(self) -> None:
        self._end(None, most_telling(self._errors))

    def _end(self, result: Result | None, error: LookupFailed | None) -> None:
        done, self._done = self._done, None
        self.engine.clear_deadline(self)
        # They know each other: taken apart, they need no garbage collector.
        conversations, self._conversations = self._conversations, []
        for conversation in conversations:
            if not conversation.is_over:
                conversation.close()
        if done is not None:
            done(self, result, error)

    def _note_silent(self, now: float) -> None:
        """Hold it against servers that they were asked earlier, and did not answer."""
        for conversation in self._conversations:
            if not conversation.is_over and conversation.pending:
                memory = conversation.upstream.memory
                wait = min(memory.patience, self.engine.timeout)
                if now - conversation.pending[0].sent > wait:
                    memory.failed(now)
