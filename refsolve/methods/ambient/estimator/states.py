"""Activated and resting cells from corrected markers, on the scale of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from refsolve.core.check import FloatArray, IntArray, one_of, open_unit, real_vector, refuse
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.ambient.kernels import groups
from refsolve.methods.ambient.model.arguments import fractions, shares, totals
from refsolve.methods.ambient.model.one_peak import best_criterion

STRAY, GROWTH = 0.2, 1.25  # of the cells may lie inside the valley; steps of their number
CUTS = 11
GRID = 201
TAILS = (0.5, 0.1, 0.9, 0.03, 0.97)  # few cells in either state: where the mixture starts
SAMPLE, FIRST, ROUNDS = 1000, 50, 500  # cells and rounds that choose between starts; all rounds
VALLEY, GAIN = 0.65, 10.0  # valley over the lower peak, and gain over densities with one peak
QUARTILES, UNSURE = (0.25, 0.5, 0.75), 0.1
DIP, WINDOWS = 0.25, 21  # p value of fewer cells in a window between the peaks, and windows
FEWEST, CELLS = 0.01, 5  # share, and number, of the cells in either group of a mixture


@dataclass(frozen=True, slots=True, eq=False)
class StateCall(Result):
    """Which cells are activated, and how sure the boundary is.

    Attributes
    ----------
    active
        (cells,) in the upper state; all False if there is no second state.
    bimodal
        Whether there is one: `p` is small, or two normal groups make a density with two peaks
        (`valley` at most 0.65, a cell in a hundred and five cells in either) with fewer cells
        between them, and explain the score better, by 10 of the information criterion, than the
        best of several densities with one peak: uniform, normal, exponential, with equal halves or
        not, also of the arcsine of the score.
    p
        Bound on the probability of so deep a valley under any density with one peak; needs some
        twenty cells in either state.
    valley
        Density of the two normal groups between their peaks over that at the lower peak.
    cut
        Boundary; NaN if there is none.
    low, high
        Edges of the valley: the scores next to it.
    separated
        No cell lies between the edges.
    ambiguous
        Cells that do.
    n_active
        Cells of the upper state.
    method
        "gap" or "mixture".
    posterior
        (cells,) probability of the upper of the two normal groups.
    separation
        Difference of the groups' means over their root mean variance.
    sensitivity_cuts, sensitivity_active
        Boundaries from edge to edge, and the cells above each.
    """

    active: NDArray[np.bool_]
    bimodal: bool
    p: float
    valley: float
    cut: float
    low: float
    high: float
    separated: bool
    ambiguous: int
    n_active: int
    method: str
    posterior: FloatArray
    separation: float
    sensitivity_cuts: FloatArray
    sensitivity_active: IntArray


def activation_score(
    counts: ArrayLike,
    total: ArrayLike,
    rho: ArrayLike,
    share: ArrayLike,
    sign: ArrayLike,
    *,
    clip: bool = False,
    scaled: bool = False,
) -> FloatArray:
    """Corrected counts of markers that go up, less those of markers that go down.

    Parameters
    ----------
    counts
        (cells, markers).
    total
        (cells,) counts of all genes.
    rho
        Contamination, one number or (cells,).
    share
        (markers,) ambient shares.
    sign
        (markers,) 1 for a marker of the activated state, -1 for one of the resting state.
    clip
        Cut corrected counts at zero, which lifts rare markers; without, they are unbiased.
    scaled
        Bring every cell to the median native exposure, so that large cells do not stand out.

    Examples
    --------
    >>> activation_score([[5, 0], [1, 6]], [1000, 1000], 0.1, [0.01, 0.02], [1, -1])
    array([ 6., -4.])
    """
    values = np.asarray(counts, np.float64)
    if values.ndim != 2:
        raise ValueError(f"counts have {values.ndim} dimensions; expected cells by markers")
    refuse(~(values >= 0), "counts", values, "is no count", "correct it")
    cells, markers = values.shape
    way = real_vector(sign, "sign")
    if way.size != markers:
        raise ValueError(f"sign has {way.size} values for {markers} markers; give one per marker")
    refuse(~np.isin(way, (-1.0, 1.0)), "sign", way, "is neither 1 nor -1", "say up or down")
    size = totals(total, cells)
    amount = fractions(rho, cells) * size
    corrected = values - np.outer(amount, shares(share, markers))
    score = (np.maximum(corrected, 0.0) if clip else corrected) @ way
    if not scaled:
        return np.asarray(score)
    native = size - amount
    some = native > 0
    if not some.any():
        return np.zeros(cells)
    return np.where(some, score * np.median(native[some]) / np.where(some, native, 1.0), 0.0)


def call_states(
    score: ArrayLike,
    *,
    method: str = "gap",
    resolution: float = 1.0,
    level: float = 0.01,
    rng: RandomSource = 0,
) -> StateCall:
    """Two states by the valley of a score, or by a mixture of two normal groups.

    A density with one peak has, beside any interval without the peak, on one side as many values
    in a window of the same width, or more inside. The deepest valley is the interval for which
    that is least probable; the bound on its p value holds for every such density and includes the
    choice of the interval.

    Parameters
    ----------
    score
        (cells,) for example of `activation_score`.
    method
        "gap": boundary in the middle of the valley; "mixture": where two normal groups are
        equally probable, also for states that overlap.
    resolution
        Step of the score, 1 for counts, over which cells are spread at random when the valley is
        looked for; whole numbers have gaps of their own. 0 for a continuous score.
    level
        Largest p value of a valley.
    rng
        Seed of the spreading.

    Raises
    ------
    ValueError
        Fewer than four cells, or arguments out of range.
    """
    one_of(method, "method", ("gap", "mixture"))
    open_unit(level, "level")
    values = real_vector(score, "score")
    refuse(~np.isfinite(values), "score", values, "is not finite", "leave the cell out")
    if values.size < 4:
        raise ValueError(f"score has {values.size} values; states need four cells or more")
    if np.ptp(values) == 0.0:
        return _one_state(values, 1.0, 1.0, method)
    generator = as_generator(rng)
    # Noise goes to the sorted scores, so that the order of the cells does not matter.
    ordered = np.sort(values)
    valley = _valley(ordered + resolution * (generator.random(values.size) - 0.5))
    # Normal groups would find the steps of whole numbers, unless these are smoothed.
    smooth = ordered + resolution * generator.standard_normal(values.size)
    found = _two_groups(values, smooth, valley.middle)
    bimodal = valley.p < level or found.peaks
    if method == "gap":
        if valley.p >= level:
            valley = _sparsest(values, found.posterior, valley.p)
        active = values > valley.middle
    else:
        active = found.posterior > 0.5
    if not bimodal or active.all() or not active.any():
        return _one_state(values, valley.p, found.valley, method)
    return _two_states(values, active, valley, found.valley, method, found.posterior)


class Valley(NamedTuple):
    """Edges of a valley, and its p value."""

    low: float
    high: float
    p: float

    @property
    def middle(self) -> float:
        """Between the edges."""
        return 0.5 * (self.low + self.high)


class Mixture(NamedTuple):
    """Two normal groups, the lower first."""

    share: FloatArray
    mean: FloatArray
    sd: FloatArray
    log_likelihood: float


def _valley(values: FloatArray) -> Valley:
    x = np.sort(values)
    steps = np.log(max(STRAY * x.size, 1.0)) / np.log(GROWTH)
    inside = np.unique(np.append(0, np.floor(GROWTH ** np.arange(steps)).astype(np.int64)))
    low, high, log_p = groups.deepest_valley(x, inside)
    return Valley(float(x[low]), float(x[high]), float(np.exp(log_p)))


class Groups(NamedTuple):
    """Two groups of cells: posterior of the upper, valley over the lower peak, and whether two."""

    posterior: FloatArray
    valley: float
    peaks: bool


def _two_groups(values: FloatArray, smooth: FloatArray, cut: float) -> Groups:
    """Two normal groups of the score, or of its arcsine, which draws long tails in.

    The arcsine is hyperbolic, of the score in units of its quartiles, and straight where most
    cells are. Likelihoods are those of the score on either scale, so that they compare.
    """
    low, centre, high = np.quantile(values, QUARTILES)
    unit = max(float(high - low), float((smooth - np.sort(values)).std()), 1e-9 * np.ptp(values))
    z = (smooth - centre) / unit
    bent = [np.arcsinh((v - centre) / unit) for v in (values, smooth, cut)]
    scales = ((values, smooth, cut), (bent[0], bent[1], float(bent[2])))
    slopes = (0.0, -np.log(unit) * z.size - 0.5 * np.log1p(z**2).sum())
    one = max(best_criterion(x[1]) + 2.0 * by for x, by in zip(scales, slopes, strict=True))
    out = []
    for (plain, x, at), by in zip(scales, slopes, strict=True):
        mixture = _mixture(x, at)
        ratio, places = _peaks(mixture)
        ends = places if x is smooth else centre + unit * np.sinh(places)
        gain = 2.0 * (mixture.log_likelihood + by) - 5.0 * np.log(z.size) - one
        peaks = gain > GAIN and _two_peaks(mixture) and mixture.share.min() * z.size >= CELLS
        peaks = peaks and _dips(np.sort(smooth), ends[0], ends[1])
        out.append(
            (peaks, gain if peaks else 0.0, Groups(_posterior(plain, mixture), ratio, peaks))
        )
    return max(out, key=lambda found: found[:2])[2]


def _dips(values: FloatArray, left: float, right: float) -> bool:
    """Fewer cells somewhere between the peaks than around both, in windows of one width."""
    half = 0.125 * (right - left)
    if half <= 0.0:
        return False
    places = np.r_[left, np.linspace(left + 2.0 * half, right - 2.0 * half, WINDOWS), right]
    start, end = (np.searchsorted(values, places + side * half) for side in (-1.0, 1.0))
    inside = end - start
    fewest, middle = int(min(inside[0], inside[-1])), int(inside[1:-1].min())
    return bool(binom.cdf(middle, middle + fewest, 0.5) < DIP)


def _sparsest(values: FloatArray, posterior: FloatArray, p: float) -> Valley:
    """Widest gap among the cells that could be of either group."""
    x, first = np.unique(values, return_index=True)
    sure = posterior[first]
    either = np.minimum(sure[:-1], sure[1:]) <= 1.0 - UNSURE
    either &= np.maximum(sure[:-1], sure[1:]) >= UNSURE
    at = int(np.argmax(np.where(either, np.diff(x), -1.0)))
    return Valley(float(x[at]), float(x[at + 1]), p)


def _mixture(values: FloatArray, cut: float) -> Mixture:
    """The likeliest of several starts, on a part of the cells, that has two peaks if any has."""
    few = np.ascontiguousarray(np.sort(values)[:: max(values.size // SAMPLE, 1)])
    cuts = [*np.quantile(few, TAILS), cut, *_tail_gaps(few)]
    fits = [_fitted(few, few > at, FIRST) for at in cuts if few.min() <= at < few.max()]
    best = max(fits, key=lambda fit: (_two_peaks(fit), fit.log_likelihood))
    return _fitted(values, _posterior(values, best) > 0.5, ROUNDS)


def _fitted(values: FloatArray, upper: NDArray[np.bool_], rounds: int) -> Mixture:
    share, mean, sd, _, value = groups.two_normals(values, np.where(upper, 0.95, 0.05), rounds)
    order = np.argsort(mean)
    return Mixture(np.array([1.0 - share, share])[order], mean[order], sd[order], value)


def _tail_gaps(x: FloatArray) -> list[float]:
    """Middles of the widest gaps in the outer tenths of sorted values, ends left out."""
    edge = max(int(FEWEST * x.size), 1)
    tenth = max(x.size // 10, edge + 1)
    out = []
    for start, end in ((edge, tenth), (x.size - tenth, x.size - edge)):
        part = x[start - 1 : end + 1]
        k = int(np.argmax(np.diff(part))) if part.size > 1 else 0
        out.append(float(part[k : k + 2].mean()))
    return out


def _two_peaks(mixture: Mixture) -> bool:
    return _peaks(mixture)[0] <= VALLEY and float(mixture.share.min()) >= FEWEST


def _densities(x: FloatArray, mixture: Mixture) -> FloatArray:
    """Log densities (2, n) of the groups, with their shares."""
    z = (x - mixture.mean[:, np.newaxis]) / mixture.sd[:, np.newaxis]
    front = np.log(mixture.share) - np.log(mixture.sd * np.sqrt(2.0 * np.pi))
    return np.asarray(front[:, np.newaxis] - 0.5 * z**2)


def _posterior(values: FloatArray, mixture: Mixture) -> FloatArray:
    """Of the second group, level beyond the means so that there is one boundary."""
    x = np.clip(values, mixture.mean.min(), mixture.mean.max())
    zero, one = _densities(x, mixture)
    return np.asarray(1.0 / (1.0 + np.exp(np.clip(zero - one, -700.0, 700.0))))


def _peaks(mixture: Mixture) -> tuple[float, FloatArray]:
    """Valley over the lower peak, and the peaks."""
    x = np.linspace(mixture.mean[0], mixture.mean[1], GRID)
    density = np.exp(_densities(x, mixture)).sum(axis=0)
    bottom = int(np.argmin(density))
    left = int(np.argmax(density[: bottom + 1]))
    right = bottom + int(np.argmax(density[bottom:]))
    return float(density[bottom] / min(density[left], density[right])), x[[left, right]]


def _one_state(values: FloatArray, p: float, ratio: float, method: str) -> StateCall:
    nothing = float("nan")
    return StateCall(
        np.zeros(values.size, np.bool_), False, p, ratio, nothing, nothing, nothing, False, 0, 0,
        method, np.zeros(values.size), nothing, np.empty(0), np.empty(0, np.int64),
    )  # fmt: skip


def _two_states(
    values: FloatArray,
    active: NDArray[np.bool_],
    valley: Valley,
    ratio: float,
    method: str,
    posterior: FloatArray,
) -> StateCall:
    low, high = _edges(values, active, valley)
    inside = int(((values > low) & (values < high)).sum())
    cuts = np.linspace(low, high, CUTS)
    above = np.array([(values > cut).sum() for cut in cuts])
    one, zero = values[active], values[~active]
    spread = float(np.sqrt(0.5 * (one.var() + zero.var())))
    apart = float(one.mean() - zero.mean())
    return StateCall(
        active, True, valley.p, ratio, 0.5 * (float(one.min()) + float(zero.max())), low, high,
        inside == 0, inside, int(active.sum()), method, posterior,
        apart / spread if spread > 0 else float("inf"), cuts, above,
    )  # fmt: skip


def _edges(values: FloatArray, active: NDArray[np.bool_], valley: Valley) -> tuple[float, float]:
    """Scores next to the valley; next to the boundary where the valley is none of it."""
    below, above = values[values <= valley.low], values[values >= valley.high]
    top, bottom = float(values[~active].max()), float(values[active].min())
    if not (below.size and above.size):
        return top, bottom
    return min(float(below.max()), top), max(float(above.min()), bottom)
