"""What else one might decide, and what it does to the answer.

Signs are those of the default case: the allele lowers CXCL10 in activated cells, and donors with
the allele are in the contaminated group, whose native rate is higher.
"""

from __future__ import annotations

import numpy as np

from refsolve.contract.decisions import Found, alternative
from refsolve.methods.ambient import donor_contamination
from refsolve.methods.count_glm import CountFit, fit_counts

from .solve import (
    Compared,
    Soup,
    Target,
    ambient_profile,
    called,
    contamination,
    fitted,
    marker_correction,
    null_share,
    replicate,
    scored,
    state,
    target_correction,
    technical_group,
)
from .tables import GENES, NULL_MARKER, TARGET, BoolArray, FloatArray, IntArray, Study


@alternative(ambient_profile)
def shares_of_cells(study: Study) -> Found[Soup]:
    """Wrong: native RNA counts as ambient; too much is taken from CXCL10 (too low)."""
    share = study.cells.counts.sum(axis=0) / study.cells.total.sum()
    because = f"Cells put {NULL_MARKER} at {share[0]:.4f} and {TARGET} at {share[-1]:.4f}."
    return Found(Soup(share, np.zeros(share.size)), because, share=share)


@alternative(ambient_profile)
def no_soup(study: Study) -> Found[Soup]:
    """Wrong: ambient RNA fills up what the allele takes away, and hides the group (too high)."""
    none = np.zeros(len(GENES))
    return Found(Soup(none, none), "All counts are taken for native.", cells=study.code.size)


@alternative(contamination)
def one_for_all(study: Study, soup: Soup) -> Found[FloatArray]:
    """Wrong: donors look alike, and the group that differs is not seen (too high)."""
    if not soup.share.any():
        return contamination(study, soup)
    expected = null_share(soup) * study.cells.total.sum()
    rho = min(float(study.cells.of(NULL_MARKER).sum() / expected), 0.5)
    because = f"All cells get the common ambient share of {rho:.3f}."
    return Found(np.full(study.code.size, rho), because, rho=rho)


@alternative(contamination)
def per_donor(study: Study, soup: Soup) -> Found[FloatArray]:
    """Defensible: one ambient share for all cells of a donor, by maximum likelihood."""
    if not soup.share.any():
        return contamination(study, soup)
    marker, share = study.cells.of(NULL_MARKER), null_share(soup)
    found = donor_contamination(marker, study.cells.total, study.code, share)
    because = f"Donors' ambient shares are {found.rho.min():.3f} to {found.rho.max():.3f}."
    return Found(np.minimum(found.rho, 0.5)[found.code], because, donors=found.rho)


@alternative(marker_correction)
def raw_markers(study: Study, soup: Soup, rho: FloatArray) -> Found[FloatArray]:
    """Wrong: resting cells with much ambient RNA pass for activated (towards the resting effect,
    which is higher); harmless where the gap is wide.
    """
    score = scored(study, soup, 0.0 * rho)
    because = f"Raw markers range from {score.min():.0f} to {score.max():.0f}."
    return Found(score, because, range=[score.min(), score.max()])


@alternative(state)
def all_cells(study: Study, score: FloatArray) -> Found[BoolArray]:
    """Wrong: resting cells, which respond otherwise, count as well (too high)."""
    call = called(score.tobytes())
    because = f"All {score.size} cells are compared, {call.n_active} of them activated."
    return Found(np.ones(score.size, dtype=np.bool_), because, activated=call.n_active)


@alternative(target_correction)
def raw_target(study: Study, soup: Soup, rho: FloatArray) -> Found[Target]:
    """Wrong: ambient CXCL10 fills up what the allele takes away (too high)."""
    counts = study.cells.of(TARGET)
    because = f"All {counts.sum():.0f} molecules of {TARGET} are taken for native."
    return Found(Target(counts, np.zeros(counts.size), 0.0), because, counts=counts.sum())


@alternative(target_correction)
def subtracted(study: Study, soup: Soup, rho: FloatArray) -> Found[Target]:
    """Defensible: expected ambient counts are subtracted, and totals below zero are zero."""
    found = target_correction(study, soup, rho).value
    left = Target(found.counts - found.ambient, 0.0 * found.ambient, 0.0)
    because = f"{found.ambient.sum():.0f} expected ambient molecules of {TARGET} are subtracted."
    return Found(left, because, ambient=found.ambient.sum())


@alternative(technical_group)
def no_group(study: Study, rho: FloatArray, error_rate: float) -> Found[IntArray | None]:
    """Wrong: the rate of the contaminated group is laid to the allele (too high)."""
    return Found(None, "Donors are compared across technical groups.", donors=len(study.donors))


@alternative(replicate)
def donor_all_molecules(compared: Compared) -> Found[CountFit]:
    """Defensible: donor totals over all molecules; the group takes up most of the difference."""
    fit = fitted(compared, compared.totals(compared.study.cells.total))
    because = f"{fit.n} donors are compared by their totals over all molecules."
    return Found(fit, because, dispersion=fit.dispersion)


@alternative(replicate)
def cells_as_replicates(compared: Compared) -> Found[CountFit]:
    """Wrong: donors with many cells speak for all; noisier, and intervals far too narrow."""
    design = compared.design
    which = np.searchsorted(design.donors, compared.study.code[compared.active])
    y = np.maximum(compared.target.counts[compared.active], 0.0)
    fit = fit_counts(y, design.matrix[which], compared.cell_exposure(), names=design.names)
    because = f"{which.size} cells are taken for independent."
    return Found(fit, because, cells=which.size)
