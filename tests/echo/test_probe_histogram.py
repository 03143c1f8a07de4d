"""The latency histogram: exact counts, small error, bounded memory."""

from __future__ import annotations

import itertools
import math
import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netsvc.echo.probe.histogram import MAX_BUCKETS, MAX_VALUE, Histogram


def histogram_of(samples: list[int]) -> Histogram:
    """Make a histogram of C{samples}."""
    histogram = Histogram()
    for sample in samples:
        histogram.add(sample)
    return histogram


VALUES = st.one_of(st.integers(0, 5_000), st.integers(0, MAX_VALUE))


class QuantileTests(SynchronousTestCase):
    """Quantiles by nearest rank, within 0.05 %."""

    @given(st.lists(VALUES, min_size=1, max_size=200), st.floats(0, 1))
    def test_error(self, samples: list[int], fraction: float) -> None:
        """A quantile is within 0.05 % of the sample at its rank."""
        if fraction == 0.5:
            return
        (found,) = histogram_of(samples).quantiles(fraction)
        rank = min(max(math.ceil(fraction * len(samples)), 1), len(samples))
        exact = sorted(samples)[rank - 1]
        self.assertLessEqual(abs(found - exact), exact * 0.0005)

    def test_median(self) -> None:
        """The median of an even number is between the two in the middle."""
        self.assertEqual(histogram_of([1, 2, 4, 100]).quantiles(0.5), [3])
        self.assertEqual(histogram_of([1, 2, 100]).quantiles(0.5), [2])
        self.assertEqual(histogram_of([7]).quantiles(0.5), [7])

    def test_several(self) -> None:
        """Several quantiles are found together, ends included."""
        histogram = histogram_of(list(range(1, 1001)))
        self.assertEqual(
            histogram.quantiles(0, 0.5, 0.95, 0.99, 1), [1, 500.5, 950, 990, 1000]
        )

    def test_within_extremes(self) -> None:
        """No quantile is outside of what was measured."""
        histogram = histogram_of([1_000_003])
        self.assertEqual(histogram.quantiles(0.5, 0.99), [1_000_003, 1_000_003])

    def test_empty(self) -> None:
        """Nothing has no quantiles."""
        self.assertRaises(ValueError, Histogram().quantiles, 0.5)


class BoundTests(SynchronousTestCase):
    """Memory and values are bounded."""

    def test_clamped(self) -> None:
        """Values outside of the range count as its ends."""
        histogram = histogram_of([-5, MAX_VALUE * 1000])
        self.assertEqual(histogram.quantiles(0, 1), [0, MAX_VALUE])

    def test_buckets(self) -> None:
        """However many different samples, the buckets do not pass their number."""
        values = random.Random(1)
        histogram = Histogram()
        for _ in range(200_000):
            histogram.add(values.getrandbits(values.randint(1, 50)))
        self.assertEqual(histogram.count, 200_000)
        self.assertLessEqual(len(histogram), MAX_BUCKETS)
        histogram.add(MAX_VALUE)
        self.assertLess(max(histogram._counts), MAX_BUCKETS)


class RowTests(SynchronousTestCase):
    """The rows that are shown."""

    @given(st.lists(VALUES, min_size=1, max_size=200), st.integers(3, 30))
    def test_all_counted(self, samples: list[int], most: int) -> None:
        """The rows join, cover all samples, and are not too many."""
        rows = histogram_of(samples).rows(most)
        self.assertEqual(sum(row.count for row in rows), len(samples))
        self.assertLessEqual(len(rows), most)
        self.assertLessEqual(rows[0].low, min(samples))
        self.assertGreater(rows[-1].high, min(max(samples), MAX_VALUE))
        for row, following in itertools.pairwise(rows):
            self.assertEqual(row.high, following.low)

    def test_even(self) -> None:
        """Samples close together get rows of one round width."""
        rows = histogram_of(list(range(100_000, 200_000, 100))).rows()
        widths = {row.high - row.low for row in rows}
        self.assertEqual(widths, {10_000})
        self.assertEqual(rows[0].low, 100_000)

    def test_tail(self) -> None:
        """A few outliers share the last row, which has no end."""
        rows = histogram_of([*range(1000, 2000), 900_000]).rows()
        self.assertEqual(rows[-1].high, math.inf)
        self.assertLessEqual(rows[-1].count, 11)
        self.assertGreater(len(rows), 8)

    def test_wide(self) -> None:
        """Samples over several powers of ten get rows that widen with them."""
        samples = [10**power * step for power in range(2, 8) for step in (1, 2, 5)]
        rows = histogram_of([100] * 50 + samples).rows()
        ratios = {row.high / row.low for row in rows if row.low}
        self.assertEqual(ratios, {2, 2.5})

    def test_same(self) -> None:
        """Equal samples are one row."""
        (row,) = histogram_of([5] * 10).rows()
        self.assertEqual((row.low, row.count), (5, 10))

    def test_empty(self) -> None:
        """Nothing has no rows."""
        self.assertEqual(Histogram().rows(), [])
