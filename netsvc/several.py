"""
The services of a configuration in several processes: the parent's side.

The other side is L{netsvc.worker}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from netsvc import one, tables
from netsvc.daemon.configuration import Configuration, Entry
from netsvc.daemon.refusing import refuse
from netsvc.daemon.workers import placement
from netsvc.daemon.workers.supervisor import Supervisor


def make_supervisor(
    configuration: Configuration,
    load: Callable[[], Configuration],
    reactor: Any,
    changed: Callable[[Configuration], object] = lambda configuration: None,
) -> Supervisor:
    """
    Make the service that runs a configuration on as many workers as it says.

    @param configuration: What to run.
    @param load: Reads it again.
    @param reactor: The reactor.
    @param changed: Called with each configuration that is used from then on.
    @raise StartError: This system cannot do it.
    """
    if not hasattr(os, "memfd_create") or not hasattr(os, "pidfd_open"):
        problem = "more than one needs Linux 5.3 or newer"
        refuse(str(configuration.problem(None, "workers", problem)))
    return Supervisor(
        configuration,
        load=load,
        alone=alone,
        check=one.reload_problems,
        changed=changed,
        reactor=reactor,
    )


def alone(entry: Entry) -> str:
    """Say why a service runs in one worker alone; nothing if it runs in all."""
    return placement.alone(tables.service_class(entry.table), entry.settings)
