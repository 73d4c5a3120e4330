"""Lines that are not what they are called: duplicates, bad calls, exchanged names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.methods.founder_hmm.estimator.fitting import (
    FounderFit,
    informative_calls,
    match_probability,
)
from refsolve.methods.founder_hmm.estimator.probabilities import log_likelihood
from refsolve.methods.founder_hmm.model.chains import by_chromosome
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.genotypes import Genotypes

if TYPE_CHECKING:
    import pandas as pd

MOST = 60  # lines whose orders are compared with each other
ALIKE = 0.02  # share of different calls, beyond what errors explain, of duplicates
FEWEST = 30  # calls that two lines must share


@dataclass(frozen=True, slots=True, eq=False)
class LineCheck(Result):
    """What the calls of every line say about it.

    Attributes
    ----------
    error_rate
        Expected share of wrong calls (n,); NaN without calls.
    missing
        Share of calls (n,) that are missing, or heterozygous in inbred lines.
    log_likelihood
        Of each line (n,).
    duplicates
        Pairs of lines (D, 2) that differ by no more than errors.
    swapped
        Pairs of lines (P, 2) that are likelier with the funnel orders of each other.
    log_ratio
        Log-likelihood ratio (P,) of exchanged orders against as named.
    threshold
        What it has to exceed.
    """

    error_rate: FloatArray
    missing: FloatArray
    log_likelihood: FloatArray
    duplicates: IntArray
    swapped: IntArray
    log_ratio: FloatArray
    threshold: float

    def to_frame(self) -> pd.DataFrame:
        """One row per line."""
        import pandas as pd

        return pd.DataFrame(
            {name: getattr(self, name) for name in ("error_rate", "missing", "log_likelihood")}
        )


def check_lines(genotypes: Genotypes, fit: FounderFit) -> LineCheck:
    """Look for duplicates, for lines with many errors, and for exchanged names.

    Duplicates are told by calls alone: on one short chromosome independent lines can share a
    founder nearly everywhere, and a pair means something only on a genome of several.

    Names are compared through funnel orders, where the design has one for each line. They tell
    little in a funnel of all founders, because changes between partners are only somewhat more
    frequent than others: without a clear ratio nothing is called exchanged.

    Parameters
    ----------
    genotypes
        Calls.
    fit
        Error and expansion.
    """
    known = informative_calls(genotypes, fit.design)
    wrong = np.zeros(genotypes.n_lines)
    for _, label, where in by_chromosome(genotypes):
        error = fit.error[where]
        match, _ = match_probability(genotypes.only(label), fit.design, error)
        share = (1.0 - match) * error / fit.design.ploidy
        wrong += np.nansum(share / (share + match * (1.0 - error)), axis=1)
    count = known.sum(axis=1)
    value = log_likelihood(genotypes, fit.design, fit.error).sum(axis=1)
    threshold = float(np.log(genotypes.n_lines * (genotypes.n_lines - 1) / 2.0 / 0.01 + 1.0))
    pairs, ratio = _swaps(genotypes, fit, value, threshold)
    return LineCheck(
        error_rate=np.where(count > 0, wrong / np.maximum(count, 1), np.nan),
        missing=1.0 - count / genotypes.n_markers,
        log_likelihood=value,
        duplicates=_duplicates(genotypes, fit),
        swapped=pairs,
        log_ratio=ratio,
        threshold=threshold,
    )


def _duplicates(genotypes: Genotypes, fit: FounderFit) -> IntArray:
    known = informative_calls(genotypes, fit.design).astype(np.float64)
    calls = np.asarray(genotypes.calls)
    same = sum(
        (known * (calls == code)) @ (known * (calls == code)).T
        for code in range(fit.design.ploidy + 1)
    )
    shared = known @ known.T
    apart = 1.0 - same / np.maximum(shared, 1.0)
    limit = ALIKE + 2.0 * fit.common_error
    alike = np.triu((apart <= limit) & (shared >= FEWEST), 1)
    return np.argwhere(alike)


def _swaps(
    genotypes: Genotypes, fit: FounderFit, value: FloatArray, threshold: float
) -> tuple[IntArray, FloatArray]:
    """Pairs with a ratio beyond the threshold, the clearest first, no line twice."""
    design = fit.design
    none = np.zeros((0, 2), np.int64), np.zeros(0)
    if design.order.ndim == 1:
        return none
    mean = replace(design, kind=f"{design.kind}-unknown", order=np.arange(design.n_founders))
    doubt = value - log_likelihood(genotypes, mean, fit.error).sum(axis=1)
    some = np.argsort(doubt, kind="stable")[:MOST]
    cross = np.array(
        [_under(genotypes.lines(some), design, o, fit.error) for o in design.order[some]]
    )
    own = np.diag(cross)
    ratio = np.triu(cross + cross.T - own[:, None] - own[None, :], 1)
    pairs: list[list[int]] = []
    ratios: list[float] = []
    used: set[int] = set()
    for at in np.argsort(-ratio, axis=None):
        i, j = divmod(int(at), some.size)
        if ratio[i, j] <= threshold:
            break
        if not {i, j} & used:
            used |= {i, j}
            pairs.append(sorted((int(some[i]), int(some[j]))))
            ratios.append(float(ratio[i, j]))
    return (np.array(pairs), np.array(ratios)) if pairs else none


def _under(genotypes: Genotypes, design: Design, order: IntArray, error: FloatArray) -> FloatArray:
    """Log-likelihood of every line under one order."""
    one = replace(design, order=order)
    return np.asarray(log_likelihood(genotypes, one, error).sum(axis=1))
