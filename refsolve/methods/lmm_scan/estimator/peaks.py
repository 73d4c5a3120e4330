"""Peaks of a scan, their intervals, and their place between markers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, open_unit, real_vector
from refsolve.core.result import Result
from refsolve.methods.lmm_scan.estimator.positions import fixed_share_lod
from refsolve.methods.lmm_scan.estimator.scan import GenomeScan
from refsolve.methods.lmm_scan.model.genome import Genome
from refsolve.methods.lmm_scan.model.null import NullModel

TIED = 1e-9  # LOD by which positions may differ from the highest and share its place


@dataclass(frozen=True, slots=True)
class PositionPosterior(Result):
    """Where the QTL is, with a flat prior along the chromosome: density 10^LOD.

    Attributes
    ----------
    mean, median
        Of the position (cM).
    interval
        Equal tails of the given probability.
    probability
        Inside the interval.
    """

    mean: float
    median: float
    interval: tuple[float, float]
    probability: float


@dataclass(frozen=True, slots=True)
class Peak(Result):
    """Highest LOD of one chromosome.

    Attributes
    ----------
    trait, chromosome
        Where.
    index
        Place among the positions of the chromosome (the first of ties).
    position
        cM; the mean of ties.
    lod, p_value
        There; the p-value is pointwise.
    support, drop
        Interval of positions whose LOD is within `drop` of the highest, widened to the next ones.
    bayes, probability
        Interval of the most probable positions, and its probability.
    median
        Posterior median of the position.
    ties
        Positions that share the highest LOD.
    """

    trait: str
    chromosome: str
    index: int
    position: float
    lod: float
    p_value: float
    support: tuple[float, float]
    drop: float
    bayes: tuple[float, float]
    probability: float
    median: float
    ties: int


@dataclass(frozen=True, slots=True)
class RefinedPeak(Result):
    """A peak on a grid between markers.

    Attributes
    ----------
    position, lod
        Vertex of the parabola through the highest position of the grid and its neighbours.
    index
        Of that position of the grid.
    support, drop
        LOD support interval, its ends interpolated on the grid.
    median, mean
        Of the posterior density 10^LOD along the grid.
    grid, profile
        Positions and their LOD.
    """

    position: float
    lod: float
    index: int
    support: tuple[float, float]
    drop: float
    median: float
    mean: float
    grid: FloatArray
    profile: FloatArray


def find_peak(
    result: GenomeScan,
    trait: int = 0,
    chromosome: str | None = None,
    *,
    drop: float = 1.5,
    probability: float = 0.95,
) -> Peak:
    """The highest LOD of a trait, on one chromosome or anywhere.

    Parameters
    ----------
    result
        A scan.
    trait
        Its place among the traits.
    chromosome
        Where to look; None: everywhere.
    drop
        Of the LOD, for the support interval.
    probability
        Of the Bayes interval.
    """
    if chromosome is None:
        chromosome = str(result.chromosome[int(np.argmax(result.lod[:, trait]))])
    rows = result.rows(chromosome)
    lod, position = result.lod[rows, trait], result.position[rows]
    index = int(np.argmax(lod))
    tied = lod >= lod[index] - TIED
    return Peak(
        trait=result.traits[trait],
        chromosome=chromosome,
        index=index,
        position=float(position[tied].mean()),
        lod=float(lod[index]),
        p_value=float(result.p_value[rows[index], trait]),
        support=support_interval(position, lod, drop),
        drop=drop,
        bayes=bayes_interval(position, lod, probability),
        probability=probability,
        median=position_posterior(position, lod).median,
        ties=int(tied.sum()),
    )


def find_peaks(
    result: GenomeScan,
    threshold: float,
    trait: int = 0,
    *,
    drop: float = 1.5,
    probability: float = 0.95,
) -> tuple[Peak, ...]:
    """The highest LOD of every chromosome on which it reaches the threshold, highest first.

    Parameters
    ----------
    result
        A scan.
    threshold
        Smallest LOD.
    trait
        Its place among the traits.
    drop, probability
        Of the intervals.
    """
    found = [
        find_peak(result, trait, label, drop=drop, probability=probability)
        for label in result.chromosomes
    ]
    return tuple(sorted((p for p in found if p.lod >= threshold), key=lambda p: -p.lod))


def support_interval(
    position: ArrayLike,
    lod: ArrayLike,
    drop: float = 1.5,
    *,
    markers: ArrayLike | None = None,
) -> tuple[float, float]:
    """Range of all positions within `drop` of the highest LOD, and the next one on either side.

    Parameters
    ----------
    position, lod
        (M,), positions ascending.
    drop
        1.5 to 1.8 for about 95 %.
    markers
        Positions to which the ends are widened; None: the positions themselves.
    """
    place, height = _profile(position, lod)
    if not drop > 0.0:
        raise ValueError(f"drop = {drop}; expected a positive LOD")
    inside = np.flatnonzero(height > height.max() - drop)
    low = place[max(int(inside[0]) - 1, 0)]
    high = place[min(int(inside[-1]) + 1, place.size - 1)]
    return _widened(float(low), float(high), markers)


def bayes_interval(
    position: ArrayLike,
    lod: ArrayLike,
    probability: float = 0.95,
    *,
    markers: ArrayLike | None = None,
) -> tuple[float, float]:
    """Range of the positions of highest 10^LOD that hold the probability, with a flat prior.

    Every position stands for half the way to its neighbours; the two ends for the whole way to the
    one that they have. The interval is made of positions: where they are far apart beside the
    width of the peak it may be a single one, and holds less than it says; scan a finer grid.

    Parameters
    ----------
    position, lod
        (M,), positions ascending.
    probability
        To be held.
    markers
        Positions to which the ends are widened; None: the positions themselves.
    """
    place, height = _profile(position, lod)
    open_unit(probability, "probability")
    if place.size == 1:
        return _widened(float(place[0]), float(place[0]), markers)
    gap = np.diff(place)
    width = 0.5 * (np.concatenate([gap[:1], gap]) + np.concatenate([gap, gap[-1:]]))
    mass = width * 10.0 ** (height - height.max())
    if mass.sum() == 0.0:
        mass = np.ones_like(mass)
    order = np.argsort(-height, kind="stable")
    held = np.cumsum(mass[order]) / mass.sum()
    inside = order[: int(np.searchsorted(held, probability)) + 1]
    return _widened(float(place[inside].min()), float(place[inside].max()), markers)


def position_posterior(
    position: ArrayLike, lod: ArrayLike, probability: float = 0.95
) -> PositionPosterior:
    """Mean, median and equal-tailed interval of the density 10^LOD, linear between positions.

    Parameters
    ----------
    position, lod
        (M,), positions ascending.
    probability
        Inside the interval.
    """
    place, height = _profile(position, lod)
    open_unit(probability, "probability")
    density = 10.0 ** (height - height.max())
    step = np.diff(place)
    mass = 0.5 * step * (density[1:] + density[:-1])
    total = float(mass.sum())
    if total == 0.0:
        middle = float(place[np.argmax(height)])
        return PositionPosterior(middle, middle, (middle, middle), probability)
    moment = step * (
        place[:-1] * (density[:-1] / 3.0 + density[1:] / 6.0)
        + place[1:] * (density[:-1] / 6.0 + density[1:] / 3.0)
    )
    held = np.concatenate([[0.0], np.cumsum(mass)]) / total
    tail = 0.5 * (1.0 - probability)
    low, median, high = np.interp([tail, 0.5, 1.0 - tail], held, place)
    mean = float(moment.sum() / total)
    return PositionPosterior(mean, float(median), (float(low), float(high)), probability)


def refine_peak(
    null: NullModel, probabilities: ArrayLike, position: ArrayLike, *, drop: float = 1.5
) -> RefinedPeak:
    """Place of a peak between markers.

    Parameters
    ----------
    null
        Model without founder effects, of the kinship that leaves out this chromosome.
    probabilities
        Founder probabilities (n, M, K) on a grid about the peak.
    position
        Of the grid (M,), ascending.
    drop
        Of the LOD, for the support interval.
    """
    dense = Genome((np.asarray(probabilities),), (np.asarray(position),))
    lod = fixed_share_lod([null], dense.probabilities[0])[0][0]
    return refine_profile(dense.position[0], lod, drop=drop)


def refine_profile(position: ArrayLike, lod: ArrayLike, *, drop: float = 1.5) -> RefinedPeak:
    """Place of the highest point of a profile on a grid.

    Parameters
    ----------
    position, lod
        (M,), positions ascending.
    drop
        Of the LOD, for the support interval.
    """
    place, height = _profile(position, lod)
    index = int(np.argmax(height))
    where, top = _vertex(place, height, index)
    posterior = position_posterior(place, height)
    return RefinedPeak(
        position=where,
        lod=top,
        index=index,
        support=_crossings(place, height, float(height[index]) - drop),
        drop=drop,
        median=posterior.median,
        mean=posterior.mean,
        grid=place,
        profile=height,
    )


def _profile(position: ArrayLike, lod: ArrayLike) -> tuple[FloatArray, FloatArray]:
    place, height = real_vector(position, "position"), real_vector(lod, "lod")
    if place.size != height.size or not place.size:
        raise ValueError(
            f"lod has {height.size} elements for {place.size} positions; expected one each"
        )
    if np.any(np.diff(place) < 0.0):
        raise ValueError("position must not fall; sort the profile by position")
    return place, height


def _widened(low: float, high: float, markers: ArrayLike | None) -> tuple[float, float]:
    if markers is None:
        return low, high
    place = np.sort(real_vector(markers, "markers"))
    below, above = place[place <= low], place[place >= high]
    return (
        float(below[-1]) if below.size else low,
        float(above[0]) if above.size else high,
    )


def _vertex(place: FloatArray, height: FloatArray, index: int) -> tuple[float, float]:
    """Highest point of the parabola through a peak and its neighbours, which it stays between."""
    here, top = float(place[index]), float(height[index])
    if index in (0, place.size - 1):
        return here, top
    left, right = here - place[index - 1], place[index + 1] - here
    fall, drop = top - height[index - 1], top - height[index + 1]
    bend = fall * right + drop * left
    if min(left, right) == 0.0 or bend <= 0.0:
        return here, top
    shift = 0.5 * (fall * right**2 - drop * left**2) / bend
    slope = (fall * right**2 - drop * left**2) / (left * right * (left + right))
    return float(here + shift), float(top + 0.5 * shift * slope)


def _crossings(place: FloatArray, height: FloatArray, level: float) -> tuple[float, float]:
    """Outermost positions, interpolated, at which the profile crosses a level."""
    inside = np.flatnonzero(height >= level)
    first, last = int(inside[0]), int(inside[-1])
    low, high = float(place[first]), float(place[last])
    if first > 0:
        part = (height[first] - level) / (height[first] - height[first - 1])
        low -= part * (place[first] - place[first - 1])
    if last < place.size - 1:
        part = (height[last] - level) / (height[last] - height[last + 1])
        high += part * (place[last + 1] - place[last])
    return float(low), float(high)
