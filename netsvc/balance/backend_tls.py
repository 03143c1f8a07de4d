"""TLS to backends: whom to trust, and which name to expect."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from netsvc.balance.backends import BackendSpec
from netsvc.balance.tls import LayerFactory, layers
from netsvc.daemon.client_tls import ServerNameError, connection_creator, trust_root
from netsvc.daemon.kinds import found


def backend_layers(
    specs: Iterable[BackendSpec], authorities: Path | None, clock: Any
) -> dict[BackendSpec, LayerFactory]:
    """
    Make the TLS configurations of those backends that have TLS.

    @param specs: The backends.
    @param authorities: The certificates of who may sign theirs, in a PEM file;
        L{None} for the system's.
    @param clock: The reactor.
    @raise TrustError: The file is of no use.
    @raise ServerNameError: No certificate can have the name of a backend.
    """
    trust = None if authorities is None else trust_root(authorities)
    made: dict[BackendSpec, LayerFactory] = {}
    by_name: dict[tuple[str, bool], LayerFactory] = {}
    for spec in specs:
        if not spec.tls:
            continue
        key = (spec.server_name, spec.tls_verify)
        if key not in by_name:
            by_name[key] = layers(_creator(spec, trust), True, clock)
        made[spec] = by_name[key]
    return made


def _creator(spec: BackendSpec, trust: Any) -> Any:
    """
    Make what makes TLS connections to a backend.

    @raise ServerNameError: No certificate can have its name.
    """
    try:
        return connection_creator(spec.server_name, trust, verify=spec.tls_verify)
    except ServerNameError:
        raise ServerNameError(
            f"{found(spec.text)}: no certificate can have the name"
            f" {found(spec.server_name)}; give another one, tls-name=NAME"
        ) from None
