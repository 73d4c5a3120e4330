"""Checks of the schedule and of the start, and what a start means at nodes or counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from refsolve.core.check import FloatArray, IntArray, one_of, real_vector, refuse
from refsolve.methods.wright_fisher.kernels import grid
from refsolve.methods.wright_fisher.model.samples import Observations

Start = str | ArrayLike

EXACT_WORK = 2e6  # terms of the chain on counts per value of s up to which "auto" is exact


def clean_sizes(sizes: ArrayLike, samples: Observations) -> FloatArray:
    """Population sizes as an array that covers every sample, or ValueError.

    Parameters
    ----------
    sizes
        Haploid chromosomes by generation.
    samples
        The samples.
    """
    array = real_vector(sizes, "sizes")
    bad = ~((array >= 1.0) & ((array == np.rint(array)) | np.isinf(array)))
    refuse(
        bad,
        "sizes",
        array,
        "must be a whole number of chromosomes, at least 1, or inf",
        "round it; a diploid individual counts as two",
    )
    refuse(
        samples.generation >= array.size,
        "generation",
        samples.generation,
        f"lies outside the schedule of sizes, which ends at {array.size - 1}",
        "extend sizes or drop the sample",
    )
    return array


def clean_number(value: float, name: str) -> float:
    """A finite number, or ValueError.

    Parameters
    ----------
    value
        The number.
    name
        Argument name for the message.
    """
    if not np.isfinite(value):
        raise ValueError(f"{name} = {value} must be a finite number; use 0.5 for additive effects")
    return float(value)


def clean_start(start: Start, mutation: tuple[float, float] | None, M0: float) -> str | FloatArray:
    """Start as its name or as a pmf over counts, or ValueError.

    Parameters
    ----------
    start, mutation
        As in `log_likelihood`.
    M0
        Size of generation 0.
    """
    if isinstance(start, str):
        one_of(start, "start", ("uniform", "stationary", "profile"))
        if (start == "stationary") != (mutation is not None):
            raise ValueError(
                f"mutation = {mutation} with start = {start!r}: the stationary start needs two "
                "scaled rates and the others take none; pass mutation=(theta_back, theta_forward)"
            )
        if mutation is not None:
            rates = real_vector(mutation, "mutation")
            refuse(
                ~((rates > 0.0) & np.isfinite(rates)),
                "mutation",
                rates,
                "must be positive and finite",
                "give scaled rates such as 2 M u",
            )
        return start
    pmf = real_vector(start, "start")
    if pmf.size != M0 + 1:
        raise ValueError(
            f"start has {pmf.size} elements; a pmf over counts needs sizes[0] + 1 = {M0 + 1:g}; "
            "spread it over 0..sizes[0]"
        )
    refuse(pmf < 0.0, "start", pmf, "is a negative probability", "correct the value")
    if abs(pmf.sum() - 1.0) > 1e-8:
        raise ValueError(f"start sums to {pmf.sum()}; a pmf must sum to 1; divide it by its sum")
    return pmf


def choose_mode(mode: str, sizes: FloatArray, n_loci: int) -> str:
    """Mode as "exact" or "grid", or ValueError.

    Parameters
    ----------
    mode
        As in `log_likelihood`.
    sizes
        Haploid chromosomes by generation.
    n_loci
        Number of loci.
    """
    one_of(mode, "mode", ("auto", "exact", "grid"))
    if mode == "exact":
        refuse(np.isinf(sizes), "sizes", sizes, "has no counts to enumerate", "use mode='grid'")
        refuse(sizes > 20000, "sizes", sizes, "is too large for mode='exact'", "use mode='grid'")
    if mode != "auto" or np.isinf(sizes).any():
        return "grid" if mode == "auto" else mode
    work = float(np.sum((sizes[:-1] + 1.0) * (sizes[1:] + 1.0))) * n_loci
    return "exact" if work <= EXACT_WORK else "grid"


def distinct_sizes(sizes: FloatArray) -> FloatArray:
    """Finite sizes that occur in generations 1..T, increasing.

    Parameters
    ----------
    sizes
        Haploid chromosomes by generation.
    """
    produced = np.unique(sizes[1:])
    return np.ascontiguousarray(produced[np.isfinite(produced)])


def index_of_sizes(sizes: FloatArray) -> IntArray:
    """Position (T+1,) of each size among the distinct ones; -1 for no drift.

    Parameters
    ----------
    sizes
        Haploid chromosomes by generation.
    """
    index = np.searchsorted(distinct_sizes(sizes), sizes)
    index[0] = 0
    return np.where(np.isfinite(sizes), index, -1).astype(np.int64)


def observed_generations(samples: Observations, n_generations: int) -> tuple[IntArray, IntArray]:
    """Generations with samples, increasing, and the position (T+1,) of each, -1 for none.

    Parameters
    ----------
    samples
        The samples.
    n_generations
        T + 1.
    """
    observed = np.unique(samples.generation)
    emission_of = np.full(n_generations, -1, np.int64)
    emission_of[observed] = np.arange(observed.size)
    return observed, emission_of


def beta_measure(forward: float, back: float, K: int) -> FloatArray:
    """Weights of the nodes for the mean under Beta(forward, back); exact to degree K.

    Clenshaw–Curtis rule: from the means of Chebyshev polynomials, by their recurrence.

    Parameters
    ----------
    forward, back
        Parameters of the beta distribution of the derived frequency.
    K
        Intervals of the grid.
    """
    total, difference = forward + back, forward - back
    mean = np.empty(K + 1)
    mean[:2] = 1.0, -difference / total
    for n in range(1, K):
        mean[n + 1] = -2.0 * difference * mean[n] - (total - n) * mean[n - 1]
        mean[n + 1] /= total + n
    mean[[0, -1]] /= 2.0
    i = np.arange(K + 1)
    weights = np.cos(np.outer(i, i) * (np.pi / K)) @ mean * (2.0 / K)
    weights[[0, -1]] /= 2.0
    return np.asarray(weights)


def around(measure: FloatArray, M0: float, K: int) -> FloatArray:
    """Node measure of the frequency of binomial(M0) counts around a frequency with `measure`.

    Parameters
    ----------
    measure
        Node measure of the expected frequency.
    M0
        Number of chromosomes.
    K
        Intervals of the grid.
    """
    if np.isinf(M0):
        return measure
    out = np.empty_like(measure)
    grid.drift_step_transposed(grid.drift_rows(np.array([M0]), K), 0, measure, out)
    return out


def beta_binomial(M0: int, forward: float, back: float) -> FloatArray:
    """Pmf (M0+1,) of the stationary count.

    Parameters
    ----------
    M0
        Number of chromosomes.
    forward, back
        Parameters of the beta distribution of the derived frequency.
    """
    j = np.arange(M0 + 1.0)
    log_pmf = gammaln(j + forward) - gammaln(j + 1.0)
    log_pmf += (gammaln(j + back) - gammaln(j + 1.0))[::-1]
    pmf = np.exp(log_pmf - log_pmf.max())
    return np.asarray(pmf / pmf.sum())
