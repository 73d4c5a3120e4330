"""Tracts that are missing or false: truncation, merging, contamination; eqs. (7) to (9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import lambertw

from refsolve.methods.tracts.textbook.paths import IntArray, Path, join

FloatArray = NDArray[np.float64]


def truncated_statistics(path: Path, c: float, n_labels: int = 2) -> tuple[IntArray, FloatArray]:
    """Events and exposure per label of the tracts longer than `c`, eq. (7).

    An event is a tract that another one follows; the last one of a path ends unseen.
    """
    length = path.end - path.start
    long = length > c
    followed = long & (np.arange(length.size) < length.size - 1)
    events = np.bincount(path.label[followed], minlength=n_labels)
    exposure = np.bincount(path.label[long], (length - c)[long], n_labels)
    return events.astype(np.int64), exposure.astype(np.float64)


def fit_truncated(events: ArrayLike, exposure: ArrayLike) -> tuple[float, float]:
    """Rate and fraction from events and exposure above the cut, eq. (7)."""
    a, b = np.asarray(events) / np.asarray(exposure)
    return float(a + b), float(b / (a + b))


def drop_short(path: Path, c: float) -> Path:
    """Tracts longer than `c`, each drawn out to the next one, and equal neighbours joined."""
    long = path.end - path.start > c
    start, end, label = path.start[long], path.end[long], path.label[long]
    end[:-1] = start[1:]
    return join(Path(start, end, label))


def merged_rate(rate: float, m: float, c: float) -> float:
    """Rate r that eq. (1) returns from paths without tracts up to `c`, eq. (8)."""
    short_a, short_b = -np.expm1(-rate * (1 - m) * c), -np.expm1(-rate * m * c)
    return float(rate * np.exp(-rate * c) / (1 - short_a * short_b))


def rate_from_merged(r: float, m: float, c: float) -> float:
    """Smaller rate with which eq. (8) gives `r`.

    Raises
    ------
    ValueError
        `r` is above what any rate gives.
    """
    if c == 0:
        return r
    top = minimize_scalar(
        lambda x: -merged_rate(x / c, m, c),
        bounds=(0, 10),
        method="bounded",
        options={"xatol": 1e-10},
    )
    peak = float(top.x) / c
    highest = merged_rate(peak, m, c)
    if r > highest:
        raise ValueError(f"r = {r} must be at most {highest:.6g} at c = {c}; use a smaller c")
    return float(brentq(lambda rate: merged_rate(rate, m, c) - r, 0, peak, xtol=1e-13, rtol=1e-13))


def rate_from_merged_lambert(r: float, c: float) -> float:
    """Solution of λ exp(-λc) = r with λc < 1: eq. (8) to first order, for any fraction.

    Raises
    ------
    ValueError
        `r` is above 1 / (e c).
    """
    if r * c * np.e > 1:
        raise ValueError(
            f"r = {r} must be at most {1 / (np.e * c):.6g} at c = {c}; use a smaller c"
        )
    return float(-lambertw(-r * c).real / c)


def contaminated_rate(rate: float, m: float, false_rate: float) -> float:
    """Rate that eq. (1) returns with false micro-tracts at `false_rate` per Morgan, eq. (9)."""
    return rate + false_rate / (m * (1 - m))


def contaminated_tail(
    x: ArrayLike,
    lengths: Sequence[float],
    rate: float,
    m: float,
    false_rate: float,
    width: float = 0,
) -> FloatArray:
    """Expected tracts of both labels at least `x` long, with the false ones, eq. (9)."""
    x = np.asarray(x, dtype=np.float64)
    total = false_rate * sum(lengths) * (x <= width)
    for share, leave in ((m, rate * (1 - m) + false_rate), (1 - m, rate * m + false_rate)):
        for length in lengths:
            tail = share * np.exp(-leave * x) * (1 + leave * (length - x))
            total = total + np.where(x <= length, tail, 0.0)
    return np.asarray(total)


def fit_contamination(
    n_tracts: int, n_long: int, lengths: Sequence[float], m: float, c: float
) -> tuple[float, float]:
    """Rate and false rate that give the number of tracts and of tracts at least `c` long, eq. (9).

    Parameters
    ----------
    n_tracts, n_long
        Tracts of both labels, and those at least `c` long. False tracts must be shorter.
    lengths
        Every haploid chromosome that was called.
    m, c
        Fraction of A, which false tracts do not change, and the cut, well below 1/λ.
    """
    pairs, total = 2 * m * (1 - m), sum(lengths)
    highest = (n_tracts - len(lengths)) / (pairs * total)

    def false_rate(rate: float) -> float:
        return pairs * (highest - rate) / 2

    def excess(rate: float) -> float:
        return float(contaminated_tail(c, lengths, rate, m, false_rate(rate), width=0)) - n_long

    if excess(highest) <= 0:
        return highest, 0.0
    if excess(0.0) >= 0:
        return 0.0, false_rate(0.0)
    rate = float(brentq(excess, 0.0, highest, xtol=1e-13, rtol=1e-13))
    return rate, false_rate(rate)
