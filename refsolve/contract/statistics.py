"""The few statistics of a certificate, in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054


def wilson(passed: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion.

    Parameters
    ----------
    passed
        Successes.
    n
        Trials.
    """
    if n == 0:
        return 0.0, 1.0
    p, z2 = passed / n, Z95 * Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; NaN of nothing."""
    return math.fsum(values) / len(values) if values else math.nan


def root_mean_square(values: Sequence[float]) -> float:
    """Root of the mean square; NaN of nothing."""
    return math.sqrt(mean([v * v for v in values])) if values else math.nan


def median(values: Sequence[float]) -> float:
    """Middle value; NaN of nothing."""
    if not values:
        return math.nan
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def quantile(values: Sequence[float], level: float) -> float:
    """Empirical quantile by linear interpolation; NaN of nothing.

    Parameters
    ----------
    values
        Numbers.
    level
        Between 0 and 1.
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
