"""Genome scan, intervals, permutations and a search for several QTL, eqs. (5) to (9)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import sqrtm

from refsolve.methods.lmm_scan.textbook.mixed import (
    Criterion,
    best_share,
    covariance,
    fit_null,
    whitened,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Profile(NamedTuple):
    """Evidence for a QTL along the map.

    Attributes
    ----------
    lod
        (M,) log10 likelihood ratio against no QTL.
    f
        (M,) F statistic, with `rank` and n - c - rank degrees of freedom.
    rank
        (M,) founder columns that add to the covariates.
    heritability
        (M,) share of the variance that follows kinship, at each position.
    """

    lod: FloatArray
    f: FloatArray
    rank: IntArray
    heritability: FloatArray


def residual(x: FloatArray, y: FloatArray) -> tuple[float, int]:
    """Residual sum of squares and rank of a least-squares fit, columns of any rank.

    Parameters
    ----------
    x
        (n, c) whitened columns.
    y
        (n,) whitened phenotypes.
    """
    unit = x / np.maximum(np.linalg.norm(x, axis=0), 1e-300)
    left, sizes, _ = np.linalg.svd(unit, full_matrices=False)
    base = left[:, sizes > 1e-8 * sizes[0]]
    return float(np.sum((y - base @ (base.T @ y)) ** 2)), base.shape[1]


def scan(
    y: FloatArray,
    probability: FloatArray,
    x: FloatArray,
    relatedness: FloatArray | None = None,
    criterion: Criterion = "reml",
    exact: bool = False,
) -> Profile:
    """Founder effects at each position against none, eqs. (5) and (6).

    Parameters
    ----------
    y
        (n,) phenotypes.
    probability
        (n, M, K) founder probabilities; they sum to 1, so that the first founder is left out.
    x
        (n, c) covariates, the intercept included.
    relatedness
        Kinship from the other chromosomes, not doubled; None for unrelated lines.
    criterion
        How the heritability is found without a QTL.
    exact
        Find the heritability again at every position, by maximum likelihood on either side.
    """
    null = fit_null(y, x, relatedness, "ml" if exact else criterion)
    rows = []
    for k in range(probability.shape[1]):
        columns = np.column_stack([x, probability[:, k, 1:]])
        h2 = null.heritability
        if exact and relatedness is not None:
            h2 = best_share(y, _basis(columns), relatedness, "ml")
        rows.append(_position(y, columns, x, relatedness, h2, null.heritability))
    lod, f, rank, h = zip(*rows, strict=True)
    return Profile(np.array(lod), np.array(f), np.array(rank), np.array(h))


def _basis(columns: FloatArray) -> FloatArray:
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-8 * sizes[0]])


def _position(
    y: FloatArray,
    columns: FloatArray,
    x: FloatArray,
    relatedness: FloatArray | None,
    h2: float,
    h2_null: float,
) -> tuple[float, float, int, float]:
    """LOD, F, rank and heritability at one position."""
    n, sides = y.size, []
    for h, matrix in ((h2_null, x), (h2, columns), (h2, x)):
        v = covariance(h, relatedness, n)
        rss, rank = residual(whitened(matrix, v), whitened(y, v))
        sides.append((-n * np.log(rss) - np.linalg.slogdet(v)[1], rss, rank))
    (null, _, _), (full, rss1, rank1), (_, rss0, rank0) = sides
    df = rank1 - rank0
    f = (rss0 - rss1) / df / (rss1 / (n - rank1)) if df else 0.0
    return (full - null) / 2 / np.log(10), f, df, h2


def lod_interval(
    lod: ArrayLike, position: ArrayLike, drop: float = 1.5
) -> tuple[float, float, float]:
    """Low end, peak and high end of the LOD support interval, eq. (7).

    Parameters
    ----------
    lod
        (M,) LOD.
    position
        (M,) ascending.
    drop
        The interval ends at the next position beyond the last whose LOD exceeds the maximum minus
        this.
    """
    values, place = np.asarray(lod), np.asarray(position)
    inside = np.flatnonzero(values > values.max() - drop)
    low, high = max(inside[0] - 1, 0), min(inside[-1] + 1, values.size - 1)
    peak = np.flatnonzero(values == values.max())
    return float(place[low]), float(place[peak].mean()), float(place[high])


def bayes_interval(
    lod: ArrayLike, position: ArrayLike, probability: float = 0.95
) -> tuple[float, float]:
    """Range of the most probable positions, with a flat prior along the map, eq. (8).

    Parameters
    ----------
    lod
        (M,) LOD.
    position
        (M,) ascending.
    probability
        Share of the posterior that the positions must reach.
    """
    values, place = np.asarray(lod), np.asarray(position)
    gap = np.diff(place)
    width = (np.append(gap[:1], gap) + np.append(gap, gap[-1:])) / 2
    weight = width * 10 ** (values - values.max())
    order = np.argsort(-values, kind="stable")
    taken = np.cumsum(weight[order]) / weight.sum()
    chosen = order[: int(np.searchsorted(taken, probability)) + 1]
    return float(place[chosen.min()]), float(place[chosen.max()])


def permuted_within(groups: ArrayLike, rng: np.random.Generator) -> IntArray:
    """(n,) order that exchanges lines of one group only.

    Parameters
    ----------
    groups
        (n,) labels.
    rng
        Generator.
    """
    labels = np.asarray(groups)
    order = np.arange(labels.size)
    for group in np.unique(labels):
        members = np.flatnonzero(labels == group)
        order[members] = rng.permutation(members)
    return order


def permutation_maxima(
    y: FloatArray,
    probability: FloatArray,
    x: FloatArray,
    relatedness: FloatArray | None,
    groups: ArrayLike,
    n: int,
    rng: np.random.Generator,
) -> FloatArray:
    """(n,) largest LOD of phenotypes without a QTL, eq. (9).

    Residuals are made independent by the symmetric root of their covariance, exchanged within
    groups, and given their covariance back.

    Parameters
    ----------
    y, probability, x, relatedness
        As in `scan`.
    groups
        (n_lines,) lines that may be exchanged share a label.
    n
        Number of permutations.
    rng
        Generator.
    """
    null = fit_null(y, x, relatedness)
    v = covariance(null.heritability, relatedness, y.size)
    root = np.real(sqrtm(v))
    fitted = x @ null.coefficients
    free = np.linalg.solve(root, y - fitted)
    largest = np.empty(n)
    for i in range(n):
        again = fitted + root @ free[permuted_within(groups, rng)]
        columns = [np.column_stack([x, probability[:, k, 1:]]) for k in range(probability.shape[1])]
        wy, rss0 = whitened(again, v), residual(whitened(x, v), whitened(again, v))[0]
        rss = [residual(whitened(c, v), wy)[0] for c in columns]
        largest[i] = y.size / 2 * np.log10(rss0 / min(rss))
    return largest


def forward_search(
    y: FloatArray,
    probability: FloatArray,
    x: FloatArray,
    relatedness: FloatArray | None,
    threshold: float,
    most: int = 5,
) -> list[tuple[int, float]]:
    """Position and LOD of each QTL beside those found before it, eq. (9).

    Parameters
    ----------
    y, probability, x, relatedness
        As in `scan`.
    threshold
        LOD that the next one must exceed.
    most
        Largest number of QTL.
    """
    found: list[tuple[int, float]] = []
    columns = x
    while len(found) < most:
        profile = scan(y, probability, _basis(columns), relatedness)
        best = int(profile.lod.argmax())
        if profile.lod[best] <= threshold:
            break
        found.append((best, float(profile.lod[best])))
        columns = np.column_stack([columns, probability[:, best, 1:]])
    return found
