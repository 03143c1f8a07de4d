"""Tests of the services of a configuration in several processes."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netsvc import several, tables
from netsvc.daemon.refusing import StartError

TEXT = """
[daemon]
workers = 3
[chat]
[echo]
[[balance]]
name = "web"
listen = "tcp:8080"
backend = "127.0.0.1:80"
[[balance]]
name = "controlled"
listen = "tcp:8081"
backend = "127.0.0.1:80"
control = "/run/control.sock"
"""


class SeveralTests(SynchronousTestCase):
    """L{several}."""

    def test_placement(self) -> None:
        """Chat and what one process has to itself run in worker 0, the rest in all."""
        configuration = tables.parse(TEXT, "netsvc.toml")
        made = several.make_supervisor(configuration, lambda: configuration, Clock())
        self.assertEqual(len(made.slots), 3)
        labels = [
            [each.label for each in made.entries_of(configuration, worker)]
            for worker in (0, 1)
        ]
        self.assertEqual(
            labels,
            [
                ["chat", "echo", "balance.web", "balance.controlled"],
                ["echo", "balance.web"],
            ],
        )

    def test_system(self) -> None:
        """A system that cannot do it is told in one line."""
        configuration = tables.parse(TEXT, "netsvc.toml")
        self.patch(os, "pidfd_open", None)
        del os.pidfd_open
        self.addCleanup(setattr, os, "pidfd_open", None)
        with self.assertRaises(StartError) as caught:
            several.make_supervisor(configuration, lambda: configuration, Clock())
        self.assertEqual(
            str(caught.exception),
            "netsvc.toml:3: daemon.workers: more than one needs Linux 5.3 or newer",
        )
