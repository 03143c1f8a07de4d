"""A balancer and an echo service in one process, as C{netsvc} runs several services.

C{python -m benchmarks.both_netsvc PORT}. Both with their defaults; the balancer
listens on 127.0.0.1, the echo service on another address, on the same port.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor as installed
from twisted.logger import globalLogBeginner

import netsvc.balance.tap
import netsvc.echo.tap
from benchmarks.programs import BACKENDS, HOST

#: Where the echo service listens.
ECHO_HOST = "127.2.0.1"


def main() -> None:
    """Serve until the process is ended."""
    reactor: Any = installed
    port = sys.argv[1]
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    balance = [f"--backend={backend}:{port}" for backend in BACKENDS]
    for tap, host, arguments in (
        (netsvc.balance.tap, HOST, balance),
        (netsvc.echo.tap, ECHO_HOST, []),
    ):
        options = tap.Options()
        options.parseOptions([f"--listen=tcp:{port}:interface={host}", *arguments])
        service = tap.makeService(options, reactor)
        service.privilegedStartService()
        service.startService()
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


if __name__ == "__main__":
    main()
