"""A balancer that the tests of the control socket can steer."""

from __future__ import annotations

from typing import Any

from netsvc.balance.control_wire import ControlError

ROW: dict[str, Any] = {
    "name": "web1",
    "address": "10.0.0.1:80",
    "state": "up",
    "since": 200.0,
    "admin": "ready",
    "weight": 2,
    "effective_weight": 2.0,
    "backup": False,
    "sessions": 3,
    "max_connections": 100,
    "sessions_total": 1234,
    "rate": 5,
    "bytes_in": 999,
    "bytes_out": 1536 * 1024,
    "errors": {"refused": 2, "timeout": 0, "early-reset": 1},
    "ejections": 0,
    "checks_failed": 1,
    "check": {"passed": True, "detail": "", "age": 0.42, "seconds": 0.00123},
}
POOL: dict[str, Any] = {
    "name": "default",
    "policy": "leastconn",
    "sessions": 3,
    "sessions_total": 1300,
    "rate": 5,
    "bytes_in": 999,
    "bytes_out": 1536 * 1024,
    "waiting": 4,
    "max_waiting": 1024,
    "queued_total": 9,
    "refused": {"queue-full": 7},
    "available": 1,
    "backends": [
        ROW,
        {
            **ROW,
            "name": "web2",
            "address": "[2001:db8::2]:80",
            "state": "down",
            "since": 4000,
            "backup": True,
            "max_connections": 0,
            "check": {
                "passed": False,
                "detail": "connection refused",
                "age": 61,
                "seconds": 0.1,
            },
        },
    ],
}


class FakeBalancer:
    """Does what L{netsvc.balance.control.Controlled} says, and keeps the commands."""

    def __init__(self) -> None:
        self.commands: list[tuple[object, ...]] = []

    def status(self) -> list[dict[str, Any]]:
        return [POOL]

    def drain(self, name: str) -> None:
        self._do("drain", name)

    def enable(self, name: str) -> None:
        self._do("enable", name)

    def maint(self, name: str) -> None:
        self._do("maint", name)

    def weight(self, name: str, n: int) -> None:
        if n > 256:
            raise ControlError(f"weight {n} is not a number from 0 to 256")
        self._do("weight", name, n)

    def check(self, name: str) -> None:
        self._do("check", name)

    def _do(self, command: str, name: str, *rest: object) -> None:
        if name == "bug":
            raise ZeroDivisionError(name)
        if name not in ("web1", "web2"):
            raise ControlError(f"no backend {name!r}")
        self.commands.append((command, name, *rest))
