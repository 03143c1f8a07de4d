"""What a store may use, and what it has done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StoreLimits:
    """
    The store's limits.

    @ivar queue: Records that may wait for the disk; more are not stored.
    @ivar jobs: Other writes that may wait, and as many questions.
    @ivar batch: Records and writes in one commit.
    @ivar deadline: Seconds that a write may wait before chat goes on unstored.
    @ivar stop: Seconds that a stop waits for the disk.
    @ivar readers: Threads that answer questions.
    @ivar read: Seconds that an answer may take.
    @ivar retry_first: Seconds until the first new try after a failure; they double.
    @ivar retry_last: The most seconds between two tries.
    @ivar index_delay: Seconds of quiet after which messages are made findable.
    @ivar index_rows: Messages made findable at once.
    @ivar index_backlog: Messages that may wait for that when it is never quiet.
    """

    queue: int = 10_000
    jobs: int = 256
    batch: int = 500
    deadline: float = 5.0
    stop: float = 5.0
    readers: int = 2
    read: float = 2.0
    retry_first: float = 1.0
    retry_last: float = 60.0
    index_delay: float = 1.0
    index_rows: int = 100
    index_backlog: int = 1_000


@dataclass(slots=True)
class StoreCounters:
    """
    What a store did since its start.

    @ivar stored: Records that became durable in time.
    @ivar unstored: Records that nobody waits for any more, and that are not kept.
    @ivar late: Records of these that were kept after all.
    @ivar commits: Batches that the disk has taken.
    @ivar degraded: How often chat had to go on unstored.
    @ivar queue_full: Records not stored for want of room in the queue.
    @ivar busy: Writes and questions refused because too many waited.
    @ivar failed_writes: Writes nobody waits for, that failed.
    @ivar index_failures: How often messages could not be made findable.
    """

    stored: int = 0
    unstored: int = 0
    late: int = 0
    commits: int = 0
    degraded: int = 0
    queue_full: int = 0
    busy: int = 0
    failed_writes: int = 0
    index_failures: int = 0
