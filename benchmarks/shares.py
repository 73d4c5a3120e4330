"""Binomial bounds of shares, and what a number of replicates can resolve."""

from __future__ import annotations

import math

NORMAL = 1.959964  # two-sided 95 %
DETECTABLE = NORMAL + 0.841621  # deviations seen with 80 % power by a two-sided test at 5 %


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson interval, 95 %, of a share.

    Parameters
    ----------
    successes, n
        Counts.
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = successes / n, NORMAL**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return centre - half, centre + half


def smallest_share_seen(nominal: float, n: int) -> float:
    """Deviation from a nominal share that n replicates find with 80 % power.

    Parameters
    ----------
    nominal, n
        Expected share, and number of replicates.
    """
    return DETECTABLE * math.sqrt(nominal * (1 - nominal) / n)


def smallest_bias_seen(standard_deviation: float, n: int) -> float:
    """Bias that n replicates find with 80 % power.

    Parameters
    ----------
    standard_deviation, n
        Of one estimate, and number of replicates.
    """
    return DETECTABLE * standard_deviation / math.sqrt(n)
