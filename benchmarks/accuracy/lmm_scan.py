"""Accuracy of lmm_scan: type-I error under confounding, power, intervals, errors of effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy._lmm_scan_designs import (
    FOUNDERS,
    INTERVALS,
    LEVEL,
    MAPPINGS,
    NULLS,
    POWERS,
    SEEN,
    Analysis,
    Confounding,
    Mapped,
    Mapping,
    mapped,
    rejections,
)
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, within
from benchmarks.shares import NORMAL, smallest_share_seen, wilson
from refsolve.core.rng import spawn
from refsolve.methods.founder_hmm import Genotypes, reconstruct, ril
from refsolve.methods.lmm_scan import (
    Genome,
    design,
    effects_along,
    fit_null,
    founder_effects,
    loco_kinship,
)

REPLICATES = 1200
FEWER = 6  # times fewer populations with a QTL
TYPE_ONE, COVERAGE = (0.035, 0.065), (0.93, 1.0)
EFFECTS = (0.92, 0.97)
NEAR = 3.0  # cM
VALID = {
    "aligned batches": ("batch fixed", "fixed, permuted within"),
    "free batches": ("batch omitted", "batch fixed", "fixed, permuted within"),
    "12 families": ("LOCO kinship",),
    "no families": ("no kinship", "LOCO kinship"),
}
NOMINAL = ("1.8-LOD, 4 cM", "posterior, 1 cM")  # intervals meant to hold 95 %
GOLD = Path(__file__).resolve().parents[2] / "tests" / "gold" / "founder_hmm"


@dataclass(frozen=True, slots=True)
class RejectionRow:
    """Populations in which an analysis finds a QTL at 5 % of the genome, by permutations.

    Attributes
    ----------
    design, analysis, replicates
        What was simulated, and how it was scanned.
    rejected, low, high
        Share, and its Wilson interval.
    smallest_seen
        Deviation from 5 % that is found with 80 % power.
    verdict
        Against the band around 5 %, where there is no QTL and the analysis should hold.
    """

    design: str
    analysis: str
    replicates: int
    rejected: float
    low: float
    high: float
    smallest_seen: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """Intervals of the position, of QTL with a LOD of at least 3.

    Attributes
    ----------
    design, interval, peaks
        What was simulated, from positions at which distance, and how many peaks counted.
    coverage, low, high
        Share that holds the truth, and its Wilson interval.
    width
        Mean width, cM.
    verdict
        At least 93 %, for the intervals meant to hold 95 %.
    """

    design: str
    interval: str
    peaks: int
    coverage: float
    low: float
    high: float
    width: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PositionRow:
    """Errors of the position, of QTL with a LOD of at least 3, in cM.

    Attributes
    ----------
    design, peaks
        What was simulated, and how many peaks counted.
    power
        Share of the populations whose peak counts.
    rmse_position, rmse_refined, rmse_median
        Of the highest position, of the vertex between positions, and of the posterior median.
    within_refined, within_median
        Shares at most 3 cM from the truth.
    """

    design: str
    peaks: int
    power: float
    rmse_position: float
    rmse_refined: float
    rmse_median: float
    within_refined: float
    within_median: float


@dataclass(frozen=True, slots=True)
class EffectRow:
    """Founder effects less their mean, at the true position.

    Attributes
    ----------
    design, estimator, effects
        What was simulated, and how many effects.
    sd
        Of the errors over their standard errors; 1 where these are right.
    coverage, low, high
        Of 1.96 standard errors, and its Wilson interval.
    verdict
        Against 92 % to 97 %.
    """

    design: str
    estimator: str
    effects: int
    sd: float
    coverage: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PeerRow:
    """Standard errors of shrunken effects that R/qtl2 0.43-5 reports, over those of the equations.

    Attributes
    ----------
    kinship, chromosome, positions
        Of the stored scan; positions where founders vary.
    blup_gap
        Largest difference of the effects themselves.
    ratio_low, ratio_median, ratio_high
        Of the founders' standard errors.
    intercept_median
        Of the intercept's standard error.
    """

    kinship: str
    chromosome: str
    positions: int
    blup_gap: float
    ratio_low: float
    ratio_median: float
    ratio_high: float
    intercept_median: float


def run(options: Options) -> Report:
    n = options.replicates or (20 if options.quick else REPLICATES)
    nulls = [row for study in NULLS for row in rejection_rows(study, n, options)]
    power = [row for study in POWERS for row in rejection_rows(study, n // FEWER, options)]
    found = [(study, all_mapped(study, n // FEWER, options)) for study in MAPPINGS]
    intervals = [row for pair in found for row in interval_rows(*pair)]
    effects = [row for pair in found for row in effect_rows(*pair)]
    return Report(
        tables=[
            Table("type_one", "populations without a QTL in which one is found at 5 %", nulls),
            Table("power", "populations with a QTL in which one is found at 5 %", power),
            Table("intervals", "intervals of the position", intervals),
            Table("positions", "errors of the position", [position_row(*pair) for pair in found]),
            Table("effects", "errors of founder effects", effects),
            Table("peer", "standard errors of a peer on the stored population", peer_rows()),
        ],
        notes=[
            "analyses without a verdict are shown for what they do wrong",
            "a Bayes interval of positions 4 cM apart is often one position: scan a finer grid",
            "standard errors of shrunken effects do not hold the uncertainty of the variance of"
            " founder effects",
        ],
        figure=figure(nulls, intervals, effects),
    )


def replicates(work: Callable[[Any], tuple[int, Any]], study: Any, n: int, o: Options) -> list[Any]:
    """Results of n replicates, in the order of their seeds."""
    found = dict(o.map_(work, [(i, study, seed) for i, seed in enumerate(spawn(study.seed, n))]))
    return [found[i] for i in range(n)]


def all_mapped(study: Mapping, n: int, options: Options) -> list[Mapped]:
    return replicates(mapped, study, n, options)


def rejection_rows(study: Confounding, n: int, options: Options) -> list[RejectionRow]:
    drawn = np.array(replicates(rejections, study, n, options))
    return [_rejection(study, one, drawn[:, k]) for k, one in enumerate(study.analyses)]


def _rejection(study: Confounding, one: Analysis, rejected: np.ndarray) -> RejectionRow:
    n, count = rejected.size, int(rejected.sum())
    ends = wilson(count, n)
    judged = study.qtl == 0.0 and one.name in VALID[study.name]
    return RejectionRow(
        study.name,
        one.name,
        n,
        count / n,
        *ends,
        smallest_share_seen(LEVEL, n),
        within(ends, count / n, *TYPE_ONE) if judged else NO_TARGET,
    )


def counted(drawn: Sequence[Mapped]) -> list[Mapped]:
    return [one for one in drawn if one.lod >= SEEN]


def interval_rows(study: Mapping, drawn: Sequence[Mapped]) -> list[IntervalRow]:
    cover = np.array([one.cover for one in counted(drawn)])
    width = np.array([one.width for one in counted(drawn)])
    return [_interval(study, name, cover[:, k], width[:, k]) for k, name in enumerate(INTERVALS)]


def _interval(study: Mapping, name: str, cover: np.ndarray, width: np.ndarray) -> IntervalRow:
    n, count = cover.size, int(cover.sum())
    ends = wilson(count, n)
    verdict = within(ends, count / n, *COVERAGE) if name in NOMINAL else NO_TARGET
    return IntervalRow(study.name, name, n, count / n, *ends, float(width.mean()), verdict)


def position_row(study: Mapping, drawn: Sequence[Mapped]) -> PositionRow:
    errors = np.array([one.errors for one in counted(drawn)])
    rmse = np.sqrt(np.mean(errors**2, axis=0))
    near = np.mean(np.abs(errors[:, 1:]) <= NEAR, axis=0)
    power = len(errors) / len(drawn)
    return PositionRow(study.name, len(errors), power, *rmse.tolist(), *near.tolist())


def effect_rows(study: Mapping, drawn: Sequence[Mapped]) -> list[EffectRow]:
    return [
        _effects(study, "BLUP", np.array([one.shrunken for one in drawn])),
        _effects(study, "BLUE", np.array([one.fixed for one in drawn])),
    ]


def _effects(study: Mapping, name: str, scores: np.ndarray) -> EffectRow:
    known = scores[np.isfinite(scores)]
    n, count = known.size, int((np.abs(known) < NORMAL).sum())
    # Effects of one population are correlated; the interval takes populations as the sample.
    ends = wilson(round(count / n * len(scores)), len(scores))
    verdict = within(ends, count / n, *EFFECTS)
    return EffectRow(study.name, name, n, float(known.std()), count / n, *ends, verdict)


def peer_rows() -> list[PeerRow]:
    given, found = (np.load(GOLD / f"{name}in120x90.npz") for name in ("", "out_"))
    genome = stored_population(given)
    return [
        _peer_row(genome, given, found, kind, c)
        for kind in ("LOCO kinship", "no kinship")
        for c in ("1", "2", "3")
    ]


def stored_population(given: Any) -> Genome:
    """Founder probabilities of the stored lines, as the peer had them."""
    calls = np.where(given["G"] == 0, -1, np.where(given["G"] == 3, 1, 0)).astype(np.int8)
    founders = np.where(given["F"].T == 3, 1, 0).astype(np.int8)
    data = Genotypes(calls, founders, given["pos"], given["chrom"])
    made = reconstruct(data, ril(FOUNDERS, order=given["order"]), 0.005)
    return Genome(made.probability, made.position, made.chromosomes)


def _peer_row(genome: Genome, given: Any, found: Any, kind: str, chromosome: str) -> PeerRow:
    c, suffix = genome.index(chromosome), "hk" if kind == "no kinship" else "lmm"
    batches = design(genome.n_lines, categorical={"batch": given["batch"].tolist()})
    matrix = None if suffix == "hk" else loco_kinship(genome)[c]
    null = fit_null(given["Y"][:, 0], batches, matrix)
    ours = effects_along(null, genome.probabilities[c], genome.position[c])
    rows = given["chrom"].astype(str) == chromosome
    theirs, se = found[f"blup_{suffix}"][rows], found[f"blupSE_{suffix}"][rows]
    vary = (ours.blup_se > 0.0).all(axis=1) & (se[:, :FOUNDERS] > 0.0).all(axis=1)
    ratio = se[vary, :FOUNDERS] / ours.blup_se[vary]
    places = np.flatnonzero(vary)
    own = [founder_effects(null, genome.at(chromosome, j), draws=1).fixed_se[0] for j in places]
    return PeerRow(
        kind,
        chromosome,
        int(vary.sum()),
        float(np.abs(theirs[:, :FOUNDERS] - ours.blup).max()),
        float(ratio.min()),
        float(np.median(ratio)),
        float(ratio.max()),
        float(np.median(se[vary, FOUNDERS] / own)),
    )


def figure(
    nulls: Sequence[RejectionRow], intervals: Sequence[IntervalRow], effects: Sequence[EffectRow]
) -> Any:
    return dots(
        [
            Dots(
                "populations without a QTL in which one is found",
                [f"{row.design}: {row.analysis}" for row in nulls],
                [row.rejected for row in nulls],
                [(row.low, row.high) for row in nulls],
                TYPE_ONE,
                LEVEL,
            ),
            Dots(
                "intervals of the position that hold it",
                [f"{row.design}: {row.interval}" for row in intervals],
                [row.coverage for row in intervals],
                [(row.low, row.high) for row in intervals],
                COVERAGE,
                None,
            ),
            Dots(
                "founder effects within 1.96 standard errors",
                [f"{row.design}: {row.estimator}" for row in effects],
                [row.coverage for row in effects],
                [(row.low, row.high) for row in effects],
                EFFECTS,
                0.95,
            ),
        ]
    )
