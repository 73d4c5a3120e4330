"""The likelihood-ratio statistic of s = 0 under s = 0, simulated for one design, eq. (8).

The start is a given distribution, so neutrality is a simple hypothesis: nothing has to be estimated
before data can be drawn from it.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, chdtri

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.wright_fisher import textbook
from refsolve.methods.wright_fisher.model.inputs import Start
from refsolve.methods.wright_fisher.model.likelihood import MAX_NODES, Likelihood, Mapper
from refsolve.methods.wright_fisher.model.samples import Genotypes, Observations, Samples

SCAN = 33  # values of s of the first look at all data sets
FINE = 0.01  # half of them lie within a few multiples of this
CLOSE = 0.03  # maxima are closed in on until their neighbours are this near, in log units
PARABOLA = 3e-3  # log units that the parabola through them may miss, twice the most seen
ROUNDS = 12  # of halving the distance between values of s
CHECKED = 64  # data sets on which the grid is chosen ...
MATTERS = 4.0  # ... within these log units of their maxima: for statistics up to twice as large


@dataclass(frozen=True, slots=True)
class Calibration(Result):
    """Likelihood-ratio statistics of s = 0 in neutral data sets of one design.

    Attributes
    ----------
    lrt
        Statistics of the simulated data sets, increasing.
    confidence
        Nominal coverage of the interval, and one minus the level of the test.
    threshold
        Quantile of `lrt` at `confidence`; chi-squared has 3.84 at 0.95.
    threshold_interval
        95 % interval of that quantile, for the number of data sets simulated.
    drop
        Half of the threshold: the interval ends where the log-likelihood is this much below its
        maximum.
    type_one
        Share of the data sets that the chi-squared test rejects at one minus `confidence`.
    type_one_error
        Its Monte Carlo standard error.
    discretisation_error
        Numerical error of a statistic.
    design
        Digests of what was simulated, by argument; a fit of anything else is refused.
    """

    lrt: FloatArray
    confidence: float
    threshold: float
    threshold_interval: tuple[float, float]
    drop: float
    type_one: float
    type_one_error: float
    discretisation_error: float
    design: dict[str, str]


def calibrate(
    samples: Observations,
    sizes: ArrayLike,
    *,
    bounds: tuple[float, float] = (-0.5, 1.0),
    h: float = 0.5,
    ploidy: str = "haploid",
    start: Start = "uniform",
    mutation: tuple[float, float] | None = None,
    confidence: float = 0.95,
    tolerance: float = 1e-3,
    n: int = 999,
    rng: RandomSource,
    map_: Mapper = map,
) -> Calibration:
    """Simulate the test of neutrality under neutrality, for `fit_selection`.

    Parameters
    ----------
    samples
        Reads or genotypes of one locus; only their times, totals, error rates and precision are
        used, so that loci with the same ones share a calibration.
    sizes, bounds, h, ploidy, start, mutation, confidence, tolerance, map_
        As in `fit_selection`, and as they will be there; a profiled start is refused.
    n
        Neutral data sets. The level of a test at 5 % is 5 % on average over calibrations; in a
        single one it has a standard deviation of 0.7 % with n = 999 and of 0.2 % with n = 9,999.
    rng
        Seed or Generator.

    Returns
    -------
    The statistics, their quantile, and what chi-squared would have done.

    Examples
    --------
    >>> from refsolve.methods.wright_fisher import Samples, calibrate, fit_selection
    >>> samples = Samples([0, 10, 20], derived=[4, 9, 15], total=[20, 20, 20])
    >>> null = calibrate(samples, [40] * 21, n=199, rng=1)
    >>> fit_selection(samples, [40] * 21, calibration=null).reference
    'simulation, n = 199'
    """
    model = Likelihood(samples, sizes, h=h, ploidy=ploidy, start=start, mutation=mutation)
    rank = _rank(n, confidence)
    design = design_of(model, bounds)
    neutral = Likelihood(
        _neutral_data(model, n, as_generator(rng)), model.sizes,
        h=h, ploidy=ploidy, start=start, mutation=mutation,
    )  # fmt: skip
    lrt, error = _statistics(neutral, bounds, tolerance, map_)
    lrt.sort()
    type_one = float(np.mean(lrt > chdtri(1, 1.0 - confidence)))
    return Calibration(
        lrt=lrt,
        confidence=confidence,
        threshold=float(lrt[rank - 1]),
        threshold_interval=_quantile_interval(lrt, confidence),
        drop=float(lrt[rank - 1]) / 2.0,
        type_one=type_one,
        type_one_error=math.sqrt(type_one * (1.0 - type_one) / n),
        discretisation_error=error,
        design=design,
    )


def monte_carlo_p(calibration: Calibration, lrt: float) -> float:
    """P value of an observed statistic, eq. (8); equal but for numerical error counts as equal.

    Parameters
    ----------
    calibration
        Statistics under neutrality.
    lrt
        Statistic observed.
    """
    null = calibration.lrt
    return float((1 + np.sum(null >= lrt - calibration.discretisation_error)) / (null.size + 1))


def design_of(model: Likelihood, bounds: tuple[float, float]) -> dict[str, str]:
    """Digests of all that the distribution of the statistic depends on, by argument.

    Parameters
    ----------
    model
        Likelihood of one locus.
    bounds
        Range of the search.
    """
    if isinstance(model.start, str) and model.start == "profile":
        raise ValueError(
            "start = 'profile' leaves the first frequency open, so that neutrality cannot be "
            "simulated; use 'uniform', 'stationary' or a pmf"
        )
    if model.samples.n_loci != 1:
        raise ValueError(
            f"samples hold {model.samples.n_loci} loci; expected one; select one of them"
        )
    if not -1.0 < bounds[0] < 0.0 < bounds[1] < np.inf:
        raise ValueError(
            f"bounds = {bounds} must be two numbers above -1, below and above 0; try (-0.5, 1.0)"
        )
    samples = model.samples
    parts: dict[str, object] = {
        "generation": samples.generation,
        "sizes": model.sizes,
        "ploidy": [model.diploid, model.h if model.diploid else 0.0],
        "start": (1.0, 1.0) if isinstance(model.start, str) else model.start,
        "mutation": model.mutation or (1.0, 1.0),
        "bounds": bounds,
    }
    if isinstance(samples, Genotypes):
        parts["genotypes"] = _individuals(samples)
    else:
        parts |= {name: getattr(samples, name) for name in ("total", "e_da", "e_ad", "precision")}
    return {name: _digest(value) for name, value in parts.items()}


def _digest(value: object) -> str:
    numbers = np.asarray(value, dtype=np.float64).ravel()
    return hashlib.blake2b(numbers.tobytes(), digest_size=8).hexdigest()


def _rank(n: int, confidence: float) -> int:
    """Rank of the threshold among n statistics: what exceeds it has p at most 1 − confidence."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence = {confidence} must lie between 0 and 1; try 0.95")
    rank = math.ceil((n + 1) * confidence - 1e-9)
    if not rank <= n:
        fewest = math.ceil(confidence / (1.0 - confidence) - 1e-9)
        raise ValueError(
            f"n = {n} data sets cannot show a p value of {1.0 - confidence:g}; "
            f"expected at least {fewest}; try 999"
        )
    return rank


def _quantile_interval(lrt: FloatArray, confidence: float) -> tuple[float, float]:
    """95 % interval of a quantile: the statistics whose binomial ranks enclose it."""
    below = bdtr(np.arange(lrt.size), lrt.size, confidence)
    low, high = np.searchsorted(below, [0.025, 0.975])
    return float(lrt[low]), float(lrt[min(high, lrt.size - 1)])


def _neutral_data(model: Likelihood, n: int, rng: np.random.Generator) -> Observations:
    """Data sets (n, K) of the design under s = 0."""
    path = textbook.simulate_path(model.sizes, 0.0, _first_frequencies(model, n, rng), rng)
    samples, x = model.samples, path[:, model.samples.generation]
    if isinstance(samples, Genotypes):
        individuals = _individuals(samples)
        cells = np.stack([(1.0 - x) ** 2, 2.0 * x * (1.0 - x), x**2], axis=-1)
        return Genotypes(
            samples.generation, *np.moveaxis(rng.multinomial(individuals, cells), 2, 0)
        )
    total, *rates = (
        np.broadcast_to(np.atleast_2d(getattr(samples, name))[0], x.shape[1:])
        for name in ("total", "e_da", "e_ad", "precision")
    )
    reads = [
        textbook.simulate_reads(x[:, k], total[k], rng, *(float(rate[k]) for rate in rates))
        for k in range(total.size)
    ]
    shape = x.shape
    return Samples(
        samples.generation,
        np.stack(reads, axis=1),
        np.broadcast_to(total, shape),
        *(np.broadcast_to(rate, shape) for rate in rates),
    )


def _individuals(samples: Genotypes) -> IntArray:
    counts = samples.ancestral_hom + samples.het + samples.derived_hom
    return np.asarray(np.atleast_2d(counts)[0])


def _first_frequencies(model: Likelihood, n: int, rng: np.random.Generator) -> FloatArray:
    """Frequencies (n,) of generation 0 from the start."""
    M = float(model.sizes[0])
    if isinstance(model.start, np.ndarray):
        pmf = model.start / model.start.sum()
        return np.asarray(rng.choice(pmf.size, n, p=pmf) / M)
    forward, back = (1.0, 1.0) if model.mutation is None else model.mutation[::-1]
    x = rng.beta(forward, back, n)
    return x if np.isinf(M) else np.asarray(rng.binomial(int(M), x) / M)


def _statistics(
    model: Likelihood, bounds: tuple[float, float], tolerance: float, map_: Mapper
) -> tuple[FloatArray, float]:
    """Statistics (n,) and their numerical error; all data sets share the values of s."""
    low, high = (float(np.arcsinh(bound / FINE)) for bound in bounds)
    z = np.union1d(np.linspace(low, high, SCAN), 0.0)
    K, error = _nodes(model, z, tolerance, map_)
    ll = model.at(_s(z, bounds), K, map_)
    for _ in range(ROUNDS):
        new = _between(z, ll)
        if not new.size:
            break
        z, order = np.unique(np.concatenate([z, new]), return_index=True)
        ll = np.concatenate([ll, model.at(_s(new, bounds), K, map_)], axis=1)[:, order]
    neutral = ll[:, np.searchsorted(z, 0.0)]
    return np.maximum(2.0 * (_maxima(z, ll) - neutral), 0.0), 2.0 * (error + PARABOLA)


def _s(z: FloatArray, bounds: tuple[float, float]) -> FloatArray:
    return np.clip(FINE * np.sinh(z), *bounds)


def _nodes(model: Likelihood, z: FloatArray, tolerance: float, map_: Mapper) -> tuple[int, float]:
    """Coarsest grid on which some of the data are within the tolerance of the next, and the gap."""
    if model.mode == "exact":
        return 0, 0.0
    some = model.only(np.arange(min(CHECKED, model.samples.n_loci)))
    s, K = FINE * np.sinh(z), model.first_nodes
    ll = some.at(s, K, map_)
    while True:
        finer = some.at(s, 2 * K, map_)
        near = finer > finer.max(axis=1, keepdims=True) - MATTERS
        gap = float(np.abs(finer[near] - ll[near]).max())
        if gap <= tolerance or 2 * K >= MAX_NODES:
            return K, gap
        K, ll = 2 * K, finer


def _between(z: FloatArray, ll: FloatArray) -> FloatArray:
    """Values halfway to the neighbours of maxima that are not near enough."""
    best = np.argmax(ll, axis=1)
    rows, halfway = np.arange(best.size), 0.5 * (z[1:] + z[:-1])
    wanted = np.zeros(halfway.size, dtype=bool)
    for step, cell in ((-1, best - 1), (1, best)):
        inside = (cell >= 0) & (cell < halfway.size)
        near = np.clip(best + step, 0, z.size - 1)
        far = ll[rows, best] - ll[rows, near] > CLOSE
        wanted[cell[inside & far]] = True
    return np.asarray(halfway[wanted])


def _maxima(z: FloatArray, ll: FloatArray) -> FloatArray:
    """Vertices of parabolas through the largest values and their neighbours, (n,)."""
    best, rows = np.argmax(ll, axis=1), np.arange(ll.shape[0])
    middle = np.clip(best, 1, z.size - 2)
    top = ll[rows, best]
    left, right = z[middle - 1] - z[middle], z[middle + 1] - z[middle]
    with np.errstate(invalid="ignore", divide="ignore"):
        down, up = ((ll[rows, middle + k] - ll[rows, middle]) for k in (-1, 1))
        bend = (up / right - down / left) / (right - left)
        slope = down / left - bend * left
        rise = np.where(bend < 0.0, -(slope**2) / (4.0 * bend), 0.0)
    # At a bound, or next to impossible values, the largest value stands.
    return np.asarray(np.where((best == middle) & np.isfinite(rise), top + rise, top))
