"""Makes the check that the settings ask for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from netsvc.balance.backend import Backend
from netsvc.balance.backend_tls import backend_layers
from netsvc.balance.backends import BackendSpec
from netsvc.balance.check_text import statuses, unescape
from netsvc.balance.checks import (
    Check,
    Probe,
    StreamCheck,
    expect,
    http_question,
    http_status,
    udp_echo,
)
from netsvc.balance.settings import BalanceSettings
from netsvc.balance.tls import LayerFactory
from netsvc.daemon.listen import show

#: Gives the TLS configuration for a backend, if any.
TLSOf = Callable[[Backend], LayerFactory | None]


def make_check(
    settings: BalanceSettings, tls: Mapping[BackendSpec, LayerFactory], reactor: Any
) -> Check | None:
    """
    Make the check of all backends; L{None} if they are not checked.

    @param settings: What is asked for.
    @param tls: The TLS configurations of those backends that have one.
    @param reactor: The reactor, or its multiplexer.
    """
    kind = settings.effective_check
    if kind == "none":
        return None
    if kind == "udp-echo":
        return udp_echo(reactor, os.urandom)

    def tls_of(backend: Backend) -> LayerFactory | None:
        return tls.get(backend.spec)

    if kind == "tls":
        return _handshake(settings, tls, reactor)
    if kind == "send-expect":
        judge = expect(unescape(settings.check_expect))
        return StreamCheck(reactor, unescape(settings.check_send), judge, tls_of)
    if kind == "http":
        return _http(settings, tls_of, reactor)
    # A connection is enough; of a backend with TLS, too: that is --check tls.
    return StreamCheck(reactor)


def _http(settings: BalanceSettings, tls_of: TLSOf, reactor: Any) -> Check:
    """Ask each backend for a path."""
    judge = http_status(statuses(settings.check_status))

    def check(backend: Backend, done: Any) -> Probe:
        spec = backend.spec
        host = settings.check_host or show(spec.server_name, backend.port)
        question = http_question(host, settings.check_path)
        return StreamCheck(reactor, question, judge, tls_of)(backend, done)

    return check


def _handshake(
    settings: BalanceSettings, tls: Mapping[BackendSpec, LayerFactory], reactor: Any
) -> Check:
    """
    Make a TLS handshake with each backend.

    One that is given no TLS by us, but whose clients speak it, may show any
    certificate: that is between them.
    """
    plain = [
        replace(spec, tls=True, tls_verify=False, tls_name=_name(spec))
        for spec in settings.specs
        if not spec.tls
    ]
    everyone = {**backend_layers(plain, None, reactor), **tls}
    return StreamCheck(reactor, tls=lambda backend: everyone.get(backend.spec))


def _name(spec: BackendSpec) -> str:
    """Give the name that a backend's clients ask for, as far as it is known."""
    return spec.sni.removeprefix("*.") or spec.server_name
