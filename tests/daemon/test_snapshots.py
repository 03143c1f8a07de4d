"""Snapshots between processes, and several as one."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.daemon import totals
from netsvc.daemon.report import MAX_CONNECTIONS, Family, Histogram, Sample
from netsvc.daemon.snapshots import decode, encode
from tests.daemon.report_samples import BALANCE, ECHO, SNAPSHOT, second


class CodingTests(SynchronousTestCase):
    """L{encode} and L{decode}."""

    def test_there_and_back(self) -> None:
        """What is read is what was written, on one line."""
        data = encode(SNAPSHOT)
        self.assertNotIn(b"\n", data)
        self.assertEqual(decode(data), SNAPSHOT)

    def test_newer(self) -> None:
        """What another version has added is left out."""
        document = json.loads(encode(SNAPSHOT))
        document["later"] = 1
        self.assertEqual(decode(json.dumps(document).encode()), SNAPSHOT)

    def test_missing(self) -> None:
        """A snapshot without its process is refused."""
        document = json.loads(encode(SNAPSHOT))
        del document["pid"]
        self.assertRaises(ValueError, decode, json.dumps(document).encode())

    @given(
        st.binary(max_size=60) | st.sampled_from([b"null", b"[]", b'{"services":3}'])
    )
    def test_garbage(self, data: bytes) -> None:
        """What is no snapshot raises a ValueError and nothing else."""
        self.assertRaises(ValueError, decode, data)


class TotalTests(SynchronousTestCase):
    """L{netsvc.daemon.totals}."""

    def test_counters(self) -> None:
        """Counters, connections and gauges add up; ports are named once."""
        echo, _ = totals.services_of([SNAPSHOT, second()])
        self.assertEqual(echo.live, 6)
        self.assertEqual(len(echo.connections), 6)
        self.assertEqual(echo.counters["connections"], 14)
        self.assertEqual(echo.listening, ECHO.listening)
        by_name = {family.name: family.samples for family in echo.families}
        self.assertEqual(by_name["send_queue_bytes"], (Sample(60),))
        self.assertIn(Sample(14, {"result": "accepted"}), by_name["connections"])

    def test_states(self) -> None:
        """A backend that one worker finds down is down; its state is not added."""
        up = Family(
            "backend_up", "state", "", (Sample(1, {"pool": "web", "backend": "b"}),)
        )
        other = replace(BALANCE, families=(up,))
        balance = totals.services_of([SNAPSHOT, second(services=(other,))])[1]
        values = {
            sample.labels["backend"]: sample.value
            for family in balance.families
            for sample in family.samples
        }
        self.assertEqual(values, {"a": 1, "b": 0})

    def test_tables(self) -> None:
        """Rows of several workers stand below each other, each with its worker."""
        balance = totals.services_of([SNAPSHOT, second()])[1]
        (table,) = balance.tables
        self.assertEqual(table.columns[:2], ("Worker", "Backend"))
        self.assertEqual([row[0] for row in table.rows], [0, 0, 1, 1])
        self.assertEqual(table.total, 4)

    def test_one_table(self) -> None:
        """A table that only one worker fills is as that worker has it."""
        empty = replace(BALANCE, tables=(replace(BALANCE.tables[0], rows=(), total=0),))
        for pair in (
            [SNAPSHOT, second(services=(empty,))],
            [second(services=(empty,)), SNAPSHOT],
        ):
            found = {each.service: each for each in totals.services_of(pair)}
            self.assertEqual(found["netsvc-balance"].tables, BALANCE.tables)
        both = [second(services=(empty,)), second(services=(empty,))]
        self.assertEqual(totals.services_of(both)[0].tables, empty.tables)

    def test_bounded(self) -> None:
        """No more connections are listed of all workers than of one."""
        many = replace(ECHO, connections=ECHO.connections * 300)
        pair = [second(services=(many,)), second(services=(many,))]
        self.assertEqual(len(totals.services_of(pair)[0].connections), MAX_CONNECTIONS)

    def test_newest(self) -> None:
        """Those of all workers that were made last come first, whoever has them."""
        old, new = (
            replace(ECHO, connections=(replace(ECHO.connections[0], age=age),) * 600)
            for age in (9.0, 1.0)
        )
        pair = [second(services=(old,)), second(services=(new,))]
        ages = [each.age for each in totals.services_of(pair)[0].connections]
        self.assertEqual(ages, [1.0] * 600 + [9.0] * (MAX_CONNECTIONS - 600))

    def test_state(self) -> None:
        """The daemon is as its worst worker."""
        self.assertEqual(totals.state_of([]), "starting")
        self.assertEqual(totals.state_of([SNAPSHOT, second()]), "ready")
        pair = [SNAPSHOT, second(state="draining")]
        self.assertEqual(totals.state_of(pair), "draining")

    def test_lag(self) -> None:
        """Histograms with the same buckets add up, others are left out."""
        odd = second(lag=Histogram((1.0,), (1, 1), 1.0))
        found = totals.lag_of([SNAPSHOT, second(), odd])
        self.assertEqual(found, Histogram((0.001, 0.01), (10, 2, 4), 1.0))
        self.assertEqual(totals.lag_of([]), Histogram((), (0,), 0))

    def test_reloads(self) -> None:
        """Reloads add up, and there is a figure for both results."""
        self.assertEqual(totals.reloads_of([]), {"ok": 0, "failed": 0})
        found = totals.reloads_of([SNAPSHOT, second()])
        self.assertEqual(found, {"ok": 2, "failed": 4})

    def test_label(self) -> None:
        """A service with a name of its own has it in its label."""
        self.assertEqual(totals.label(ECHO), "netsvc-echo")
        self.assertEqual(totals.label(BALANCE), "netsvc-balance/web")
