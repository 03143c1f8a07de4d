"""
How often passwords may be tried.

Two budgets stand against guessing. Each B{source} has one, against one machine that
tries many passwords. Each B{account} has one, against many machines that try one
account each a little. A success gives back what it took, so only failures count, and
those tries that are under way: a source's budget must have room for a class behind one
address whose clients all come back at once.

One budget per account would let anybody lock the owner out, by failing on purpose. So
a source from which the account was used with success is known to it (as with the
"device cookies" of OWASP), and the two have a budget of their own: the owner gets in
from where they usually are while strangers use up the account's budget. From a new
place they may have to wait, or show a certificate, which nobody can guess and which no
account's budget holds up. What is known is forgotten with the process.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple

from netsvc.daemon.limits import Rate, RateTable

#: How many sources, and how many accounts, a generation of a table of budgets holds.
MAX_TRACKED: Final = 16_384

#: For how many accounts the known sources are held: the longest unused are forgotten.
MAX_KNOWN_ACCOUNTS: Final = 16_384

#: How many sources are known of each account: the oldest is forgotten.
MAX_KNOWN_SOURCES: Final = 8

Source = str | bytes


class Budgets(RateTable):
    """A L{RateTable} to which tokens can be given back."""

    __slots__ = ()

    def give_back(self, key: Hashable) -> None:
        """Give back one token that L{allow} took."""
        for generation in (self._current, self._previous):
            if key in generation:
                generation[key] -= self._interval
                return


class Ticket(NamedTuple):
    """
    One try that is under way.

    @ivar source: Whose.
    @ivar key: The account's folded name, or C{None} when there can be no such account.
    @ivar budget: Which of the accounts' budgets has paid, or C{None}.
    """

    source: Source
    key: str | None
    budget: Hashable = None


def _budgets(rate: Rate | None, tracked: int) -> Budgets | None:
    return None if rate is None else Budgets(rate, tracked)


class LoginThrottle:
    """
    Admits tries of passwords; C{now} is in seconds of one clock.

    @ivar refused: The tries refused, by C{login-source} and C{login-account}.
    """

    def __init__(
        self,
        source_rate: Rate | None,
        account_rate: Rate | None,
        refused: Counter[str] | None = None,
        *,
        max_tracked: int = MAX_TRACKED,
        max_known: int = MAX_KNOWN_ACCOUNTS,
    ) -> None:
        """
        @param source_rate: The budget of each source, or C{None} for no limit.
        @param account_rate: The budget of each account, or C{None} for no limit.
        @param refused: Where refusals are counted, or C{None} for a counter of its own.
        @param max_tracked: See L{MAX_TRACKED}.
        @param max_known: See L{MAX_KNOWN_ACCOUNTS}.
        """
        self._sources = _budgets(source_rate, max_tracked)
        self._accounts = _budgets(account_rate, max_tracked)
        self._known: OrderedDict[str, tuple[Source, ...]] = OrderedDict()
        self._max_known = max_known
        self.refused: Counter[str] = Counter() if refused is None else refused

    def take(self, source: Source, key: str | None, now: float) -> Ticket | None:
        """
        Begin a try.

        @param source: See L{netsvc.daemon.limits.source_key}.
        @param key: The account's folded name, whether or not it exists; C{None} when no
            account's budget is concerned.
        @return: What L{succeeded} and L{give_back} want; C{None} when the try is
            refused, which has been counted.
        """
        if self._sources is not None and not self._sources.allow(source, now):
            self.refused["login-source"] += 1
            return None
        if self._accounts is None or key is None:
            return Ticket(source, key)
        known = source in self._known.get(key, ())
        budget = (key, source) if known else key
        if self._accounts.allow(budget, now):
            return Ticket(source, key, budget)
        self.refused["login-account"] += 1
        self.give_back(Ticket(source, key))  # nothing was tried
        return None

    def give_back(self, ticket: Ticket) -> None:
        """End a try that cost nothing: it succeeded, or was not made after all."""
        if self._sources is not None:
            self._sources.give_back(ticket.source)
        if self._accounts is not None and ticket.budget is not None:
            self._accounts.give_back(ticket.budget)

    def succeeded(self, ticket: Ticket) -> None:
        """End a try that succeeded: the source is known to the account from now on."""
        self.give_back(ticket)
        if ticket.key is None:
            return
        known = [
            each for each in self._known.get(ticket.key, ()) if each != ticket.source
        ]
        self._known[ticket.key] = (*known, ticket.source)[-MAX_KNOWN_SOURCES:]
        self._known.move_to_end(ticket.key)
        if len(self._known) > self._max_known:
            self._known.popitem(last=False)

    def forget(self, key: str, but: Source) -> None:
        """Know one source of an account only: its password is another one."""
        if key in self._known:
            self._known[key] = (but,)
