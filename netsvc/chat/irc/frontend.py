"""What all IRC connections of a chat share."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from netsvc.chat.accounts.throttle import MAX_TRACKED, Budgets
from netsvc.chat.events import Session
from netsvc.chat.irc import commands, isupport
from netsvc.chat.irc.batches import References
from netsvc.chat.irc.caps import Offer
from netsvc.chat.irc.config import IrcConfig
from netsvc.chat.irc.isupport import Support
from netsvc.chat.irc.link import Peer
from netsvc.chat.irc.wire import Wires
from netsvc.chat.names import fold
from netsvc.chat.network import Network
from netsvc.daemon.limits import source_key

if TYPE_CHECKING:
    from netsvc.chat.irc.connection import IrcConnection
    from netsvc.chat.irc.session import IrcSession

#: How many looks at the connections that are not registered fall on one at all, at
#: most: fewer when clients are pinged so often that it matters.
LOOKS: Final = 5


def _budgets(config: IrcConfig) -> Budgets | None:
    """What each source may try of the server's password."""
    rate = config.password_rate
    return None if rate is None else Budgets(rate, MAX_TRACKED)


def _write_to_each(data: bytes, streams: Iterable[Any]) -> None:
    """Write the same bytes to many."""
    for stream in streams:
        stream.write(data)


class IrcFrontend:
    """
    The IRC side of a chat.

    @ivar network: The chat.
    @ivar config: The settings.
    @ivar wires: How events look, by capabilities.
    @ivar sessions: All connections.
    @ivar unregistered: Those that are not through their registration.
    @ivar paused: Those whose peers do not take what is sent as fast as it comes.
    @ivar used: How often each command was used.
    @ivar references: Names for batches.
    @ivar support: The tokens of 005.
    """

    def __init__(
        self,
        network: Network,
        config: IrcConfig | None = None,
        *,
        nonce: Callable[[], str],
        fan_out: Callable[[bytes, Iterable[Any]], None] = _write_to_each,
    ) -> None:
        """
        Start without connections.

        @param network: The chat.
        @param config: The settings; by default the defaults.
        @param nonce: Gives a random text for SCRAM: printable ASCII, no comma.
        @param fan_out: Writes the same bytes to many transports.
        """
        commands.load()
        self.network = network
        self.config = config or IrcConfig()
        self.wires = Wires(network.name, self._send)
        self.sessions: dict[IrcSession, None] = {}
        self.unregistered: dict[IrcSession, None] = {}
        self.paused: set[IrcConnection] = set()
        self.used: Counter[str] = Counter()
        self.references = References()
        self.nonce = nonce
        self._fan_out = fan_out
        self._ticks = 0
        self._offers: dict[Peer | None, Offer] = {}
        self._passwords = _budgets(self.config)
        self.support = self._tokens()

    # Writing.

    def _send(self, data: bytes, sessions: Sequence[Session]) -> None:
        """Write the same bytes to many connections; cut those that are too slow."""
        irc = cast("Sequence[IrcConnection]", sessions)
        self._fan_out(data, [session.stream for session in irc])
        if self.paused:
            for session in self.paused.intersection(irc):
                session.check_queue()

    # What there is.

    def offer(self, peer: Peer) -> Offer:
        """Give what there is for a connection: one object for all that are alike."""
        alike = Peer(None, peer.secure, None, peer.sts)
        offer = self._offers.get(alike)
        if offer is None:
            offer = self._offers[alike] = self._offer(alike)
        return offer

    def _offer(self, peer: Peer) -> Offer:
        network, config = self.network, self.config
        accounts = network.accounts is not None
        return Offer(
            tls=peer.secure,
            accounts=accounts,
            plain=network.plain_login,
            history=network.history is not None,
            registration=("before-connect", "custom-account-name")
            if accounts and config.registration and (peer.secure or network.plain_login)
            else None,
            sts_port=config.sts_port,
            sts_duration=config.sts_duration if peer.sts else None,
            sts_preload=config.sts_preload,
        )

    def _tokens(self) -> dict[str, str | None]:
        """Work out the tokens of 005."""
        network, config = self.network, self.config
        return Support(
            network=network.network,
            limits=network.hub.limits,
            user=config.user,
            targets=config.targets,
            history=0 if network.history is None else config.history,
        ).tokens()

    def reload(self, config: IrcConfig) -> None:
        """Go by other settings from now on; tell who can be told."""
        if config.password_rate != self.config.password_rate:
            self._passwords = _budgets(config)
        self.config = config
        before, self.support = self.support, self._tokens()
        self._offers.clear()
        changes = isupport.changed(before, self.support)
        for session in list(self.sessions):
            session.offer_changed(changes)

    # Connections.

    def password_fits(self, password: str | None, address: str | None) -> bool | None:
        """
        Say whether that is the server's password, if it has one.

        @param password: What was given, or C{None} for nothing, which is no try.
        @param address: Of who gave it.
        @return: C{None} if there were too many tries from there.
        """
        right = self.network.password
        if right is None:
            return True
        if password is None:
            return False
        table, source = self._passwords, source_key(address)
        if table is not None and not table.allow(source, self.network.seconds()):
            self.network.counters["irc-password-throttled"] += 1
            return None
        given = password.encode("utf-8", "surrogateescape")
        fits = hmac.compare_digest(given, right.encode())
        if fits and table is not None:
            table.give_back(source)  # a class behind one address may come in
        return fits

    def of_account(self, account: str) -> list[IrcSession]:
        """Give the registered connections that are logged in as an account."""
        key = fold(account)
        return [
            session
            for session in self.sessions
            if session.member is not None
            and session.member.account is not None
            and fold(session.member.account) == key
        ]

    def close(self, reason: str) -> None:
        """End all connections, for a reason that clients are told."""
        for session in list(self.sessions):
            session.close(reason)

    def tick(self) -> None:
        """
        End what has taken too long, and ask the silent for a sign of life.

        Called once a second: each time it looks at those that are not registered,
        and at all now and then.
        """
        now = self.network.seconds()
        self._ticks += 1
        interval = self.config.ping_interval
        looks = min(LOOKS, max(1, int(interval / 2))) if interval else LOOKS
        everybody = self._ticks % looks == 0
        for session in list(self.sessions if everybody else self.unregistered):
            session.tick(now)
