"""Alleles of one study put on the alleles of a reference, eqs. (1) to (3)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm

FloatArray = NDArray[np.float64]

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


class Aligned(NamedTuple):
    """What happened to one variant: `sign` multiplies its effect, 0 sets it aside."""

    kind: str
    sign: int
    frequency: float
    log_odds: float
    conflict: bool
    kept: bool


def complement(allele: str) -> str:
    """Allele as read from the other strand; the sequence is reversed too."""
    return "".join(COMPLEMENT.get(base, "N") for base in reversed(allele))


def recode_indel(effect: str, other: str, ref_effect: str, ref_other: str) -> tuple[str, str]:
    """Alleles written D and I, spelled out: the insertion is the longer one of the reference."""
    if {effect, other} != {"D", "I"} or len(ref_effect) == len(ref_other):
        return effect, other
    short, long = sorted((ref_effect, ref_other), key=len)
    spelled = {"D": short, "I": long}
    return spelled[effect], spelled[other]


def relation(effect: str, other: str, ref_effect: str, ref_other: str) -> str:
    """How a pair of alleles lies on the reference pair, eq. (1)."""
    if not all((effect, other, ref_effect, ref_other)):
        return "missing"
    pair, reference = (effect, other), (ref_effect, ref_other)
    flipped = (complement(effect), complement(other))
    tag = "palindrome" if complement(ref_effect) == ref_other else ""
    if pair == reference:
        return tag or "same"
    if pair == reference[::-1]:
        return f"{tag}_swapped" if tag else "swapped"
    if flipped == reference:
        return "strand"
    if flipped == reference[::-1]:
        return "strand_swapped"
    return "incompatible"


def strand_prior(complemented: int, clear: int) -> float:
    """Rate of variants on the other strand, from those whose alleles show it, eq. (2)."""
    return (complemented + 0.5) / (clear + 1)


def frequency_variance(f: float, n: float, n_ref: float, drift: float) -> float:
    """Variance of the difference of two allele frequencies, eq. (2); `n` counts people."""
    return f * (1 - f) * (1 / (2 * n) + 1 / (2 * n_ref)) + drift**2


def strand_log_odds(
    f: float, f_ref: float, n: float, n_ref: float, prior: float, drift: float = 0.02
) -> float:
    """Log-odds that a palindrome was read from the other strand, eq. (2).

    Parameters
    ----------
    f
        Frequency after the labels were made to agree with the reference.
    f_ref
        Frequency in the reference.
    n, n_ref
        People behind the two frequencies.
    prior
        Rate of variants on the other strand.
    drift
        Standard deviation of the true difference in frequency.
    """
    sd = frequency_variance(f_ref, n, n_ref, drift) ** 0.5
    evidence = norm.logpdf(f, 1 - f_ref, sd) - norm.logpdf(f, f_ref, sd)
    return float(logit(prior) + evidence)


def strand_posterior(f: ArrayLike, variance: ArrayLike, prior: ArrayLike) -> FloatArray:
    """Probability that each of D studies read a palindrome from the other strand, eq. (3).

    The population frequency is unknown, with a flat prior on the line; all 2^D patterns are summed.

    Parameters
    ----------
    f
        (D,) frequencies after the labels were made to agree.
    variance
        (D,) sampling and drift variance of each.
    prior
        (D,) rate of each study.
    """
    f, v, p = (np.asarray(a, dtype=np.float64) for a in (f, variance, prior))
    patterns = np.array(list(itertools.product([0, 1], repeat=f.size)))
    log_weight = np.empty(len(patterns))
    for i, flipped in enumerate(patterns):
        seen = np.where(flipped, 1 - f, f)
        centre = np.sum(seen / v) / np.sum(1 / v)
        rates = np.where(flipped, p, 1 - p)
        log_weight[i] = np.log(rates).sum() - 0.5 * np.sum((seen - centre) ** 2 / v)
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight @ patterns / weight.sum())


def harmonise(
    effect: Sequence[str],
    other: Sequence[str],
    frequency: ArrayLike,
    ref_effect: Sequence[str],
    ref_other: Sequence[str],
    ref_frequency: ArrayLike,
    n: float,
    n_ref: float,
    drift: float = 0.02,
    odds: float = 99.0,
) -> list[Aligned]:
    """Every variant of a study on the alleles of the reference, eqs. (1) and (2).

    Parameters
    ----------
    effect, other
        (J,) alleles of the study; empty where missing.
    frequency
        (J,) frequency of the effect allele, NaN where unknown.
    ref_effect, ref_other, ref_frequency
        (J,) the same for the reference.
    n, n_ref
        People behind the frequencies.
    drift
        Standard deviation of the true difference in frequency.
    odds
        A palindrome is kept when the odds for one strand exceed this.
    """
    rows = zip(effect, other, ref_effect, ref_other, strict=True)
    upper = [tuple(allele.upper() for allele in row) for row in rows]
    pairs = [(*recode_indel(e, o, re, ro), re, ro) for e, o, re, ro in upper]
    kinds = [relation(*pair) for pair in pairs]
    clear = [k for k in kinds if k in ("same", "swapped", "strand", "strand_swapped")]
    prior = strand_prior(sum(k.startswith("strand") for k in clear), len(clear))
    f, f_ref = np.asarray(frequency, dtype=np.float64), np.asarray(ref_frequency, dtype=np.float64)
    return [
        align_one(kind, float(f[j]), float(f_ref[j]), n, n_ref, prior, drift, odds)
        for j, kind in enumerate(kinds)
    ]


def align_one(
    kind: str,
    f: float,
    f_ref: float,
    n: float,
    n_ref: float,
    prior: float,
    drift: float,
    odds: float,
) -> Aligned:
    """One variant, given how its alleles lie; palindromes are decided by eq. (2)."""
    if kind in ("missing", "incompatible"):
        return Aligned(kind, 0, f, np.nan, False, False)
    swapped = kind.endswith("swapped")
    f = 1 - f if swapped else f
    log_odds, other_strand = np.nan, False
    if kind.startswith("palindrome"):
        if np.isnan(f) or np.isnan(f_ref):
            return Aligned(kind, 0, f, np.nan, False, False)
        log_odds = strand_log_odds(f, f_ref, n, n_ref, prior, drift)
        if abs(log_odds) <= np.log(odds):
            return Aligned(kind, 0, f, log_odds, False, False)
        other_strand = log_odds > 0
        f = 1 - f if other_strand else f
    sd = frequency_variance(f_ref, n, n_ref, drift) ** 0.5
    conflict = bool(abs(f - f_ref) > 4 * sd)
    return Aligned(kind, -1 if swapped != other_strand else 1, f, log_odds, conflict, True)


def strand_probability(log_odds: ArrayLike) -> FloatArray:
    """Probability of the other strand from its log-odds."""
    return np.asarray(expit(log_odds))
