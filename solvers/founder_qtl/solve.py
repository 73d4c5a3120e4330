"""A QTL of recombinant inbred lines of eight founders, mapped through founder reconstruction.

Six decisions lead from four files to the place of the QTL and the founder of its high allele.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd

from refsolve.contract.decisions import Found, Walk, decision
from refsolve.contract.outcome import Case, Solution
from refsolve.core.errors import AnalysisError
from refsolve.methods.founder_hmm import (
    FounderFit,
    Genotypes,
    OrientationRepair,
    exchangeable,
    fit_founders,
    insert_pseudomarkers,
    map_order,
    reconstruct,
    repair_orientation,
)
from refsolve.methods.lmm_scan import (
    Design,
    FounderEffects,
    Genome,
    NullModel,
    RefinedPeak,
    design,
    fit_null,
    founder_effects,
    loco_kinship,
    refine_peak,
)
from refsolve.methods.lmm_scan import kinship as overall_kinship

from . import report
from .tables import FOUNDERS, TARGET, CallArray, FloatArray, IntArray, Strings, Study, load

__all__ = ["DECISIONS", "load", "solve"]

DROP = 1.5  # LOD units of the support interval
ALIKE = 1e-6  # range over lines of a founder's probability, below which none is told from others


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """What belongs together, in order of map and lines.

    Attributes
    ----------
    genotypes
        Calls of all typed lines and alleles of the founders, in order of the map.
    markers
        Their names.
    lines
        Names of all typed lines.
    measured
        Which of them have a phenotype; what follows is of these.
    y
        Phenotypes.
    batch
        Batches.
    covariates
        Numbers by name.
    """

    genotypes: Genotypes
    markers: Strings
    lines: Strings
    measured: IntArray
    y: FloatArray
    batch: Strings
    covariates: pd.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class Oriented:
    """Genotypes whose founder alleles count as the calls do, and the chain fitted to them."""

    genotypes: Genotypes
    fit: FounderFit


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The measured lines, with the probabilities of their founders."""

    data: Aligned
    genome: Genome


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """What moves the phenotype beside founders."""

    design: Design


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """The lines, and the model of their phenotypes without founders on chromosome 1."""

    lines: Lines
    null: NullModel


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """The QTL."""

    position: float
    founder: str
    peak: RefinedPeak
    effects: FounderEffects


@decision
def alignment(study: Study) -> Found[Aligned]:
    """By marker_id and line_id; markers in order of chromosome and position."""
    found = matched(study)
    because, facts = report.of_alignment(study, found)
    return Found(found, because, **facts)


@lru_cache(maxsize=1)  # the same along many paths, as is what follows from it
def matched(study: Study) -> Aligned:
    """Rows that belong together, whatever the order of the files."""
    shared = study.chart[study.chart["marker_id"].isin(study.markers)]
    shared = shared.sort_values("marker_id", ignore_index=True)
    shared = shared.iloc[map_order(shared["chr"].to_numpy(str), shared["pos_cM"].to_numpy())]
    alleles = study.alleles.set_index("marker_id").loc[shared["marker_id"]]
    columns = pd.Index(study.markers).get_indexer(shared["marker_id"])
    rows = np.argsort(study.lines, kind="stable")
    traits = study.traits.join(study.covariates).set_index("line_id").reindex(study.lines[rows])
    return aligned(shared, alleles, study.calls[np.ix_(rows, columns)], study.lines[rows], traits)


def aligned(
    chart: pd.DataFrame,
    alleles: pd.DataFrame,
    calls: CallArray,
    lines: Strings,
    traits: pd.DataFrame,
) -> Aligned:
    """Tables whose rows correspond, as one; lines without a phenotype only tell of the genome."""
    coded = alleles[list(FOUNDERS)].fillna(-1).to_numpy(np.int8)
    chromosome, position = chart["chr"].to_numpy(str), chart["pos_cM"].to_numpy(np.float64)
    measured = np.flatnonzero(traits["phenotype"].notna())
    traits = traits.iloc[measured]
    covariates = traits.drop(columns=["phenotype", "batch"])
    return Aligned(
        Genotypes(calls, coded, position, chromosome),
        chart["marker_id"].to_numpy(str),
        lines,
        measured,
        traits["phenotype"].to_numpy(np.float64),
        traits["batch"].to_numpy(str),
        covariates.fillna(covariates.mean()),
    )


@decision
def orientation(data: Aligned) -> Found[Oriented]:
    """Markers that contradict their neighbours have the founders' alleles exchanged back."""
    because, facts = report.of_orientation(data, repaired(data))
    return Found(put_right(data), because, **facts)


@lru_cache(maxsize=2)
def repaired(data: Aligned) -> OrientationRepair:
    """Markers whose founder alleles are exchanged, found and exchanged back."""
    return repair_orientation(data.genotypes, exchangeable(len(FOUNDERS)))


@lru_cache(maxsize=2)
def put_right(data: Aligned) -> Oriented:
    """The repaired genotypes."""
    return Oriented(repaired(data).genotypes, repaired(data).fit)


@lru_cache(maxsize=4)
def fitted(data: Aligned, dropping: bool) -> Oriented:
    """The chain fitted to founder alleles as recorded, with or without the flipped markers."""
    genotypes = data.genotypes.kept(~repaired(data).flipped) if dropping else data.genotypes
    return Oriented(genotypes, fit_founders(genotypes, exchangeable(len(FOUNDERS))))


@decision
def state(data: Aligned, oriented: Oriented, step: float) -> Found[Lines]:
    """Which founder each line has at a position, from all its markers on the chromosome."""
    lines = reconstructed(data, oriented, step)
    because, facts = report.of_state(oriented, lines)
    return Found(lines, because, **facts)


@lru_cache(maxsize=8)
def reconstructed(data: Aligned, oriented: Oriented, step: float) -> Lines:
    """Founder probabilities of the measured lines: on chromosome 1 between markers, too."""
    genotypes, fit = oriented.genotypes, oriented.fit
    grid, typed = insert_pseudomarkers(genotypes.only(TARGET).position, step)
    found = reconstruct(genotypes, fit.design, fit.error, at={TARGET: grid[~typed]})
    blocks = [block[data.measured] for block in found.probability]
    return Lines(data, Genome(tuple(blocks), found.position, found.chromosomes, FOUNDERS))


@decision
def nuisance(lines: Lines) -> Found[Fixed]:
    """Batches as categories and every covariate, as fixed effects."""
    found = with_batches(lines.data)
    because, facts = report.of_nuisance(lines, found)
    return Found(found, because, **facts)


@lru_cache(maxsize=2)
def with_batches(data: Aligned) -> Fixed:
    """Batches and covariates; what others explain is left out."""
    batches = {"batch": data.batch.tolist()}
    numbers = report.numbers(data)
    return Fixed(design(data.y.size, categorical=batches, numeric=numbers, aliased="drop"))


@decision
def kinship(lines: Lines, fixed: Fixed) -> Found[Background]:
    """The other chromosomes enter as relatedness, so that the one that is tested does not."""
    found = model(lines, fixed, "others")
    because, facts = report.of_kinship(found)
    return Found(found, because, **facts)


@lru_cache(maxsize=32)
def model(lines: Lines, fixed: Fixed, related: Literal["others", "all", "none"]) -> Background:
    """The model without founders on chromosome 1, with kinship by some chromosomes or none."""
    genome, relatedness = lines.genome, None
    if related == "all":
        relatedness = overall_kinship(genome)
    elif related == "others" and len(genome.chromosome) > 1:
        relatedness = loco_kinship(genome)[genome.index(TARGET)]
    return Background(lines, fit_null(lines.data.y, fixed.design, relatedness))


@decision
def effect(background: Background) -> Found[Located]:
    """Median of 10^LOD along the chromosome; there, the largest of the shrunken joint effects."""
    found = located(profile(background).median, background)
    because, facts = report.of_effect(found)
    return Found(found, because, **facts)


@lru_cache(maxsize=32)
def profile(background: Background) -> RefinedPeak:
    """LOD of founder effects along chromosome 1."""
    genome = background.lines.genome
    c = genome.index(TARGET)
    return refine_peak(background.null, genome.probabilities[c], genome.position[c], drop=DROP)


@lru_cache(maxsize=32)
def located(position: float, background: Background) -> Located:
    """A QTL at a position, with the effects of all founders there."""
    peak, genome = profile(background), background.lines.genome
    there = genome.at(TARGET, int(np.argmin(np.abs(peak.grid - position))))
    effects = founder_effects(background.null, there, FOUNDERS)
    return Located(float(position), effects.highest, peak, effects)


DECISIONS = (alignment, orientation, state, nuisance, kinship, effect)


def solve(case: Case, tables: Study, path: Walk) -> Solution:
    """Align, orient, reconstruct founders; then a mixed model along chromosome 1."""
    data = path.take(alignment, tables)
    oriented = path.take(orientation, data)
    lines = path.take(state, data, oriented, float(case.parameters["step_cM"]))
    _refuse_alike(lines.genome)
    fixed = path.take(nuisance, lines)
    _refuse_too_few(data, fixed.design)
    background = path.take(kinship, lines, fixed)
    found = path.take(effect, background)
    low, high = found.peak.support
    return Solution(
        answer={"qtl_pos_cM": found.position, "high_founder": found.founder},
        intervals={"qtl_pos_cM": (min(low, found.position), max(high, found.position))},
        diagnostics=report.diagnostics(tables, oriented, background, found),
        artefacts={
            "data": data,
            "oriented": oriented,
            "genome": lines.genome,
            "null": background.null,
            "found": found,
        },
    )


def _refuse_alike(genome: Genome) -> None:
    told = genome.probabilities[genome.index(TARGET)]
    if float(np.ptp(told, axis=0).max()) < ALIKE:
        raise AnalysisError(
            f"All {genome.n_lines} lines with a phenotype have the same founder probabilities "
            f"along chromosome {TARGET}: nothing can be mapped there.",
            hint="Founders must have known, different alleles where the calls of lines differ.",
        )


def _refuse_too_few(data: Aligned, fixed: Design) -> None:
    needed = 1 + len(fixed.names) + len(FOUNDERS)
    if data.y.size <= needed:
        raise AnalysisError(
            f"{data.y.size} lines have calls and a phenotype: too few for {len(FOUNDERS)} founders "
            f"beside {len(fixed.names)} columns of batches and covariates.",
            hint=f"More than {needed} are needed.",
        )
