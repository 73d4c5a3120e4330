"""What a fit rests on: influence of variants, strength of instruments, consistency of the LD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.mvmr.model.effects import each_f, weakest_f
from refsolve.methods.mvmr.model.ld import ridged
from refsolve.methods.mvmr.model.summary import Summary, whiten

FLIPPED = 10.0  # t² minus that of the turned sign, beyond which a sign is suspect
WORTH = 2.0  # |z| below which a sign says nothing
STRONG = 10.0  # customary conditional F of a strong instrument
WEAK_P = 0.01


@dataclass(frozen=True, slots=True)
class LdMismatch(Result):
    """z-scores against what LD and the other variants predict.

    Attributes
    ----------
    t
        Standardised difference (J,).
    t_flipped
        The same with the variant's sign turned (J,).
    suspect
        The turned sign fits far better: the allele, or the LD row, is probably flipped (J,).
    """

    t: FloatArray
    t_flipped: FloatArray
    suspect: NDArray[np.bool_]


def ld_mismatch(z: ArrayLike, ld: FloatArray, *, ridge: float = 0.0) -> LdMismatch:
    """Compare every z-score of one study with its prediction from all others.

    Parameters
    ----------
    z
        Of one study, per counted allele (J,).
    ld
        Correlations (J, J).
    ridge
        Share of the identity.
    """
    scores = np.asarray(z, dtype=np.float64)
    inverse = np.linalg.inv(ridged(ld, ridge))
    # Row j of the inverse is the regression of variant j on the others, over its variance.
    residual = (inverse @ scores) / np.diag(inverse)
    sd = 1.0 / np.sqrt(np.diag(inverse))
    t, flipped = residual / sd, (residual - 2.0 * scores) / sd
    suspect = (t**2 - flipped**2 > FLIPPED) & (np.abs(scores) > WORTH)
    return LdMismatch(t, flipped, suspect)


@dataclass(frozen=True, slots=True)
class Distinguishable(Result):
    """Whether the instruments tell the exposures apart.

    Attributes
    ----------
    conditional_f
        Strength of the weakest combination of the exposures.
    partial_f
        Of each exposure beside the others (K,).
    univariable_f
        Of each exposure alone (K,).
    correlation
        Of the whitened effects of the exposures, without centring (K, K).
    p_value
        Of the hypothesis that some combination of the exposures has no effects at all.
    distinct
        That p-value is below 0.01.
    strong
        The conditional F exceeds 10.
    """

    conditional_f: float
    partial_f: FloatArray
    univariable_f: FloatArray
    correlation: FloatArray
    p_value: float
    distinct: bool
    strong: bool


def distinguish(data: Summary) -> Distinguishable:
    """Test whether the exposures have different effects at the instruments.

    Parameters
    ----------
    data
        Instruments.
    """
    white = whiten(data)
    noise = white.mean_noise
    weakest = weakest_f(white.x, noise)
    df = data.n_variants - data.n_exposures + 1
    size = np.sqrt((white.x**2).sum(axis=0))
    p_value = float(chdtrc(df, weakest * df))
    return Distinguishable(
        conditional_f=weakest,
        partial_f=each_f(white.x, noise),
        univariable_f=size**2 / np.diag(noise) / data.n_variants,
        correlation=white.x.T @ white.x / np.outer(size, size),
        p_value=p_value,
        distinct=p_value < WEAK_P,
        strong=weakest > STRONG,
    )


@dataclass(frozen=True, slots=True)
class Influence(Result):
    """How single variants bear on the least-squares fit.

    Attributes
    ----------
    leverage
        Of the whitened rows (J,).
    residual_z
        Score of an effect of the variant on the outcome beside the exposures (J,).
    without
        Estimates without each variant (J, K).
    largest_change
        Largest change of each estimate by leaving out a variant, in standard errors (K,).
    """

    leverage: FloatArray
    residual_z: FloatArray
    without: FloatArray
    largest_change: FloatArray


def influence(data: Summary) -> Influence:
    """Leverage, residual and leave-one-out estimates of every variant.

    Parameters
    ----------
    data
        Instruments.
    """
    white = whiten(data)
    inverse = np.linalg.inv(white.x.T @ white.x)
    theta = inverse @ white.x.T @ white.y
    leverage = np.einsum("jk,kl,jl->j", white.x, inverse, white.x)
    # Leaving a variant out is giving it an effect of its own, a column of the inverse root.
    columns = np.linalg.inv(white.root)
    on_x = columns.T @ white.x
    left = (columns**2).sum(axis=0) - np.einsum("jk,kl,jl->j", on_x, inverse, on_x)
    score = columns.T @ (white.y - white.x @ theta)
    without = theta - (score / left)[:, None] * (on_x @ inverse)
    change = np.abs(without - theta).max(axis=0) / np.sqrt(np.diag(inverse))
    return Influence(leverage, score / np.sqrt(left), without, change)
