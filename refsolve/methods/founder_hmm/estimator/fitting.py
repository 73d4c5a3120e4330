"""Genotyping error and map expansion from the calls themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from refsolve.core.check import FloatArray, IntArray, one_of
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.founder_hmm.estimator.probabilities import log_likelihood
from refsolve.methods.founder_hmm.kernels import passes
from refsolve.methods.founder_hmm.model.chains import (
    Mapper,
    by_chromosome,
    marker_errors,
    pieces,
    require_agreement,
)
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.emissions import state_genotypes
from refsolve.methods.founder_hmm.model.genotypes import Genotypes, Marks

FIRST_EXPANSION = 4.0  # changes per Morgan of eight-way lines by selfing
FIRST_ERROR = 0.02  # tolerant: wrong founder alleles would bend the first reconstruction
ERROR_BOUNDS = (1e-5, 0.45)
PRIOR_CALLS = 400.0  # weight of the common error in that of a marker, in calls
ROUNDS = 60  # of EM
EXPANSION_BOUNDS = (0.05, 400.0)
WIDTH = 1.2  # of the logarithm of the expansion around its last value
ENOUGH = 400_000  # calls from which the expansion is estimated: some lines stand for all


class Precision(NamedTuple):
    """When the estimates are good enough: relative changes, and alternations of both."""

    error: float
    expansion: float
    rounds: int


FINE, ROUGH = Precision(1e-4, 0.01, 4), Precision(0.03, 0.05, 1)


@dataclass(frozen=True, slots=True, eq=False)
class FounderFit(Result):
    """Error rates and map expansion.

    Attributes
    ----------
    design
        The population, with its expansion.
    error
        Genotyping error (M,) to reconstruct with.
    common_error
        One number for all markers: expected mismatches per call.
    expansion
        Factor on distances; changes of founder per Morgan in an `exchangeable` design.
    log_likelihood
        Of all calls.
    mismatch
        Expected share of wrong calls (M,) at each marker; NaN where nothing was called.
    genotyped
        Calls (M,) at each marker.
    n_rounds
        Rounds of EM.
    converged
        The error changed by less than its tolerance in the last round.
    expansion_at_bound
        The likelihood rises to an end of the range that was searched.
    """

    design: Design
    error: FloatArray
    common_error: float
    expansion: float
    log_likelihood: float
    mismatch: FloatArray
    genotyped: IntArray
    n_rounds: int
    converged: bool
    expansion_at_bound: bool


class _Rates(NamedTuple):
    error: FloatArray
    common: float
    wrong: FloatArray
    value: float
    rounds: int
    converged: bool


class _Task(NamedTuple):
    where: slice
    genotypes: Genotypes
    design: Design
    error: FloatArray


def informative_calls(genotypes: Genotypes, design: Design) -> Marks:
    """Calls (n, M) that say something: not missing, and not heterozygous in inbred lines.

    Parameters
    ----------
    genotypes
        With calls.
    design
        The population.
    """
    if genotypes.calls is None:
        raise ValueError("error rates are learnt from calls; with a likelihood, pass error=0")
    return np.asarray((genotypes.calls >= 0) & (genotypes.calls <= design.ploidy))


def fit_founders(
    genotypes: Genotypes,
    design: Design,
    *,
    error: str | ArrayLike = "common",
    map_: Mapper = map,
) -> FounderFit:
    """Estimate the genotyping error by EM, and the map expansion where the design leaves it open.

    Calls that contradict their neighbours are errors, or segments that end before the next marker.
    In inbred lines changes of founder cluster more than any chain without memory holds, so that
    some short segments count as errors: with a marker every 1.7 cM in eight-way lines by selfing,
    an error of 0.50 % is estimated as 0.63 %.

    Parameters
    ----------
    genotypes
        Calls; with likelihoods there is no error to estimate, so pass 0.
    design
        The population.
    error
        `common`: one error is estimated; `marker`: one for each, shrunk to the common one; numbers,
        one or (M,), are kept.
    map_
        Mapper over chromosomes.

    Raises
    ------
    AnalysisError
        Nothing was called.

    Examples
    --------
    >>> import numpy as np
    >>> from refsolve.methods.founder_hmm import Genotypes, exchangeable, fit_founders
    >>> founders = np.array([[0, 1], [1, 0]] * 20)
    >>> calls = founders.T[np.arange(40) % 2].copy()
    >>> calls[:4, 5] = 1 - calls[:4, 5]
    >>> lines = Genotypes(calls, founders, np.arange(40.0))
    >>> round(fit_founders(lines, exchangeable(2, 2.0)).common_error, 3)
    0.002
    """
    require_agreement(genotypes, design)
    if isinstance(error, str):
        one_of(error, "error", ("common", "marker"))
        informative_calls(genotypes, design)
    if genotypes.calls is not None and not informative_calls(genotypes, design).any():
        raise AnalysisError("No line was called at any marker.", hint="Check the calls.")
    return estimate(genotypes, design, error, None, FINE, map_)


def estimate(
    genotypes: Genotypes,
    design: Design,
    error: str | ArrayLike,
    start: FounderFit | None,
    precision: Precision,
    map_: Mapper,
) -> FounderFit:
    """Error and expansion from those of an earlier fit, as precisely as asked."""
    kept = None if isinstance(error, str) else marker_errors(error, genotypes)
    known = design.expansion is not None
    now, rough = design, np.full(genotypes.n_markers, FIRST_ERROR)
    if start is not None:
        now, rough = start.design, start.error
    elif not known:
        now = design.with_expansion(FIRST_EXPANSION if design.kind == "exchangeable" else 1.0)
    task = _Search(genotypes, kept, error == "marker", precision, map_)
    rates, at_bound = _em(task, now, rough if kept is None else kept), False
    for _ in range(0 if known else precision.rounds):
        before = now
        now, at_bound = _best_expansion(genotypes, now, rates.error, precision.expansion)
        rates = _em(task, now, rates.error)
        if abs(np.log(_expansion(now) / _expansion(before))) < 2.0 * precision.expansion:
            break
    return _fit(genotypes, now, rates, at_bound)


def _fit(genotypes: Genotypes, design: Design, rates: _Rates, at_bound: bool) -> FounderFit:
    if genotypes.calls is None:
        count = np.full(genotypes.n_markers, genotypes.n_lines)
        share = np.full(genotypes.n_markers, np.nan)
    else:
        count = informative_calls(genotypes, design).sum(axis=0)
        share = np.where(count > 0, rates.wrong / np.maximum(count, 1), np.nan)
    return FounderFit(
        design=design,
        error=rates.error,
        common_error=rates.common,
        expansion=_expansion(design),
        log_likelihood=rates.value,
        mismatch=share,
        genotyped=count,
        n_rounds=rates.rounds,
        converged=rates.converged,
        expansion_at_bound=at_bound,
    )


class _Search(NamedTuple):
    genotypes: Genotypes
    kept: FloatArray | None
    by_marker: bool
    precision: Precision
    map_: Mapper


def _em(task: _Search, design: Design, error: FloatArray) -> _Rates:
    """Rounds of EM from the errors given; only the counts where errors are kept.

    Every other round of a common error goes on by the ratio of the last two steps (Aitken).
    """
    if task.genotypes.calls is None:
        value = float(log_likelihood(task.genotypes, design, error).sum())
        nothing = np.full(error.size, np.nan)
        return _Rates(error, float("nan"), nothing, value, 0, True)
    count = informative_calls(task.genotypes, design).sum(axis=0)
    common, step = float(error.mean()), 0.0
    for k in range(ROUNDS):
        wrong, value = expected_mismatches(task.genotypes, design, error, task.map_)
        found = float(np.clip(wrong.sum() / count.sum(), *ERROR_BOUNDS))
        if task.kept is not None:
            return _Rates(task.kept, found, wrong, value, 1, True)
        last, step = step, np.log(found / common)
        common = found
        if abs(step) <= task.precision.error:
            break
        ratio = step / last if last else 0.0
        if not task.by_marker and k % 2 == 1 and 0.0 < ratio < 0.9:
            ahead = common * np.exp(step * ratio / (1.0 - ratio))
            common, step = float(np.clip(ahead, *ERROR_BOUNDS)), 0.0
        error = _errors(wrong, count, common, task.by_marker)
    final = _errors(wrong, count, common, task.by_marker)
    return _Rates(final, common, wrong, value, k + 1, abs(step) <= task.precision.error)


def _errors(wrong: FloatArray, count: IntArray, common: float, by_marker: bool) -> FloatArray:
    if not by_marker:
        return np.full(wrong.size, common)
    shrunk = (wrong + PRIOR_CALLS * common) / (count + PRIOR_CALLS)
    return np.asarray(np.clip(shrunk, *ERROR_BOUNDS))


def expected_mismatches(
    genotypes: Genotypes, design: Design, error: FloatArray, map_: Mapper = map
) -> tuple[FloatArray, float]:
    """Expected wrong calls (M,) and the log-likelihood, eq. (11).

    Parameters
    ----------
    genotypes
        Calls.
    design
        The population, with an expansion.
    error
        Genotyping error (M,).
    map_
        Mapper over chromosomes.
    """
    wrong, values = np.empty(genotypes.n_markers), {}
    for where, sums, value in map_(_mismatches, _tasks(genotypes, design, error)):
        wrong[where] = sums
        values[where.start] = value
    return wrong, float(sum(values[first] for first in sorted(values)))


def _tasks(genotypes: Genotypes, design: Design, error: FloatArray) -> Iterator[_Task]:
    for _, label, where in by_chromosome(genotypes):
        yield _Task(where, genotypes.only(label), design, error[where])


def _mismatches(task: _Task) -> tuple[slice, FloatArray, float]:
    match, value = match_probability(task.genotypes, task.design, task.error)
    wrong = (1.0 - match) * task.error / task.design.ploidy
    share = wrong / (wrong + match * (1.0 - task.error))
    return task.where, np.nansum(share, axis=0), value


def match_probability(
    genotypes: Genotypes, design: Design, error: FloatArray
) -> tuple[FloatArray, float]:
    """Probability (n, M) that a call is right by the other markers, NaN without; log-likelihood.

    Parameters
    ----------
    genotypes
        Calls of one chromosome.
    design
        The population, with an expansion.
    error
        Genotyping error (M,).
    """
    unknown = 0.5 if isinstance(genotypes.unknown, str) else genotypes.unknown
    states = state_genotypes(genotypes.founders, design, unknown)
    match, total = np.empty((genotypes.n_lines, genotypes.n_markers)), 0.0
    for piece in pieces(genotypes, design, error):
        part, value = np.empty(piece.chain.code.shape), np.empty(len(piece.chain.code))
        here = np.ascontiguousarray(states[:, piece.founder])
        passes.matches(*piece.chain, here, part, value)
        match[piece.rows] = part
        total += float(value.sum())
    return match, total


def _expansion(design: Design) -> float:
    assert design.expansion is not None
    return design.expansion


def _best_expansion(
    genotypes: Genotypes, design: Design, error: FloatArray, tolerance: float
) -> tuple[Design, bool]:
    """The design with the likeliest expansion, and whether that is at an end of its range."""
    some = -(-ENOUGH // genotypes.n_markers)
    part, thin = genotypes, design
    if some < genotypes.n_lines:
        rows = np.linspace(0, genotypes.n_lines - 1, some).astype(np.intp)
        part = genotypes.lines(rows)
        thin = design if design.order.ndim == 1 else replace(design, order=design.order[rows])

    def loss(x: float) -> float:
        return -float(log_likelihood(part, thin.with_expansion(np.exp(x)), error).sum())

    ends = np.log(EXPANSION_BOUNDS)
    middle = np.log(_expansion(design))
    low, high = max(middle - WIDTH, ends[0]), min(middle + WIDTH, ends[1])
    while True:
        found = minimize_scalar(
            loss, bounds=(low, high), method="bounded", options={"xatol": tolerance}
        )
        best = float(found.x)
        inside = min(best - low, high - best) > 3.0 * tolerance
        if inside or (low, high) == tuple(ends):
            return design.with_expansion(float(np.exp(best))), not inside
        low, high = ends
