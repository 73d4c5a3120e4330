"""What else one might decide, and what it does to the answer.

Signs are those of the default case: another founder looks like the high one beside the QTL, and
the batch of the high phenotypes holds the lines of a third founder a few cM away.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from refsolve.contract.decisions import Found, alternative
from refsolve.methods.founder_hmm import map_order
from refsolve.methods.lmm_scan import Genome, design

from . import report
from .solve import (
    Aligned,
    Background,
    Fixed,
    Lines,
    Located,
    Oriented,
    aligned,
    alignment,
    effect,
    fitted,
    kinship,
    located,
    model,
    nuisance,
    orientation,
    profile,
    repaired,
    state,
)
from .tables import FOUNDERS, Study


@alternative(alignment)
def by_row(study: Study) -> Found[Aligned]:
    """Wrong: rows that do not belong together dilute all effects, and the peak is false."""
    found = as_they_stand(study)
    because = f"The first {found.markers.size} rows of markers and {found.lines.size} of lines are "
    because += "taken as they stand."
    return Found(found, because, markers=found.markers.size, lines=found.lines.size)


@lru_cache(maxsize=1)
def as_they_stand(study: Study) -> Aligned:
    """Rows of the same number in all files; markers in order of the map."""
    m = min(len(study.chart), len(study.alleles), study.markers.size)
    n = min(len(study.traits), study.lines.size)
    chart = study.chart.iloc[:m].reset_index(drop=True)
    order = map_order(chart["chr"].to_numpy(str), chart["pos_cM"].to_numpy())
    traits = study.traits.join(study.covariates).set_index("line_id").iloc[:n]
    calls, alleles = study.calls[:n, order], study.alleles.iloc[order]
    return aligned(chart.iloc[order], alleles, calls, study.lines[:n], traits)


@alternative(orientation)
def as_recorded(data: Aligned) -> Found[Oriented]:
    """Wrong: at flipped markers the high founder reads as another, away from where it is."""
    found = fitted(data, dropping=False)
    error = found.fit.common_error
    because = f"Founder alleles are taken as recorded, which makes {error:.4f} of calls errors."
    return Found(found, because, error=error)


@alternative(orientation)
def dropped(data: Aligned) -> Found[Oriented]:
    """Defensible: flipped markers are left out; their neighbours know nearly as much."""
    lost = data.markers[repaired(data).flipped].tolist()
    because = f"{len(lost)} flipped markers are left out."
    return Found(fitted(data, dropping=True), because, dropped=lost)


@alternative(state)
def single_marker(data: Aligned, oriented: Oriented, step: float) -> Found[Lines]:
    """Wrong: founders that share an allele share its effect, diluted and at a false place."""
    found = by_allele(data, oriented)
    because = f"Each marker is tested alone, by its alleles: {oriented.genotypes.n_markers} tests."
    return Found(found, because, markers=oriented.genotypes.n_markers)


@lru_cache(maxsize=8)
def by_allele(data: Aligned, oriented: Oriented) -> Lines:
    """Every founder with the allele of the line, alike."""
    genotypes = oriented.genotypes
    calls = genotypes.calls[data.measured][:, :, None]
    shared = np.where(calls < 0, 1.0, calls == genotypes.founders) + 1e-9
    shared /= shared.sum(axis=2, keepdims=True)
    parts = [np.flatnonzero(genotypes.chromosome == name) for name in genotypes.chromosomes]
    blocks = tuple(shared[:, part] for part in parts)
    place = tuple(genotypes.position[part] for part in parts)
    return Lines(data, Genome(blocks, place, genotypes.chromosomes, FOUNDERS))


@alternative(nuisance)
def none(lines: Lines) -> Found[Fixed]:
    """Wrong: the batch's effect is laid to the founder that goes along with it, away from ours."""
    because = "Nothing but founders is taken to move the phenotype."
    return Found(bare(lines.data), because, batches=np.unique(lines.data.batch).size)


@alternative(nuisance)
def batch_as_number(lines: Lines) -> Found[Fixed]:
    """Wrong: a line through batches misses what a middle one does, which is laid to a founder."""
    because = "The code of the batch enters as a number, with one slope."
    return Found(as_number(lines.data), because, batches=np.unique(lines.data.batch).size)


@lru_cache(maxsize=2)
def bare(data: Aligned) -> Fixed:
    """No column at all."""
    return Fixed(design(data.y.size))


@lru_cache(maxsize=2)
def as_number(data: Aligned) -> Fixed:
    """The code of the batch beside the covariates."""
    numbers = {"batch": report.codes(data.batch), **report.numbers(data)}
    return Fixed(design(data.y.size, numeric=numbers, aliased="drop"))


@alternative(kinship)
def unrelated(lines: Lines, fixed: Fixed) -> Found[Background]:
    """Defensible: lines are independent; what other chromosomes do is noise."""
    found = model(lines, fixed, "none")
    because = f"Lines are taken to be unrelated, with a variance of {found.null.variance:.4g}."
    return Found(found, because, variance=found.null.variance)


@alternative(kinship)
def all_chromosomes(lines: Lines, fixed: Fixed) -> Found[Background]:
    """Wrong: kinship by the tested chromosome takes up part of the QTL, whose LOD is too low."""
    found = model(lines, fixed, "all")
    share = found.null.heritability
    because = f"Kinship by all chromosomes, the tested one too, explains {100 * share:.1f} %."
    return Found(found, because, heritability=share)


@alternative(effect)
def raw_mean(background: Background) -> Found[Located]:
    """Wrong: unadjusted means are high for founders whose lines are in a high batch."""
    found = located(profile(background).median, background)
    means = report.raw_means(background.lines, found.position)
    best = max(means, key=lambda name: means[name])
    because = f"Lines of {best} have the highest mean phenotype, {means[best]:.4g}."
    return Found(Located(found.position, best, found.peak, found.effects), because, means=means)


@alternative(effect)
def at_the_maximum(background: Background) -> Found[Located]:
    """Defensible: the vertex of the LOD profile for its median."""
    peak = profile(background)
    because = f"LOD is highest, {peak.lod:.1f}, at {peak.position:.2f} cM."
    found = located(peak.position, background)
    return Found(found, because, position=peak.position, lod=peak.lod)
