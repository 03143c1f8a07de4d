"""
Which datagrams an echo service answers.

UDP's source addresses can be forged. An echo that answers anyone can be made to
answer another echo, for ever, or to send traffic to a victim (CVE-2024-2169).
This module decides; it is pure, and tells the reason of each refusal.

An answer is never larger than its question, so nothing is amplified.
"""

from __future__ import annotations

from collections.abc import Iterable

from netsvc.daemon.limits import RateTable, source_key
from netsvc.daemon.reflectors import FIRST_UNPRIVILEGED, REFLECTORS

LOOP = "loop"
GROUP = "group"
PRIVILEGED_PORT = "privileged-port"
REFLECTOR = "reflector"
RATE = "rate"


class Guard:
    """
    Decides about datagrams, one by one.

    @ivar rates: A bucket for each source; L{None}: no limit.
    """

    def __init__(
        self,
        rates: RateTable | None,
        *,
        answer_privileged_ports: bool = False,
    ) -> None:
        """
        @param rates: A bucket for each source; L{None}: no limit.
        @param answer_privileged_ports: Whether to answer to any source port but
            our own.
        """
        self.rates = rates
        self._allow = None if rates is None else rates.allow
        # A table, because this is looked up for each datagram.
        self._refused: list[str | None] = [None] * 65536
        self._refused[0] = REFLECTOR
        if not answer_privileged_ports:
            self._refused[:FIRST_UNPRIVILEGED] = [PRIVILEGED_PORT] * FIRST_UNPRIVILEGED
            for port in REFLECTORS:
                self._refused[port] = REFLECTOR

    def add_own_ports(self, ports: Iterable[int]) -> None:
        """
        Refuse these source ports: an echo service that listens on our port is
        ourselves, or one like us on another host.
        """
        for port in ports:
            self._refused[port] = LOOP

    def refusal(
        self, host: str, port: int, now: float, to_group: bool = False
    ) -> str | None:
        """
        Decide about a datagram.

        @param host: The address it claims to be from.
        @param port: The port it claims to be from.
        @param now: The time in seconds.
        @param to_group: Whether it was sent to a broadcast or multicast address:
            then all echo services there would answer one forged datagram.
        @return: Why it is not answered, or L{None}.
        """
        if to_group:
            return GROUP
        reason = self._refused[port]
        if reason is not None:
            return reason
        allow = self._allow
        if allow is not None:
            # source_key, but for the call where the answer is plain.
            key = source_key(host) if ":" in host else host
            if not allow(key, now):
                return RATE
        return None
