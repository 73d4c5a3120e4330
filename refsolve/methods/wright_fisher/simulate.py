r"""Allele-frequency time series together with the truth that made them.

The paths follow eqs. (1) and (2) of `textbook`, the reads eq. (3). Nothing is estimated here.

What a naive analysis of these data gets
----------------------------------------
With :math:`c = 1 - e_{DA} - e_{AD}` and :math:`x_t` the true frequency:

(a) *Error ignored.* The derived fraction estimates :math:`q_t = e_{AD} + c\,x_t`: every change of
    frequency is attenuated by :math:`c`. To first order in :math:`s` the estimate is

    .. math:: \hat s \approx s\,c\,\frac{x(1-x)}{q(1-q)},

    too small for common alleles, and close to zero where :math:`x \ll e_{AD}`.

(b) *Error averaged over the two directions.* :math:`c` is right and so is the change of frequency,
    but the level is not: :math:`\hat x = x + (e_{AD} - e_{DA})/(2c)`, so

    .. math:: \hat s \approx s\,\frac{x(1-x)}{\hat x(1-\hat x)}.

    Damage of the derived allele (:math:`e_{DA} > e_{AD}`) puts :math:`\hat x` too low: for alleles
    that are common, :math:`\hat s` is too small; for rare ones it is too large.

(c) *Ancestral and derived exchanged.* The estimate is of :math:`-s/(1+s)`, and of :math:`1-h`.

(d) *No drift (a curve fitted to the points).* The estimate is not much biased, but its standard
    error lacks the part that more reads cannot remove: over a path that was seen perfectly

    .. math:: \mathrm{SD}(\hat s) \ge \Big\{\sum_{t=1}^{T} M_t\,x_{t-1}(1-x_{t-1})\Big\}^{-1/2}.

    The arithmetic mean size in place of a bottleneck understates it too: while :math:`x(1-x)`
    changes little, the variance of the path grows by :math:`\sum_t 1/M_t`, so the constant that
    comes closest is the harmonic mean.

(e) *No reads taken for frequency 0.* Every gap pulls the curve to zero: :math:`\hat s` is too low
    when the gap is late and too high when it is early.

(f) *Conditioning on segregation ignored* (`segregating=True`). Loss and fixation are missing from
    the data, so neutral rare alleles rise on average and common ones fall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import real_vector, refuse, whole_numbers, within
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.wright_fisher.textbook import Ploidy, simulate_path, simulate_reads

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_TRIES = 1000


class _Observable(Result):
    __slots__ = ()

    @property
    def observed(self) -> dict[str, Any]:
        """All that an analyst may see, under the argument names of an estimator."""
        names = ("generation", "derived", "total", "e_da", "e_ad", "precision")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class SimulatedSeries(_Observable):
    """One locus: what is observed, and the truth.

    Attributes
    ----------
    generation
        (K,) offsets from generation 0, one per sample.
    derived, total
        (K,) reads that show the derived allele, and all reads.
    e_da, e_ad
        (K,) probability that derived is read as ancestral, and ancestral as derived.
    precision
        Beta-binomial precision of the reads; infinite for the binomial.
    path
        (T+1,) true frequency of the derived allele in generations 0..T.
    sizes
        (T+1,) chromosomes of each generation; infinite where there is no drift.
    selection, h, ploidy
        True selection coefficient per generation, dominance, and fitness scheme.
    segregating
        Whether paths lost or fixed at the last sampled generation were drawn again.
    tries
        Paths drawn until one was kept.
    """

    generation: IntArray
    derived: IntArray
    total: IntArray
    e_da: FloatArray
    e_ad: FloatArray
    precision: float
    path: FloatArray
    sizes: FloatArray
    selection: float
    h: float
    ploidy: Ploidy
    segregating: bool
    tries: int


@dataclass(frozen=True, slots=True)
class SimulatedLoci(_Observable):
    """Independent loci of one population, sampled in the same generations.

    Attributes
    ----------
    derived, total, e_da, e_ad
        (L, K) reads and error rates.
    path
        (L, T+1) true frequencies of the derived alleles.
    selection, h, tries
        (L,) true coefficients, dominance, and paths drawn until one was kept.
    generation, precision, sizes, ploidy, segregating
        As in `SimulatedSeries`, common to all loci.
    """

    generation: IntArray
    derived: IntArray
    total: IntArray
    e_da: FloatArray
    e_ad: FloatArray
    precision: float
    path: FloatArray
    sizes: FloatArray
    selection: FloatArray
    h: FloatArray
    ploidy: Ploidy
    segregating: bool
    tries: IntArray


class _Population(NamedTuple):
    sizes: FloatArray  # (T+1,)
    selection: FloatArray  # (L,)
    start: FloatArray | None  # (L,)
    h: FloatArray  # (L,)
    ploidy: Ploidy


def simulate_trajectory(
    *,
    selection: float,
    sizes: ArrayLike,
    generation: ArrayLike,
    total: ArrayLike,
    start_frequency: float | None = None,
    h: float = 0.5,
    ploidy: Ploidy = "haploid",
    e_da: ArrayLike = 0.0,
    e_ad: ArrayLike = 0.0,
    precision: float = np.inf,
    segregating: bool = False,
    rng: RandomSource,
) -> SimulatedSeries:
    """One locus: a path of the Wright–Fisher model and reads from it.

    Parameters
    ----------
    selection
        Selection coefficient per generation, above -1.
    sizes
        Chromosomes of generations 0..T, whole numbers or infinite (no drift); a single number
        holds for all generations up to the last sample.
    generation
        (K,) generation of each sample; may repeat.
    total
        (K,) reads of each sample; 0 is a gap.
    start_frequency
        Frequency in generation 0, rounded to a count of chromosomes; None draws the count
        uniformly from 0..M.
    h, ploidy
        Dominance and fitness scheme, eq. (1).
    e_da, e_ad
        Probability that derived is read as ancestral, and ancestral as derived.
    precision
        Beta-binomial precision of the reads.
    segregating
        Keep only paths that are neither lost nor fixed at the last generation with reads.
    rng
        Seed or Generator.

    Returns
    -------
    The series with its truth.

    Raises
    ------
    ValueError
        An argument breaks its rule.
    AnalysisError
        No path segregated in 1,000 tries.

    Examples
    --------
    >>> series = simulate_trajectory(selection=0.1, sizes=400, generation=[0, 10, 20], total=50,
    ...                              start_frequency=0.2, rng=7)
    >>> series.derived, series.path[[0, 10, 20]]
    (array([10, 21, 32]), array([0.2   , 0.3425, 0.6075]))
    """
    loci = simulate_loci(
        selection=[selection],
        sizes=sizes,
        generation=generation,
        total=total,
        start_frequency=start_frequency,
        h=h,
        ploidy=ploidy,
        e_da=e_da,
        e_ad=e_ad,
        precision=precision,
        segregating=segregating,
        rng=rng,
    )
    return SimulatedSeries(
        generation=loci.generation,
        derived=loci.derived[0],
        total=loci.total[0],
        e_da=loci.e_da[0],
        e_ad=loci.e_ad[0],
        precision=loci.precision,
        path=loci.path[0],
        sizes=loci.sizes,
        selection=float(loci.selection[0]),
        h=float(loci.h[0]),
        ploidy=ploidy,
        segregating=segregating,
        tries=int(loci.tries[0]),
    )


def simulate_loci(
    *,
    selection: ArrayLike,
    sizes: ArrayLike,
    generation: ArrayLike,
    total: ArrayLike,
    start_frequency: ArrayLike | None = None,
    h: ArrayLike = 0.5,
    ploidy: Ploidy = "haploid",
    e_da: ArrayLike = 0.0,
    e_ad: ArrayLike = 0.0,
    precision: float = np.inf,
    segregating: bool = False,
    rng: RandomSource,
) -> SimulatedLoci:
    """Independent loci of one population; arguments as in `simulate_trajectory`.

    Parameters
    ----------
    selection
        (L,) one coefficient per locus.
    sizes, generation, ploidy, precision, segregating, rng
        Common to all loci.
    start_frequency, h
        One value, or (L,).
    total, e_da, e_ad
        One value, (K,), or (L, K).

    Returns
    -------
    The loci with their truth.
    """
    times = whole_numbers(np.atleast_1d(generation), "generation", minimum=0)
    if times.ndim != 1:
        raise ValueError(f"generation has shape {times.shape}; expected one per sample")
    population = _population(selection, _sizes(sizes, times), start_frequency, h, ploidy)
    shape = (population.selection.size, times.size)
    reads = _spread(whole_numbers(total, "total", minimum=0), "total", shape)
    wrong_da = _spread(within(e_da, "e_da", 0, 1, open_high=True), "e_da", shape)
    wrong_ad = _spread(within(e_ad, "e_ad", 0, 1, open_high=True), "e_ad", shape)
    if not precision > 0:
        raise ValueError(f"precision = {precision} must be above 0; use inf for the binomial")
    generator = as_generator(rng)
    path, tries = _paths(population, generator, _last(times, reads) if segregating else None)
    return SimulatedLoci(
        generation=times,
        derived=simulate_reads(path[:, times], reads, generator, wrong_da, wrong_ad, precision),
        total=reads,
        e_da=wrong_da,
        e_ad=wrong_ad,
        precision=float(precision),
        path=path,
        sizes=population.sizes,
        selection=population.selection,
        h=population.h,
        ploidy=ploidy,
        segregating=segregating,
        tries=tries,
    )


def _paths(
    population: _Population, rng: np.random.Generator, last: int | None
) -> tuple[FloatArray, IntArray]:
    """Paths (L, T+1) and tries (L,); lost and fixed ones at generation `last` are drawn again."""
    n_loci, n_generations = population.selection.size, population.sizes.size
    path, tries = np.empty((n_loci, n_generations)), np.zeros(n_loci, dtype=np.int64)
    again = np.arange(n_loci)
    for _ in range(MAX_TRIES):
        path[again] = _draw(population, again, rng)
        tries[again] += 1
        if last is None:
            return path, tries
        again = np.flatnonzero((path[:, last] == 0) | (path[:, last] == 1))
        if again.size == 0:
            return path, tries
    raise AnalysisError(
        f"locus {again[0]} was lost or fixed before generation {last} in all {MAX_TRIES} tries.",
        hint="Start nearer to 1/2, weaken selection, enlarge the population or shorten the series.",
    )


def _draw(population: _Population, loci: IntArray, rng: np.random.Generator) -> FloatArray:
    """Paths of the loci named; the starts are drawn first if they are not given."""
    first = population.sizes[0]
    if population.start is not None:
        start = population.start[loci]
    elif np.isinf(first):
        start = rng.random(loci.size)
    else:
        start = rng.integers(0, int(first), loci.size, endpoint=True) / first
    s, h = population.selection[loci], population.h[loci]
    return simulate_path(population.sizes, s, start, rng, h, population.ploidy)


def _last(times: IntArray, reads: IntArray) -> int:
    sampled = times[(reads > 0).any(axis=0)]
    if sampled.size == 0:
        raise ValueError("segregating=True needs a sample with reads; total is 0 everywhere")
    return int(sampled.max())


def _population(
    selection: ArrayLike,
    sizes: FloatArray,
    start_frequency: ArrayLike | None,
    h: ArrayLike,
    ploidy: Ploidy,
) -> _Population:
    s = real_vector(selection, "selection")
    dominance = _spread(np.asarray(h, dtype=np.float64), "h", s.shape)
    if ploidy not in ("haploid", "diploid"):
        raise ValueError(f"ploidy = {ploidy!r} must be 'haploid' or 'diploid'")
    refuse(
        ~(s > -1) | np.isinf(s), "selection", s, "must be above -1 and finite", "1+s is a fitness"
    )
    if ploidy == "diploid":
        fit = 1 + dominance * s > 0
        refuse(~fit, "h", dominance, "gives heterozygotes no offspring", "keep 1 + h·s above 0")
    start = None if start_frequency is None else _start(start_frequency, sizes[0], s.shape)
    return _Population(sizes, s, start, dominance, ploidy)


def _start(frequency: ArrayLike, size: float, shape: tuple[int, ...]) -> FloatArray:
    """Frequencies that `size` chromosomes can have, nearest to those asked for."""
    x = _spread(within(frequency, "start_frequency", 0, 1), "start_frequency", shape)
    if np.isinf(size):
        return x
    rounded = np.rint(x * size) / size
    lost = (x > 0) & (x < 1) & ((rounded == 0) | (rounded == 1))
    rule = f"is 0 or 1 when rounded to {size:.0f} chromosomes"
    refuse(lost, "start_frequency", x, rule, "start with at least one copy of each allele")
    return np.asarray(rounded)


def _sizes(sizes: ArrayLike, times: IntArray) -> FloatArray:
    last = int(times.max(initial=0))
    m = (
        np.full(last + 1, sizes, dtype=np.float64)
        if np.ndim(sizes) == 0
        else real_vector(sizes, "sizes")
    )
    whole = np.isinf(m) | (m == np.rint(m))
    refuse(~(whole & (m >= 1)), "sizes", m, "must be whole and at least 1", "count chromosomes")
    remedy = f"sizes ends with generation {m.size - 1}; give one size per generation"
    refuse(times >= m.size, "generation", times, "has no size", remedy)
    return m


def _spread(array: NDArray[Any], name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        return np.broadcast_to(array, shape).copy()
    except ValueError:
        raise ValueError(f"{name} has shape {array.shape}; expected one value or {shape}") from None
