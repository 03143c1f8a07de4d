"""What the rest of the store package is given to read and write with."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], T]
"""What is done with a connection, in a thread of the store: it touches nothing else."""


class Keeper(Protocol):
    """The store, as those see it who keep something in it."""

    def submit(self, work: Work[T]) -> Awaitable[T]:
        """
        Write, after all that was queued before; the result when it is durable.

        @raise StoreError: It could not be done.
        """

    def post(self, work: Work[object]) -> None:
        """Write as C{submit} does, with nobody waiting for it."""

    def read(self, work: Work[T]) -> Awaitable[T]:
        """
        Read what is durable.

        @raise StoreBusyError: Too many read at once, or it took too long.
        @raise StoreError: It could not be done.
        """
