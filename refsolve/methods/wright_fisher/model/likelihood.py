"""Log-likelihood of a selection coefficient from allele frequencies seen through time, eq. (4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, one_of, real_vector, refuse
from refsolve.core.result import Result
from refsolve.methods.wright_fisher.kernels import grid
from refsolve.methods.wright_fisher.model.evaluation import Setting, emissions, evaluate
from refsolve.methods.wright_fisher.model.inputs import (
    Start,
    around,
    beta_binomial,
    beta_measure,
    choose_mode,
    clean_number,
    clean_sizes,
    clean_start,
    distinct_sizes,
    index_of_sizes,
    observed_generations,
)
from refsolve.methods.wright_fisher.model.samples import Observations

BoolArray = NDArray[np.bool_]
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
MAX_NODES = 1024  # finest grid
LOCI_AT_ONCE = 4096  # bounds the memory of emissions
S_AT_ONCE = 16  # values of s in one task
FAR = 15.0  # log units below the maximum, where the grid is not refined for accuracy
GAIN = 8.0  # claimed of each doubling of the grid; it gains 30 or more in every case tried
TYPICAL = 64.0  # the error of one s is at least this part of the largest near the maximum: a change
# between two grids crosses zero somewhere, and says little there
ROUNDING = 1e-14  # relative error of a log-likelihood per generation


@dataclass(frozen=True, slots=True)
class LikelihoodCurve(Result):
    """Log-likelihood over selection coefficients.

    Attributes
    ----------
    s
        Selection coefficients (S,), per generation.
    log_likelihood
        Natural log of the probability of the data, (S,), or (L, S) for L loci.
    error
        Bound on the numerical error of `log_likelihood`, same shape: an eighth of the change from
        the grid of half as many nodes (all of it above 0.1), or rounding in exact mode.
    mode
        "exact" or "grid".
    n_nodes
        Intervals K of the finest grid used; 0 in exact mode.
    """

    s: FloatArray
    log_likelihood: FloatArray
    error: FloatArray
    mode: str
    n_nodes: int


def log_likelihood(
    samples: Observations,
    sizes: ArrayLike,
    s: ArrayLike,
    *,
    h: float = 0.5,
    ploidy: str = "haploid",
    start: Start = "uniform",
    mutation: tuple[float, float] | None = None,
    mode: str = "auto",
    tolerance: float = 1e-3,
    map_: Mapper = map,
) -> LikelihoodCurve:
    """Log-likelihood of every selection coefficient in `s`.

    Parameters
    ----------
    samples
        Reads or genotypes by generation.
    sizes
        Haploid chromosomes of every generation (T+1,): whole numbers, or inf for no drift.
        `sizes[t]` is the size of the generation produced at t; `sizes[0]` matters for `start` only.
    s
        Selection coefficients, above -1; positive values favour the derived allele.
    h
        Dominance: fitness 1, 1 + hs, 1 + s of the diploid genotypes. Not used for haploids.
    ploidy
        "haploid" (fitness 1 and 1 + s) or "diploid".
    start
        Distribution of the derived count at generation 0: "uniform" over 0..M_0, "stationary"
        (beta-binomial, needs `mutation`), "profile" (the frequency that maximises the likelihood:
        any frequency on the grid, a count in exact mode), or a pmf over 0..M_0.
    mutation
        Scaled rates (theta_back, theta_forward) of derived-to-ancestral and ancestral-to-derived
        mutation; the stationary frequency is Beta(theta_forward, theta_back).
    mode
        "exact" (chain on counts), "grid", or "auto": exact where that is cheap.
    tolerance
        Numerical error aimed at, in log units, within 15 units of the maximum. Farther down the
        curve of one locus is only made finite, that of many loci may be -inf; the achieved error
        is reported everywhere.
    map_
        Mapper over independent chunks of `s`.

    Returns
    -------
    The curve with its achieved error.
    """
    model = Likelihood(
        samples, sizes, h=h, ploidy=ploidy, start=start, mutation=mutation, mode=mode
    )
    return model.curve(s, tolerance, map_)


class Likelihood:
    """Data, schedule and start, ready to be evaluated at many values of s.

    Parameters
    ----------
    samples, sizes, h, ploidy, start, mutation, mode
        As in `log_likelihood`.
    """

    def __init__(
        self,
        samples: Observations,
        sizes: ArrayLike,
        *,
        h: float = 0.5,
        ploidy: str = "haploid",
        start: Start = "uniform",
        mutation: tuple[float, float] | None = None,
        mode: str = "auto",
    ) -> None:
        checked = clean_sizes(sizes, samples)
        self.samples = samples
        self.sizes = checked[: int(samples.generation.max()) + 1]
        self.h = clean_number(h, "h")
        self.diploid = one_of(ploidy, "ploidy", ("haploid", "diploid")) == "diploid"
        self.start = clean_start(start, mutation, self.sizes[0])
        self.mutation = mutation
        self.mode = choose_mode(mode, self.sizes, samples.n_loci)
        self._drift: dict[int, grid.Drift] = {}
        self._settings: dict[tuple[int, int | None], Setting] = {}

    def with_dominance(self, h: float) -> Likelihood:
        """The same likelihood at another dominance; operators of drift are shared.

        Parameters
        ----------
        h
            Dominance.
        """
        other = object.__new__(Likelihood)
        other.__dict__.update(self.__dict__, h=clean_number(h, "h"))
        return other

    @property
    def first_nodes(self) -> int:
        """Intervals of the coarsest grid that resolves one sample."""
        K = 32
        while K < 8.0 * np.sqrt(self.samples.sharpness) and K < MAX_NODES // 2:
            K *= 2
        return K

    def curve(self, s: ArrayLike, tolerance: float = 1e-3, map_: Mapper = map) -> LikelihoodCurve:
        """Log-likelihoods on grids refined until two agree, or in exact mode.

        Parameters
        ----------
        s, tolerance, map_
            As in `log_likelihood`.
        """
        values = self.clean_s(s)
        if not tolerance > 0.0:
            raise ValueError(f"tolerance = {tolerance} must be positive; try 1e-3")
        if self.mode == "exact":
            ll, K = self.at(values, 0, map_), 0
            error = np.zeros_like(ll)
        else:
            ll, error, K = self._refined(values, tolerance, map_)
        error = error + self.rounding(ll)
        if not self.samples.stacked:
            ll, error = ll[0], error[0]
        return LikelihoodCurve(values, ll, error, self.mode, K)

    def _refined(
        self, s: FloatArray, tolerance: float, map_: Mapper
    ) -> tuple[FloatArray, FloatArray, int]:
        K = self.first_nodes
        ll = self.at(s, K, map_)
        error = np.full_like(ll, np.inf)
        needed = np.ones(ll.shape, dtype=bool)
        while needed.any() and K < MAX_NODES:
            K *= 2
            coarse = ll.copy()
            for rows, columns in _blocks(needed):
                part = np.ix_(rows, columns)
                ll[part] = self.only(rows).at(s[columns], K, map_)
                error[part] = _gap(ll[part], coarse[part])
            needed &= _open(ll, coarse, error, tolerance)
        near = ll >= np.max(ll, axis=1, keepdims=True) - FAR
        typical = np.max(np.where(near, error, 0.0), axis=1, keepdims=True) / TYPICAL
        return ll, np.maximum(error, typical), K

    def only(self, loci: IntArray) -> Likelihood:
        """The likelihood of some of the loci; operators of drift are shared.

        Parameters
        ----------
        loci
            Rows to keep.
        """
        if loci.size == self.samples.n_loci:
            return self
        other = object.__new__(Likelihood)
        other.__dict__.update(self.__dict__, samples=self.samples.select(loci), _settings={})
        return other

    def rounding(self, ll: FloatArray) -> FloatArray:
        """Rounding error attributed to log-likelihoods.

        Parameters
        ----------
        ll
            Log-likelihoods.
        """
        size = 1.0 + np.abs(np.where(np.isfinite(ll), ll, 0.0))
        return ROUNDING * (100.0 + self.sizes.size) * size

    def clean_s(self, s: ArrayLike, name: str = "s") -> FloatArray:
        """Selection coefficients as an array, or ValueError.

        Parameters
        ----------
        s
            Selection coefficients.
        name
            Argument name for the message.
        """
        values = real_vector(np.atleast_1d(np.asarray(s, dtype=np.float64)), name)
        refuse(
            ~((values > -1.0) & np.isfinite(values)),
            name,
            values,
            "must be finite and above -1",
            "fitness 1 + s must be positive",
        )
        if self.diploid:
            refuse(
                1.0 + self.h * values < 0.0,
                name,
                values,
                f"gives heterozygotes the negative fitness 1 + hs with h = {self.h:g}",
                "keep hs at or above -1",
            )
        return values

    def at(self, s: FloatArray, K: int, map_: Mapper = map) -> FloatArray:
        """Log-likelihood (L, S) on the grid of K intervals; K = 0 is exact.

        Parameters
        ----------
        s
            Selection coefficients (S,).
        K
            Intervals of the grid.
        map_
            Mapper over chunks of `s`.
        """
        out = np.empty((self.samples.n_loci, s.size))
        # Neighbours go together: the rows of C_s of one group of lanes then overlap.
        order = np.argsort(s, kind="stable")
        tasks = [(i, s[order[i : i + S_AT_ONCE]]) for i in range(0, s.size, S_AT_ONCE)]
        for first in range(0, self.samples.n_loci, LOCI_AT_ONCE):
            loci = slice(first, first + LOCI_AT_ONCE)
            for i, ll in map_(partial(evaluate, self.setting(K, loci), self.h), tasks):
                out[loci, order[i : i + S_AT_ONCE]] = ll
        if np.isnan(out).any():
            raise FloatingPointError("a log-likelihood is not a number; please report the data")
        return out

    def setting(self, K: int, loci: slice = slice(None)) -> Setting:
        """Everything about the data and the schedule that depends on neither s nor h.

        Parameters
        ----------
        K
            Intervals of the grid; 0 for counts.
        loci
            Loci to include.
        """
        key = (K, loci.start)
        if key not in self._settings:
            samples = self.samples.select(loci) if self.samples.stacked else self.samples
            observed, emission_of = observed_generations(samples, self.sizes.size)
            emission, constant = emissions(samples, self.sizes, observed, K)
            setting = Setting(
                self.diploid,
                self.sizes,
                self.start_measure(K),
                observed,
                emission,
                emission_of,
                constant,
                self.drift(K) if K else None,
                index_of_sizes(self.sizes),
            )
            # One chunk of many loci is enough to hold; the next one takes its place.
            if self.samples.n_loci > LOCI_AT_ONCE:
                self._settings.clear()
            self._settings[key] = setting
        return self._settings[key]

    def drift(self, K: int) -> grid.Drift:
        """Operators of drift of the distinct finite sizes of generations 1..T.

        Parameters
        ----------
        K
            Intervals of the grid.
        """
        if K not in self._drift:
            self._drift[K] = _shared_drift(tuple(distinct_sizes(self.sizes).tolist()), K)
        return self._drift[K]

    def start_measure(self, K: int) -> FloatArray | None:
        """Weights of u_0 at the nodes (counts for K = 0), or None for the profile.

        Parameters
        ----------
        K
            Intervals of the grid; 0 for counts.
        """
        M0 = self.sizes[0]
        if isinstance(self.start, np.ndarray):
            if not K:
                return self.start
            count = np.arange(M0 + 1)
            position = np.arctan2(np.sqrt(count), np.sqrt(M0 - count)) * (2 * K / np.pi)
            return grid.point_measure(position, self.start, K)
        if self.start == "profile":
            return None
        forward, back = (1.0, 1.0) if self.mutation is None else self.mutation[::-1]
        if not K:
            return beta_binomial(int(M0), forward, back)
        return around(beta_measure(forward, back, K), M0, K)


def _open(ll: FloatArray, coarse: FloatArray, error: FloatArray, tolerance: float) -> BoolArray:
    """Where (L, S) a finer grid is needed: outside `tolerance`, unless far below the maximum.

    Two grids must agree that a point is far; the curve of a single locus is made finite there.
    """
    top = np.max(ll, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        far = (ll < top - FAR) & (coarse < top - FAR)
    if ll.shape[0] == 1:
        far &= np.isfinite(ll)
    return np.asarray(~far & ~(error <= tolerance))


def _blocks(needed: NDArray[np.bool_]) -> Iterator[tuple[IntArray, IntArray]]:
    """Loci and values of s to refine together: all at first, then neighbours in s."""
    columns = np.flatnonzero(needed.any(axis=0))
    pieces = 1 if needed.all() or needed.shape[0] == 1 else -(-columns.size // S_AT_ONCE)
    for some in np.array_split(columns, pieces):
        yield np.flatnonzero(needed[:, some].any(axis=1)), some


def _gap(a: FloatArray, b: FloatArray) -> FloatArray:
    """Bound on the error of a log-likelihood from that of the grid of half as many nodes."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(a - b)
    difference = np.where(np.isfinite(difference), difference, np.inf)
    return np.where(difference < 0.1, difference / GAIN, difference)


@lru_cache(maxsize=4)
def _shared_drift(sizes: tuple[float, ...], K: int) -> grid.Drift:
    """Operators of drift; loci of one schedule that are fitted one by one share them."""
    return grid.drift_rows(np.array(sizes), K)
