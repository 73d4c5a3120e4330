"""How the alleles of a study relate to those of a reference, and on which strand a palindrome is.

The counted allele of the reference is its alternate allele; "swapped" means that the study reports
the effect of the other one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from refsolve.core.check import FloatArray

COMPLEMENT = str.maketrans("ACGT", "TGCA")
GRID = 4001  # frequencies at which the unknown common frequency is summed over
DRIFT = 0.02  # smallest SD of a frequency between two studies of one ancestry
SURE = math.log(99.0)  # log-odds beyond which a strand counts as known
PRIOR = (0.02, 0.98)  # a strand rate by itself never orients a palindrome


@dataclass(frozen=True, slots=True)
class Relation:
    """Alleles of a study against the counted and the other allele of the reference.

    Attributes
    ----------
    swapped
        The effect allele is the reference's other allele.
    complemented
        The alleles agree only after complementing them.
    palindromic
        The two alleles are each other's complement: labels cannot tell the strand.
    """

    swapped: bool
    complemented: bool
    palindromic: bool


def relation(effect: str, other: str, counted: str, uncounted: str) -> Relation | None:
    """Relation of two pairs of alleles, or None where they are not the same variant.

    Parameters
    ----------
    effect, other
        Of the study, upper case; `I` and `D` stand for the longer and the shorter allele.
    counted, uncounted
        Of the reference, upper case.
    """
    pair = _spelt_out(effect, other, counted, uncounted)
    palindromic = pair[0] != pair[1] and pair[0].translate(COMPLEMENT) == pair[1]
    for swapped, want in ((False, (counted, uncounted)), (True, (uncounted, counted))):
        if pair == want:
            return Relation(swapped, complemented=False, palindromic=palindromic)
    pair = pair[0].translate(COMPLEMENT), pair[1].translate(COMPLEMENT)
    for swapped, want in ((False, (counted, uncounted)), (True, (uncounted, counted))):
        if pair == want and len(pair[0]) == len(pair[1]):
            return Relation(swapped, complemented=True, palindromic=palindromic)
    return None


def _spelt_out(effect: str, other: str, counted: str, uncounted: str) -> tuple[str, str]:
    if {effect, other} != {"I", "D"} or len(counted) == len(uncounted):
        return effect, other
    longer, shorter = sorted((counted, uncounted), key=len, reverse=True)
    return (longer, shorter) if effect == "I" else (shorter, longer)


def strand_rate(complemented: int, clear: int) -> float:
    """Share of a study's variants that are on the other strand, from its clear variants.

    Parameters
    ----------
    complemented
        Non-palindromic variants that agree only after complementing.
    clear
        All non-palindromic variants.
    """
    return (complemented + 0.5) / (clear + 1.0)


def frequency_variance(
    frequency: FloatArray, size: float | FloatArray, drift: float | FloatArray
) -> FloatArray:
    """Variance of a study's frequency about the common one; two studies share the drift.

    Parameters
    ----------
    frequency
        Observed.
    size
        People of the study.
    drift
        SD of the difference of two studies beyond sampling.
    """
    f = np.clip(frequency, 0.005, 0.995)
    return np.asarray(f * (1.0 - f) / (2.0 * size) + 0.5 * drift**2)


def strand_log_odds(frequency: FloatArray, variance: FloatArray, prior: FloatArray) -> FloatArray:
    """Posterior log-odds that each study reports a palindrome from the other strand.

    All studies share one unknown frequency with a flat prior, and every study is on either strand.
    With two studies of which the first is trusted (prior 0) this is the log-odds
    log(p/(1-p)) + log N(f2; 1-f1, v) - log N(f2; f1, v) with v the sum of the two variances.

    Parameters
    ----------
    frequency
        Of the counted allele by label (S,); NaN where a study gives none.
    variance
        Of these frequencies (S,).
    prior
        Strand rates (S,).

    Returns
    -------
    Log-odds (S,); NaN where a study gives no frequency.
    """
    seen = np.isfinite(frequency)
    out = np.full(frequency.shape, np.nan)
    if seen.sum() < 2:
        return out
    f, v, p = frequency[seen, None], variance[seen, None], prior[seen, None]
    x = np.linspace(0.0, 1.0, GRID)
    with np.errstate(divide="ignore"):
        here = np.log1p(-p) - 0.5 * (f - x) ** 2 / v
        there = np.log(p) - 0.5 * (f - 1.0 + x) ** 2 / v
    either = np.logaddexp(here, there)
    rest = either.sum(axis=0) - either
    out[seen] = _log_sum(rest + there) - _log_sum(rest + here)
    return out


def _log_sum(terms: FloatArray) -> FloatArray:
    top = terms.max(axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(top[:, 0] + np.log(np.exp(terms - top).sum(axis=1)))
