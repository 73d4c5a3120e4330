"""What a locus looks like: variants, LD, and effects on exposures and outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import owens_t
from scipy.stats import norm

from refsolve.core.result import Result
from refsolve.methods.mvmr.textbook.pleiotropy import Shape
from refsolve.methods.mvmr.textbook.scale import allele_sd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a simulated locus looks like and who was studied.

    Attributes
    ----------
    theta
        Direct effect of each exposure: log odds per SD of it. Their number is K.
    n_variants, span, ld_length
        Variants, length of the locus in base pairs, and the distance over which LD falls by e.
    n_exposure
        People in phase 1 (screening) and phase 2 (replication).
    n_outcome, case_share
        People in the disease study and the share of cases.
    own_signals, shared_signals
        Causal variants of each exposure alone, and of all exposures.
    heritability
        Variance of each exposure that the locus explains.
    residual_correlation
        Correlation between the exposures apart from the locus.
    shared_phases, shared_outcome
        People of phase 1 who are also in phase 2, and of phase 2 who are also in the disease study.
    n_direct, direct_effect, direct_shape
        Variants with a direct effect on the disease (from the half with the largest effects on the
        exposures), its size in log odds per SD of the allele count (random sign, ±25 %), and
        whether it stays on its variant or spreads through LD.
    balanced
        SD of a small direct effect of every variant, in standard errors of the disease study.
    n_panel
        People in the panel that LD was estimated from; 0 gives the population's LD.
    """

    theta: tuple[float, ...] = (0.3, 0.2)
    n_variants: int = 60
    span: int = 200_000
    ld_length: int = 20_000
    n_exposure: tuple[int, int] = (4_000, 20_000)
    n_outcome: int = 200_000
    case_share: float = 0.3
    own_signals: int = 4
    shared_signals: int = 2
    heritability: float = 0.15
    residual_correlation: float = 0.3
    shared_phases: int = 0
    shared_outcome: int = 0
    n_direct: int = 0
    direct_effect: float = 0.0
    direct_shape: Shape = "variant"
    balanced: float = 0.0
    n_panel: int = 0


@dataclass(frozen=True, slots=True)
class SimulatedLocus(Result):
    """What the studies report, per counted allele, and the truth.

    Attributes
    ----------
    position, frequency
        (J,) base pairs in ascending order, and frequency of the counted allele.
    ld, ld_panel
        (J, J) signed LD of the counted alleles in the population, and as estimated.
    exposure_beta, exposure_se, exposure_p
        (2, J, K) effects on the exposures per SD of each, in both phases.
    outcome_beta, outcome_se, outcome_p
        (J,) log odds ratios.
    exposure_correlation
        (K, K) correlation of the exposures' noise.
    theta
        (K,) true direct effects of the exposures.
    joint
        (J, K) true effects of the variants on the exposures, per SD of the allele count.
    direct
        (J,) true direct effects of the variants, log odds per SD of the allele count.
    direct_index
        Variants with a large direct effect.
    exposure_mean, outcome_mean
        (J, K) and (J,) expected marginal effects per allele.
    design
        What was asked for.
    """

    position: IntArray
    frequency: FloatArray
    ld: FloatArray
    ld_panel: FloatArray
    exposure_beta: FloatArray
    exposure_se: FloatArray
    exposure_p: FloatArray
    outcome_beta: FloatArray
    outcome_se: FloatArray
    outcome_p: FloatArray
    exposure_correlation: FloatArray
    theta: FloatArray
    joint: FloatArray
    direct: FloatArray
    direct_index: tuple[int, ...]
    exposure_mean: FloatArray
    outcome_mean: FloatArray
    design: Design


class Locus(NamedTuple):
    """The population: no sampling noise yet."""

    position: IntArray
    frequency: FloatArray
    latent: FloatArray  # (J, J) correlation of the normals behind the haplotypes
    ld: FloatArray
    joint: FloatArray  # (J, K)
    direct: FloatArray  # (J,)
    direct_index: tuple[int, ...]
    exposure: FloatArray  # (J, K) marginal, per SD of the allele count
    outcome: FloatArray  # (J,)


def signals(design: Design) -> int:
    """Causal variants of the whole locus."""
    return len(design.theta) * design.own_signals + design.shared_signals


def _has_signals(d: Design) -> bool:
    each = d.own_signals + d.shared_signals
    return min(d.own_signals, d.shared_signals) >= 0 < each and signals(d) <= d.n_variants


def _definite(d: Design) -> bool:
    return -1 < (len(d.theta) - 1) * d.residual_correlation and d.residual_correlation < 1


RULES: tuple[tuple[str, Callable[[Design], bool], str], ...] = (
    ("theta", lambda d: len(d.theta) > 0 and bool(np.isfinite(d.theta).all()), "must hold numbers"),
    ("n_variants", lambda d: d.n_variants >= 2, "must be at least 2"),
    ("span", lambda d: d.span >= d.n_variants, "must be at least n_variants base pairs"),
    ("ld_length", lambda d: d.ld_length > 0, "must be above 0"),
    ("n_exposure", lambda d: len(d.n_exposure) == 2, "must hold two sizes"),
    ("n_exposure", lambda d: min(d.n_exposure) >= 10, "must be at least 10 each"),
    ("n_outcome", lambda d: d.n_outcome >= 10, "must be at least 10"),
    ("case_share", lambda d: 0 < d.case_share < 1, "must lie between 0 and 1"),
    ("heritability", lambda d: 0 < d.heritability < 1, "must lie between 0 and 1"),
    ("residual_correlation", _definite, "must leave the exposures' correlation positive definite"),
    ("own_signals", _has_signals, "and shared_signals must give each exposure a causal variant"),
    ("shared_phases", lambda d: 0 <= d.shared_phases <= min(d.n_exposure), "exceeds a phase"),
    (
        "shared_outcome",
        lambda d: 0 <= d.shared_outcome <= min(d.n_exposure[1], d.n_outcome),
        "exceeds phase 2 or the disease study",
    ),
    ("n_direct", lambda d: 0 <= d.n_direct <= d.n_variants // 2, "exceeds half of the variants"),
    ("direct_shape", lambda d: d.direct_shape in ("variant", "ld"), "must be 'variant' or 'ld'"),
    ("balanced", lambda d: d.balanced >= 0, "must be at least 0"),
    ("n_panel", lambda d: d.n_panel == 0 or d.n_panel >= 10, "must be 0 or at least 10"),
)


def check(design: Design) -> Design:
    """Design as it is, or ValueError naming the field that breaks its rule."""
    for name, holds, rule in RULES:
        if not holds(design):
            raise ValueError(f"design.{name} = {getattr(design, name)!r} {rule}; change the design")
    return design


def draw_locus(design: Design, rng: np.random.Generator) -> Locus:
    """Variants, LD and true effects, eq. (11)."""
    j = design.n_variants
    position = np.sort(rng.choice(design.span, j, replace=False)) + 1
    frequency = rng.uniform(0.08, 0.92, j)
    latent = latent_correlation(position, design.ld_length, rng)
    ld = binary_correlation(frequency, latent)
    joint = draw_joint(design, ld, rng)
    exposure = ld @ joint
    direct, chosen = draw_direct(design, exposure, rng)
    spread = ld @ direct if design.direct_shape == "ld" else direct
    outcome = exposure @ np.asarray(design.theta) + spread
    return Locus(position, frequency, latent, ld, joint, direct, chosen, exposure, outcome)


def latent_correlation(position: IntArray, length: float, rng: np.random.Generator) -> FloatArray:
    """Correlation that falls over two distances, with random signs."""
    distance = np.abs(np.subtract.outer(position, position)) / length
    decay = 0.8 * np.exp(-distance) + 0.2 * np.exp(-distance / 8)
    sign = rng.choice([-1.0, 1.0], len(position))
    return np.asarray(decay * np.outer(sign, sign))


def binary_correlation(frequency: FloatArray, latent: FloatArray) -> FloatArray:
    """Correlation of alleles that are counted where a normal lies below its quantile."""
    h = norm.ppf(frequency)
    rho = np.clip(latent, -1 + 1e-12, 1 - 1e-12)
    both = bivariate_cdf(h[:, np.newaxis], h, rho)
    sd = np.sqrt(frequency * (1 - frequency))
    ld = (both - np.outer(frequency, frequency)) / np.outer(sd, sd)
    np.fill_diagonal(ld, 1.0)
    return np.asarray((ld + ld.T) / 2)


def bivariate_cdf(h: FloatArray, k: FloatArray, rho: FloatArray) -> FloatArray:
    """P(X < h, Y < k) of standard normals with correlation `rho`, by Owen's T; h, k not 0."""
    root = np.sqrt(1 - rho**2)
    opposite = np.where(h * k < 0, 0.5, 0.0)
    left = owens_t(h, (k / h - rho) / root) + owens_t(k, (h / k - rho) / root)
    return np.asarray((norm.cdf(h) + norm.cdf(k)) / 2 - left - opposite)


def draw_joint(design: Design, ld: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(J, K) sparse effects on the exposures, scaled to the heritability."""
    k, own = len(design.theta), design.own_signals
    causal = rng.choice(design.n_variants, signals(design), replace=False)
    joint = np.zeros((design.n_variants, k))
    for i in range(k):
        mine = np.concatenate([causal[i * own : (i + 1) * own], causal[k * own :]])
        joint[mine, i] = rng.uniform(0.6, 1.4, mine.size) * rng.choice([-1.0, 1.0], mine.size)
        joint[:, i] *= np.sqrt(design.heritability / (joint[:, i] @ ld @ joint[:, i]))
    return joint


def draw_direct(
    design: Design, exposure: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, tuple[int, ...]]:
    """(J,) direct effects on the outcome, and the variants with a large one."""
    j = design.n_variants
    noise = 1 / np.sqrt(design.n_outcome * design.case_share * (1 - design.case_share))
    direct = design.balanced * noise * rng.standard_normal(j)
    strong = np.argsort(-np.abs(exposure).max(axis=1))[: j // 2]
    chosen = np.sort(rng.choice(strong, design.n_direct, replace=False))
    size = rng.uniform(0.75, 1.25, chosen.size) * rng.choice([-1.0, 1.0], chosen.size)
    direct[chosen] += design.direct_effect * size
    return direct, tuple(int(i) for i in chosen)


def noise_correlation(design: Design, locus: Locus) -> FloatArray:
    """(2K+1, 2K+1) correlation of the noise of phase 1, phase 2 and the outcome.

    Two studies that share people have noise correlated by the number shared over the root of both
    sizes, times the correlation of the two traits.
    """
    traits = exposure_correlation(design, locus)
    k = len(traits)
    n1, n2 = design.n_exposure
    phases = design.shared_phases / np.sqrt(n1 * n2)
    to_outcome = design.shared_outcome / np.sqrt(n2 * design.n_outcome)
    case_sd = np.sqrt(design.case_share * (1 - design.case_share))
    c = np.eye(2 * k + 1)
    c[: 2 * k, : 2 * k] = np.kron([[1.0, phases], [phases, 1.0]], traits)
    c[k : 2 * k, -1] = c[-1, k : 2 * k] = to_outcome * case_sd * traits @ np.asarray(design.theta)
    return c


def exposure_correlation(design: Design, locus: Locus) -> FloatArray:
    """(K, K) correlation between the exposures: the locus and everything else."""
    k, h2 = len(design.theta), design.heritability
    rest = np.full((k, k), design.residual_correlation)
    np.fill_diagonal(rest, 1.0)
    return np.asarray(locus.joint.T @ locus.ld @ locus.joint + (1 - h2) * rest)


def panel(ld: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """LD as a panel of `n` people shows it; n = 0 is the population's."""
    if n == 0:
        return ld.copy()
    draws = rng.standard_normal((n, len(ld))) @ np.linalg.cholesky(ld).T
    return np.asarray(np.corrcoef(draws.T))


def standard_errors(design: Design, frequency: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(2, J, K) of effects on exposures of SD 1, and (J,) of log odds."""
    sd = allele_sd(frequency)
    people = np.sqrt(np.asarray(design.n_exposure, dtype=np.float64))
    exposure = np.repeat((1 / np.outer(people, sd))[:, :, np.newaxis], len(design.theta), axis=2)
    spread = np.sqrt(design.n_outcome * design.case_share * (1 - design.case_share))
    return exposure, np.asarray(1 / (spread * sd))
