"""Summary statistics drawn directly: fast, and exact for large studies."""

from __future__ import annotations

import numpy as np

from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.mvmr.simulate.design import (
    Design,
    FloatArray,
    Locus,
    SimulatedLocus,
    check,
    draw_locus,
    exposure_correlation,
    noise_correlation,
    panel,
    standard_errors,
)
from refsolve.methods.mvmr.textbook.scale import allele_sd
from refsolve.methods.mvmr.textbook.selection import p_from_z


def simulate_locus(design: Design | None = None, *, rng: RandomSource) -> SimulatedLocus:
    """What the studies of a locus report, drawn from eq. (11).

    Parameters
    ----------
    design
        What the locus looks like; the default has two exposures and 60 variants.
    rng
        Seed or Generator.

    Returns
    -------
    The reports with their truth.

    Raises
    ------
    ValueError
        A field of the design breaks its rule.

    Examples
    --------
    >>> locus = simulate_locus(Design(theta=(0.3, 0.2), n_variants=40), rng=7)
    >>> locus.exposure_beta.shape, locus.outcome_beta.shape
    ((2, 40, 2), (40,))
    """
    design = check(design or Design())
    generator = as_generator(rng)
    locus = draw_locus(design, generator)
    k = len(design.theta)
    noise = draw_noise(locus.ld, noise_correlation(design, locus), generator)
    se_x, se_y = standard_errors(design, locus.frequency)
    sd = allele_sd(locus.frequency)
    phases = np.stack([noise[:, :k], noise[:, k : 2 * k]])
    return report(
        design,
        locus,
        exposure=(locus.exposure / sd[:, np.newaxis] + se_x * phases, se_x),
        outcome=(locus.outcome / sd + se_y * noise[:, -1], se_y),
        ld_panel=panel(locus.ld, design.n_panel, generator),
    )


def draw_noise(ld: FloatArray, correlation: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(J, studies) scores without signal: correlated by LD over rows, by people over columns."""
    white = rng.standard_normal((len(ld), len(correlation)))
    return np.asarray(np.linalg.cholesky(ld) @ white @ np.linalg.cholesky(correlation).T)


def report(
    design: Design,
    locus: Locus,
    exposure: tuple[FloatArray, FloatArray],
    outcome: tuple[FloatArray, FloatArray],
    ld_panel: FloatArray,
) -> SimulatedLocus:
    """Effects and standard errors of both kinds of study, with p-values and the truth."""
    sd = allele_sd(locus.frequency)
    return SimulatedLocus(
        position=locus.position,
        frequency=locus.frequency,
        ld=locus.ld,
        ld_panel=ld_panel,
        exposure_beta=exposure[0],
        exposure_se=exposure[1],
        exposure_p=p_from_z(exposure[0] / exposure[1]),
        outcome_beta=outcome[0],
        outcome_se=outcome[1],
        outcome_p=p_from_z(outcome[0] / outcome[1]),
        exposure_correlation=exposure_correlation(design, locus),
        theta=np.asarray(design.theta, dtype=np.float64),
        joint=locus.joint,
        direct=locus.direct,
        direct_index=locus.direct_index,
        exposure_mean=locus.exposure / sd[:, np.newaxis],
        outcome_mean=locus.outcome / sd,
        design=design,
    )
