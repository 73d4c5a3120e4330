"""Whether two parents share the fraction and the time of their pulse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import chdtrc

from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.tracts.estimator.pulse import PulseFit, fit_pulse
from refsolve.methods.tracts.kernels import pulse
from refsolve.methods.tracts.model.container import Tracts
from refsolve.methods.tracts.model.counts import PathCounts, count_paths
from refsolve.methods.tracts.model.inputs import time_of_rate
from refsolve.methods.tracts.model.pulse import statistics


@dataclass(frozen=True, slots=True, eq=False)
class HaplotypeComparison(Result):
    """Likelihood-ratio tests of what two or more haplotypes have in common.

    Attributes
    ----------
    fit
        Each haplotype by itself.
    fraction, time
        The fraction with times of their own, and the time with fractions of their own, that fit
        all haplotypes best.
    lrt_fraction, p_fraction
        Statistic and p-value of one common fraction; one degree of freedom less per haplotype.
    lrt_time, p_time
        Of one common time.
    lrt_both, p_both
        Of both in common.
    """

    fit: PulseFit
    fraction: float
    time: float
    lrt_fraction: float
    p_fraction: float
    lrt_time: float
    p_time: float
    lrt_both: float
    p_both: float


def compare_haplotypes(
    tracts: Tracts | PathCounts, *, gaps: str = "integrate", convention: str = "founders"
) -> HaplotypeComparison:
    """Test whether haplotypes share the fraction, the time, or both.

    Parameters
    ----------
    tracts
        Tracts of the haplotypes to compare, or counts with one group for each.
    gaps
        As in `count_paths`.
    convention
        As in `rate_of_time`.

    Raises
    ------
    AnalysisError
        A haplotype shows one ancestry only.
    """
    counts = tracts if isinstance(tracts, PathCounts) else count_paths(tracts, gaps=gaps)
    fit = fit_pulse(counts, convention=convention)
    lonely = np.flatnonzero(~fit.identified | fit.at_bound)
    if lonely.size or counts.n_groups < 2:
        raise AnalysisError(
            f"Haplotype {lonely[0]} shows one ancestry only or no switch."
            if lonely.size
            else "There is one haplotype.",
            hint="Compare haplotypes with switches between both ancestries.",
        )
    apart = float(fit.log_likelihood.sum())
    together = float(fit_pulse(counts.pooled()).log_likelihood[0])
    rate, with_rate = _common(counts, 0, np.log(fit.rate))
    fraction, with_fraction = _common(counts, 1, np.log(fit.fraction / (1.0 - fit.fraction)))
    lost = counts.n_groups - 1
    lrt = [max(0.0, 2.0 * (apart - v)) for v in (with_fraction, with_rate, together)]
    return HaplotypeComparison(
        fit=fit,
        fraction=fraction,
        time=float(time_of_rate(rate, convention)),
        lrt_fraction=lrt[0],
        p_fraction=float(chdtrc(lost, lrt[0])),
        lrt_time=lrt[1],
        p_time=float(chdtrc(lost, lrt[1])),
        lrt_both=lrt[2],
        p_both=float(chdtrc(2 * lost, lrt[2])),
    )


def _common(counts: PathCounts, which: int, own: np.ndarray) -> tuple[float, float]:
    """Common rate (which = 0) or fraction (1), and the log-likelihood with the other one free."""
    x, out = statistics(counts), np.empty(6)

    def cost(z: float) -> float:
        value = pulse.transformed(which, z)
        total = 0.0
        for g in range(x.shape[0]):
            gaps = (counts.gap_from, counts.gap_to, counts.gap_length)
            ends = (counts.gap_start[g], counts.gap_start[g + 1])
            total += pulse.profile_value(which, value, x[g], *gaps, *ends, out)
        return -total

    low, high = float(own.min()), float(own.max())
    if high - low < 1e-9:
        return float(pulse.transformed(which, low)), -cost(low)
    best = minimize_scalar(cost, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    return float(pulse.transformed(which, best.x)), -float(best.fun)
