"""Tests of L{netsvc.chat.store.store}: tickets, trouble with the disk, the stop."""

from __future__ import annotations

import sqlite3
import threading
from queue import SimpleQueue
from typing import Any

from twisted.internet.defer import CancelledError

from netsvc.chat.store import writer
from netsvc.chat.store.errors import StoreBusyError, StoreError
from netsvc.chat.store.limits import StoreCounters
from netsvc.chat.store.store import Store
from netsvc.chat.store.worker import END, Worker
from tests.chat.store.kit import StoreCase, said

LOCKED = "database is locked"


def count(connection: sqlite3.Connection) -> int:
    """Count the messages."""
    (number,) = connection.execute("select count(*) from message").fetchone()
    return int(number)


def wrong(connection: sqlite3.Connection) -> None:
    """Write something, then fail."""
    connection.execute("insert into counter values ('wrong', 1)")
    connection.execute("select absent")


class TicketTests(StoreCase):
    """Records go in, tickets come out."""

    def test_durable(self) -> None:
        """A ticket is reported once its record can be read by others."""
        store = self.started()
        self.assertEqual([store.append(said(1)), store.append(said(2))], [1, 2])
        self.assertEqual((self.told, store.waiting), ([], 2))
        self.turn()
        self.assertEqual((self.told, store.waiting), ([2], 0))
        self.assertEqual(
            self.rows("select msgid from message order by seq"), [("m1",), ("m2",)]
        )
        self.assertEqual(store.counters, StoreCounters(stored=2, commits=1))

    def test_alone(self) -> None:
        """A record that comes alone is durable like any other."""
        store = self.started()
        for number in range(1, 4):
            store.append(said(number))
            self.turn()
        self.assertEqual(self.told, [1, 2, 3])
        self.assertEqual(self.rows("select count(*) from message"), [(3,)])
        self.assertEqual(self.rows("select id, name from target"), [(1, "#room 0")])

    def test_batch(self) -> None:
        """A commit holds what waits, up to a limit; the reactor hears of each once."""
        store = self.started(batch=2)
        for number in range(5):
            store.append(said(number))
        self.turn()
        self.assertEqual(self.told, [2, 4, 5])
        self.assertEqual(store.counters.commits, 3)

    def test_queue_full(self) -> None:
        """Records beyond the queue's limit are not stored, and counted."""
        store = self.started(queue=2)
        self.assertEqual([store.append(said(n)) for n in range(4)], [1, 2, 0, 0])
        self.turn()
        self.assertEqual(store.append(said(9)), 3)
        self.turn()
        self.assertEqual(self.told, [2, 3])
        self.assertEqual(store.counters.queue_full, 2)
        self.assertEqual((store.counters.stored, store.counters.unstored), (3, 2))

    def test_not_running(self) -> None:
        """Before the start and after the stop records are not stored, and counted."""
        store = self.make()
        self.assertEqual(store.append(said(1)), 0)
        store.start()
        self.stop(store)
        self.assertEqual(store.append(said(2)), 0)
        self.assertEqual(store.counters, StoreCounters(unstored=2))

    def test_same_twice(self) -> None:
        """A record that is there already is kept once."""
        store = self.started()
        self.fill(store, said(1), said(1), said(1, room="#other 0"))
        self.assertEqual(self.rows("select count(*) from message"), [(2,)])

    def test_record_no_database_holds(self) -> None:
        """A record that cannot be kept costs the others nothing."""
        for alone in (True, False):
            with self.subTest(alone=alone):
                store = self.started()
                self.fill(store, said(1))
                if not alone:
                    store.append(said(2))
                self.fill(store, said(3, text="\ud800"))
                self.fill(store, said(4, room="\ud800"), said(2**64), said(5))
                self.assertEqual(store.counters.unstored, 3)
                self.assertIsNone(store.degraded)
                self.assertEqual(self.told[-1], 5 if alone else 6)
                self.stop(store)
                self.told.clear()
        self.assertEqual(
            self.rows("select msgid from message order by seq"),
            [("m1",), ("m5",), ("m2",)],
        )

    def test_memory(self) -> None:
        """In memory a record is durable at once, and can be read."""
        store = self.started(path=":memory:")
        self.assertEqual(store.append(said(1)), 0)
        self.assertEqual(self.result(store.read(count)), 1)
        self.assertEqual(self.told, [])
        self.assertEqual(store.path, ":memory:")
        self.assertEqual(store.counters.stored, 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_many_targets(self) -> None:
        """The writer remembers a bounded number of targets, and finds the others."""
        self.patch(writer, "MAX_TARGETS", 2)
        store = self.started()
        for round in range(2):
            for room in range(4):
                store.append(said(10 * round + room, room=f"#{room} 0"))
        self.turn()
        self.assertEqual(
            self.rows("select target, count(*) from message group by target"),
            [(1, 2), (2, 2), (3, 2), (4, 2)],
        )


class JobTests(StoreCase):
    """Other writes, and questions."""

    def test_submit(self) -> None:
        """A write is done after all that was queued before it, and gives a result."""
        store = self.started()
        store.append(said(1))
        counted = store.submit(count)
        store.append(said(2))
        self.assertEqual(self.result(counted), 1)
        self.assertEqual(self.result(store.read(count)), 2)

    def test_failing_alone(self) -> None:
        """A write that fails undoes what it wrote, and nothing else."""
        store = self.started()
        store.append(said(1))
        bad = store.submit(wrong)
        good = store.submit(count)
        store.append(said(2))
        error = self.failed(bad, StoreError)
        self.assertEqual(str(error), "no such column: absent")
        self.assertEqual(self.successResultOf(good), 1)
        self.assertEqual(self.told, [2])
        self.assertEqual(
            self.rows("select count(*) from counter where name = 'wrong'"), [(0,)]
        )

    def test_ends_transaction(self) -> None:
        """Work that breaks the store's own transaction does not end the thread."""
        store = self.started()

        def breaks(connection: sqlite3.Connection) -> None:
            connection.execute("rollback")
            raise KeyError("x")

        self.failed(store.submit(breaks), StoreError)
        self.assertEqual(store.degraded, "'x'")
        self.reactor.advance(store.limits.retry_first)
        self.turn()
        self.assertIsNone(store.degraded)

    def test_post(self) -> None:
        """A write that nobody waits for is counted when it fails."""
        store = self.started()
        store.post(count)
        store.post(wrong)
        self.turn()
        self.assertEqual(store.counters.failed_writes, 1)

        def mistake(connection: sqlite3.Connection) -> None:
            raise ValueError

        store.post(mistake)
        self.turn()
        self.assertEqual(store.counters.failed_writes, 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_too_many(self) -> None:
        """Writes and questions beyond the limit are refused, and counted."""
        store = self.started(jobs=1)
        for ask in (store.submit, store.read):
            first = ask(count)
            self.failureResultOf(ask(count), StoreBusyError)
            self.assertEqual(self.result(first), 0)
            self.assertEqual(self.result(ask(count)), 0)
        self.assertEqual(store.counters.busy, 2)

    def test_read_only(self) -> None:
        """A question cannot change anything."""
        store = self.started()
        error = self.failed(store.read(wrong), StoreError)
        self.assertIn("readonly", str(error))
        self.assertEqual(self.result(store.read(count)), 0)

    def test_read_raises(self) -> None:
        """What a question raises reaches who asked."""
        store = self.started()

        def raises(connection: sqlite3.Connection) -> None:
            raise KeyError("x")

        self.failed(store.read(raises), KeyError)

    def test_read_late(self) -> None:
        """A question that takes too long is broken off."""
        store = self.started(read=-1.0)

        def long(connection: sqlite3.Connection) -> Any:
            return connection.execute(
                "with recursive n(x) as (select 1 union all select x + 1 from n"
                " limit 1000000) select sum(x) from n"
            ).fetchone()

        error = self.failed(store.read(long), StoreBusyError)
        self.assertEqual(str(error), "that took too long")

    def test_read_ends_transaction(self) -> None:
        """A question that leaves no transaction open gives its answer."""
        store = self.started()

        def ends(connection: sqlite3.Connection) -> int:
            connection.execute("rollback")
            return 7

        self.assertEqual(self.result(store.read(ends)), 7)

    def test_cancelled(self) -> None:
        """Whoever gives up waiting hears no more."""
        store = self.started()
        for waiting in (store.submit(count), store.read(count)):
            waiting.cancel()
            self.failureResultOf(waiting, CancelledError)
        self.turn()

    def test_not_running(self) -> None:
        """Before the start and after the stop nothing can be written or asked."""
        store = self.make()
        self.failureResultOf(store.submit(count), StoreError)
        self.failureResultOf(store.read(count), StoreError)


class TroubleTests(StoreCase):
    """The disk fails, is full, or is late."""

    def test_fails(self) -> None:
        """When a commit fails chat goes on unstored, until the disk works again."""
        store = self.started()
        self.fill(store, said(1))
        lock = self.lock()
        written = store.submit(count)
        self.fill(store, said(2), said(3))
        self.assertEqual(self.told, [1, LOCKED, 3])
        self.assertEqual(store.degraded, LOCKED)
        error = self.failureResultOf(written, StoreError).value
        self.assertEqual(str(error), f"not written: {LOCKED}")
        self.assertEqual(store.append(said(4)), 0)
        self.failureResultOf(store.submit(count), StoreError)
        self.assertEqual(self.result(store.read(count)), 1)
        lock.close()
        self.reactor.advance(store.limits.retry_first)
        self.turn()
        self.assertEqual(self.told[3:], ["recovered"])
        self.assertEqual(store.append(said(5)), 4)
        self.turn()
        self.assertEqual(self.told[4:], [4])
        counters = store.counters
        self.assertEqual((counters.stored, counters.unstored), (2, 3))
        self.assertEqual((counters.degraded, counters.late), (1, 0))
        self.assertEqual(
            self.rows("select msgid from message order by seq"), [("m1",), ("m5",)]
        )

    def test_alone(self) -> None:
        """A record alone that the disk does not take is given up, too."""
        store = self.started()
        self.fill(store, said(1))
        lock = self.lock()
        self.fill(store, said(2))
        self.assertEqual(self.told, [1, LOCKED, 2])
        lock.close()

    def test_taken_meanwhile(self) -> None:
        """What is queued before the reactor hears of the failure is given up, too."""
        store = self.started(batch=1)
        lock = self.lock()
        store.append(said(1))
        store.append(said(2))
        self.assertTrue(self.workers[0].turn())
        lock.close()
        store.append(said(3))
        self.turn()
        self.assertEqual(self.told, [LOCKED, 3])
        self.assertEqual(store.counters.unstored, 3)
        self.assertEqual(self.rows("select count(*) from message"), [(0,)])

    def test_full(self) -> None:
        """A full disk is said as such, and what was stored before stays."""
        store = self.started()
        self.fill(store, said(1))
        (pages,) = self.connection.execute("pragma page_count").fetchone()
        self.connection.execute(f"pragma max_page_count = {pages}")
        self.fill(store, *(said(number, "x" * 400) for number in range(2, 100)))
        self.assertEqual(store.degraded, "database or disk is full")
        self.connection.execute("pragma max_page_count = 100000")
        self.reactor.advance(store.limits.retry_first)
        self.fill(store)
        self.fill(store, said(2))
        self.assertEqual(self.rows("select count(*) from message"), [(2,)])
        self.assertEqual(self.rows("pragma integrity_check"), [("ok",)])

    def test_full_in_job(self) -> None:
        """A write that finds the disk full spoils its batch, which is given up."""
        store = self.started()
        self.fill(store, said(1))
        (pages,) = self.connection.execute("pragma page_count").fetchone()
        self.connection.execute(f"pragma max_page_count = {pages}")

        def much(connection: sqlite3.Connection) -> None:
            connection.execute("insert into secret values ('x', zeroblob(1000000))")

        store.append(said(2))
        self.failed(store.submit(much), StoreError)
        self.assertEqual(self.told, [1, "database or disk is full", 2])

    def test_retries(self) -> None:
        """New tries come at growing intervals, up to a longest one."""
        store = self.started(retry_first=1.0, retry_last=4.0)
        lock = self.lock()
        self.fill(store, said(1))
        waits = []
        for _ in range(5):
            (call,) = self.reactor.getDelayedCalls()
            waits.append(call.getTime() - self.reactor.seconds())
            self.reactor.advance(waits[-1])
            self.turn()
        self.assertEqual(waits, [1.0, 2.0, 4.0, 4.0, 4.0])
        lock.close()
        self.reactor.advance(4.0)
        self.turn()
        self.assertEqual(self.told, [LOCKED, 1, "recovered"])
        # It has not worked for long: no new beginning.
        lock = self.lock()
        self.fill(store, said(2))
        self.reactor.advance(3.9)
        lock.close()
        self.turn()
        self.assertEqual(self.told[3:], [LOCKED, 2])
        self.reactor.advance(0.2)
        self.turn()
        self.assertEqual(self.told[5:], ["recovered"])
        # Now it has.
        self.reactor.advance(5.0)
        lock = self.lock()
        self.fill(store, said(3))
        lock.close()
        self.reactor.advance(1.0)
        self.turn()
        self.assertEqual(self.told[6:], [LOCKED, 3, "recovered"])

    def test_late(self) -> None:
        """When the disk is late chat goes on, and what is kept late does no harm."""
        store = self.started(deadline=5.0)
        store.append(said(1))
        self.reactor.advance(3.0)
        store.append(said(2))
        self.reactor.advance(1.9)
        self.assertEqual(self.told, [])
        self.reactor.advance(0.1)
        self.assertEqual(self.told, ["the disk did not answer within 5 s", 2])
        self.assertEqual(store.append(said(3)), 0)
        self.turn()
        self.assertEqual(self.told[2:], [])
        counters = store.counters
        self.assertEqual((counters.unstored, counters.late), (3, 2))
        self.reactor.advance(store.limits.retry_first)
        self.turn()
        self.assertEqual(self.told[2:], ["recovered"])
        self.assertEqual(store.append(said(4)), 3)
        self.turn()
        self.assertEqual(self.told[3:], [3])

    def test_late_then_failed(self) -> None:
        """A disk that is late and then fails has one retry after the other."""
        store = self.started(deadline=5.0)
        store.append(said(1))
        lock = self.lock()
        self.reactor.advance(5.0)
        # The retry is queued behind what is late.
        self.reactor.advance(store.limits.retry_first)
        self.turn()
        self.assertEqual(store.degraded, LOCKED)
        lock.close()
        self.reactor.advance(store.limits.retry_first * 2)
        self.turn()
        self.assertEqual(self.told[2:], ["recovered"])
        self.assertEqual(store.counters.degraded, 1)

    def test_each_waits_for_itself(self) -> None:
        """A disk that is slow, but answers in time, is not late."""
        store = self.started(deadline=5.0, batch=1)
        store.append(said(1))
        self.reactor.advance(4.0)
        store.append(said(2))
        self.workers[0].turn()
        self.report()
        self.reactor.advance(4.0)
        self.turn()
        self.assertEqual(self.told, [1, 2])
        self.reactor.advance(10.0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_job_late(self) -> None:
        """A write that nobody answers in time is given up, its result ignored."""
        store = self.started(deadline=5.0)
        written = store.submit(count)
        self.reactor.advance(5.0)
        self.failureResultOf(written, StoreError)
        self.turn()
        self.assertIsNotNone(store.degraded)

    def test_told_while_told(self) -> None:
        """Who hears that the disk failed may write at once; it is not stored."""
        store = self.started()
        tickets = []
        store.on_degraded = lambda reason: tickets.append(store.append(said(9)))
        lock = self.lock()
        self.fill(store, said(1))
        lock.close()
        self.assertEqual((tickets, self.told), ([0], [1]))


class StopTests(StoreCase):
    """The end."""

    def test_flushes(self) -> None:
        """What was queued before the stop is stored, and told."""
        store = self.started(batch=2)
        for number in range(5):
            store.append(said(number))
        asked = store.read(count)
        stopped = store.stop()
        self.assertIs(store.stop(), stopped)
        self.assertNoResult(stopped)
        self.turn()
        self.successResultOf(stopped)
        self.successResultOf(asked)
        self.assertEqual(self.told, [2, 4, 5])
        self.assertEqual(self.rows("select count(*) from message"), [(5,)])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_never_started(self) -> None:
        """A store that was not started has nothing to stop."""
        self.successResultOf(self.make().stop())

    def test_late(self) -> None:
        """A stop does not wait for ever; what is left counts as unstored."""
        store = self.make(stop=3.0)
        store.start()
        store.append(said(1))
        written = store.submit(count)
        asked = store.read(count)
        stopped = store.stop()
        self.reactor.advance(3.0)
        self.successResultOf(stopped)
        self.failureResultOf(written, StoreError)
        self.failureResultOf(asked, StoreError)
        self.assertEqual((self.told, store.counters.unstored), ([1], 1))
        self.turn()
        self.assertEqual((self.told, store.counters.late), ([1], 1))

    def test_in_trouble(self) -> None:
        """A store stops while it waits for its next try."""
        store = self.started()
        lock = self.lock()
        self.fill(store, said(1))
        self.stop(store)
        lock.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_fails_at_last(self) -> None:
        """A commit that fails during the stop is told, and not tried again."""
        store = self.started()
        lock = self.lock()
        store.append(said(1))
        self.stop(store)
        lock.close()
        self.assertEqual(self.told, [LOCKED, 1])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_start_fails(self) -> None:
        """A start that fails leaves the file to others."""
        store = self.make()

        def reads(connection: sqlite3.Connection) -> None:
            connection.execute("select absent")

        error = self.assertRaises(StoreError, store.start, reads)
        self.assertIn("cannot read it: no such column: absent", str(error))
        error = self.assertRaises(ZeroDivisionError, store.start, lambda _: 1 // 0)
        self.started()


class ThreadTests(StoreCase):
    """The worker's own thread."""

    def test_thread(self) -> None:
        """The thread does what is put in, in order, then idles, then ends."""
        queue: SimpleQueue[Any] = SimpleQueue()
        seen: list[Any] = []
        ended = threading.Event()

        class Handler:
            def handle(self, batch: list[Any]) -> float:
                seen.append(batch)
                return 0.0

            def idle(self) -> None:
                seen.append("idle")
                queue.put(END)

            def close(self) -> None:
                seen.append("close")

        worker = Worker("w", Handler(), queue, 2, lambda worker: ended.set())
        for number in range(3):
            worker.put(number)
        worker.start()
        self.assertTrue(ended.wait(60))
        self.assertEqual(seen, [[0, 1], [2], "idle", "close"])
        self.assertFalse(worker.turn())

    def test_default(self) -> None:
        """A store starts real threads when it is not told otherwise."""
        reactor = self.reactor
        store = Store(self.path, reactor)
        before = {*threading.enumerate()}
        store.start()
        threads = [
            thread
            for thread in threading.enumerate()
            if thread not in before and thread.name.startswith("store-")
        ]
        self.assertEqual(len(threads), 3)
        stopped = store.stop()
        for thread in threads:
            thread.join(60)
        self.report()
        self.successResultOf(stopped)
