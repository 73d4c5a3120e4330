"""Times from calls with known defects: short tracts missing, merged, or false; phase unknown."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.tracts.estimator.pulse import PulseFit, fit_pulse
from refsolve.methods.tracts.model.container import SLACK, Tracts
from refsolve.methods.tracts.model.counts import PathCounts, count_paths
from refsolve.methods.tracts.model.inputs import time_of_rate


@dataclass(frozen=True, slots=True)
class DefectFit(Result):
    """One pulse, with the effect of a defect of the calls taken out; all haplotypes together.

    Attributes
    ----------
    time
        Generations since the pulse.
    fraction
        Fraction of ancestry 0.
    false_rate
        False tracts per Morgan; 0 where the defect is another one.
    se_time, se_fraction, se_false_rate
        Standard errors, by the jackknife over chromosomes of haplotypes.
    time_naive
        What the switch rate says when the defect is ignored.
    convention
        What a time means.
    """

    time: float
    fraction: float
    false_rate: float
    se_time: float
    se_fraction: float
    se_false_rate: float
    time_naive: float
    convention: str


def fit_truncated(tracts: Tracts, shortest: float, *, convention: str = "founders") -> DefectFit:
    """One pulse from the tracts above a length; shorter ones may be missing, and leave gaps.

    Beyond `shortest` the length of a tract is exponential again. A tract ends by a switch where
    another follows on its chromosome.

    Parameters
    ----------
    tracts
        Tracts of two ancestries; neighbours of a missing tract have not been joined.
    shortest
        Morgans.
    convention
        As in `rate_of_time`.
    """
    cells = _cells(tracts, shortest)

    def estimate(total: FloatArray) -> FloatArray:
        a, b = _hazards(total)
        return np.array([a + b, b / (a + b), 0.0])

    return _jackknife(cells, estimate, convention)


def fit_merged(tracts: Tracts, shortest: float, *, convention: str = "founders") -> DefectFit:
    """One pulse from tracts of which those below a length were dropped and their flanks joined.

    Joining hides switches: with a = λ(1-m), b = λm and c the shortest length the visible ones have
    the rate λ e^{-λc} / (1 - (1-e^{-ac})(1-e^{-bc})) in place of λ, eq. (8). It rises to a peak
    and falls; the younger of the two times is taken.

    Parameters
    ----------
    tracts
        Tracts of two ancestries, as joined.
    shortest
        Morgans.
    convention
        As in `rate_of_time`.

    Raises
    ------
    AnalysisError
        There are more switches than any time explains.
    """
    cells = _cells(tracts, shortest)

    def estimate(total: FloatArray) -> FloatArray:
        m = total[5] / total[6]
        # No tract that is kept ends nearer than `shortest` to an end of its chromosome.
        inside = total[6] - 2.0 * shortest * total[7]
        seen = total[4] / (2.0 * m * (1.0 - m) * inside)
        return np.array([_unmerged(seen, m, shortest), m, 0.0])

    return _jackknife(cells, estimate, convention)


def merged_rate(rate: float, fraction: float, shortest: float) -> float:
    """Switch rate that remains when shorter tracts are dropped and their flanks joined, eq. (8).

    Parameters
    ----------
    rate
        Breakpoints per Morgan.
    fraction
        Fraction of ancestry 0.
    shortest
        Morgans.
    """
    gone = -np.expm1(-rate * shortest * np.array([1.0 - fraction, fraction]))
    return float(rate * np.exp(-rate * shortest) / (1.0 - gone.prod()))


def fit_contaminated(tracts: Tracts, longest: float, *, convention: str = "founders") -> DefectFit:
    """One pulse from calls with false short tracts inside true ones, at one rate in both.

    False tracts add to the ends of all tracts equally, true switches in proportion to the other
    ancestry: tracts above `longest` end at rates a + ε and b + ε, which sum to λ + 2ε, while all
    switches have the rate 2m(1-m)λ + 2ε, eq. (9).

    Parameters
    ----------
    tracts
        Tracts of two ancestries.
    longest
        False tracts are shorter, Morgans; many true ones should be longer.
    convention
        As in `rate_of_time`.
    """
    cells = _cells(tracts, longest)

    def estimate(total: FloatArray) -> FloatArray:
        m = total[5] / total[6]
        all_ends, mixed = total[4] / total[6], 2.0 * m * (1.0 - m)
        rate = (sum(_hazards(total)) - all_ends) / (1.0 - mixed)
        return np.array([rate, m, 0.5 * (all_ends - mixed * rate)])

    return _jackknife(cells, estimate, convention)


def fit_diploid(
    tracts: Tracts, *, convention: str = "founders", gaps: str = "carry", confidence: float = 0.95
) -> PulseFit:
    """One pulse from unphased tracts of individuals whose parents are of one population.

    Two haplotypes superposed: with the exposures 2T_AA + T_AB and T_AB + 2T_BB, and switches
    towards either ancestry, the likelihood is that of one haplotype, eq. (10). Exchanged phases
    change nothing.

    Parameters
    ----------
    tracts
        Tracts with ancestries 0 for AA, 1 for AB, 2 for BB; `haplotype` counts individuals. A
        change between AA and BB is two switches at one place.
    convention, confidence
        As in `fit_pulse`.
    gaps
        "carry" or "cut".

    Returns
    -------
    One group per individual.
    """
    if tracts.n_ancestries != 3 or gaps == "integrate":
        raise ValueError(
            f"tracts has {tracts.n_ancestries} ancestries and gaps = {gaps!r}; unphased calls have "
            "3 (AA, AB, BB), and their gaps are carried or cut"
        )
    counts = count_paths(tracts, gaps=gaps)
    fit = fit_pulse(_superposed(counts), convention=convention, confidence=confidence)
    # Either parent may be the one that is A, or that switches.
    n, f = counts.switches, counts.first
    either = f[:, 1] + n[:, 0, 1] + n[:, 2, 1] + n[:, 0, 2] + n[:, 2, 0]
    return replace(fit, log_likelihood=fit.log_likelihood + math.log(2.0) * either)


def _superposed(counts: PathCounts) -> PathCounts:
    """Counts (G, 2) of single ancestries from those of genotypes; constants are left out."""
    T, n, f = counts.exposure, counts.switches, counts.first
    both = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    switches = np.zeros((T.shape[0], 2, 2))
    switches[:, 0, 1] = n[:, 0, 1] + n[:, 1, 2] + 2.0 * n[:, 0, 2]
    switches[:, 1, 0] = n[:, 1, 0] + n[:, 2, 1] + 2.0 * n[:, 2, 0]
    return PathCounts(
        exposure=T @ both,
        switches=switches,
        first=f @ both,
        map_length=2.0 * counts.map_length,
        gap_start=counts.gap_start,
        gap_from=counts.gap_from,
        gap_to=counts.gap_to,
        gap_length=counts.gap_length,
    )


def _cells(tracts: Tracts, length: float) -> FloatArray:
    """Sums (cells, 8): ends, exposure of long A and B; switches; Morgans of A, of all; paths."""
    if not 0.0 <= length < tracts.lengths.max():
        raise ValueError(
            f"length = {length} must lie in [0, longest chromosome = {tracts.lengths.max():g}); "
            "give Morgans"
        )
    if tracts.n_ancestries != 2:
        raise ValueError(f"tracts has {tracts.n_ancestries} ancestries; expected 2; pool others")
    counts = count_paths(tracts, by="cell")
    whole = tracts.joined()
    cell = whole.haplotype.astype(np.int64) * tracts.n_chromosomes + whole.chromosome
    over = whole.length - length
    ends = np.append(whole.follows[1:], False)
    columns: list[FloatArray] = []
    for k in (0, 1):
        long = (whole.ancestry == k) & (over > SLACK)
        for weight in (long & ends, np.where(long, over, 0.0)):
            columns.append(np.bincount(cell, weight, counts.n_groups).astype(np.float64))
    called = counts.exposure.sum(axis=1)
    columns += [counts.n_switches, counts.exposure[:, 0], called, counts.first.sum(axis=1)]
    return np.stack(columns, axis=1)


def _hazards(total: FloatArray) -> tuple[float, float]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(total[0] / total[1]), float(total[2] / total[3])


def _jackknife(
    cells: FloatArray, estimate: Callable[[FloatArray], FloatArray], convention: str
) -> DefectFit:
    total = cells.sum(axis=0)
    if total[4] == 0.0 or min(total[1], total[3]) <= 0.0 or not 0.0 < total[5] < total[6]:
        raise AnalysisError(
            "No tract above the length in one of the ancestries, or no switch.",
            hint="Choose a smaller length, or give more haplotypes.",
        )
    best = estimate(total)
    used = cells[cells[:, 6] > 0.0]
    others = np.array([estimate(total - cell) for cell in used])
    spread = ((others - others.mean(axis=0)) ** 2).sum(axis=0) * (len(used) - 1.0) / len(used)
    se = np.sqrt(spread)
    m = total[5] / total[6]
    return DefectFit(
        time=float(time_of_rate(best[0], convention)),
        fraction=float(best[1]),
        false_rate=float(best[2]),
        se_time=float(se[0]),
        se_fraction=float(se[1]),
        se_false_rate=float(se[2]),
        time_naive=float(time_of_rate(total[4] / (2.0 * m * (1.0 - m) * total[6]), convention)),
        convention=convention,
    )


def _unmerged(seen: float, fraction: float, shortest: float) -> float:
    """Rate on the rising branch whose merged rate is `seen`."""
    if shortest == 0.0:
        return seen
    peak = minimize_scalar(
        lambda z: -merged_rate(np.exp(z), fraction, shortest),
        bounds=(-3.0 - np.log(shortest), 3.0 - np.log(shortest)),
        method="bounded",
    )
    top = float(np.exp(peak.x))
    if seen >= merged_rate(top, fraction, shortest):
        raise AnalysisError(
            f"{seen:.4g} switches per Morgan are more than any time leaves above {shortest:g} M.",
            hint="Were tracts below this length really joined with their flanks?",
        )
    return float(brentq(lambda rate: merged_rate(rate, fraction, shortest) - seen, 0.0, top))
