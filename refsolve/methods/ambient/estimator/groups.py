"""Technical groups of donors from their contamination."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from refsolve.core.check import FloatArray, IntArray, one_of, open_unit, real_vector, refuse
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.ambient.kernels import groups

SHARE = 0.1  # of the donors on each side of a cut, at least
FEWEST = 2


@dataclass(frozen=True, slots=True, eq=False)
class DonorGroups(Result):
    """Donors that were processed alike, as their contamination tells.

    Attributes
    ----------
    code
        Group of each donor (d,), 0 the least contaminated; all 0 if there is one group.
    n_groups
        How many there are.
    low, high, cut
        Edges and middle (n_groups - 1,) of the gaps between the groups, ascending.
    statistic, p
        Of the first test, all donors one group against two.
    error_rate
        Level of that test.
    draws
        Null samples behind a p value.
    """

    code: IntArray
    n_groups: int
    low: FloatArray
    high: FloatArray
    cut: FloatArray
    statistic: float
    p: float
    error_rate: float
    draws: int


class Split(NamedTuple):
    """A cut of sorted values: how many lie below, how far the sides are apart, and its p value."""

    below: int
    statistic: float
    p: float


def donor_groups(
    rho: ArrayLike,
    se: ArrayLike | None = None,
    *,
    statistic: str = "separation",
    error_rate: float = 0.05,
    least: int | None = None,
    most: int = 4,
    draws: int = 2000,
    rng: RandomSource = 0,
) -> DonorGroups:
    """Groups of donors with a gap between their contaminations.

    Two groups are sought first, then each found group is tested again, the error rate shared among
    its tests. The null of the separation is the widest with one peak, contaminations spread evenly
    over the range that is seen, so that skewed ones seldom pass for two groups.

    Three groups of one size at even distances can hide each other: no single cut separates them
    more than it separates evenly spread donors.

    Parameters
    ----------
    rho
        Contamination of each donor (d,).
    se
        Its standard error (d,): imprecise donors count less, a separation is measured in units of
        at least the sampling error, and donors that do not differ beyond it are one group.
    statistic
        "separation": difference of the means over the standard deviation within, on the scale of
        `rho` or its root, whichever is smaller; "gap": eqs. (13) and (14), against one normal
        group, which needs wider gaps and is misled by skewed groups.
    error_rate
        Chance to split one group.
    least
        Smallest number of donors in a group; by default a tenth of the donors, two or more.
    most
        Largest number of groups.
    draws
        Null samples.
    rng
        Seed of these.

    Examples
    --------
    >>> found = donor_groups([0.05, 0.21, 0.06, 0.07, 0.22, 0.20, 0.05, 0.06, 0.19, 0.2])
    >>> found.code
    array([0, 1, 0, 0, 1, 1, 0, 0, 1, 1])
    """
    one_of(statistic, "statistic", ("separation", "gap"))
    open_unit(error_rate, "error_rate")
    values = real_vector(rho, "rho")
    refuse(~((values >= 0) & (values <= 1)), "rho", values, "must lie in [0, 1]", "correct it")
    error = np.zeros(values.size) if se is None else real_vector(se, "se")
    if error.size != values.size:
        raise ValueError(f"se has {error.size} values for {values.size} donors; give one per donor")
    refuse(~((error >= 0) & np.isfinite(error)), "se", error, "is no error", "leave the donor out")
    size = least if least is not None else max(FEWEST, math.ceil(SHARE * values.size))
    if size < 1 or most < 1 or draws < 1:
        raise ValueError(f"least = {size}, most = {most} and draws = {draws} must be at least 1")
    order = np.lexsort((error, values))
    x, e = values[order], error[order]
    generator = as_generator(rng)

    def test(start: int, end: int) -> Split:
        part = slice(start, end)
        return _split(x[part], e[part], statistic, size, draws, generator)

    first, ends = _repeated(test, x.size, error_rate, most)
    code = np.empty(x.size, np.int64)
    code[order] = np.searchsorted(ends, np.arange(x.size), side="right")
    at = np.array(ends, np.int64)
    low, high = x[at - 1], x[at]
    return DonorGroups(
        code, at.size + 1, low, high, 0.5 * (low + high), first.statistic, first.p, error_rate,
        draws,
    )  # fmt: skip


def _repeated(
    test: Callable[[int, int], Split], n: int, error_rate: float, most: int
) -> tuple[Split, list[int]]:
    """First split, and where groups end, in sorted order."""
    first = test(0, n)
    if first.p > error_rate or most < 2:
        return first, []
    ends, open_ = [first.below], [(0, first.below), (first.below, n)]
    while open_ and len(ends) + 1 < most:
        level = error_rate / (len(ends) + 1)
        start, end = open_.pop(0)
        found = test(start, end)
        if found.p <= level:
            middle = start + found.below
            ends.append(middle)
            open_ += [(start, middle), (middle, end)]
    return first, sorted(ends)


def _split(
    x: FloatArray, se: FloatArray, statistic: str, least: int, draws: int, rng: np.random.Generator
) -> Split:
    """Best cut of sorted values with its p value."""
    if x.size < 2 * least or x[0] == x[-1]:
        return Split(0, 0.0, 1.0)
    weight = _weights(x, se, least) if statistic == "separation" else np.ones(x.size)
    floor = float(np.average(se**2, weights=weight))
    if statistic == "gap":
        below, found = groups.widest_gap(x, least, floor)
        true = max(float(x.var(ddof=1)) - floor, 0.0)
        sd = np.sqrt(true + se**2) if se.any() else np.ones(x.size)
        null = groups.null_gaps(rng, sd, least, floor, draws)
    else:
        below, found = groups.best_split(x, weight, least, floor)
        # In units of the sampling error the range counts, and even values reach beyond the seen.
        beyond = (x[-1] - x[0]) / (x.size - 1.0) if floor > 0.0 else 0.0
        low = max(x[0] - beyond, 0.0)
        null = groups.null_splits(rng, low, x[-1] + beyond, weight, least, floor, draws)
    p = (1.0 + float((null >= found).sum())) / (1.0 + draws)
    return Split(int(below), float(found), max(p, _alike(x, se)) if below else 1.0)


def _alike(x: FloatArray, se: FloatArray) -> float:
    """P value of the donors' differences being sampling error alone; 0 where that is not known."""
    if not (se > 0).all():
        return 0.0
    weight = 1.0 / se**2
    squares = weight * (x - np.average(x, weights=weight)) ** 2
    return float(chi2.sf(squares.sum(), x.size - 1))


def _weights(x: FloatArray, se: FloatArray, least: int) -> FloatArray:
    """Precisions, from the sampling error and the variance within that is not due to it."""
    even = np.ones(x.size)
    below, _ = groups.best_split(x, even, least, 0.0)
    if not se.any() or below == 0:
        return even
    left, right = x[:below], x[below:]
    within = (left.var() * left.size + right.var() * right.size) / max(x.size - 2, 1)
    squared = se**2 + max(float(within) - float(np.mean(se**2)), 0.0)
    weight = 1.0 / np.maximum(squared, 1e-3 * squared.max())
    return np.asarray(weight / weight.mean())
