"""Simulated populations of the study of lmm_scan, and what every analysis says about one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from refsolve.methods.lmm_scan import (
    Design,
    Genome,
    bayes_interval,
    design,
    find_peak,
    fit_null,
    founder_effects,
    loco_kinship,
    permutation_scan,
    position_posterior,
    refine_peak,
    scan,
    simulate_batches,
    simulate_mosaics,
    simulate_trait,
)
from refsolve.methods.lmm_scan.model.kinship import Choice

FOUNDERS, BATCHES = 8, 4
LENGTHS, STEP, BLUR = (60.0, 60.0, 60.0), 4.0, 0.08
PERMUTATIONS, LEVEL = 199, 0.05
PLACE = 7  # index of the aligned place, and of QTL, on their chromosomes


@dataclass(frozen=True, slots=True)
class Analysis:
    """How a trait is scanned.

    Attributes
    ----------
    name
        What it is called.
    batch
        Whether the batch is a fixed effect.
    within
        Whether permutations stay within batches.
    kinship
        Of the scan.
    """

    name: str
    batch: bool
    within: bool
    kinship: Choice


@dataclass(frozen=True, slots=True)
class Confounding:
    """Populations in which something goes along with founders.

    Attributes
    ----------
    name, seed
        What it is called, and the seed of its replicates.
    n_lines, families
        Lines, and families of lines; none where every line is of its own.
    alignment
        Probability that a line is in the batch of its founder at a place of chromosome 1.
    batch_effect
        Between neighbouring batches, in residual standard deviations.
    polygenic
        Variance that follows the kinship of the other chromosomes, over the residual variance.
    qtl
        Standard deviation of founder effects at a place of chromosome 1; 0 for none.
    whole
        Whether the genome is scanned, or chromosome 1 only, where nothing of the kinship acts.
    analyses
        How the trait is scanned.
    """

    name: str
    seed: int
    n_lines: int
    families: int
    alignment: float
    batch_effect: float
    polygenic: float
    qtl: float
    whole: bool
    analyses: tuple[Analysis, ...]


OMITTED = Analysis("batch omitted", False, False, "loco")
WITHIN = Analysis("omitted, permuted within", False, True, "loco")
FIXED = Analysis("batch fixed", True, False, "loco")
FIXED_WITHIN = Analysis("fixed, permuted within", True, True, "loco")
NONE = Analysis("no kinship", False, False, "none")
LOCO = Analysis("LOCO kinship", False, False, "loco")
OVERALL = Analysis("overall kinship", False, False, "overall")
BATCHED = (OMITTED, WITHIN, FIXED, FIXED_WITHIN)
RELATED = (NONE, LOCO, OVERALL)
NULLS = (
    Confounding("aligned batches", 1, 120, 0, 0.7, 0.7, 0.0, 0.0, True, BATCHED),
    Confounding("free batches", 2, 120, 0, 0.0, 0.7, 0.0, 0.0, True, BATCHED),
    Confounding("12 families", 3, 120, 12, 0.0, 0.0, 1.0, 0.0, False, RELATED),
    Confounding("no families", 4, 120, 0, 0.0, 0.0, 1.0, 0.0, False, RELATED),
)
POWERS = (
    Confounding("QTL, free batches", 5, 120, 0, 0.0, 0.7, 0.0, 0.55, True, BATCHED),
    Confounding("QTL, 12 families", 6, 120, 12, 0.0, 0.0, 1.0, 0.8, False, RELATED),
)


class Simulated(NamedTuple):
    """One population with a trait."""

    genome: Genome
    kinships: np.ndarray
    batch: np.ndarray
    phenotype: np.ndarray
    effects: np.ndarray


def simulated(study: Confounding, seed: np.random.SeedSequence) -> Simulated:
    """One population of a study."""
    rng = np.random.default_rng(seed)
    lines = simulate_mosaics(
        n_lines=study.n_lines,
        n_founders=FOUNDERS,
        lengths=LENGTHS,
        step=STEP,
        families=study.families,
        blur=BLUR,
        rng=rng,
    )
    genome = Genome(**lines.observed)
    here = lines.founder[0][:, PLACE]
    batch = simulate_batches(founder=here, n_batches=BATCHES, alignment=study.alignment, rng=rng)
    kinships = loco_kinship(genome)
    effects = study.qtl * rng.standard_normal(FOUNDERS)
    trait = simulate_trait(
        n_lines=study.n_lines,
        qtl=[np.eye(FOUNDERS)[here]],
        effects=[effects],
        kinship=kinships[0],
        polygenic=study.polygenic,
        batch=batch,
        batch_effects=study.batch_effect * np.arange(BATCHES),
        rng=rng,
    )
    return Simulated(genome, kinships, batch, trait.phenotype, effects)


def covariates(batch: np.ndarray) -> Design:
    """Batches as fixed effects."""
    return design(batch.size, categorical={"batch": batch.tolist()}, aliased="drop")


def rejections(
    task: tuple[int, Confounding, np.random.SeedSequence],
) -> tuple[int, list[float]]:
    """Whether each analysis finds a QTL at 5 %, by permutations; then the heritability by LOCO."""
    index, study, seed = task
    data = simulated(study, seed)
    out = [float(_rejects(data, study, one)) for one in study.analyses]
    null = fit_null(data.phenotype, covariates(data.batch), data.kinships[0])
    return index, [*out, null.heritability]


def _rejects(data: Simulated, study: Confounding, one: Analysis) -> bool:
    genome = data.genome if study.whole else data.genome.only("1")
    fixed = covariates(data.batch) if one.batch else None
    chosen = one.kinship if study.whole else _of_first(data, one.kinship)
    largest = scan(genome, data.phenotype, fixed, kinship=chosen).lod.max()
    found = permutation_scan(
        genome,
        data.phenotype,
        fixed,
        kinship=chosen,
        within=data.batch.tolist() if one.within else None,
        n=PERMUTATIONS,
        rng=0,
    )
    return found.p_value(float(largest)) <= LEVEL


def _of_first(data: Simulated, kinship: Choice) -> Choice | np.ndarray:
    """Kinship for a scan of the first chromosome alone."""
    if kinship == "loco":
        return data.kinships[0]
    if kinship == "overall":
        return np.asarray(data.kinships.mean(axis=0))
    return kinship


INTERVALS = (
    "1.5-LOD, 4 cM",
    "1.8-LOD, 4 cM",
    "Bayes, 4 cM",
    "1.5-LOD, 1 cM",
    "Bayes, 1 cM",
    "posterior, 1 cM",
)
SEEN = 3.0  # LOD from which a peak counts


@dataclass(frozen=True, slots=True)
class Mapping:
    """Populations with a QTL between positions of the scan.

    Attributes
    ----------
    name, seed
        What it is called, and the seed of its replicates.
    n_lines
        How many.
    effect
        Standard deviation of the founder effects, in residual standard deviations.
    """

    name: str
    seed: int
    n_lines: int
    effect: float


MAPPINGS = (
    Mapping("150 lines, strong", 11, 150, 1.0),
    Mapping("300 lines, strong", 12, 300, 1.0),
    Mapping("300 lines, weak", 13, 300, 0.4),
)
FINE = 1.0  # cM between positions of the simulated chromosome
COARSE = 4  # every so many of them is a position of the scan


class Mapped(NamedTuple):
    """What was found in one population."""

    lod: float
    errors: list[float]  # cM: highest position, vertex between positions, posterior median
    cover: list[float]  # of each interval
    width: list[float]  # cM
    shrunken: list[float]  # errors of effects at the true position, over their standard errors
    fixed: list[float]


def mapped(task: tuple[int, Mapping, np.random.SeedSequence]) -> tuple[int, Mapped]:
    """Scan every fourth position, refine between them, estimate the effects at the truth."""
    index, study, seed = task
    rng = np.random.default_rng(seed)
    # Founders are known: probabilities that say less than is known would stretch the effects.
    lines = simulate_mosaics(
        n_lines=study.n_lines, n_founders=FOUNDERS, lengths=LENGTHS, step=FINE, rng=rng
    )
    place = int(rng.integers(10, 50))
    effects = study.effect * rng.standard_normal(FOUNDERS)
    dense = lines.probabilities
    here = np.eye(FOUNDERS)[lines.founder[0][:, place]]
    y = here @ effects + rng.standard_normal(study.n_lines)
    coarse = Genome(
        tuple(block[:, ::COARSE] for block in dense), tuple(p[::COARSE] for p in lines.position)
    )
    null = fit_null(y, kinship=loco_kinship(coarse)[0])
    result = scan(coarse, y)
    peak, wide = (find_peak(result, chromosome="1", drop=drop) for drop in (1.5, 1.8))
    refined = refine_peak(null, dense[0], lines.position[0])
    posterior = position_posterior(refined.grid, refined.profile)
    fine = bayes_interval(refined.grid, refined.profile)
    ends = [peak.support, wide.support, peak.bayes, refined.support, fine, posterior.interval]
    truth = float(lines.position[0][place])
    found = founder_effects(null, dense[0][:, place], draws=1)
    centred = effects - effects.mean()
    return index, Mapped(
        peak.lod,
        [p - truth for p in (peak.position, refined.position, refined.median)],
        [float(low <= truth <= high) for low, high in ends],
        [high - low for low, high in ends],
        _standardised(found.blup - centred, found.contrast_se),
        _standardised(found.blue - centred, found.blue_se),
    )


def _standardised(error: np.ndarray, se: np.ndarray) -> list[float]:
    known = se > 0.0
    return np.where(known, error / np.where(known, se, 1.0), np.nan).tolist()
