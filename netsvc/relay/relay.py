"""What the ports of one relay share: the chat, the peers, the budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netsvc.chat.accounts.throttle import MAX_TRACKED, Budgets
from netsvc.chat.line.options import LineOptions
from netsvc.chat.network import Network
from netsvc.daemon.limits import (
    ConnectionLimits,
    RateTable,
    changed_table,
    source_key,
)
from netsvc.multiplex.batch import Batch
from netsvc.relay.echoes import Echoes
from netsvc.relay.introducer import Introducer
from netsvc.relay.peers import PeerTable
from netsvc.relay.settings import RelaySettings
from netsvc.relay.tokens import Tokens

if TYPE_CHECKING:
    from netsvc.chat.line.frontend import LineFrontend
    from netsvc.relay.text_peer import TextPeer

#: The one source of a budget that all share.
_ALL = "all"


class Relay:
    """
    What is shared.

    What it counts: C{echo}, C{flood}, C{guess}, C{junk}, C{loop}, C{newcomers},
    C{rate}, C{room-rate}, C{source-newcomers}, C{source-strangers}, C{strangers},
    C{resumed}, C{send-ERRNO} and more.

    @ivar network: The chat.
    @ivar reactor: Gives the time.
    @ivar seconds: Gives it, of a clock that only goes forwards.
    @ivar settings: What it was told.
    @ivar counters: What happened, by name.
    @ivar tokens: Codes and cookies.
    @ivar peers: Who is there, of those that send text or raw datagrams.
    @ivar limited: Those of them that are not validated.
    @ivar resumable: Peers by the tokens that they were told.
    @ivar echoes: What was sent lately.
    @ivar frontend: Of those who send text, or raw datagrams; set when it is made.
    @ivar batch: Sends to many peers at once, if all of them are on one port.
    @ivar mixed: Whether they are not, or some must be sent to one by one.
    @ivar introducer: Brings two peers together.
    @ivar alternate_port: The second port for STUN; 0 if there is none.
    @ivar new_token: Makes a token that nobody can guess.
    """

    frontend: LineFrontend
    alternate_port = 0
    batch: Batch | None = None
    mixed = True

    def __init__(
        self,
        network: Network,
        settings: RelaySettings,
        reactor: Any,
        random: Callable[[int], bytes],
    ) -> None:
        """
        @param random: Gives so many random bytes.
        """
        self.network = network
        self.reactor = reactor
        self.seconds: Callable[[], float] = reactor.seconds
        self.counters: Counter[str] = Counter()
        self.tokens = Tokens(random(32))
        self.peers: PeerTable[TextPeer] = PeerTable(settings.max_peers)
        self.limited: set[TextPeer] = set()
        self.resumable: dict[str, TextPeer] = {}
        self.echoes = Echoes()
        self.introducer = Introducer(random)
        self._frames = ConnectionLimits(
            settings.max_peers, settings.max_peers_per_source
        )
        self.new_token: Callable[[], str] = lambda: random(16).hex()
        self.sources: RateTable | None = None
        self.rooms: RateTable | None = None
        self.stun_sources: RateTable | None = None
        self._guesses: Budgets | None = None
        self._newcomers: RateTable | None = None
        self._source_newcomers: RateTable | None = None
        self._strangers: RateTable | None = None
        self._source_strangers: RateTable | None = None
        self.reload(settings)

    @property
    def peer_timeout(self) -> float:
        """Seconds of silence after which a peer is gone."""
        return self.settings.peer_timeout

    def reload(self, settings: RelaySettings) -> None:
        """Go by other settings from now on."""
        self.settings = settings
        self.peers.limit = settings.max_peers
        self.peers.per_source = settings.max_peers_per_source
        self.peers.max_strangers = settings.max_strangers
        self._frames.change(settings.max_peers, settings.max_peers_per_source, None)
        self.sources = changed_table(self.sources, settings.source_rate)
        self.rooms = changed_table(self.rooms, settings.room_rate)
        self.stun_sources = changed_table(self.stun_sources, settings.stun_rate)
        rate = settings.guess_rate
        if rate is None:
            self._guesses = None
        elif self._guesses is None:
            self._guesses = Budgets(rate, MAX_TRACKED)
        else:
            self._guesses.change(rate)
        self._newcomers = changed_table(self._newcomers, settings.newcomer_rate)
        self._source_newcomers = changed_table(
            self._source_newcomers, settings.newcomer_rate_per_source
        )
        self._strangers = changed_table(self._strangers, settings.stranger_rate)
        self._source_strangers = changed_table(
            self._source_strangers, settings.stranger_rate_per_source
        )

    @property
    def line_options(self) -> LineOptions:
        """What the frontends of peers are told."""
        settings = self.settings
        return LineOptions(
            user="udp",
            frontend="udp",
            line_limit=settings.line_limit,
            command_rate=settings.command_rate,
            replay=settings.replay,
            password_rate=settings.login_rate,
        )

    def admit(self, host: str, now: float) -> str | None:
        """
        Admit a peer that has a channel of frames.

        @return: C{None} if it is admitted, and then L{release} must follow when it is
            gone; else the reason.
        """
        if not self.may_enter(host, now):
            return "newcomers"
        return self._frames.acquire(host, now)

    def release(self, host: str) -> None:
        """A peer that was admitted is gone."""
        self._frames.release(host)

    def may_guess(self, source: str | bytes, now: float) -> bool:
        """Say whether one more code from there may be looked at."""
        return self._spend(self._guesses, source, now, "guess")

    def guessed_right(self, source: str | bytes) -> None:
        """It was the right one: a class behind one address may come in at once."""
        if self._guesses is not None:
            self._guesses.give_back(source)

    def may_enter(self, host: str, now: float) -> bool:
        """Say whether one more peer may come from there."""
        # One source alone must not use up what is there for all.
        source = source_key(host)
        return self._spend(
            self._source_newcomers, source, now, "source-newcomers"
        ) and self._spend(self._newcomers, _ALL, now, "newcomers")

    def may_answer(self, host: str, now: float) -> bool:
        """Say whether one more answer may go to a stranger there."""
        source = source_key(host)
        return self._spend(
            self._source_strangers, source, now, "source-strangers"
        ) and self._spend(self._strangers, _ALL, now, "strangers")

    def may_send_more(self, host: str, lines: int, now: float) -> bool:
        """Say whether so many lines beside the first one are taken of a datagram."""
        if self.sources is None or lines <= 0:
            return True
        if self.sources.allow(source_key(host), now, lines):
            return True
        self.counters["rate"] += lines
        return False

    def may_fan_out(self, room: str, now: float) -> bool:
        """Say whether one more datagram may go to all in a room."""
        return self._spend(self.rooms, room, now, "room-rate")

    def _spend(
        self, table: RateTable | None, key: str | bytes, now: float, name: str
    ) -> bool:
        if table is None or table.allow(key, now):
            return True
        self.counters[name] += 1
        return False
