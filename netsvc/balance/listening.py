"""The listen strings of a balancer: TLS begins above the port, after a PROXY header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netsvc.balance.certificates import certificates
from netsvc.balance.entrance import Door, Entrance
from netsvc.balance.settings import BalanceSettings
from netsvc.balance.tls import LayerFactory, layers
from netsvc.balance.tls_listen import TLSListen
from netsvc.daemon.listen import Listen
from netsvc.daemon.listeners import Listeners, Relisten


def _listens(settings: BalanceSettings) -> list[Listen]:
    """Give the listen strings, those of TLS as they are bound."""
    return [
        TLSListen.of(listen) if listen.transport == "tls" else listen
        for listen in settings.listen
    ]


class DoorListeners(Listeners):
    """Binds the entrances of one door."""

    # With other certificates, or the same files again.
    renews = True

    def __init__(
        self,
        service: str,
        settings: BalanceSettings,
        door: Callable[[], Door],
        datagram: Callable[[], Any],
        reactor: Any,
    ) -> None:
        """
        @param service: The service's name, for messages.
        @param settings: What is asked for.
        @param door: Gives what the entrances share.
        @param datagram: Makes the entrance of a UDP port.
        @param reactor: The reactor.
        """
        self._door = door
        self._alpn = settings.alpn
        super().__init__(service, _listens(settings), self._plain, datagram, reactor)

    def _plain(self, transport: str) -> Entrance:
        return Entrance(self._door())

    def make_stream(self, listen: Listen) -> Entrance:
        """
        Make the entrance of a stream.

        @raise ValueError: Its certificates cannot be used.
        @raise OSError: They cannot be read.
        """
        secure: LayerFactory | None = None
        if listen.transport == "tls":
            alpn = [name.encode() for name in self._alpn]
            creator = certificates(
                listen, alpn, self._reactor.seconds, lambda: self.service
            )
            secure = layers(creator, False, self._reactor)
        return Entrance(self._door(), secure)

    def prepare_settings(self, settings: BalanceSettings) -> Relisten:
        """
        Prepare to listen on what other settings say.

        @raise CombinedReloadError: One cannot be bound, or its certificates cannot be
            used.
        """
        before, self._alpn = self._alpn, settings.alpn
        try:
            change = self.prepare(_listens(settings))
        except BaseException:
            self._alpn = before
            raise
        change.on_abandon(lambda: setattr(self, "_alpn", before))
        return change
