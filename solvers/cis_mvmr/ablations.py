"""What else one might decide, and what it does to the answer.

Signs are those of the default case: both direct effects are positive, the proteins are correlated,
and variants that act past the proteins do so in the direction of the protein's effect.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refsolve.contract.decisions import Found, alternative
from refsolve.methods.mvmr import (
    Harmonised,
    Instruments,
    Summary,
    fit_gls,
    fit_robust,
    fit_without_outliers,
    lead_instruments,
)

from .solve import (
    Estimate,
    Models,
    Phases,
    Scale,
    associations,
    effects,
    joint,
    ld,
    needed,
    orientation,
    oriented,
    pleiotropy,
    scale,
    scaled,
    screened,
    selection,
    spread,
)
from .tables import PROTEINS, Study

SUGGESTIVE = 1e-5  # p-value in phase 1


@alternative(orientation)
def as_reported(study: Study) -> Found[Harmonised]:
    """Wrong: effects of either allele cancel each other, both direct effects come out too low."""
    found = oriented(study)
    rows = [f.set_index("snp").loc[found.variant, "beta"] for f in study.studies.values()]
    beta = np.column_stack([row.to_numpy(dtype=np.float64) for row in rows])
    turned = int((np.sign(beta) != np.sign(found.beta)).any(axis=1).sum())
    because = f"Effects are taken as reported; {turned} variants would change a sign."
    return Found(replace(found, beta=beta), because, unturned=turned)


@alternative(selection)
def hits_of_phase2(locus: Harmonised, p_threshold: float) -> Found[Instruments]:
    """Wrong: the cohort that gives the effects also chooses, and overstates the weak ones."""
    chosen = screened(locus, 2, p_threshold)
    because = f"{chosen.index.size} variants are below {p_threshold:g} in phase 2."
    return Found(chosen, because, instruments=chosen.index.size)


@alternative(selection)
def suggestive_hits(locus: Harmonised, p_threshold: float) -> Found[Instruments]:
    """Defensible: a weaker threshold, as the fit knows of the errors of weak instruments."""
    chosen = screened(locus, 1, SUGGESTIVE)
    because = f"In phase 1 {chosen.index.size} variants have p < {SUGGESTIVE:g} for either protein."
    return Found(chosen, because, instruments=chosen.index.size)


@alternative(effects)
def phase1(study: Study, locus: Harmonised, chosen: Instruments) -> Found[Phases]:
    """Wrong: effects chosen for being large are too large, and direct effects too small."""
    return Found((1,), "Effects are those of the cohort that chose the variants.", phases=[1])


@alternative(effects)
def pooled(study: Study, locus: Harmonised, chosen: Instruments) -> Found[Phases]:
    """Wrong: phase 1 brings its curse into the average, and direct effects are too small."""
    return Found((1, 2), "Effects are averaged over both phases by precision.", phases=[1, 2])


@alternative(scale)
def no_conversion(study: Study) -> Found[Scale]:
    """Wrong: effects per unit of the file; too high by 1/SD, too low by ln 10 for ln."""
    names = [name for name in study.studies if name.startswith("protein")]
    factor = dict.fromkeys(names, 1.0)
    found = Scale(factor, dict.fromkeys(PROTEINS, 0.0), {})
    return Found(found, "Effects are left in the units of the files.", factors=factor)


@alternative(scale)
def all_batches(study: Study) -> Found[Scale]:
    """Wrong: a failed batch inflates the SD, and direct effects with it (too high)."""
    batches = {protein: spread(study, protein) for protein in needed(study)}
    sds = {protein: one.sd_total for protein, one in batches.items()}
    said = " and ".join(f"{sd:.4g} for {protein}" for protein, sd in sds.items())
    because = f"SDs of all measurements are {said or 'not needed'}."
    return Found(scaled(study, batches, "sd_total"), because, sd=sds)


@alternative(ld)
def lead_variants(data: Summary, locus: Harmonised, sizes: Scale) -> Found[Summary]:
    """Wrong: one variant per protein; one that acts past both spoils all (too high)."""
    leads = lead_instruments(*associations(locus, 1), p_threshold=0.5)
    names = locus.variant[leads.index].tolist()
    rows = [j for j, name in enumerate(data.variants) if name in names]
    because = f"Only the leading variants are kept: {', '.join(names)}."
    return Found(data.select(rows), because, leads=names)


@alternative(ld)
def independent(data: Summary, locus: Harmonised, sizes: Scale) -> Found[Summary]:
    """Wrong: strong LD counts the same twice; estimates are noisier and intervals too narrow."""
    because = f"The {data.n_variants} instruments are taken for independent."
    return Found(data.independent(), because, instruments=data.n_variants)


@alternative(joint)
def univariable(data: Summary) -> Found[Models]:
    """Wrong: each protein also speaks for the one it is correlated with (too high)."""
    models = tuple(data.only(k) for k in range(data.n_exposures))
    return Found(models, "Each protein is regressed alone.", models=len(models))


@alternative(pleiotropy)
def bisquare(models: Models) -> Found[tuple[Estimate, ...]]:
    """Defensible: whitened residuals that do not fit lose their weight."""
    found = tuple(Estimate(data, fit_robust(data)) for data in models)
    lost = int(sum((one.fit.weight < 0.5).sum() for one in found))
    because = f"Redescending weights are below one half for {lost} whitened residuals."
    return Found(found, because, downweighted=lost)


@alternative(pleiotropy)
def outliers_removed(models: Models) -> Found[tuple[Estimate, ...]]:
    """Defensible: the worst variant is removed until none is improbable."""
    searches = [(data, fit_without_outliers(data)) for data in models]
    removed = sorted({name for _, s in searches for name in s.variants})
    because = f"Removed one by one: {', '.join(removed) or 'no variant'}."
    return Found(tuple(Estimate(d, s.fit, s) for d, s in searches), because, removed=removed)


@alternative(pleiotropy)
def plain(models: Models) -> Found[tuple[Estimate, ...]]:
    """Wrong: direct effects of variants are laid to the proteins (too high)."""
    found = tuple(Estimate(data, fit_gls(data)) for data in models)
    q = [one.fit.q for one in found]
    because = f"All instruments are believed, with Q = {' and '.join(f'{x:.0f}' for x in q)}."
    return Found(found, because, q=q)
