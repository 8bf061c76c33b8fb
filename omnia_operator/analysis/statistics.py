"""Intervals of proportions: a small number of turns says little, and the interval says so.

Wilson (1927) for one proportion, Newcombe (1998, method 10) for the difference of two. The mean of
values between 0 and 1 varies at most as much as a proportion, so that both hold for it as well.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

ALPHA = 0.01
"""Probability of a wrong verdict, over all looks together.

In 8,000 simulated runs of a candidate with the error rate of stable (2 %, ten looks of ten turns, 3
points allowed) 0.05 failed two, and 0.01 none. It still finds 20 % within 60 turns in 88 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value, and between which values it is."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sample:
    """How many values there were, and their sum; each is from 0 to 1."""

    count: float = 0.0
    total: float = 0.0

    @property
    def mean(self) -> float:
        """The mean; 0 without a value."""
        return min(1.0, max(0.0, self.total / self.count)) if self.count > 0 else 0.0


def z_of(looks: int) -> float:
    """Return the half width, in standard deviations, of an interval that is looked at so often."""
    return NormalDist().inv_cdf(1 - ALPHA / max(1, looks) / 2)


def wilson(sample: Sample, z: float) -> Interval:
    """Return the interval of a proportion; from 0 to 1 without a value."""
    count, share = sample.count, sample.mean
    if count <= 0:
        return Interval(0.0, 0.0, 1.0)
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale
    # At both ends the bounds are exact, and rounding must not move them past the value.
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def newcombe(candidate: Sample, stable: Sample, z: float) -> Interval:
    """Return the interval of the difference of two proportions, candidate minus stable."""
    mine, other = wilson(candidate, z), wilson(stable, z)
    value = mine.value - other.value
    return Interval(
        value,
        value - math.hypot(mine.value - mine.low, other.high - other.value),
        value + math.hypot(mine.high - mine.value, other.value - other.low),
    )
