"""Which droplets are empty and which hold a cell, eq. (3) and a multinomial test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, open_unit
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.ambient.estimator.profile import (
    AmbientProfile,
    droplet_totals,
    measured_profile,
)
from refsolve.methods.ambient.kernels import sparse
from refsolve.methods.ambient.model.arguments import totals
from refsolve.methods.ambient.model.matrices import blocks, parts

Mark = NDArray[np.bool_]
ROUNDS = 4
SURE = 5  # times the window: smaller droplets are tested even beyond the knee


@dataclass(frozen=True, slots=True, eq=False)
class Knee(Result):
    """Bends of the curve of log total on log rank.

    Attributes
    ----------
    knee, inflection
        Totals where the curve begins to fall, and where it falls steepest; NaN for fewer than
        three different totals.
    """

    knee: float
    inflection: float


@dataclass(frozen=True, slots=True, eq=False)
class DropletCall(Result):
    """Droplets with and without a cell.

    Attributes
    ----------
    total
        Counts (d,).
    knee, inflection
        As in `Knee`.
    p
        Probability (d,) that a droplet of ambient RNA and this total is no more likely; NaN where
        no test is needed: almost no counts, or as many as the knee and five times the window.
    q
        False discovery rate (d,) of the larger tested droplets, by Benjamini and Hochberg.
    cell
        Droplets (d,) that hold a cell: by the test, or by their counts alone.
    empty
        Droplets (d,) that the profile is made of: small, and like ambient RNA.
    profile
        Ambient profile of these.
    alpha
        Sum of the Dirichlet parameters of the ambient RNA's variation between droplets; infinite
        if there is none beyond the multinomial.
    n_tested, n_leaked, n_limited
        Larger droplets tested for cells; small droplets left out of the profile; droplets with
        the smallest p value that are not called, which more draws would tell.
    """

    total: FloatArray
    knee: float
    inflection: float
    p: FloatArray
    q: FloatArray
    cell: Mark
    empty: Mark
    profile: AmbientProfile
    alpha: float
    n_tested: int
    n_leaked: int
    n_limited: int

    def to_frame(self) -> pd.DataFrame:
        """One row per droplet."""
        names = ("total", "p", "q", "cell", "empty")
        return pd.DataFrame({name: getattr(self, name) for name in names})


def knee(total: ArrayLike, *, lower: float = 100) -> Knee:
    """Knee and inflection of the totals, eq. (3).

    Parameters
    ----------
    total
        (droplets,) counts.
    lower
        Droplets with fewer counts are left out: the curve falls again at its end.

    Examples
    --------
    >>> found = knee([5000, 4800, 4600, 4400, 900, 120, 110, 105, 101])
    >>> found.knee, found.inflection
    (4400.0, 120.0)
    """
    size = totals(total)
    values, times = np.unique(size[(size > 0) & (size >= lower)], return_counts=True)
    if values.size < 3:
        return Knee(float("nan"), float("nan"))
    values, times = values[::-1], times[::-1]
    # Droplets of one total share their mean rank.
    rank = np.cumsum(times) - 0.5 * (times - 1)
    x, y = np.log10(rank), np.log10(values)
    steep = int(np.argmin(np.diff(y) / np.diff(x))) + 1
    chord = y[0] + (x[: steep + 1] - x[0]) * (y[steep] - y[0]) / (x[steep] - x[0])
    return Knee(float(values[np.argmax(y[: steep + 1] - chord)]), float(values[steep]))


def call_droplets(
    droplets: Any,
    *,
    window: tuple[float, float] = (10, 100),
    draws: int = 10_000,
    level: float = 0.01,
    leak: float = 0.001,
    layer: str | None = None,
    rng: RandomSource = None,
) -> DropletCall:
    """Ambient profile of raw droplets, and which of them hold cells.

    Droplets in the window make a first profile. Those among them that are improbable under it
    hold small cells and are left out, which is repeated with the better profile. Larger droplets
    are tested against what is left, whose overdispersion makes the test Dirichlet-multinomial;
    those with as many counts as the knee, and five times the window, are cells without a test.
    Draws are shared by all droplets of one total, each draw going through all totals as it grows,
    so that their number, not that of the droplets, sets the time.

    Parameters
    ----------
    droplets
        Raw droplets by genes: AnnData (in memory or backed), sparse matrix, or array.
    window
        Small droplets have more counts than the first and fewer than the second number.
    draws
        Random droplets; the smallest p value is 1 / (draws + 1).
    level
        False discovery rate of cells.
    leak
        Small droplets with a smaller p value are left out of the profile.
    layer
        Layer of the AnnData instead of X.
    rng
        Seed of the draws.

    Raises
    ------
    AnalysisError
        No droplet lies in the window, or they hold fewer counts than there are genes.
    """
    open_unit(level, "level")
    if draws < 1 or not window[0] < window[1]:
        raise ValueError(f"draws = {draws} must be positive and window = {window} ascend")
    matrix, names = parts(droplets, None, layer)
    generator = as_generator(rng)
    size = droplet_totals(matrix)
    bends = knee(size, lower=window[1])
    small = (size > window[0]) & (size < window[1])
    if not small.any():
        raise AnalysisError(
            f"no droplet has between {window[0]:g} and {window[1]:g} counts.",
            hint="Hand in the raw droplets, or another window.",
        )
    p, leaked = _leaks(matrix, size, small, leak, draws, generator)
    profile = measured_profile(matrix, names, small & ~leaked, size)
    _refuse_few(profile)
    # Where there are few cells the knee lies among empty droplets.
    top = max(bends.knee, SURE * window[1]) if np.isfinite(bends.knee) else np.inf
    large = (size >= window[1]) & (size < top)
    alpha = _concentration(profile, size[small & ~leaked])
    share = _positive(profile.counts)
    p = np.where(large, _p_values(matrix, size, large, share, alpha, draws, generator), p)
    # Cells without a test are discoveries too.
    sure = size >= top
    q = np.full(size.size, np.nan)
    q[large] = _fdr(np.append(p[large], np.zeros(int(sure.sum()))))[: int(large.sum())]
    cell = sure | (large & (np.nan_to_num(q, nan=1.0) <= level))
    floor = large & ~cell & (p <= 1.0 / (draws + 1.0))
    return DropletCall(
        size, bends.knee, bends.inflection, p, q, cell, small & ~leaked, profile, alpha,
        int(large.sum()), int(leaked.sum()), int(floor.sum()),
    )  # fmt: skip


def _leaks(
    matrix: Any, size: FloatArray, small: Mark, leak: float, draws: int, rng: np.random.Generator
) -> tuple[FloatArray, Mark]:
    """P values of small droplets, and those that are improbable under the profile of the rest."""
    leaked = np.zeros(size.size, np.bool_)
    for _ in range(ROUNDS):
        share = _positive(_sums(matrix, small & ~leaked))
        p = _p_values(matrix, size, small, share, np.inf, draws, rng)
        before, leaked = int(leaked.sum()), small & (p <= leak)
        # By chance as many droplets are that improbable.
        if leaked.sum() <= before + 2.0 * leak * small.sum() or not (small & ~leaked).any():
            break
    return p, leaked


def _refuse_few(profile: AmbientProfile) -> None:
    """A test against a profile of a few counts finds cells everywhere."""
    if profile.total < profile.genes.size:
        raise AnalysisError(
            f"the droplets in the window hold {profile.total:g} counts for {profile.genes.size} "
            "genes, too few for a profile to test against.",
            hint="Take a window that holds the empty droplets.",
        )


def _concentration(profile: AmbientProfile, size: FloatArray) -> float:
    """Sum of the Dirichlet parameters by moments; infinite where droplets are multinomial."""
    share = profile.share[profile.share > 0]
    cells = float(share.size * size.size)
    error = np.sqrt(2.0 * cells + (1.0 / size).sum() * (1.0 / share).sum()) / cells
    excess = profile.overdispersion - 1.0
    if excess <= 2.0 * error:
        return float("inf")
    return max(float(size.mean()) - profile.overdispersion, 1.0) / excess


def _sums(matrix: Any, used: Mark) -> FloatArray:
    counts = np.zeros(matrix.shape[1])
    for at, rows in blocks(matrix):
        block = used[at : at + rows.shape[0]]
        sparse.add_genes(rows.data, rows.indices, rows.indptr, block, counts)
    return counts


def _positive(counts: FloatArray) -> FloatArray:
    """Shares with the probability of unseen genes that single counts tell (Turing's)."""
    unseen = counts == 0
    if not unseen.any():
        return np.asarray(counts / counts.sum())
    mass = min(max(float((counts == 1).sum()), 1.0) / counts.sum(), 0.5)
    shares = np.where(unseen, mass / unseen.sum(), (1.0 - mass) * counts / counts.sum())
    return np.asarray(shares)


def _p_values(
    matrix: Any,
    size: FloatArray,
    used: Mark,
    share: FloatArray,
    alpha: float,
    draws: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Monte Carlo p values of the used droplets, NaN for the others."""
    out = np.full(size.size, np.nan)
    if not used.any():
        return out
    log_fact = sparse.log_factorials(int(size[used].max()))
    value = np.full(size.size, np.nan)
    for at, rows in blocks(matrix):
        part = slice(at, at + rows.shape[0])
        value[part] = sparse.droplet_log_likelihoods(
            rows.data, rows.indices, rows.indptr, used[part], share, alpha, log_fact
        )
    place = np.flatnonzero(used)
    place = place[np.lexsort((value[place], size[place]))]
    distinct, first = np.unique(size[place].astype(np.int64), return_index=True)
    threshold, alias = sparse.alias_table(share)
    rank = sparse.null_ranks(
        rng, threshold, alias, share, alpha, log_fact, distinct, np.append(first, place.size),
        value[place], draws,
    )  # fmt: skip
    out[place] = (1.0 + rank) / (1.0 + draws)
    return out


def _fdr(p: FloatArray) -> FloatArray:
    order = np.argsort(-p, kind="stable")
    out = np.empty(p.size)
    scaled = np.minimum(p[order] * p.size / np.arange(p.size, 0, -1), 1.0)
    out[order] = np.minimum.accumulate(scaled) if p.size else scaled
    return out
