"""Founder effects at a position: fixed (BLUE) and shrunken (BLUP), with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.lmm_scan.kernels.variance import best_ratio
from refsolve.methods.lmm_scan.model.genome import Genome
from refsolve.methods.lmm_scan.model.null import NullModel

if TYPE_CHECKING:
    import pandas as pd

NOTHING = 1e-12  # squared length, relative to the columns, that covariates leave by rounding
UNTOLD = 1e-9  # squared length, relative to the longest, of a direction that lines do not show
ESTIMABLE = 1e-6  # part of a contrast that may lie along such directions
DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class FounderEffects(Result):
    """Effects of the founders' alleles at one position.

    Attributes
    ----------
    founders
        Labels (K,).
    count
        Expected number of lines that carry each founder (K,).
    blue, blue_se
        Fixed effects less their mean over the founders that lines carry; NaN where not estimable.
    blup, blup_se
        Effects as draws from a normal distribution, and the standard deviation of what is left to
        know about each.
    contrast_se
        The same of a founder less the mean of all founders.
    probability_highest
        That the founder has the largest effect, given the data (K,).
    lead, lead_se
        Shrunken effect of the largest less the second largest, and its standard error.
    variance_founders, variance_residual
        σ_g² of the founder effects and σ_e² beside them, by restricted likelihood.
    effective_founders
        Degrees of freedom that shrinkage leaves, between 0 and K − 1.
    fixed, fixed_effect, fixed_se
        Intercept and covariates beside the shrunken founder effects.
    """

    founders: tuple[str, ...]
    count: FloatArray
    blue: FloatArray
    blue_se: FloatArray
    blup: FloatArray
    blup_se: FloatArray
    contrast_se: FloatArray
    probability_highest: FloatArray
    lead: float
    lead_se: float
    variance_founders: float
    variance_residual: float
    effective_founders: float
    fixed: tuple[str, ...]
    fixed_effect: FloatArray
    fixed_se: FloatArray

    @property
    def highest(self) -> str:
        """Founder with the largest shrunken effect."""
        return self.founders[int(np.argmax(self.blup))]

    def to_frame(self) -> pd.DataFrame:
        """One row per founder."""
        import pandas as pd

        names = ("count", "blue", "blue_se", "blup", "blup_se", "contrast_se")
        table = {name: getattr(self, name) for name in (*names, "probability_highest")}
        return pd.DataFrame({"founder": self.founders, **table})


@dataclass(frozen=True, slots=True)
class EffectProfile(Result):
    """Founder effects along a chromosome.

    Attributes
    ----------
    position
        cM (M,).
    founders
        Labels (K,).
    blue, blue_se, blup, blup_se
        (M, K), as of `FounderEffects`.
    """

    position: FloatArray
    founders: tuple[str, ...]
    blue: FloatArray
    blue_se: FloatArray
    blup: FloatArray
    blup_se: FloatArray


class _System(NamedTuple):
    """Whitened founder columns beside the fixed ones."""

    columns: FloatArray  # Z (n, K)
    values: FloatArray  # eigenvalues of Z'PZ (K,)
    vectors: FloatArray  # (K, K)
    along: FloatArray  # of Z'Py in these (K,)


class _Shrunken(NamedTuple):
    effect: FloatArray
    covariance: FloatArray  # of the effects given the data
    ratio: float
    residual: float  # σ_e²


def founder_effects(
    null: NullModel,
    probabilities: ArrayLike,
    founders: Sequence[str] = (),
    *,
    draws: int = DRAWS,
    rng: RandomSource = 0,
) -> FounderEffects:
    """Estimate the effects of all founders at one position, jointly.

    The covariance of the lines is that of the model without founder effects. The covariance of the
    shrunken effects is σ_e² (Z'PZ + I σ_e²/σ_g²)⁻¹, the founder block of the inverse of the
    mixed-model equations, with P the projection off the covariates.

    Parameters
    ----------
    null
        Model without founder effects, of the kinship that leaves out this chromosome.
    probabilities
        Founder probabilities (n, K) of all lines at the position.
    founders
        Labels.
    draws
        Random numbers for the probability of being the highest.
    rng
        Seed.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    here = Genome((given[:, None, :],), (np.zeros(1),), founders=tuple(founders))
    known = given[null.rotation.rows]
    system = _system(null, known)
    blue, blue_se = _fixed(null, system)
    shrunken = _shrunken(null, system)
    effect, covariance = shrunken.effect, shrunken.covariance
    contrast = np.eye(effect.size) - 1.0 / effect.size
    fixed, fixed_se = _covariates(null, system, shrunken)
    lead, lead_se = _lead(effect, covariance)
    return FounderEffects(
        founders=here.founders,
        count=known.sum(axis=0),
        blue=blue,
        blue_se=blue_se,
        blup=effect,
        blup_se=_roots(covariance),
        contrast_se=_roots(contrast @ covariance @ contrast),
        probability_highest=_highest(shrunken, draws, rng),
        lead=lead,
        lead_se=lead_se,
        variance_founders=shrunken.ratio * shrunken.residual,
        variance_residual=shrunken.residual,
        effective_founders=_effective(system, shrunken.ratio),
        fixed=null.fixed,
        fixed_effect=fixed,
        fixed_se=fixed_se,
    )


def effects_along(
    null: NullModel,
    probabilities: ArrayLike,
    position: ArrayLike,
    founders: Sequence[str] = (),
) -> EffectProfile:
    """Founder effects at every position of a chromosome.

    Parameters
    ----------
    null
        Model without founder effects, of the kinship that leaves out this chromosome.
    probabilities
        Founder probabilities (n, M, K) of all lines.
    position
        cM (M,).
    founders
        Labels.
    """
    genome = Genome((np.asarray(probabilities),), (np.asarray(position),), (), tuple(founders))
    block = genome.probabilities[0]
    out = np.empty((4, block.shape[1], genome.n_founders))
    for m in range(block.shape[1]):
        known = np.asarray(block[null.rotation.rows, m, :], dtype=np.float64)
        system = _system(null, known)
        out[0, m], out[1, m] = _fixed(null, system)
        shrunken = _shrunken(null, system)
        out[2, m], out[3, m] = shrunken.effect, _roots(shrunken.covariance)
    return EffectProfile(genome.position[0], genome.founders, *out)


def _system(null: NullModel, known: FloatArray) -> _System:
    columns = null.weight[:, None] * null.rotation.turned(known)
    free = columns - null.basis @ (null.basis.T @ columns)
    values, vectors = np.linalg.eigh(free.T @ free)
    left = values > NOTHING * float((columns**2).sum())
    along = vectors.T @ (free.T @ null.error)
    return _System(columns, np.where(left, values, 0.0), vectors, np.where(left, along, 0.0))


def _fixed(null: NullModel, system: _System) -> tuple[FloatArray, FloatArray]:
    """Effects that sum to zero over the founders that lines carry, and standard errors."""
    k = system.values.size
    shown = system.values > UNTOLD * max(float(system.values.max()), 1e-300)
    inverse = np.divide(1.0, system.values, out=np.zeros(k), where=shown)
    effect = system.vectors @ (inverse * system.along)
    explained = float((inverse * system.along**2).sum())
    spare = null.spare - int(shown.sum())
    variance = max(null.rss - explained, 0.0) / spare if spare > 0 else np.nan
    covariance = (system.vectors * inverse) @ system.vectors.T * variance
    hidden = system.vectors[:, ~shown]
    # A founder that no line carries is a hidden direction of its own, and has no part in the mean.
    carried = 1.0 - (hidden**2).sum(axis=1) > ESTIMABLE
    contrast = np.eye(k) - np.outer(np.ones(k), carried) / max(int(carried.sum()), 1)
    told = np.linalg.norm(contrast @ hidden, axis=1) < ESTIMABLE
    out = np.where(told & carried, contrast @ effect, np.nan)
    return out, np.where(told & carried, _roots(contrast @ covariance @ contrast.T), np.nan)


def _shrunken(null: NullModel, system: _System) -> _Shrunken:
    values, along = system.values, system.along
    ratio = best_ratio(values, along, null.rss, null.spare)
    kept = ratio / (1.0 + ratio * values)
    residual = max(null.rss - float((kept * along**2).sum()), 0.0) / null.spare
    covariance = residual * (system.vectors * kept) @ system.vectors.T
    return _Shrunken(system.vectors @ (kept * along), covariance, ratio, residual)


def _effective(system: _System, ratio: float) -> float:
    return float((ratio * system.values / (1.0 + ratio * system.values)).sum())


def _covariates(
    null: NullModel, system: _System, shrunken: _Shrunken
) -> tuple[FloatArray, FloatArray]:
    fixed = null.weight[:, None] * null.rotation.fixed
    inverse = np.linalg.pinv(fixed)
    target = null.weight * null.plain - system.columns @ shrunken.effect
    shared = inverse @ system.columns
    covariance = shrunken.residual * inverse @ inverse.T + shared @ shrunken.covariance @ shared.T
    return null.level + inverse @ target, _roots(covariance)


def _lead(effect: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    second, first = np.argsort(effect, kind="stable")[-2:]
    apart = np.zeros(effect.size)
    apart[first], apart[second] = 1.0, -1.0
    return float(effect[first] - effect[second]), float(np.sqrt(apart @ covariance @ apart))


def _highest(shrunken: _Shrunken, draws: int, rng: RandomSource) -> FloatArray:
    k = shrunken.effect.size
    values, vectors = np.linalg.eigh(shrunken.covariance)
    if values.max() <= 0.0:
        return np.full(k, 1.0 / k)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    sample = shrunken.effect + as_generator(rng).standard_normal((draws, k)) @ root.T
    return np.bincount(np.argmax(sample, axis=1), minlength=k) / draws


def _roots(covariance: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.maximum(np.diag(covariance), 0.0)))
