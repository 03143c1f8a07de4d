"""Mean and spread of a series of any length, in constant memory."""

from __future__ import annotations

import math

__all__ = ["Running"]


class Running:
    """Count, minimum, mean, maximum and standard deviation, by Welford's method.

    The unit of all is the unit of the samples.
    """

    __slots__ = ("_squares", "count", "maximum", "mean", "minimum")

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.minimum: float = math.inf
        self.maximum: float = -math.inf
        self._squares = 0.0

    def add(self, sample: float) -> None:
        """Take one sample."""
        self.count += 1
        difference = sample - self.mean
        self.mean += difference / self.count
        self._squares += difference * (sample - self.mean)
        if sample < self.minimum:
            self.minimum = sample
        if sample > self.maximum:
            self.maximum = sample

    @property
    def standard_deviation(self) -> float:
        """The standard deviation of the samples themselves (divided by n)."""
        return math.sqrt(self._squares / self.count) if self.count else 0.0
