"""A latency histogram whose memory does not grow with the number of samples.

Log-linear buckets, as in HdrHistogram: each power of two is cut into
L{SUB_BUCKETS} equal parts, so that a bucket's width is at most 1/1024 of the
values in it and its middle is within 0.05 % of each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Histogram", "Row"]

_SUB_BUCKET_BITS = 10
#: Buckets in each power of two.
SUB_BUCKETS = 1 << _SUB_BUCKET_BITS
#: Values above it are counted as it: about 13 days in nanoseconds.
MAX_VALUE = (1 << 50) - 1
#: No histogram has more buckets than this.
MAX_BUCKETS = (50 - _SUB_BUCKET_BITS + 1) * SUB_BUCKETS


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a histogram as shown: how many samples are in [low, high).

    @ivar high: infinite in the last row of a histogram with a long tail.
    """

    low: float
    high: float
    count: int


def _bucket(value: int) -> int:
    shift = value.bit_length() - _SUB_BUCKET_BITS - 1
    if shift <= 0:
        return value
    return (shift << _SUB_BUCKET_BITS) + (value >> shift)


def _middle(bucket: int) -> float:
    shift = (bucket >> _SUB_BUCKET_BITS) - 1
    if shift <= 0:
        return bucket
    low = (SUB_BUCKETS + (bucket & (SUB_BUCKETS - 1))) << shift
    return low + ((1 << shift) - 1) / 2


class Histogram:
    """How often each value occurred, to within 0.05 %.

    @ivar count: samples taken, exact.
    """

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[int, int] = {}
        self._minimum = MAX_VALUE
        self._maximum = 0

    def __len__(self) -> int:
        """The number of buckets in use, at most L{MAX_BUCKETS}."""
        return len(self._counts)

    def add(self, value: int) -> None:
        """Take one sample; below 0 counts as 0, above L{MAX_VALUE} as that."""
        value = min(max(value, 0), MAX_VALUE)
        bucket = _bucket(value)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.count += 1
        self._minimum = min(self._minimum, value)
        self._maximum = max(self._maximum, value)

    def _values(self) -> Iterator[tuple[float, int]]:
        for bucket in sorted(self._counts):
            value = min(max(_middle(bucket), self._minimum), self._maximum)
            yield value, self._counts[bucket]

    def quantiles(self, *fractions: float) -> list[float]:
        """Find the samples at C{fractions} (0 to 1, rising), by nearest rank.

        The median (exactly 0.5) of an even number of samples is the mean of
        the two in the middle.

        @raise ValueError: if there are no samples.
        """
        if not self.count:
            raise ValueError("no samples")
        ranks: list[tuple[int, int]] = []
        for fraction in fractions:
            rank = min(max(math.ceil(fraction * self.count), 1), self.count)
            ranks.append((rank, rank))
            if fraction == 0.5 and self.count % 2 == 0:
                ranks[-1] = (rank, rank + 1)
        wanted = sorted({rank for pair in ranks for rank in pair}, reverse=True)
        found: dict[int, float] = {}
        seen = 0
        for value, count in self._values():
            seen += count
            while wanted and wanted[-1] <= seen:
                found[wanted.pop()] = value
        # These two are known exactly.
        found[self.count] = self._maximum
        found[1] = self._minimum
        return [(found[low] + found[high]) / 2 for low, high in ranks]

    def rows(self, most: int = 16) -> list[Row]:
        """Cut the samples into at most C{most} rows (3 or more).

        The rows are of equal width, which is 1, 2, 2.5 or 5 times a power of ten,
        with a last row for a tail that would press the others together. Where the
        body itself is wide, each row goes to the next of 1, 2, 5 times a power of
        ten, and the first row takes what is below.
        """
        if not self.count:
            return []
        middle, body = self.quantiles(0.5, 0.99)
        if body > 5 * middle > 0:
            return self._cut(_rising_edges(self._minimum, self._maximum, most))
        low = self._minimum
        tail = self._maximum > 2 * body
        top = body if tail else self._maximum
        width = _round_width((top - low) / (most - 1 - tail))
        base = math.floor(low / width) * width
        number = min(int((top - base) // width) + 1, most - tail)
        edges = [base + index * width for index in range(number + 1)]
        if self._maximum >= edges[-1]:
            edges.append(math.inf)
        return self._cut(edges)

    def _cut(self, edges: list[float]) -> list[Row]:
        """Count the samples between each edge and the next."""
        counts = [0] * (len(edges) - 1)
        row = 0
        for value, count in self._values():
            while value >= edges[row + 1]:
                row += 1
            counts[row] += count
        return [
            Row(low, high, count)
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
        ]


def _round_width(width: float) -> float:
    if width <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(width))
    for step in (1, 2, 2.5, 5):
        if step * power >= width:
            return step * power
    return 10 * power


def _rising_edges(low: int, high: int, most: int) -> list[float]:
    """Make edges at 1, 2 and 5 times powers of ten around C{low} to C{high}."""
    edges = [0.0]
    power = 1.0
    while edges[-1] <= high:
        edges.extend(step * power for step in (1.0, 2.0, 5.0))
        power *= 10
    while edges[-2] > high:
        edges.pop()
    first = max(index for index, edge in enumerate(edges[:-1]) if edge <= low)
    edges = edges[first:]
    if len(edges) - 1 > most:
        edges = [0.0, *edges[-most:]]
    return edges
