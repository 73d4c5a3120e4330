"""Short calls of poor quality inside the other ancestry: found by a gap in quality, and merged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, ndtr, ndtri

from refsolve.core.check import FloatArray, IntArray, open_unit
from refsolve.core.result import Result
from refsolve.methods.tracts.model.container import Tracts

Marks = NDArray[np.bool_]
Edges = tuple[float, float]

NONE: Edges = (math.nan, math.nan)
# Quantiles of the excess of good calls: the second is one unit. Of long calls that look poor there
# may be so many that it is far beyond the first; a unit learnt from them would hide islands.
QUARTER, TENTH, FARTHEST = 0.75, 0.9, 2.5
LEAST_UNIT = {"posterior": 0.5, "low_complexity": 0.01}  # qualities are rounded
CLIP = (0.001, 0.999)  # posteriors are rounded, and their logit is taken
FLOOR = {1: 2.0, 2: 1.5}  # least upper edge of a gap, by the number of qualities
WIDTH, TOP = 0.35, 3.5  # least width of a gap; excesses beyond TOP are alike
CHANCE = 3e-5  # of as many good calls beyond the upper edge
STEP = 4.0  # ratio of neighbouring lengths that is a gap


@dataclass(frozen=True, slots=True, eq=False)
class IslandRepair(Result):
    """Tracts with islands merged into their flanks, and what told them apart.

    Attributes
    ----------
    tracts
        The same tracts; islands have the ancestry of their flanks.
    island
        Tracts (N,) that were relabelled.
    suspect
        Tracts (N,) that are short and of poor quality, flanked by the other ancestry or not.
    at_end
        Islands (N,) at an end of the calls of their chromosome, with one flank.
    reciprocal
        Islands (N,) that overlap an island of the opposite ancestry on the other haplotype of the
        individual.
    qualities
        Columns that vary and are used.
    excess
        How far each tract (N,) is poorer than the median good call, in units of how far the worst
        tenth of good calls goes, in the less extreme of its qualities; -inf where none is known.
    gap
        Edges of the visible gap in `excess` of short tracts; NaN where there is none and the
        given numbers were used.
    posterior_gap, low_complexity_gap
        The same on the scale of each quality, the good side first; NaN where it has no part.
    length_gap
        Edges of the gap between lengths of poor calls, Morgans; NaN where there is none and the
        given number was used.
    expected_false
        Good calls expected beyond the upper edge of the gap, were qualities normal and
        independent; NaN without a gap.
    n_islands
        Number of islands.
    reason
        What was found, in words.
    """

    tracts: Tracts
    island: Marks
    suspect: Marks
    at_end: Marks
    reciprocal: Marks
    qualities: tuple[str, ...]
    excess: FloatArray
    gap: Edges
    posterior_gap: Edges
    low_complexity_gap: Edges
    length_gap: Edges
    expected_false: float
    n_islands: int
    reason: str


def find_islands(tracts: Tracts, suspect: ArrayLike) -> Marks:
    """Suspects (N,) between tracts of one other ancestry, or beside one at an end.

    The flanks are the nearest tracts on both sides that are not suspects, across gaps too. At an
    end of the calls of a chromosome there is one flank.

    Parameters
    ----------
    tracts
        The tracts.
    suspect
        Marks (N,).
    """
    marks = _marks(tracts, suspect)
    left, right = _flanks(tracts, marks)
    ancestry = tracts.ancestry
    agree = (left < 0) | (right < 0) | (ancestry[left] == ancestry[right])
    flank = np.where(left < 0, right, left)
    return np.asarray(marks & agree & (flank >= 0) & (ancestry[flank] != ancestry))


def merge_islands(tracts: Tracts, suspect: ArrayLike) -> Tracts:
    """Give suspects that are islands the ancestry of their flanks.

    Parameters
    ----------
    tracts
        The tracts.
    suspect
        Marks (N,).

    Examples
    --------
    >>> from refsolve.methods.tracts import Tracts, merge_islands
    >>> tracts = Tracts([0] * 3, [0] * 3, [0, 0.50, 0.51], [0.50, 0.51, 1.0], [0, 1, 0], [1.0])
    >>> merge_islands(tracts, [False, True, False]).ancestry
    array([0, 0, 0], dtype=int8)
    """
    island = find_islands(tracts, suspect)
    left, right = _flanks(tracts, _marks(tracts, suspect))
    flank = np.where(left < 0, right, left)
    return tracts.relabelled(np.where(island, tracts.ancestry[flank], tracts.ancestry))


def dropped(tracts: Tracts, island: ArrayLike) -> Tracts:
    """Leave tracts out, so that gaps remain where they were.

    Parameters
    ----------
    tracts
        The tracts.
    island
        Marks (N,) of the tracts to leave out; some must stay.
    """
    return tracts.kept(~_marks(tracts, island))


def repair_islands(
    tracts: Tracts, *, posterior: float = 0.75, low_complexity: float = 0.5, length: float = 0.1
) -> IslandRepair:
    """Find islands from the qualities and lengths of all calls, and merge them.

    Good calls are learnt from the longer half of the tracts, which artefacts do not reach. A tract
    is as poor as the better of its qualities says, so that one poor quality never makes an island.
    Of the short tracts, those above the widest visible gap are suspects: a gap that is wide, and
    beyond which good calls would hardly ever be so many. Where no gap is visible, the arguments
    decide. Suspects are islands where their flanks agree and contradict them.

    Parameters
    ----------
    tracts
        Tracts with `posterior`, `low_complexity`, or both; a quality that does not vary says
        nothing, and a tract of unknown quality is judged by the other one.
    posterior, low_complexity
        Without a visible gap, suspects have less than the first and more than the second.
    length
        Short tracts are below this, in Morgans; suspects too, unless the lengths of poor calls
        leave a gap not far from it.
    """
    open_unit(posterior, "posterior")
    open_unit(low_complexity, "low_complexity")
    if not length > 0.0:
        raise ValueError(f"length = {length} must be positive; give Morgans")
    qualities = _qualities(tracts)
    excess = _excess(tracts, qualities)
    short = tracts.length < length
    gap, expected = _visible_gap(excess[short], len(qualities))
    poor = _beyond(tracts, posterior, low_complexity) if math.isnan(gap[0]) else excess >= gap[1]
    length_gap = _length_gap(tracts.length[poor], length)
    suspect = poor & (short if math.isnan(length_gap[0]) else tracts.length <= length_gap[0])
    island = find_islands(tracts, suspect)
    left, right = _flanks(tracts, suspect)
    return IslandRepair(
        tracts=merge_islands(tracts, suspect),
        island=island,
        suspect=suspect,
        at_end=island & ((left < 0) | (right < 0)),
        reciprocal=_reciprocal(tracts, island),
        qualities=tuple(qualities),
        excess=excess,
        gap=gap,
        posterior_gap=_on_scale("posterior", qualities, gap),
        low_complexity_gap=_on_scale("low_complexity", qualities, gap),
        length_gap=length_gap,
        expected_false=expected,
        n_islands=int(island.sum()),
        reason=_reason(island, suspect, tuple(qualities), gap),
    )


def _reason(island: Marks, suspect: Marks, qualities: tuple[str, ...], gap: Edges) -> str:
    if not qualities:
        return "No quality varies: nothing tells an artefact."
    n, other = int(island.sum()), int((suspect & ~island).sum())
    words = f"{n or 'no'} short tract{'s' * (n != 1)} of poor quality inside the other ancestry"
    if math.isnan(gap[0]):
        words += "; no gap sets poor tracts apart, and the given numbers decide"
    else:
        words += f"; a gap from {gap[0]:.1f} to {gap[1]:.1f} units of a tail sets poor tracts apart"
    if other:
        words += f"; {other} more like them {'is' if other == 1 else 'are'} not flanked so"
    return words[0].upper() + words[1:] + "."


def _marks(tracts: Tracts, marks: ArrayLike) -> Marks:
    array = np.asarray(marks)
    if array.shape != (tracts.n_tracts,) or array.dtype != np.bool_:
        raise ValueError(
            f"suspect has shape {array.shape} and type {array.dtype}; "
            f"expected ({tracts.n_tracts},) truth values; give one per tract"
        )
    return array


def _flanks(tracts: Tracts, suspect: Marks) -> tuple[IntArray, IntArray]:
    """Nearest tracts (N,) that are no suspects, before and after on the same path; -1 for none."""
    n = tracts.n_tracts
    here, path = np.arange(n), np.cumsum(~tracts.follows)
    left = np.maximum.accumulate(np.where(suspect, -1, here))
    right = np.minimum.accumulate(np.where(suspect, n, here)[::-1])[::-1]
    left = np.where((left >= 0) & (path[left] == path), left, -1)
    right = np.where((right < n) & (path[np.minimum(right, n - 1)] == path), right, -1)
    return left, right


@dataclass(frozen=True, slots=True)
class _Quality:
    """Excess (N,) of one quality over the median of good calls, in its unit; NaN where unknown."""

    excess: FloatArray
    median: float
    unit: float


def _qualities(tracts: Tracts) -> dict[str, _Quality]:
    found = {}
    for name in LEAST_UNIT:
        values = getattr(tracts, name)
        known = np.zeros(tracts.n_tracts, np.bool_) if values is None else ~np.isnan(values)
        if known.any() and np.ptp(values[known]) > 0.0:
            found[name] = _quality(name, values, tracts.length)
    if tracts.posterior is None and tracts.low_complexity is None:
        raise ValueError(
            "tracts has neither posterior nor low_complexity; islands are told by quality; "
            "give one of them, or mark suspects and call merge_islands"
        )
    return found


def _quality(name: str, values: FloatArray, length: FloatArray) -> _Quality:
    badness = values
    if name == "posterior":
        inside = np.clip(values, *CLIP)
        badness = np.log((1.0 - inside) / inside)
    known = ~np.isnan(badness)
    good = badness[known & (length >= np.median(length[known]))]
    median = float(np.median(good))
    near, far = (np.quantile(good, [QUARTER, TENTH]) - median).tolist()
    unit = max(min(far, FARTHEST * near), LEAST_UNIT[name])
    return _Quality((badness - median) / unit, median, unit)


def _excess(tracts: Tracts, qualities: dict[str, _Quality]) -> FloatArray:
    """Excess (N,) in the less extreme of the qualities that are known."""
    excess = np.full(tracts.n_tracts, np.inf)
    for quality in qualities.values():
        excess = np.fmin(excess, quality.excess)
    return np.where(np.isinf(excess), -np.inf, excess)


def _visible_gap(excess: FloatArray, n_qualities: int) -> tuple[Edges, float]:
    """Edges of the widest gap that good calls would hardly leave, and how many they would be."""
    if excess.size == 0 or n_qualities == 0:
        return NONE, math.nan
    values = np.sort(excess)
    high = np.minimum(values, TOP)
    low = np.maximum(np.concatenate(([0.0], high[:-1])), 0.0)
    expected = excess.size * ndtr(-float(ndtri(TENTH)) * high) ** n_qualities
    seen = excess.size - np.arange(excess.size)
    visible = (high >= FLOOR[n_qualities]) & (high - low >= WIDTH)
    visible &= gammainc(seen, expected) <= CHANCE
    if not visible.any():
        return NONE, math.nan
    at = int(np.argmax(np.where(visible, high - low, -1.0)))
    return (float(low[at]), float(values[at])), float(expected[at])


def _beyond(tracts: Tracts, posterior: float, low_complexity: float) -> Marks:
    """Tracts (N,) beyond both numbers; unknown qualities are not."""
    if tracts.posterior is None or tracts.low_complexity is None:
        return np.zeros(tracts.n_tracts, np.bool_)
    beyond = (tracts.posterior < posterior) & (tracts.low_complexity > low_complexity)
    return np.asarray(beyond)


def _length_gap(lengths: FloatArray, number: float) -> Edges:
    """Edges of the largest step between lengths of poor calls, not far from a number."""
    lengths = np.sort(lengths)
    low, high = lengths[:-1], lengths[1:]
    near = (low <= 3.0 * number) & (high >= 0.5 * number) & (high >= STEP * low)
    if not near.any():
        return NONE
    at = int(np.argmax(np.where(near, high / low, 0.0)))
    return float(low[at]), float(high[at])


def _on_scale(name: str, qualities: dict[str, _Quality], gap: Edges) -> Edges:
    """Both edges of the gap on the scale of a quality, the good side first; NaN for none."""
    if name not in qualities or math.isnan(gap[0]):
        return NONE
    quality = qualities[name]
    low, high = (quality.median + quality.unit * edge for edge in gap)
    if name == "posterior":
        return 1.0 / (1.0 + math.exp(low)), 1.0 / (1.0 + math.exp(high))
    return low, high


def _reciprocal(tracts: Tracts, island: Marks) -> Marks:
    out = np.zeros(tracts.n_tracts, np.bool_)
    rows = np.flatnonzero(island)
    pair = tracts.haplotype[rows] // 2 * tracts.n_chromosomes + tracts.chromosome[rows]
    order = rows[np.lexsort((tracts.start[rows], pair))]
    pair = np.sort(pair)
    reach = 1
    while reach < order.size:
        near = pair[reach:] == pair[:-reach]
        i, j = order[:-reach][near], order[reach:][near]
        touch = tracts.start[j] < tracts.end[i]
        if not touch.any():
            break
        other = touch & (tracts.haplotype[i] != tracts.haplotype[j])
        other &= tracts.ancestry[i] != tracts.ancestry[j]
        out[i[other]] = out[j[other]] = True
        reach += 1
    return out
