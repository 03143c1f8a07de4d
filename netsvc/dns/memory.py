"""
What is remembered of a server: how quick it is, and what it cannot do.

Whatever is held against a server is forgotten after a while, and is believed only
after a proof that a stranger cannot send: a reply with the right id and cookie, or
one over a connection.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from netsvc.dns.codes import COOKIE
from netsvc.dns.options import PLAIN, QueryOptions
from netsvc.dns.servers import Server
from netsvc.dns.wire import pack_opt, pack_option

#: Seconds for which a server's limits are remembered.
MEMORY = 600.0

#: Seconds until another server is asked, where nothing is known of one.
FIRST_WAIT = 0.4

#: The least seconds of that where something is known.
LEAST_WAIT = 0.2

#: Failures in a row after which a server is asked only if no other is left.
STRIKES = 3

#: Seconds from then until it is tried again beside others: at first, and at most.
FIRST_REST = 1.0
MOST_REST = 60.0

#: Seconds after which a server is measured again.
STALE = 60.0

#: Tries without EDNS that were answered after others with it were not: then it goes.
SILENT_EDNS = 2


@dataclass(slots=True)
class Memory:
    """
    What is remembered of one server.

    @ivar server: Which.
    @ivar client_cookie: Our cookie for it (RFC 7873): 8 random bytes; empty if
        cookies are off.
    @ivar server_cookie: Its cookie for us, if it has sent one.
    @ivar srtt: The smoothed round-trip time in seconds (RFC 6298); L{None} if it has
        never answered.
    @ivar rttvar: Its variation.
    @ivar strikes: Failures in a row.
    @ivar counts: Events by name.
    @ivar patience: Seconds to wait until another server is asked, too.
    @ivar speaks_edns_until: Until when it counts as one that speaks EDNS: it has sent
        an OPT record.
    @ivar no_edns_until: Until when it is asked without EDNS.
    @ivar folds_until: Until when it counts as one that changes the case of letters.
    """

    server: Server
    client_cookie: bytes = b""
    server_cookie: bytes = b""
    srtt: float | None = None
    rttvar: float = 0.0
    strikes: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    patience: float = FIRST_WAIT
    speaks_edns_until: float = 0.0
    no_edns_until: float = 0.0
    folds_until: float = 0.0
    _last_heard: float = -STALE
    _next_probe: float = 0.0
    _answered_without: int = 0
    _one_by_one_until: float = 0.0
    _opt: bytes = b""

    # How quick it is.

    def heard(self, rtt: float, now: float) -> None:
        """It has answered after so many seconds."""
        self.strikes = 0
        self._last_heard = now
        srtt = self.srtt
        if srtt is None:
            self.srtt, self.rttvar = rtt, rtt / 2
        else:
            self.rttvar += (abs(rtt - srtt) - self.rttvar) / 4
            self.srtt = srtt + (rtt - srtt) / 8
        wait = self.srtt + 4 * self.rttvar
        self.patience = wait if wait > LEAST_WAIT else LEAST_WAIT

    def failed(self, now: float) -> None:
        """It has failed, or has not answered in time."""
        self.strikes += 1
        if self.strikes >= STRIKES:
            rest = FIRST_REST * 2 ** min(self.strikes - STRIKES, 10)
            self._next_probe = now + min(rest, MOST_REST)

    @property
    def hedge(self) -> float:
        """After how many seconds nearly all of its answers have come."""
        return FIRST_WAIT if self.srtt is None else self.srtt + 2 * self.rttvar

    @property
    def is_resting(self) -> bool:
        """Whether it is asked only if no other is left."""
        return self.strikes >= STRIKES

    def rank(self) -> tuple[bool, float]:
        """Give what orders servers: the quickest first, those not known before."""
        return self.strikes >= STRIKES, self.srtt or 0.0

    def probe_is_due(self, now: float) -> bool:
        """
        Tell whether it is to be asked beside others, to see how it is.

        Who is told so has to ask: it is not told again soon.
        """
        if self.srtt is None and not self.strikes:
            return False  # it will be asked before others
        if self.strikes >= STRIKES:
            if now < self._next_probe:
                return False
        elif now < max(self._last_heard, self._next_probe) + STALE:
            return False
        self._next_probe = now + FIRST_REST
        return True

    # What it cannot do.

    def sent_opt(self, now: float) -> None:
        """It has sent an OPT record."""
        self.speaks_edns_until = now + MEMORY
        self.no_edns_until = self._answered_without = 0

    def refused_edns(self, now: float) -> None:
        """It has answered without EDNS what it had called malformed with it."""
        self.no_edns_until = now + MEMORY

    def answered_without_edns(self, now: float) -> None:
        """It has answered a try without EDNS, but none of those with it."""
        self._answered_without += 1
        if self._answered_without >= SILENT_EDNS:
            self.no_edns_until = now + MEMORY

    def folded(self, now: float) -> None:
        """It has changed the case of a question over a connection."""
        self.folds_until = now + MEMORY

    def takes_one_by_one(self, now: float) -> bool:
        """Tell whether it stalls when queries are pipelined."""
        return now < self._one_by_one_until

    def stalled(self, now: float) -> None:
        """It has answered nothing on a connection with several queries."""
        self._one_by_one_until = now + MEMORY

    # The OPT record for it.

    def cookie(self, value: bytes) -> None:
        """Take its cookie; empty if it has stopped to send one."""
        if value != self.server_cookie:
            self.server_cookie = value
            self._opt = b""

    def renew(self, client_cookie: bytes) -> None:
        """Take another cookie of ours: our address has changed."""
        self.client_cookie = client_cookie
        self.server_cookie = self._opt = b""

    def opt(self, options: QueryOptions) -> bytes:
        """Write the OPT record of a query to it, with cookies."""
        if options is PLAIN:
            if not self._opt:
                self._opt = self._make_opt(options)
            return self._opt
        return self._make_opt(options)

    def _make_opt(self, options: QueryOptions) -> bytes:
        packed = options.packed()
        if self.client_cookie:
            packed += pack_option(COOKIE, self.client_cookie + self.server_cookie)
        return pack_opt(packed, options.payload, options.dnssec)
