"""
A worker: C{python -P -m netsvc.worker DESCRIPTOR PID}, which only a parent starts.

The other side is L{netsvc.several}.
"""

from __future__ import annotations

import importlib
import signal
import socket
import sys
from functools import partial
from typing import Any

from netsvc import tables
from netsvc.daemon.workers import child
from netsvc.daemon.workers.messages import MessageError
from netsvc.daemon.workers.process import LEFT_TO_PARENT


def main(argv: list[str]) -> int:
    """
    Serve until the parent says otherwise.

    @param argv: The descriptor that leads to the parent, and the parent's process id.
    @return: The exit status: 1 if what is asked for cannot be done, and the parent
        has been told why.
    """
    child.leave_signals()
    child.end_with_parent(int(argv[1]))
    skt = socket.socket(fileno=int(argv[0]))
    skt.set_inheritable(False)
    try:
        orders = child.take_orders(skt, tables.parse)
    except (MessageError, ValueError) as error:
        child.tell_refused(skt, str(error))
        return 1
    importlib.import_module(orders.reactor).install()
    return _serve(skt, orders)


def _serve(skt: socket.socket, orders: child.Orders) -> int:
    """Run the services."""
    # The reactor has to be installed first.
    from netsvc import one
    from netsvc.daemon import logs
    from netsvc.daemon.collecting import Collector, reporting
    from netsvc.daemon.lifecycle import Daemon, service_reactor
    from netsvc.daemon.measuring import Measuring
    from netsvc.daemon.refusing import StartError
    from netsvc.daemon.reloading import Reloader
    from netsvc.multiplex import multiplexed

    reactor = service_reactor()
    mux = multiplexed(reactor)
    mux.crowd, inherited = orders.crowd, mux.inherited
    for kind, interface, where, fd in orders.sockets:
        inherited.give(kind, interface, where, fd)
    daemon = Daemon([], orders.drain_timeout, reactor)
    daemon.takes_signals = False
    measuring = Measuring(reactor)
    try:
        running = one.make_services(orders.configuration, reactor)
        daemon.explain = one.explain(orders.configuration, running)
        for service in [measuring, *(each.service for each in running)]:
            service.setServiceParent(daemon)
        daemon.privilegedStartService()
        daemon.startService()
    except StartError as error:
        # The parent says it: it would stand in the log twice.
        child.tell_refused(skt, str(error))
        return 1
    # What was logged so far has waited for that.
    logs.begin(orders.log, worker=orders.worker)
    inherited.close()
    reloader = Reloader(
        daemon,
        orders.configuration,
        running,
        lambda: orders.configuration,
        partial(_make, reactor),
    )
    collector = Collector(
        lambda: reporting(daemon),
        measuring.lag,
        state=lambda: str(daemon.state),
        reloads=dict,
        worker=orders.worker,
    )
    worker = child.Worker(
        skt,
        orders,
        daemon,
        reloader,
        collector,
        parse=tables.parse,
        inherited=inherited,
        held=lambda: mux.held,
        reactor=reactor,
    )
    daemon.reloader = worker
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    # Twisted takes some of the signals when it runs: none may come in between.
    signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_PARENT)
    reactor.callWhenRunning(child.leave_signals)
    reactor.callWhenRunning(worker.start)
    reactor.run()
    return 0


def _make(reactor: Any, entry: Any, running: Any) -> Any:
    """Make one more service."""
    from netsvc import one

    return one.make_service(entry, reactor, running)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
