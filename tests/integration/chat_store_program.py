"""
A process with a store, for L{tests.integration.test_chat_store}.

C{python -m tests.integration.chat_store_program MODE PATH}; what it says is on stdout,
line by line.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from netsvc.chat.events import Kind, Said, Source
from netsvc.chat.records import Record, record
from netsvc.chat.store.history import History
from netsvc.chat.store.limits import StoreLimits
from netsvc.chat.store.store import Store

#: Seconds that a write may wait: no disk is so late by itself.
DEADLINE = 60.0

#: Seconds that a mode may take.
LIMIT = 100

#: Bytes that a small disk has, and a file of limited size.
SMALL = 2 * 1024 * 1024

ROOM = "#room 0"
SOURCE = Source("Alice", "alice", "a.example", "Alice")


def say(*words: object) -> None:
    """Write a line at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def message(number: int, text: str = "오늘 한글은 hello") -> Record:
    """Give a record with the msgid C{mNUMBER}."""
    event = Said(
        1_800_000_000_000 + number, f"m{number}", SOURCE, "#room", Kind.MESSAGE, text
    )
    return record(event, ROOM)


class Program:
    """A store, and what it says."""

    def __init__(self, reactor: Any, path: str) -> None:
        self.reactor = reactor
        self.path = path
        self.store = self.store_with(DEADLINE)
        self.number = 0
        self.committed: Deferred[None] = Deferred()
        self.recovered: Deferred[None] = Deferred()
        self.full = False

    def store_with(self, deadline: float) -> Store:
        """Make the store, of which a write may wait for so many seconds."""
        limits = StoreLimits(
            deadline=deadline, read=DEADLINE, stop=DEADLINE, retry_first=0.1
        )
        store = Store(self.path, self.reactor, limits=limits)
        store.on_committed = self.on_committed
        store.on_degraded = self.on_degraded
        store.on_recovered = lambda: self.recovered.callback(None)
        return store

    def on_committed(self, ticket: int) -> None:
        """Let whoever waits go on."""
        waiting, self.committed = self.committed, Deferred()
        waiting.callback(None)

    def on_degraded(self, reason: str) -> None:
        """Say it."""
        self.full = True
        say("degraded", reason)

    def append(self, text: str = "오늘 한글은 hello") -> int:
        """Store the next message."""
        self.number += 1
        return self.store.append(message(self.number, text))

    async def forever(self) -> None:
        """Store messages, some at once, and say each when it is durable."""
        self.store.start()
        while True:
            for _ in range(1 + self.number % 7):
                self.append()
            await self.committed
            say("stored", self.number)

    async def until_full(self, make_room: Callable[[], object]) -> None:
        """Store until the disk is full, then make room and store again."""
        self.store.start()
        while not self.full:
            self.append("x" * 400)
            await self.committed
        make_room()
        await self.recovered
        say("recovered")
        ticket = self.append("after")
        await self.committed
        say("ticket", ticket > 0)
        found = await History(self.store).search([ROOM], "after", 9)
        say("found", len(found) == 1)
        await self.store.stop()
        connection = sqlite3.connect(self.path)
        say("integrity", *connection.execute("pragma integrity_check").fetchone())
        (count,) = connection.execute("select count(*) from message").fetchone()
        say("kept", count == self.store.counters.stored)
        connection.close()

    async def limited(self) -> None:
        """The file may not grow beyond a size."""
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, hard))
        await self.until_full(
            lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        )

    async def small(self) -> None:
        """The disk is small."""
        folder = os.path.dirname(self.path)
        mount = ("mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder)
        subprocess.run(mount, check=True)
        grow = ("mount", "-o", f"remount,size={SMALL * 8}", folder)
        await self.until_full(lambda: subprocess.run(grow, check=True))

    async def stalled(self) -> None:
        """Another program holds the file's lock for longer than the deadline."""
        self.store.start()
        self.append()
        await self.committed
        await self.store.stop()
        other = sqlite3.connect(self.path, isolation_level=None)
        self.store = self.store_with(0.5)
        self.store.start()
        other.execute("begin immediate")
        self.append()
        # The lock is held until after this: only the deadline ends the wait.
        await self.committed
        say("unstored", self.append() == 0)
        # Who asks is answered all the same.
        found = await History(self.store).latest(ROOM, 9)
        say("read", len(found))
        other.execute("rollback")
        other.close()
        await self.recovered
        self.store.limits = replace(self.store.limits, deadline=DEADLINE)
        say("stored", self.append() > 0)
        await self.committed
        await self.store.stop()
        say(asdict(self.store.counters))

    async def together(self) -> None:
        """Store, ask and search at once."""
        self.store.start()
        history = History(self.store)
        got = []
        for _ in range(20):
            for _ in range(50):
                last = self.append()
            asked = history.latest(ROOM, 50)
            await history.search([ROOM], "한글 hello", 50)
            # A search waits for what was said before it.
            got.append(len(await asked) <= 50 and self.store.waiting == 0)
        say("all", all(got), last)
        found = await history.latest(ROOM, 1000)
        say(
            "found", [each.msgid for each in found] == [f"m{n}" for n in range(1, 1001)]
        )
        found = await history.search([ROOM], "한글", 1000)
        say("searched", len(found))
        for _ in range(100):
            self.append()
        await self.store.stop()
        say("left", self.store.waiting, self.store.counters.stored)


def main(reactor: Any, mode: str, path: str) -> Deferred[Any]:
    """Do what the command line says."""
    program = Program(reactor, path)
    work: Coroutine[Deferred[Any], Any, Any] = getattr(program, mode)()
    return Deferred.fromCoroutine(work).addTimeout(LIMIT, reactor)


if __name__ == "__main__":
    react(main, sys.argv[1:])
