"""Names to addresses, by the system's resolver, without holding up the reactor."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from netsvc.daemon.escape import escape
from netsvc.echo.probe.errors import ProbeError
from netsvc.echo.probe.target import Address

__all__ = ["MAX_ADDRESSES", "RESOLVE_TIMEOUT", "resolve"]

#: Addresses of a name that are tried, one after the other.
MAX_ADDRESSES = 8
#: How long to wait for the resolver, seconds.
RESOLVE_TIMEOUT = 20.0

_FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}

GetAddrInfo = Callable[..., list[Any]]


def resolve(
    reactor: Any,
    host: str,
    port: int,
    family: int | None,
    getaddrinfo: GetAddrInfo = socket.getaddrinfo,
) -> Deferred[list[Address]]:
    """Find the addresses of C{host}.

    @param reactor: gives time and takes calls from threads.
    @param family: 4, 6 or L{None} for both.
    @return: fires with at least one address, or fails with L{ProbeError}.
    """

    def look_up(flags: int = 0) -> list[Address] | ProbeError:
        try:
            found = getaddrinfo(
                host, port, _FAMILIES[family], socket.SOCK_DGRAM, 0, flags
            )
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no valid name"
            return _failure(host, family, reason or "unknown error")
        addresses: dict[Address, None] = {}
        for found_family, _, _, _, sockaddr in found:
            if found_family in (socket.AF_INET, socket.AF_INET6):
                text = _text(found_family, sockaddr)
                addresses[Address(found_family, tuple(sockaddr), text)] = None
        if not addresses:
            return _failure(host, family, "no address")
        return list(addresses)[:MAX_ADDRESSES]

    def finish(outcome: list[Address] | ProbeError) -> None:
        if result.called:
            return
        give_up()
        if isinstance(outcome, ProbeError):
            result.errback(outcome)
        else:
            result.callback(outcome)

    def expire() -> None:
        reason = f"the resolver gave no answer within {RESOLVE_TIMEOUT:g} s"
        finish(_failure(host, family, reason))

    def in_thread() -> None:
        outcome = look_up()
        reactor.callFromThread(finish, outcome)

    def give_up(_: object = None) -> None:
        if deadline.active():
            deadline.cancel()

    result: Deferred[list[Address]] = Deferred(give_up)
    deadline = reactor.callLater(RESOLVE_TIMEOUT, expire)
    if _is_address(host):
        finish(look_up(socket.AI_NUMERICHOST))
    else:
        # Not the reactor's pool, whose threads are waited for at the end: nothing
        # can interrupt getaddrinfo, and Ctrl-C should not wait for it.
        threading.Thread(target=in_thread, daemon=True).start()
    return result


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _text(family: int, sockaddr: tuple[Any, ...]) -> str:
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    if family == socket.AF_INET6 and sockaddr[3]:
        return socket.getnameinfo(sockaddr, flags)[0]
    return str(sockaddr[0])


def _failure(host: str, family: int | None, reason: str) -> ProbeError:
    kind = f" (IPv{family})" if family else ""
    text = escape(host)
    return ProbeError(f"cannot resolve host {text}{kind}: {reason}")
