"""People with genotypes, exposures and a disease, and the regressions a study would report."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm

from refsolve.core.errors import AnalysisError
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.mvmr.simulate.design import (
    Design,
    FloatArray,
    Locus,
    SimulatedLocus,
    check,
    draw_locus,
    panel,
)
from refsolve.methods.mvmr.simulate.summary import report
from refsolve.methods.mvmr.textbook.scale import allele_sd


class Cohorts(NamedTuple):
    """Rows of the people in each study; rows in two slices are the same people."""

    phase1: slice
    phase2: slice
    outcome: slice

    @property
    def people(self) -> int:
        """All of them together."""
        return int(self.outcome.stop)


def simulate_individuals(design: Design | None = None, *, rng: RandomSource) -> SimulatedLocus:
    """What the studies report when every person is simulated.

    Alleles are counted where a normal variable lies below its quantile, with the same LD as in
    `simulate_locus`. The disease follows a logistic model of the exposures and direct effects.

    Parameters
    ----------
    design
        As in `simulate_locus`; memory grows with people times variants. `n_panel` = 0 reports the
        LD of the people in the disease study. Direct effects spread through LD of themselves:
        with `direct_shape` = "variant", the disease model holds the effects that leave one variant.
    rng
        Seed or Generator.

    Returns
    -------
    The reports with their truth.

    Raises
    ------
    ValueError
        A field of the design breaks its rule.
    AnalysisError
        A variant does not vary in one of the studies.

    Examples
    --------
    >>> small = Design(n_variants=12, n_exposure=(300, 400), n_outcome=500)
    >>> simulate_individuals(small, rng=1).exposure_beta.shape
    (2, 12, 2)
    """
    design = check(design or Design())
    generator = as_generator(rng)
    locus = draw_locus(design, generator)
    cohorts = lay_out(design)
    count = draw_genotypes(locus, cohorts.people, generator)
    scaled = (count - 2 * locus.frequency) / allele_sd(locus.frequency)
    traits = draw_traits(design, locus, scaled, generator)
    disease = draw_disease(design, locus, scaled, traits, generator)
    phases = [linear(count[rows], traits[rows]) for rows in (cohorts.phase1, cohorts.phase2)]
    inside = count[cohorts.outcome]
    return report(
        design,
        locus,
        exposure=(np.stack([p[0] for p in phases]), np.stack([p[1] for p in phases])),
        outcome=logistic(inside, disease[cohorts.outcome]),
        ld_panel=panel(locus.ld, design.n_panel, generator)
        if design.n_panel
        else np.asarray(np.corrcoef(inside.T)),
    )


def lay_out(design: Design) -> Cohorts:
    """Phase 1, phase 2 and the disease study in one row of people, neighbours overlapping."""
    n1, n2 = design.n_exposure
    second = n1 - design.shared_phases
    third = second + n2 - design.shared_outcome
    if third < n1:
        raise ValueError(
            f"design.shared_outcome = {design.shared_outcome} makes people of phase 1 part of the "
            "disease study; share fewer"
        )
    return Cohorts(slice(0, n1), slice(second, second + n2), slice(third, third + design.n_outcome))


def draw_genotypes(locus: Locus, people: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """(people, J) counts of the counted allele: two independent haplotypes."""
    root = np.linalg.cholesky(locus.latent)
    limit = norm.ppf(locus.frequency)
    count = np.zeros((people, len(limit)), dtype=np.int8)
    for _ in range(2):
        count += (rng.standard_normal(count.shape) @ root.T < limit).astype(np.int8)
    return count


def draw_traits(
    design: Design, locus: Locus, scaled: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """(people, K) exposures of variance 1."""
    k = len(design.theta)
    rest = np.full((k, k), design.residual_correlation)
    np.fill_diagonal(rest, 1.0)
    noise = rng.standard_normal((len(scaled), k)) @ np.linalg.cholesky(rest).T
    return np.asarray(scaled @ locus.joint + np.sqrt(1 - design.heritability) * noise)


def draw_disease(
    design: Design,
    locus: Locus,
    scaled: FloatArray,
    traits: FloatArray,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """(people,) disease, with the share of cases in the population that the design names."""
    direct = locus.direct
    if design.direct_shape == "variant":
        direct = np.asarray(np.linalg.solve(locus.ld, direct), dtype=np.float64)
    score = traits @ np.asarray(design.theta) + scaled @ direct
    level = brentq(lambda a: expit(a + score).mean() - design.case_share, -40, 40)
    return np.asarray(rng.random(len(score)) < expit(level + score))


def centred(count: NDArray[np.int8]) -> FloatArray:
    """Counts less their means; AnalysisError where there is nothing to regress on."""
    same = (count == count[0]).all(axis=0)
    if same.any():
        raise AnalysisError(
            f"variant {int(same.argmax())} does not vary in a study.", hint="Enlarge the studies."
        )
    return np.asarray(count - count.mean(axis=0))


def linear(count: NDArray[np.int8], traits: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(J, K) slopes of each trait on each variant alone, and their standard errors."""
    n = len(count)
    g = centred(count)
    x = traits - traits.mean(axis=0)
    squares = (g**2).sum(axis=0)[:, np.newaxis]
    slope = g.T @ x / squares
    left = (x**2).sum(axis=0) - slope**2 * squares
    return slope, np.sqrt(left / (n - 2) / squares)


def logistic(count: NDArray[np.int8], disease: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """(J,) log odds ratio of each variant alone, and its standard error, by Newton's method."""
    g = centred(count)
    slope: FloatArray = np.zeros(g.shape[1])
    level = slope + logit(disease.mean())
    for _ in range(30):
        p = expit(level + g * slope)
        w, r = p * (1 - p), disease[:, np.newaxis] - p
        a, b, d = w.sum(axis=0), (w * g).sum(axis=0), (w * g**2).sum(axis=0)
        up, across = r.sum(axis=0), (r * g).sum(axis=0)
        determinant = a * d - b**2
        step = (a * across - b * up) / determinant
        level, slope = level + (d * up - b * across) / determinant, slope + step
        if np.abs(step).max() < 1e-12:
            break
    return np.asarray(slope), np.sqrt(a / determinant)
