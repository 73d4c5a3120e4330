"""How the calls at every marker agree with what its neighbours tell of the founders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.methods.founder_hmm.estimator.fitting import (
    FounderFit,
    informative_calls,
    match_probability,
)
from refsolve.methods.founder_hmm.estimator.probabilities import predict_chromosome
from refsolve.methods.founder_hmm.kernels import orientation
from refsolve.methods.founder_hmm.model.chains import Mapper, by_chromosome
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.genotypes import Genotypes


@dataclass(frozen=True, slots=True, eq=False)
class MarkerEvidence(Result):
    """How every marker agrees with its neighbours.

    Attributes
    ----------
    log_ratio
        Log-likelihood ratio (M,) of founder alleles exchanged against as recorded, given the other
        markers, each with its likeliest error rate of at most one half; 0 without calls.
    association
        Log-likelihood ratio (M,) of the better orientation against calls that have nothing to do
        with the founders; 0 without calls.
    error_rate
        Likeliest share (M,) of calls that contradict the recorded alleles, given the other
        markers; above one half speaks for exchanged alleles. NaN without calls.
    disagreement
        Expected share (M,) of calls that differ from the allele of the founder that was inferred
        with the marker itself. NaN without calls.
    n_calls
        Calls (M,).
    """

    log_ratio: FloatArray
    association: FloatArray
    error_rate: FloatArray
    disagreement: FloatArray
    n_calls: IntArray


class _Task(NamedTuple):
    where: slice
    genotypes: Genotypes
    design: Design
    error: FloatArray


def _tasks(genotypes: Genotypes, fit: FounderFit) -> Iterator[_Task]:
    for _, label, where in by_chromosome(genotypes):
        yield _Task(where, genotypes.only(label), fit.design, fit.error[where])


def marker_evidence(genotypes: Genotypes, fit: FounderFit, *, map_: Mapper = map) -> MarkerEvidence:
    """Compare the calls at every marker with what the other markers predict.

    Parameters
    ----------
    genotypes
        Calls.
    fit
        Error and expansion.
    map_
        Mapper over chromosomes.
    """
    M = genotypes.n_markers
    fits, wrong = np.empty((M, 3)), np.empty(M)
    for where, rates, sums in map_(_evidence, _tasks(genotypes, fit)):
        fits[where], wrong[where] = rates, sums
    count = informative_calls(genotypes, fit.design).sum(axis=0)
    called = count > 0
    alone = unlinked(genotypes, fit.design)
    return MarkerEvidence(
        log_ratio=np.where(called, fits[:, 2] - fits[:, 1], 0.0),
        association=np.where(called, fits[:, 1:].max(axis=1) - alone, 0.0),
        error_rate=np.where(called, fits[:, 0], np.nan),
        disagreement=np.where(called, wrong / np.maximum(count, 1), np.nan),
        n_calls=count,
    )


def _evidence(task: _Task) -> tuple[slice, FloatArray, FloatArray]:
    match, _ = match_probability(task.genotypes, task.design, task.error)
    fits = np.empty((match.shape[1], 3))
    orientation.mismatch_fits(np.clip(match, 1e-12, 1.0 - 1e-12), fits)
    seen = np.empty((*match.shape, task.design.ploidy + 1))
    predict_chromosome(task.genotypes, task.design, task.error, True, seen)
    known = ~np.isnan(match)
    code = np.where(known, np.asarray(task.genotypes.calls), 0)[:, :, None].astype(np.intp)
    right = np.take_along_axis(seen, code, axis=2)[:, :, 0]
    return task.where, fits, np.where(known, 1.0 - right, 0.0).sum(axis=0)


def unlinked(genotypes: Genotypes, design: Design) -> FloatArray:
    """Log-likelihood (M,) of the calls at each marker by their own frequencies alone.

    Parameters
    ----------
    genotypes
        Calls.
    design
        The population.
    """
    known = informative_calls(genotypes, design)
    total = known.sum(axis=0)
    counts = [(known & (genotypes.calls == g)).sum(axis=0) for g in range(design.ploidy + 1)]
    return np.asarray(sum(xlogy(c, c / np.maximum(total, 1)) for c in counts))
