"""Chromosomes on which the two ancestries carry each other's names, on all haplotypes at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.tracts.kernels import labels
from refsolve.methods.tracts.model.container import Tracts
from refsolve.methods.tracts.model.counts import count_paths
from refsolve.methods.tracts.model.pulse import statistics

PRIOR = 1.0  # log odds against each inversion while the likeliest set is sought


@dataclass(frozen=True, slots=True)
class InversionFit(Result):
    """Evidence of exchanged labels for each of C chromosomes.

    Attributes
    ----------
    inverted
        Chromosomes (C,) of the likeliest configuration with the fewest inversions.
    log_ratio
        Log-likelihood ratio (C,) of exchanged against as called, all haplotypes together, with
        rates and fractions from the other chromosomes in their likeliest orientation; 0 where
        nothing is called.
    log_ratio_of_haplotype
        Its parts (H, C).
    tied
        As many chromosomes are inverted as are not, so that nothing tells which are.
    """

    inverted: NDArray[np.bool_]
    log_ratio: FloatArray
    log_ratio_of_haplotype: FloatArray
    tied: bool


@dataclass(frozen=True, slots=True, eq=False)
class LabelRepair(Result):
    """Tracts with the labels of inverted chromosomes exchanged back, and why.

    Attributes
    ----------
    tracts
        The repaired tracts.
    inverted
        Chromosomes (C,) that were exchanged: the ratio exceeds the threshold.
    uncertain
        Chromosomes (C,) whose ratio lies between minus and plus the threshold: their labels are
        not identified, and stay.
    log_ratio, log_ratio_of_haplotype
        As in `InversionFit`, with the other chromosomes as decided here.
    tied
        As in `InversionFit`, also among the chromosomes beyond the threshold; nothing is exchanged.
    threshold
        Log odds that the data had to outweigh.
    """

    tracts: Tracts
    inverted: NDArray[np.bool_]
    uncertain: NDArray[np.bool_]
    log_ratio: FloatArray
    log_ratio_of_haplotype: FloatArray
    tied: bool
    threshold: float


def exchanged(tracts: Tracts, inverted: ArrayLike) -> Tracts:
    """Tracts with ancestries 0 and 1 exchanged on whole chromosomes.

    Parameters
    ----------
    tracts
        Tracts of two ancestries.
    inverted
        Chromosomes (C,), or chromosomes of each haplotype (H, C).
    """
    marks = np.asarray(inverted, np.bool_)
    H, C = tracts.n_haplotypes, tracts.n_chromosomes
    if marks.shape not in {(C,), (H, C)}:
        raise ValueError(
            f"inverted has shape {marks.shape}; expected ({C},) or ({H}, {C}); "
            "give one mark per chromosome"
        )
    _require_two(tracts)
    marks = np.broadcast_to(marks, (H, C))[tracts.haplotype, tracts.chromosome]
    return tracts.relabelled(np.where(marks, 1 - tracts.ancestry, tracts.ancestry))


def infer_inversions(tracts: Tracts) -> InversionFit:
    """Find the chromosomes whose labels are exchanged on every haplotype.

    Every haplotype has a rate and a fraction of its own, common to its chromosomes. A set of
    inverted chromosomes and its complement are equally likely, so the smaller one is reported;
    this, and one pulse for all chromosomes of a haplotype, identifies the labels.

    Parameters
    ----------
    tracts
        Tracts of two ancestries; islands repaired.

    Examples
    --------
    >>> import numpy as np
    >>> from refsolve.methods.tracts import Tracts, infer_inversions
    >>> chromosome, piece = np.arange(24) // 4, np.tile([1, 0, 1, 1], 6)
    >>> ancestry = np.where(chromosome == 4, 1 - piece, piece)
    >>> start, end = np.tile([0.0, 1.4, 1.6, 2.0], 6), np.tile([1.4, 1.6, 2.0, 3.0], 6)
    >>> tracts = Tracts([0] * 24, chromosome, start, end, ancestry, [3.0] * 6)
    >>> fit = infer_inversions(tracts)
    >>> fit.inverted
    array([False, False, False, False,  True, False])
    >>> fit.log_ratio.round(1)
    array([-15.7, -15.7, -15.7, -15.7,  15.7, -15.7])
    """
    return _infer(tracts)[0]


def _infer(tracts: Tracts) -> tuple[InversionFit, FloatArray, NDArray[np.bool_]]:
    """The likeliest configuration, the statistics (H, C', 6), and which chromosomes have calls."""
    _require_two(tracts)
    H, C = tracts.n_haplotypes, tracts.n_chromosomes
    x = statistics(count_paths(tracts, by="cell")).reshape(H, C, 6)
    seen = x[:, :, 4:].sum(axis=(0, 2)) > 0.0
    called = np.ascontiguousarray(x[:, seen])
    inverted, ratio = np.zeros(C, np.bool_), np.zeros((H, C))
    found = labels.likeliest_configuration(called, PRIOR)
    inverted[seen] = found
    ratio[:, seen] = labels.log_ratios(called, found)
    tied = 2 * int(found.sum()) == found.size or found.size == 1
    return InversionFit(inverted, ratio.sum(axis=0), ratio, tied), called, seen


def repair_labels(tracts: Tracts, *, threshold: float = 3.0) -> LabelRepair:
    """Exchange the labels back on every chromosome where the evidence outweighs the prior odds.

    The evidence for each is taken again with only those exchanged that are to be: what the
    likeliest configuration gains by turning chromosomes that tell nothing does not count.

    Parameters
    ----------
    tracts
        Tracts of two ancestries; islands repaired.
    threshold
        Log prior odds against an inversion: about the log of the number of chromosomes.
    """
    if not threshold >= 0.0:
        raise ValueError(f"threshold = {threshold} must be at least 0; 3 is the log of 20")
    fit, x, seen = _infer(tracts)
    ratio, flipped = fit.log_ratio_of_haplotype.copy(), fit.log_ratio > threshold
    while True:
        ratio[:, seen] = labels.log_ratios(x, flipped[seen])
        kept = flipped & (ratio.sum(axis=0) > threshold)
        if kept.sum() == flipped.sum():
            break
        flipped = kept
    right = ratio.sum(axis=0) < -threshold
    tied = fit.tied or 0 < flipped.sum() >= right.sum()
    inverted, uncertain = flipped & (not tied), ~((flipped | right) & (not tied))
    return LabelRepair(
        exchanged(tracts, inverted),
        inverted,
        uncertain,
        ratio.sum(axis=0),
        ratio,
        tied,
        threshold,
    )


def _require_two(tracts: Tracts) -> None:
    if tracts.n_ancestries != 2:
        raise ValueError(
            f"tracts has {tracts.n_ancestries} ancestries; labels of two can be exchanged; "
            "pool the others into one"
        )
