"""Do the samples belong to whom they are said to belong: sexes and donors from expression."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.pseudobulk.model.inputs import count_matrix

Y_GENES = frozenset(
    ("RPS4Y1", "DDX3Y", "KDM5D", "UTY", "USP9Y", "EIF1AY", "ZFY", "TXLNGY", "EIF2S3Y")
)
X_GENES = frozenset(("XIST",))
MARGIN = 2.0  # log2: four times as much of one kind as of the other
WORDS = {"F": "female", "FEMALE": "female", "M": "male", "MALE": "male"}


@dataclass(frozen=True, slots=True, eq=False)
class SexCheck(Result):
    """Sexes of samples.

    Attributes
    ----------
    score
        (n,) log2 ratio of the counts of genes of the Y chromosome to those of XIST, one count
        added to each: positive for males.
    called
        "female", "male", or "unclear" where the score is nearer to zero than 2.
    margin
        Smallest distance of a score from zero.
    mismatched
        Samples whose clear sex is not the declared one.
    swapped
        Pairs of these whose exchange would put both right.
    n_genes
        Genes of both kinds.
    """

    score: FloatArray
    called: tuple[str, ...]
    margin: float
    mismatched: tuple[int, ...]
    swapped: tuple[tuple[int, int], ...]
    n_genes: int


@dataclass(frozen=True, slots=True, eq=False)
class DonorCheck(Result):
    """Samples of donors that gave several.

    Attributes
    ----------
    nearest
        (n,) the other sample that each resembles most.
    margin
        (n,) correlation with the nearest sample of its donor less that with the nearest of any
        other; NaN for donors with one sample.
    mismatched
        Samples that resemble another donor more than their own.
    """

    nearest: IntArray
    margin: FloatArray
    mismatched: tuple[int, ...]


def sample_sex(
    counts: ArrayLike, genes: Sequence[str], declared: Sequence[str] | None = None
) -> SexCheck:
    """Sex of every sample from XIST and genes of the Y chromosome, and labels that disagree.

    Parameters
    ----------
    counts
        (genes, samples).
    genes
        Symbols, of man or mouse, in any case.
    declared
        (samples,) female, male, F or M; anything else is not compared.

    Raises
    ------
    AnalysisError
        XIST or every gene of the Y chromosome is missing.
    """
    y, names = count_matrix(counts), [str(g).upper() for g in genes]
    if len(names) != len(y):
        raise ValueError(f"genes has {len(names)} names for {len(y)} rows of counts")
    male, female = (np.array([g in k for g in names], dtype=bool) for k in (Y_GENES, X_GENES))
    if not male.any() or not female.any():
        raise AnalysisError("XIST and a gene of the Y chromosome are needed to tell the sexes")
    score = np.log2(y[male].sum(axis=0) + 1.0) - np.log2(y[female].sum(axis=0) + 1.0)
    called = tuple("unclear" if abs(s) < MARGIN else "male" if s > 0 else "female" for s in score)
    said = _declared(declared, len(called))
    wrong = tuple(i for i, (c, d) in enumerate(zip(called, said, strict=True)) if _differ(c, d))
    pairs = [(i, j) for i, j in itertools.combinations(wrong, 2) if called[i] != called[j]]
    n_genes, margin = int(male.sum() + female.sum()), float(np.abs(score).min())
    return SexCheck(score, called, margin, wrong, tuple(pairs), n_genes)


def _declared(declared: Sequence[str] | None, n: int) -> list[str]:
    if declared is None:
        return [""] * n
    if len(declared) != n:
        raise ValueError(f"declared has {len(declared)} entries for {n} samples")
    return [WORDS.get(str(d).strip().upper(), "") for d in declared]


def _differ(called: str, declared: str) -> bool:
    return bool(declared) and called != "unclear" and called != declared


def donor_match(
    values: ArrayLike, donor: ArrayLike, condition: ArrayLike | None = None
) -> DonorCheck:
    """Whether each sample resembles the other samples of its donor more than those of others.

    Parameters
    ----------
    values
        (genes, samples) log2 counts per million.
    donor
        (samples,) labels.
    condition
        (samples,) labels; means of conditions are taken off first.

    Raises
    ------
    ValueError
        No donor gave two samples, or there are fewer than three samples.
    """
    y, who = np.asarray(values, dtype=np.float64), np.asarray(donor)
    if y.ndim != 2 or who.shape != y.shape[1:] or who.size < 3:
        raise ValueError("values needs a column for each of at least three entries of donor")
    group = np.zeros(who.size) if condition is None else np.asarray(condition)
    rest = y - y.mean(axis=1, keepdims=True)
    for label in np.unique(group):
        rest[:, group == label] -= rest[:, group == label].mean(axis=1, keepdims=True)
    rest -= rest.mean(axis=0)
    length = np.linalg.norm(rest, axis=0)
    unit = rest / np.where(length > 0, length, 1.0)
    likeness = unit.T @ unit
    np.fill_diagonal(likeness, -np.inf)
    same = np.equal.outer(who, who)
    own = np.where(same, likeness, -np.inf).max(axis=1)
    other = np.where(same, -np.inf, likeness).max(axis=1)
    known = np.isfinite(own) & np.isfinite(other)
    if not known.any():
        raise ValueError("donor has no two equal entries beside others; there is nothing to match")
    margin = np.full(who.size, np.nan)
    margin[known] = own[known] - other[known]
    wrong = tuple(int(i) for i in np.flatnonzero(margin < 0))
    return DonorCheck(np.asarray(likeness.argmax(axis=1), np.int64), margin, wrong)
